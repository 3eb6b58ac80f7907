//! What several forms say in one way.

use ckptfx_analysis::{
    Text,
    finding::{Confidence, Origin, Severity},
    secret::Secret,
};

/// 1 to 5, from information to critical.
pub fn rank(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 1,
        Severity::Low => 2,
        Severity::Medium => 3,
        Severity::High => 4,
        Severity::Critical => 5,
    }
}

/// What set of rules a finding is of.
pub fn ruleset(origin: &Origin) -> &'static str {
    match origin {
        Origin::Rule => "ckptfx",
        Origin::Sigma { .. } => "sigma",
        Origin::Yara { .. } => "yara",
    }
}

/// 1 to 3, from low to high.
pub fn sureness(confidence: Confidence) -> u8 {
    match confidence {
        Confidence::Low => 1,
        Confidence::Medium => 2,
        Confidence::High => 3,
    }
}

/// The text of a secret, unless the analyst asked not to have it masked: an export goes to where many can read it.
pub fn shown(secret: &Secret) -> Option<&Text> {
    secret.secret.is_none().then_some(&secret.text)
}

/// Directory and name of a path, if it is one that begins at the root.
pub fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = path.iter().rposition(|byte| *byte == b'/').filter(|_| path.starts_with(b"/"))?;
    let directory = if slash == 0 { b"/" } else { path.get(..slash)? };
    Some((directory, path.get(slash + 1..)?))
}
