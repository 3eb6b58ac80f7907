//! What was noticed while reading: as warnings of a result, and on standard error.

use std::collections::HashSet;

use ckptfx_parser::{Diagnostic, Reports, Severity};
use ckptfx_report::{Warning, untrusted::show};

use crate::args::Common;

/// What was noticed so far, each once and of each kind only the first.
fn worth_telling(diagnostics: &[Diagnostic], common: &Common) -> Vec<Diagnostic> {
    let mut reports = Reports::new(&common.limits());
    let mut seen = HashSet::new();
    let mut kept: Vec<Diagnostic> = Vec::new();
    for diagnostic in diagnostics.iter().filter(|diagnostic| seen.insert(*diagnostic)) {
        reports.push(diagnostic.clone(), &mut kept);
    }
    reports.finish("evidence", &mut kept);
    kept
}

/// The same as a result tells it.
pub fn warnings(diagnostics: &[Diagnostic], common: &Common) -> Vec<Warning> {
    worth_telling(diagnostics, common).iter().map(Warning::from).collect()
}

/// Warnings for the result; on standard error too unless `--quiet`.
pub fn finish_diagnostics(diagnostics: &[Diagnostic], common: &Common) -> Vec<Warning> {
    let kept = worth_telling(diagnostics, common);
    if !common.quiet {
        for diagnostic in &kept {
            let kind = if diagnostic.severity == Severity::Loss { "warning" } else { "note" };
            let at = diagnostic.offset.map(|offset| format!(" at byte {offset}")).unwrap_or_default();
            eprintln!(
                "ckptfx: {kind}: {}{at}: {} [{}]",
                show(diagnostic.subject.as_bytes()),
                show(diagnostic.message.as_bytes()),
                diagnostic.code
            );
        }
    }
    kept.iter().map(Warning::from).collect()
}
