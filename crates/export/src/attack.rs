//! Names of ATT&CK's tactics and techniques, which other systems want beside their numbers.

use ckptfx_analysis::finding::Technique;

/// Numbers and names of what the detections refer to.
const NAMES: &str = include_str!("attack.csv");

/// The name of a tactic or technique; none of those that only a Sigma rule refers to.
pub fn name(id: &str) -> Option<&'static str> {
    NAMES
        .lines()
        .skip(1)
        .find_map(|line| line.split_once(',').filter(|(known, _)| *known == id))
        .map(|(_, name)| name)
}

/// Number and name of a technique's tactic.
pub fn tactic(technique: &Technique) -> Option<(&'static str, &'static str)> {
    let id = match technique.tactic.as_deref()? {
        "initial-access" => "TA0001",
        "execution" => "TA0002",
        "persistence" => "TA0003",
        "privilege-escalation" => "TA0004",
        // Version 19 kept the number for what it left of the tactic.
        "defense-evasion" => return Some(("TA0005", "Defense Evasion")),
        "stealth" => "TA0005",
        "credential-access" => "TA0006",
        "discovery" => "TA0007",
        "lateral-movement" => "TA0008",
        "collection" => "TA0009",
        "exfiltration" => "TA0010",
        "command-and-control" => "TA0011",
        "impact" => "TA0040",
        "defense-impairment" => "TA0112",
        _ => return None,
    };
    name(id).map(|name| (id, name))
}

/// The technique of a sub-technique: `T1059` of `T1059.004`.
pub fn parent(id: &str) -> &str {
    id.split_once('.').map_or(id, |(parent, _)| parent)
}

/// Where ATT&CK describes it.
pub fn reference(id: &str) -> String {
    format!("https://attack.mitre.org/techniques/{}/", id.replace('.', "/"))
}

#[cfg(test)]
mod tests {
    use ckptfx_analysis::finding::{AttackVersion, DETECTIONS};

    use super::*;

    #[test]
    fn all_that_detections_refer_to_has_a_name() {
        for version in [AttackVersion::V18, AttackVersion::V19] {
            for technique in DETECTIONS.iter().flat_map(|detection| detection.techniques(version)) {
                assert!(name(&technique.technique).is_some(), "{}", technique.technique);
                assert!(name(parent(&technique.technique)).is_some(), "{}", technique.technique);
                assert!(tactic(&technique).is_some(), "{:?}", technique.tactic);
            }
        }
        assert_eq!(name("T1059.004"), Some("Unix Shell"));
        assert_eq!(name("T9999"), None);
    }
}
