//! YARA rules that match, as findings about the processes and files that they match in.

use super::{
    AttackVersion, Confidence, Evidence, Facts, Finding, Severity, Subject, Technique,
    next_step::NextStep,
    origin::Origin,
    rank::{Gathered, story_of},
    record::about,
    tags,
};
use crate::{
    Text,
    search::{
        Source,
        yara::{Match, Value},
    },
};

/// Strings of a rule that are given as facts.
const MAX_STRINGS: usize = 6;
/// Entries of `meta` whose names hold one of these name techniques of ATT&CK.
const ATTACK_NAMES: [&str; 3] = ["attack", "mitre", "technique"];

/// Adds a finding for each match.
pub fn add(
    facts: &Facts<'_>,
    matches: &[Match],
    findings: Vec<Finding>,
    version: AttackVersion,
) -> Vec<Finding> {
    let mut gathered = Gathered::from(findings);
    for found in matches {
        gathered.add(finding(facts, found, version));
    }
    gathered.ranked()
}

fn finding(facts: &Facts<'_>, found: &Match, version: AttackVersion) -> Finding {
    let process = found.pid.and_then(|pid| facts.process(pid));
    let subject = Subject {
        path: found.path.clone().filter(|path| found.source != Source::Memory && !path.0.is_empty()),
        ..process.map(about).unwrap_or_default()
    };
    let fact = |what, r#where: String, value: Text| Evidence { what, r#where, value };
    let mut evidence = vec![fact("rule", found.namespace.clone(), found.rule.as_str().into())];
    for string in found.strings.iter().take(MAX_STRINGS) {
        let place = string.address.clone();
        let place = place.or_else(|| string.offset.map(|offset| format!("+{offset:#x}")));
        let value = [string.name.as_bytes(), b" = ", &string.text.0].concat();
        evidence.push(fact("string", place.unwrap_or_default(), value.into()));
    }
    let said = text(found, &["description", "desc"]);
    let said = said.map(|text| format!(": {text}")).unwrap_or_default();
    let story = story_of(facts, &subject);
    Finding {
        id: format!("YARA-{}", found.rule),
        title: format!("YARA rule {}", found.rule),
        severity: severity(found).unwrap_or(Severity::Medium),
        confidence: Confidence::Medium,
        attack: techniques(found, version),
        subject,
        evidence,
        why: format!("the YARA rule {} matches{said}", found.rule),
        caveat: text(found, &["falsepositives", "false_positives", "falsepositive"]).map(str::to_owned),
        score: 0,
        story,
        more: Some(NextStep::Yara { source: found.source, pid: found.pid }),
        origin: Origin::Yara { rule: found.rule.clone(), namespace: found.namespace.clone() },
    }
}

/// The first entry of `meta` with one of the names, if it is text.
fn text<'m>(found: &'m Match, names: &[&str]) -> Option<&'m str> {
    found.meta.iter().find_map(|meta| match &meta.value {
        Value::Text(text) if names.iter().any(|name| meta.name.eq_ignore_ascii_case(name)) => {
            std::str::from_utf8(&text.0).ok().filter(|text| !text.trim().is_empty())
        }
        _ => None,
    })
}

/// What the author says of its weight: a word, or a number of 100.
fn severity(found: &Match) -> Option<Severity> {
    ["severity", "score"].iter().find_map(|name| {
        let meta = found.meta.iter().find(|meta| meta.name.eq_ignore_ascii_case(name))?;
        let number = match &meta.value {
            Value::Integer(number) => *number,
            Value::Boolean(_) => return None,
            Value::Text(text) => {
                let word = std::str::from_utf8(&text.0).ok()?.trim().to_ascii_lowercase();
                match word.as_str() {
                    "critical" => return Some(Severity::Critical),
                    "high" => return Some(Severity::High),
                    "medium" | "moderate" => return Some(Severity::Medium),
                    "low" => return Some(Severity::Low),
                    "info" | "informational" | "information" => return Some(Severity::Info),
                    number => number.parse().ok()?,
                }
            }
        };
        Some(match number {
            90.. => Severity::Critical,
            70..90 => Severity::High,
            40..70 => Severity::Medium,
            20..40 => Severity::Low,
            _ => Severity::Info,
        })
    })
}

fn techniques(found: &Match, version: AttackVersion) -> Vec<Technique> {
    let entries = found.meta.iter().filter(|meta| {
        let name = meta.name.to_ascii_lowercase();
        ATTACK_NAMES.iter().any(|part| name.contains(part))
    });
    let values = entries.filter_map(|meta| match &meta.value {
        Value::Text(text) => std::str::from_utf8(&text.0).ok(),
        _ => None,
    });
    tags::named(values.chain(found.tags.iter().map(String::as_str)), version)
}

#[cfg(test)]
mod tests {
    use ckptfx_testkit::{Checkpoint, Process};

    use super::*;
    use crate::{finding::Story, search::yara::Meta, tests::with_case};

    fn found(meta: &[(&str, Value)], pid: Option<u32>, path: Option<&str>) -> Match {
        let meta = meta.iter().map(|(name, value)| Meta { name: (*name).to_owned(), value: value.clone() });
        Match {
            rule: "Web_Shell".to_owned(),
            namespace: "rules.yar".to_owned(),
            tags: vec!["T1505_003".to_owned()],
            meta: meta.collect(),
            pid,
            comm: None,
            source: if path.is_some() { Source::Rootfs } else { Source::Memory },
            path: path.map(Into::into),
            strings: Vec::new(),
            string_count: 0,
            shared_with: Vec::new(),
        }
    }

    #[test]
    fn matches_are_told_of_their_process_or_file() {
        with_case(Checkpoint::new().process(Process::new(7).comm("php")), |case| {
            let facts = Facts::read(case, &[]).unwrap();
            let all = [found(&[], Some(7), None), found(&[], None, Some("/srv/a.php"))];
            let findings = add(&facts, &all, Vec::new(), AttackVersion::V19);
            let told: Vec<_> = findings
                .iter()
                .map(|one| (one.subject.pid, one.subject.path.clone(), one.story, one.severity))
                .collect();
            let expected = [
                (None, Some("/srv/a.php".into()), Story::Container, Severity::Medium),
                (Some(7), None, Story::Process(7), Severity::Medium),
            ];
            assert_eq!(told, expected);
            assert_eq!(findings[0].id, "YARA-Web_Shell");
            assert_eq!(findings[0].attack[0].technique, "T1505.003");
            assert_eq!(findings[0].attack[0].tactic.as_deref(), Some("persistence"));
        });
    }

    #[test]
    fn authors_say_how_bad_it_is() {
        let of = |name: &str, value: Value| severity(&found(&[(name, value)], None, None));
        assert_eq!(of("severity", Value::Text("High".into())), Some(Severity::High));
        assert_eq!(of("score", Value::Integer(75)), Some(Severity::High));
        assert_eq!(of("score", Value::Text("95".into())), Some(Severity::Critical));
        assert_eq!(of("score", Value::Integer(-1)), Some(Severity::Info));
        assert_eq!(of("severity", Value::Text("who knows".into())), None);
        assert_eq!(of("author", Value::Text("high".into())), None);
        let named = found(&[("mitre_attack", Value::Text("T1036.005, T1055".into()))], None, None);
        let ids: Vec<_> = techniques(&named, AttackVersion::V19)
            .into_iter()
            .map(|one| one.technique.into_owned())
            .collect();
        assert_eq!(ids, ["T1036.005", "T1055", "T1505.003"]);
    }
}
