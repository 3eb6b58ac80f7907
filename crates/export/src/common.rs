//! What several forms say in one way.

use ckptfx_analysis::{
    Text,
    finding::{Confidence, Severity},
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

/// The word for a severity.
pub fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
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
