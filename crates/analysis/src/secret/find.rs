//! From matches of rules to secrets: validated, told apart, and joined.

use std::{collections::BTreeMap, ops::ControlFlow, ops::Range};

use ckptfx_scan::{Hit, Options, Region, Summary};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::{
    Secret, SecretPlace,
    check::{Candidate, entropy},
    confidence::Confidence,
    context::Context,
    redact::redact,
    rule::{Rule, Rules},
};
use crate::{
    Case, Task, Text,
    search::{Place, SearchRegion, Wanted},
};

/// Most findings that are held; hostile memory could have one at every byte.
const MOST_FINDINGS: usize = 200_000;
/// Most places told of one secret.
const MOST_PLACES: usize = 1000;
/// Length of an AWS secret access key.
const AWS_SECRET: usize = 40;

/// What is looked for and what is told of it.
#[derive(Debug)]
pub struct Hunt<'r> {
    /// The rules.
    pub rules: &'r Rules,
    /// Least confidence that is told.
    pub least: Confidence,
    /// Whether secrets are given as they are.
    pub show: bool,
}

/// What a hunt found.
#[derive(Debug)]
pub struct Found {
    /// The secrets: the surest first, then in the order of their first places.
    pub secrets: Vec<Secret>,
    /// What the scan did.
    pub summary: Summary,
    /// Whether there were more findings than are held.
    pub overflow: bool,
}

/// Which places are meant.
pub struct Filter<'f, 'a> {
    /// Of several processes that see a byte, which one is named.
    pub prefers: &'f Wanted<'f, 'a>,
    /// Whether a place is told at all.
    pub accepts: &'f dyn Fn(&Place<'_>) -> bool,
}

/// A confirmed match.
#[derive(Debug)]
struct Finding {
    region: usize,
    matched: Range<usize>,
    secret: Range<usize>,
    rule: usize,
    title: Option<&'static str>,
    confidence: Confidence,
    fingerprint: [u8; 32],
    details: Map<String, Value>,
}

impl Hunt<'_> {
    /// Scans `regions` of a case. `bytes` are the same regions as the scanner takes them; `wanted` says which
    /// places are meant.
    pub fn run<'a>(
        &self,
        case: &Case<'a>,
        regions: &[SearchRegion<'a>],
        bytes: &[Region<'_>],
        options: &Options<'_>,
        wanted: &Filter<'_, 'a>,
    ) -> Found {
        self.run_beside(case, regions, bytes, options, wanted, &mut |_| {})
    }

    /// The same, and gives the hits of the expressions that the rules were loaded with beside them, which are
    /// numbered from 0. One pass finds both.
    pub fn run_beside<'a>(
        &self,
        case: &Case<'a>,
        regions: &[SearchRegion<'a>],
        bytes: &[Region<'_>],
        options: &Options<'_>,
        wanted: &Filter<'_, 'a>,
        beside: &mut dyn FnMut(&Hit),
    ) -> Found {
        let own = self.rules.rules().len();
        let is_alone = self.rules.plan().len() == own;
        let context = Context::of(case);
        let mut findings = Vec::new();
        let mut overflow = false;
        let summary = self.rules.plan().scan(bytes, options, &mut |hit| {
            if let Some(pattern) = hit.pattern.checked_sub(own) {
                beside(&Hit { pattern, ..hit });
                return ControlFlow::Continue(());
            }
            if findings.len() >= MOST_FINDINGS {
                overflow = true;
                return if is_alone { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            }
            findings.extend(self.confirm(&hit, bytes, &context));
            ControlFlow::Continue(())
        });
        self.add_aws_secrets(regions, bytes, &mut findings);
        findings.sort_by_key(|finding| (finding.region, finding.matched.start, finding.rule));
        let findings = self.without_overlaps(findings);
        let secrets = self.join(case, regions, bytes, findings, wanted);
        Found { secrets, summary, overflow }
    }

    /// What a match is, if it is one.
    fn confirm(&self, hit: &Hit, bytes: &[Region<'_>], context: &Context) -> Option<Finding> {
        let rule = self.rules.rules().get(hit.pattern)?;
        let text = bytes.get(hit.region)?.bytes;
        let matched = hit.offset..hit.offset.checked_add(hit.length)?;
        if !rule.has_keyword(text.get(matched.clone())?) {
            return None;
        }
        let secret = rule.secret(text, &matched)?;
        let candidate = Candidate { bytes: text, matched: matched.clone(), secret };
        let verdict = match rule.check {
            Some(check) => check(&candidate, context)?,
            None => super::check::Verdict::default(),
        };
        let secret = verdict.secret.unwrap_or(candidate.secret);
        let value = text.get(secret.clone())?;
        if rule.entropy > 0.0 && entropy(value) < rule.entropy {
            return None;
        }
        let mut confidence = verdict.confidence.unwrap_or(rule.confidence);
        let mut details = verdict.details;
        if rule.is_placeholder(value) {
            confidence = Confidence::Low;
            details.insert("placeholder".to_owned(), true.into());
        }
        let identity = verdict.identity.as_deref().unwrap_or(value);
        let fingerprint = Sha256::digest(identity).into();
        let (region, rule, title) = (hit.region, hit.pattern, verdict.title);
        Some(Finding { region, matched, secret, rule, title, confidence, fingerprint, details })
    }

    /// The secret of an AWS key has no form of its own: in a process that has a key id, a word of 40 characters with the
    /// mix of random ones is taken for it.
    fn add_aws_secrets(&self, regions: &[SearchRegion<'_>], bytes: &[Region<'_>], found: &mut Vec<Finding>) {
        let index = |id: &str| self.rules.rules().iter().position(|rule| rule.id == id);
        let Some((id, secret)) = index("aws-access-key-id").zip(index("aws-secret-access-key")) else {
            return;
        };
        let Some(rule) = self.rules.rules().get(secret) else { return };
        let holders: Vec<&SearchRegion<'_>> = found
            .iter()
            .filter(|finding| finding.rule == id)
            .filter_map(|finding| regions.get(finding.region))
            .collect();
        if holders.is_empty() {
            return;
        }
        for (region, (owner, text)) in regions.iter().zip(bytes).enumerate() {
            if !holders.iter().any(|holder| holder.is_part_of_same(owner)) {
                continue;
            }
            for word in aws_words(text.bytes) {
                if found.len() >= MOST_FINDINGS {
                    return;
                }
                let value = text.bytes.get(word.clone()).unwrap_or_default();
                let mut details = Map::new();
                details.insert("beside".to_owned(), "an access key id of the same owner".into());
                let mut confidence = Confidence::Medium;
                if rule.is_placeholder(value) {
                    confidence = Confidence::Low;
                    details.insert("placeholder".to_owned(), true.into());
                }
                let fingerprint = Sha256::digest(value).into();
                let matched = word.clone();
                let finding = Finding {
                    region,
                    matched,
                    secret: word,
                    rule: secret,
                    title: None,
                    confidence,
                    fingerprint,
                    details,
                };
                found.push(finding);
            }
        }
    }

    /// Of findings that overlap, a generic one gives way.
    fn without_overlaps(&self, findings: Vec<Finding>) -> Vec<Finding> {
        let is_generic =
            |finding: &Finding| self.rules.rules().get(finding.rule).is_some_and(|rule| rule.generic);
        // Specific findings by region and start, each with the furthest end of all up to it.
        let mut ends: Vec<(usize, usize, usize)> = Vec::new();
        for finding in findings.iter().filter(|finding| !is_generic(finding)) {
            let (start, end) = (finding.secret.start, finding.secret.end);
            ends.push((finding.region, start, end));
        }
        ends.sort_unstable();
        let mut furthest = (usize::MAX, 0);
        for (region, _, end) in &mut ends {
            if furthest.0 == *region {
                *end = (*end).max(furthest.1);
            }
            furthest = (*region, *end);
        }
        let gives_way = |finding: &Finding| {
            let before = ends.partition_point(|(region, start, _)| {
                (*region, *start) < (finding.region, finding.secret.end)
            });
            let last = before.checked_sub(1).and_then(|last| ends.get(last));
            is_generic(finding)
                && last
                    .is_some_and(|(region, _, end)| *region == finding.region && *end > finding.secret.start)
        };
        let keep: Vec<bool> = findings.iter().map(|finding| !gives_way(finding)).collect();
        findings.into_iter().zip(keep).filter(|(_, keep)| *keep).map(|(finding, _)| finding).collect()
    }

    /// One record for each secret.
    fn join<'a>(
        &self,
        case: &Case<'a>,
        regions: &[SearchRegion<'a>],
        bytes: &[Region<'_>],
        findings: Vec<Finding>,
        wanted: &Filter<'_, 'a>,
    ) -> Vec<Secret> {
        let mut order: BTreeMap<[u8; 32], usize> = BTreeMap::new();
        let mut secrets: Vec<(usize, Secret)> = Vec::new();
        for finding in findings {
            let Some((region, scanned)) = regions.get(finding.region).zip(bytes.get(finding.region)) else {
                continue;
            };
            let Some(rule) = self.rules.rules().get(finding.rule) else { continue };
            let address = scanned.address(finding.secret.start);
            let place = region.place(case, address, wanted.prefers);
            if !(wanted.accepts)(&place) {
                continue;
            }
            let told = tell(&place, region, address);
            match order.get(&finding.fingerprint).and_then(|index| secrets.get_mut(*index)) {
                Some((best, secret)) => {
                    secret.count = secret.count.saturating_add(1);
                    if secret.places.len() < MOST_PLACES {
                        secret.places.push(told);
                    }
                    // The surest rule names it.
                    if (secret.confidence, std::cmp::Reverse(*best))
                        < (finding.confidence, std::cmp::Reverse(finding.rule))
                    {
                        *best = finding.rule;
                        self.describe(secret, rule, &finding, scanned.bytes);
                    }
                }
                None => {
                    order.insert(finding.fingerprint, secrets.len());
                    let mut secret = Secret {
                        rule: String::new(),
                        title: String::new(),
                        confidence: finding.confidence,
                        first: told.clone(),
                        length: 0,
                        text: Text::default(),
                        fingerprint: short(&finding.fingerprint),
                        details: Map::new(),
                        secret: None,
                        count: 1,
                        places: vec![told],
                    };
                    self.describe(&mut secret, rule, &finding, scanned.bytes);
                    secrets.push((finding.rule, secret));
                }
            }
        }
        let mut secrets: Vec<Secret> = secrets.into_iter().map(|(_, secret)| secret).collect();
        secrets.retain(|secret| secret.confidence >= self.least);
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.confidence));
        secrets
    }

    fn describe(&self, secret: &mut Secret, rule: &Rule, finding: &Finding, bytes: &[u8]) {
        let value = bytes.get(finding.secret.clone()).unwrap_or_default();
        // Passwords are chosen by people: their ends would help to guess them.
        let whole = matches!(rule.validate.as_deref(), Some("password" | "basic"));
        secret.rule.clone_from(&rule.id);
        secret.title = finding.title.map_or_else(|| rule.title.clone(), str::to_owned);
        secret.confidence = finding.confidence;
        secret.length = value.len() as u64;
        secret.details.clone_from(&finding.details);
        if self.show {
            let from = finding.matched.start.min(finding.secret.start);
            let to = finding.matched.end.max(finding.secret.end);
            secret.text = Text::from(bytes.get(from..to).unwrap_or_default());
            secret.secret = Some(Text::from(value));
        } else {
            secret.text = Text(redact(bytes, &finding.matched, &finding.secret, whole));
        }
    }
}

/// Words of exactly 40 characters of base64 that mix capitals, small letters and digits as random ones do.
fn aws_words(bytes: &[u8]) -> Vec<Range<usize>> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+');
    let mut words = Vec::new();
    let mut start = 0;
    for (at, byte) in bytes.iter().chain([&0]).enumerate() {
        if is_word(*byte) {
            continue;
        }
        let word = start..at;
        start = at.saturating_add(1);
        if word.len() != AWS_SECRET || *byte == b'=' {
            continue;
        }
        let value = bytes.get(word.clone()).unwrap_or_default();
        let has = |class: fn(&u8) -> bool| value.iter().filter(|byte| class(byte)).count() >= 2;
        if has(u8::is_ascii_uppercase)
            && has(u8::is_ascii_lowercase)
            && value.iter().any(u8::is_ascii_digit)
            && entropy(value) >= 4.2
        {
            words.push(word);
        }
    }
    words
}

/// A place as it is reported.
pub(crate) fn tell(place: &Place<'_>, region: &SearchRegion<'_>, address: u64) -> SecretPlace {
    SecretPlace {
        pid: place.task.map(|task| task.process.pid),
        comm: place.task.and_then(|task| task.process.comm.clone()),
        source: region.source,
        role: place.task.filter(|_| region.owner().is_some()).and_then(|task| role(task, address)),
        address: place.address.map(|address| format!("{address:#x}")),
        offset: place.offset,
        region: place.facts(),
        member: place.member.as_ref().map(|member| member.clone().into_owned()),
        member_offset: place.member_offset,
        shared_with: place.shared_with.clone(),
    }
}

/// What the kernel keeps at an address of the process.
fn role(task: &Task<'_>, address: u64) -> Option<&'static str> {
    let mm = task.mm.as_ref()?;
    let within = |from: Option<u64>, to: Option<u64>| (from..to).contains(&Some(address)) && from.is_some();
    if within(mm.mm_env_start, mm.mm_env_end) {
        Some("environment")
    } else if within(mm.mm_arg_start, mm.mm_arg_end) {
        Some("command-line")
    } else {
        None
    }
}

/// The first 16 digits.
fn short(fingerprint: &[u8; 32]) -> String {
    let [first, ..] = fingerprint.as_chunks::<8>().0 else { return String::new() };
    hex::encode(first)
}

#[cfg(test)]
mod tests {
    use ckptfx_testkit::{Checkpoint, Process, Vma};

    use super::*;
    use crate::{search, search::Source, tests::with_case};

    fn hunt(text: &[u8], show: bool) -> Vec<Secret> {
        let mut page = text.to_vec();
        page.resize(8192, 0);
        let vma = Vma::anonymous(0x7f00_0000_0000, 8192).bytes(0, page);
        with_case(Checkpoint::new().process(Process::new(1).bare().memory(vma)), |case| {
            let regions = search::regions(case, &[Source::Memory], &|_, _| None).unwrap();
            let bytes: Vec<Region<'_>> =
                regions.iter().map(|it| Region::new(it.base(), it.bytes())).collect();
            let rules = Rules::load(&[], &[]).unwrap();
            let hunt = Hunt { rules: &rules, least: Confidence::Low, show };
            let all = Filter { prefers: &|_, _, _| true, accepts: &|_| true };
            hunt.run(case, &regions, &bytes, &Options::default(), &all).secrets
        })
    }

    fn rules_of(secrets: &[Secret]) -> Vec<&str> {
        secrets.iter().map(|secret| secret.rule.as_str()).collect()
    }

    #[test]
    fn one_secret_in_several_places_is_one_record() {
        let secrets = hunt(b"DB_PASSWORD=hunter2-horse\0postgres://app:hunter2-horse@db/x\0", false);
        assert_eq!(rules_of(&secrets), ["database-url"]);
        assert_eq!(secrets[0].count, 2);
        assert_eq!(secrets[0].places.len(), 2);
        assert_eq!(secrets[0].text, Text::from("postgres://app:…@db/x"));
        assert_eq!(secrets[0].first.address.as_deref(), Some("0x7f000000000c"));
    }

    #[test]
    fn generic_findings_give_way() {
        let secrets = hunt(b"SLACK_TOKEN=xoxb-123456789012-abcdefghijkl\0", false);
        assert_eq!(rules_of(&secrets), ["slack-token"]);
        assert_eq!(secrets[0].text, Text::from("xoxb…kl"));
        assert_eq!(secrets[0].secret, None);
        let shown = hunt(b"SLACK_TOKEN=xoxb-123456789012-abcdefghijkl\0", true);
        assert_eq!(shown[0].secret, Some(Text::from("xoxb-123456789012-abcdefghijkl")));
        assert_eq!(shown[0].fingerprint, secrets[0].fingerprint);
    }

    #[test]
    fn the_secret_of_an_aws_key_is_found_beside_its_id() {
        let random = "k9Zq3vT7xB1nM5wC8rL2yH6jP4dF0sGaKtVuXeQo";
        let alone = format!("\0{random}\0");
        assert!(hunt(alone.as_bytes(), false).is_empty());
        let both = format!("AKIAQNZGKIQY56JQ7WML\0\0\0{random}\0");
        assert_eq!(rules_of(&hunt(both.as_bytes(), false)), ["aws-access-key-id", "aws-secret-access-key"]);
        let longer = format!("AKIAQNZGKIQY56JQ7WML\0{random}0\0");
        assert_eq!(rules_of(&hunt(longer.as_bytes(), false)), ["aws-access-key-id"]);
    }

    #[test]
    fn documented_examples_are_told_as_such() {
        let secrets = hunt(b"AKIAIOSFODNN7EXAMPLE\0", false);
        assert_eq!(secrets[0].confidence, Confidence::Low);
        assert_eq!(secrets[0].details["placeholder"], true);
    }
}
