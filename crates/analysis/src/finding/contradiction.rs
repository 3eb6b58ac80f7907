//! What the images say that contradicts what else they say.

use std::collections::HashSet;

use ckptfx_parser::{Diagnostic, Severity};

use crate::Case;

/// What CRIU never writes, however an archive may be cut.
pub(super) const CONTRADICTIONS: [&str; 6] =
    ["contradiction", "duplicate-fd", "duplicate-id", "duplicate-member", "duplicate-pid", "missing-field"];

/// What damage leaves as well: it speaks for a change only where nothing is cut.
const LEFTOVERS: [&str; 3] = ["not-in-tree", "unclaimed-bytes", "unclaimed-image"];

/// What was told of the images that contradicts what else they say.
pub(super) fn contradictions(case: &Case<'_>) -> Vec<Diagnostic> {
    let cut = case.checkpoint.images.is_cut();
    let is_meant = |code: &str| CONTRADICTIONS.contains(&code) || !cut && LEFTOVERS.contains(&code);
    let losses = case.diagnostics.iter().filter(|one| one.severity == Severity::Loss && is_meant(one.code));
    // Each process may give cause for one.
    let mut seen = HashSet::new();
    losses.filter(|loss| seen.insert(*loss)).cloned().collect()
}
