//! Techniques of MITRE ATT&CK. Version 19 split the tactic Defense Evasion into Stealth and Defense Impairment, and
//! gave some techniques other numbers; both versions can be asked for.

use schemars::JsonSchema;
use serde::Serialize;

/// The version of ATT&CK that techniques are named after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AttackVersion {
    /// Version 18.
    V18,
    /// Version 19.
    #[default]
    V19,
}

impl AttackVersion {
    /// Its number.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V18 => "18",
            Self::V19 => "19",
        }
    }
}

/// A technique, as one version of ATT&CK names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Technique {
    /// Its id, such as `T1070.004`.
    pub technique: &'static str,
    /// The tactic it serves here, in ATT&CK's short form, such as `execution`.
    pub tactic: &'static str,
    /// Version of ATT&CK that both are of.
    pub version: &'static str,
}

/// A technique with the tactic of version 18 that it serves.
pub type Reference = (&'static str, &'static str);

/// Ids that version 19 changed.
const RENUMBERED: [(&str, &str); 1] = [("T1070.002", "T1685.006")];
/// Techniques of Defense Evasion that version 19 counts as Defense Impairment; the others are Stealth.
const IMPAIRMENT: [&str; 1] = ["T1070.002"];

/// Names a technique after a version.
pub fn technique((id, tactic): Reference, version: AttackVersion) -> Technique {
    let (technique, tactic) = match version {
        AttackVersion::V18 => (id, tactic),
        AttackVersion::V19 => {
            let renumbered = RENUMBERED.iter().find(|(old, _)| *old == id).map_or(id, |(_, new)| new);
            let tactic = match tactic {
                "defense-evasion" if IMPAIRMENT.contains(&id) => "defense-impairment",
                "defense-evasion" => "stealth",
                other => other,
            };
            (renumbered, tactic)
        }
    };
    Technique { technique, tactic, version: version.name() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_own_names() {
        let log = ("T1070.002", "defense-evasion");
        let named = |version| {
            let named = technique(log, version);
            (named.technique, named.tactic, named.version)
        };
        assert_eq!(named(AttackVersion::V18), ("T1070.002", "defense-evasion", "18"));
        assert_eq!(named(AttackVersion::V19), ("T1685.006", "defense-impairment", "19"));
        let hidden = technique(("T1036", "defense-evasion"), AttackVersion::V19);
        assert_eq!((hidden.technique, hidden.tactic), ("T1036", "stealth"));
        assert_eq!(technique(("T1496", "impact"), AttackVersion::V19).tactic, "impact");
    }
}
