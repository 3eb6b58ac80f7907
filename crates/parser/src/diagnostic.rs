//! What was noticed while reading, without stopping.

use std::collections::BTreeMap;

use crate::limits::Limits;

/// Whether something was left out of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; nothing is missing from the answer.
    Note,
    /// Part of the evidence could not be read: the answer is incomplete.
    Loss,
}

/// One thing that was noticed while reading.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Diagnostic {
    /// A stable kebab-case name, such as `truncated-image`.
    pub code: &'static str,
    /// Whether the answer is incomplete because of it.
    pub severity: Severity,
    /// The member or process concerned, such as `checkpoint/core-1.img` or `pid 7`.
    pub subject: String,
    /// Byte offset in the member, when one place is to blame.
    pub offset: Option<u64>,
    /// A plain sentence.
    pub message: String,
}

impl Diagnostic {
    /// Something worth knowing that costs nothing.
    pub fn note(code: &'static str, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Note,
            subject: subject.into(),
            offset: None,
            message: message.into(),
        }
    }

    /// Something that makes the answer incomplete.
    pub fn loss(code: &'static str, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Loss,
            subject: subject.into(),
            offset: None,
            message: message.into(),
        }
    }

    /// Names the byte of the member that is to blame.
    #[must_use]
    pub fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }
}

/// Reports of one place in the evidence: the first of each kind are listed, the others counted. Hostile evidence may
/// give cause for millions.
#[derive(Debug)]
pub struct Reports {
    most: u64,
    seen: BTreeMap<(&'static str, Severity), u64>,
}

impl Reports {
    /// None yet.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self { most: limits.reports, seen: BTreeMap::new() }
    }

    /// Whether the next of a kind is listed; it is counted in any case.
    pub fn admits(&mut self, code: &'static str, severity: Severity) -> bool {
        let seen = self.seen.entry((code, severity)).or_default();
        *seen = seen.saturating_add(1);
        *seen <= self.most
    }

    /// Adds one, if there is room for its kind.
    pub fn push(&mut self, problem: Diagnostic, diagnostics: &mut Vec<Diagnostic>) {
        if self.admits(problem.code, problem.severity) {
            diagnostics.push(problem);
        }
    }

    /// Says how many were not listed.
    pub fn finish(self, subject: &str, diagnostics: &mut Vec<Diagnostic>) {
        for ((code, severity), seen) in self.seen {
            if let Some(more @ 1..) = seen.checked_sub(self.most) {
                let message =
                    format!("{more} more of this kind (limit reports; --limit reports=N lists more)");
                diagnostics.push(Diagnostic {
                    code,
                    severity,
                    subject: subject.to_owned(),
                    offset: None,
                    message,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_is_counted() {
        let mut diagnostics = Vec::new();
        let mut reports = Reports::new(&Limits { reports: 2, ..Limits::DEFAULT });
        for number in 0..5 {
            reports.push(Diagnostic::loss("bad", "x", number.to_string()), &mut diagnostics);
        }
        reports.push(Diagnostic::note("bad", "x", "a note"), &mut diagnostics);
        reports.finish("x", &mut diagnostics);
        let messages: Vec<&str> = diagnostics.iter().map(|one| one.message.as_str()).collect();
        assert_eq!(messages[..3], ["0", "1", "a note"]);
        assert!(messages[3].starts_with("3 more") && messages.len() == 4);
        assert_eq!(diagnostics[3].severity, Severity::Loss);
    }
}
