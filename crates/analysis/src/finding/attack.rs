//! Techniques of MITRE ATT&CK. Version 19 split the tactic Defense Evasion into Stealth and Defense Impairment, and
//! gave some techniques other numbers; both versions can be asked for.

use std::borrow::Cow;

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
    pub technique: Cow<'static, str>,
    /// The tactic it serves here, in ATT&CK's short form, such as `execution`; null when a rule does not say and
    /// no detection of ckptfx has the technique.
    pub tactic: Option<Cow<'static, str>>,
    /// Version of ATT&CK that both are of.
    pub version: &'static str,
}

/// A technique with the tactic of version 18 that it serves.
pub type Reference = (&'static str, &'static str);

/// Ids that version 19 changed.
pub(super) const RENUMBERED: [(&str, &str); 1] = [("T1070.002", "T1685.006")];
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
    Technique { technique: technique.into(), tactic: Some(tactic.into()), version: version.name() }
}
