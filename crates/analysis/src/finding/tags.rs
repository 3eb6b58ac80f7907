//! Techniques of ATT&CK that rules of others name.

use std::borrow::Cow;

use super::{
    attack::{AttackVersion, RENUMBERED, Technique, technique},
    table::DETECTIONS,
};

/// Tactics of rules that others wrote, of which version 19 has two more names for Defense Evasion.
const TACTICS: [&str; 16] = [
    "reconnaissance",
    "resource-development",
    "initial-access",
    "execution",
    "persistence",
    "privilege-escalation",
    "defense-evasion",
    "stealth",
    "defense-impairment",
    "credential-access",
    "discovery",
    "lateral-movement",
    "collection",
    "command-and-control",
    "exfiltration",
    "impact",
];

/// The techniques that words of a rule name, such as `attack.t1059.004` or `T1055`. A word that is a tactic is theirs
/// if it is the only one; otherwise the tactic is that of our own detections.
pub fn named<'w>(words: impl IntoIterator<Item = &'w str>, version: AttackVersion) -> Vec<Technique> {
    let (mut ids, mut tactics): (Vec<String>, Vec<&str>) = (Vec::new(), Vec::new());
    for word in words {
        for id in ids_in(word) {
            let id = RENUMBERED.iter().find(|(_, new)| *new == id).map_or(id, |(old, _)| (*old).to_owned());
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        let plain = word.to_ascii_lowercase().replace('_', "-");
        let plain = plain.strip_prefix("attack.").unwrap_or(&plain);
        let tactic = TACTICS.iter().find(|tactic| **tactic == plain).copied();
        tactics.extend(tactic.map(|tactic| match tactic {
            "stealth" | "defense-impairment" => "defense-evasion",
            other => other,
        }));
    }
    tactics.dedup();
    let only = match tactics.as_slice() {
        [one] => Some(*one),
        _ => None,
    };
    let references = DETECTIONS.iter().flat_map(|detection| detection.attack);
    ids.into_iter()
        .map(|id| {
            let known = references.clone().find(|(known, _)| *known == id);
            match only.or(known.map(|(_, tactic)| *tactic)) {
                Some(tactic) => {
                    // The names of a version hang on static ids; of others only the tactic changes.
                    let named = technique((known.map_or("", |(known, _)| known), tactic), version);
                    let technique = if known.is_some() { named.technique } else { Cow::Owned(id) };
                    Technique { technique, ..named }
                }
                None => Technique { technique: Cow::Owned(id), tactic: None, version: version.name() },
            }
        })
        .collect()
}

/// Ids of techniques in a text: `T` and four digits, and of a part of it a dot or underscore and three more.
fn ids_in(text: &str) -> Vec<String> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric();
    let bytes = text.as_bytes();
    let digits = |from: usize, count: usize| {
        let part = bytes.get(from..from.checked_add(count)?)?;
        let ends = !bytes.get(from.checked_add(count)?).is_some_and(is_word);
        (ends && part.iter().all(u8::is_ascii_digit)).then(|| String::from_utf8_lossy(part).into_owned())
    };
    let mut ids = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        let begins =
            at.checked_sub(1).and_then(|before| bytes.get(before)).is_none_or(|before| !is_word(before));
        if !begins || !matches!(byte, b't' | b'T') {
            continue;
        }
        let Some(number) = digits(at.saturating_add(1), 4) else { continue };
        let part = match bytes.get(at.saturating_add(5)) {
            Some(b'.' | b'_') => digits(at.saturating_add(6), 3),
            _ => None,
        };
        ids.push(part.map_or_else(|| format!("T{number}"), |part| format!("T{number}.{part}")));
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_name_techniques_in_many_ways() {
        let of = |words: &[&str], version| -> Vec<(String, Option<String>)> {
            let named = named(words.iter().copied(), version);
            named.into_iter().map(|it| (it.technique.into_owned(), it.tactic.map(Cow::into_owned))).collect()
        };
        let is = |id: &str, tactic: Option<&str>| (id.to_owned(), tactic.map(str::to_owned));
        let new = AttackVersion::V19;
        assert_eq!(of(&["attack.execution", "attack.t1059.004"], new), [is("T1059.004", Some("execution"))]);
        assert_eq!(
            of(&["attack.persistence", "attack.defense_evasion", "attack.t1036", "cve.2021-44228"], new),
            [is("T1036", Some("stealth"))],
            "with two tactics it is the one that we know"
        );
        assert_eq!(
            of(&["https://attack.mitre.org/techniques/T9999/, T1055_009"], new),
            [is("T9999", None), is("T1055.009", Some("stealth"))]
        );
        assert_eq!(of(&["T1685.006"], AttackVersion::V18), [is("T1070.002", Some("defense-evasion"))]);
        assert_eq!(of(&["T1070.002"], new), [is("T1685.006", Some("defense-impairment"))]);
        assert_eq!(of(&["AT1055", "T10555", "T105", "attack.g0016"], new), []);
    }

    #[test]
    fn each_version_has_its_own_names() {
        let log = ("T1070.002", "defense-evasion");
        let named = |reference, version| {
            let named = technique(reference, version);
            (named.technique.into_owned(), named.tactic.unwrap().into_owned(), named.version)
        };
        let is = |id: &str, tactic: &str, version| (id.to_owned(), tactic.to_owned(), version);
        assert_eq!(named(log, AttackVersion::V18), is("T1070.002", "defense-evasion", "18"));
        assert_eq!(named(log, AttackVersion::V19), is("T1685.006", "defense-impairment", "19"));
        assert_eq!(named(("T1036", "defense-evasion"), AttackVersion::V19), is("T1036", "stealth", "19"));
        assert_eq!(named(("T1496", "impact"), AttackVersion::V19), is("T1496", "impact", "19"));
    }
}
