//! Reports of one place in the evidence, of which only so many are listed.

use std::collections::BTreeMap;

use crate::{Diagnostic, Limits, Severity};

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
