//! Whether the images of the checkpoint agree with one another.

use std::collections::HashSet;

use ckptfx_parser::{Diagnostic, Severity};

use super::{Facts, Hit, Subject};
use crate::Case;

/// What CRIU never writes, however an archive may be cut.
const CONTRADICTIONS: [&str; 6] =
    ["contradiction", "duplicate-fd", "duplicate-id", "duplicate-member", "duplicate-pid", "missing-field"];
/// What damage leaves as well: it speaks for a change only where nothing is cut.
const LEFTOVERS: [&str; 3] = ["not-in-tree", "unclaimed-bytes", "unclaimed-image"];
/// A finding names so many; the warnings have all.
const SHOWN: usize = 20;

/// What was told of the images that contradicts what else they say.
pub(super) fn contradictions(case: &Case<'_>) -> Vec<Diagnostic> {
    let cut = case.checkpoint.images.is_cut();
    let is_meant = |code: &str| CONTRADICTIONS.contains(&code) || !cut && LEFTOVERS.contains(&code);
    let losses = case.diagnostics.iter().filter(|one| one.severity == Severity::Loss && is_meant(one.code));
    // Each process may give cause for one.
    let mut seen = HashSet::new();
    losses.filter(|loss| seen.insert(*loss)).cloned().collect()
}

/// Images that contradict one another: somebody may have changed them after the dump.
pub(super) fn contradicting(facts: &Facts<'_>) -> Vec<Hit> {
    let Some(first) = facts.contradictions.first() else { return Vec::new() };
    let is_sure = facts.contradictions.iter().any(|one| CONTRADICTIONS.contains(&one.code));
    let mut hit = Hit::new(
        Subject::default().path(first.subject.as_str()),
        "the images of the checkpoint contradict one another, as CRIU does not write them: the evidence may have been \
         changed to hide something",
    )
    .more("info");
    if !is_sure {
        hit = hit.severity(super::Severity::Medium);
    }
    for one in facts.contradictions.iter().take(SHOWN) {
        hit = hit.fact(one.code, one.subject.clone(), one.message.as_str());
    }
    vec![hit]
}
