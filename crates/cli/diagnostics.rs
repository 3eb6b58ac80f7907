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

/// An error for people: names from the evidence are fit to be shown, each line stays one, and what the system calls an
/// error is told without its number.
pub fn error_text(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let lines = text.lines().map(|line| without_numbers(&show(line.as_bytes())));
    lines.collect::<Vec<_>>().join("\n")
}

fn without_numbers(line: &str) -> String {
    let mut text = line.to_owned();
    while let Some(at) = text.find(" (os error ") {
        let Some(length) = text[at..].find(')') else { break };
        text.replace_range(at..=at + length, "");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_lines_without_numbers() {
        let error = anyhow::anyhow!("first\nsecond \u{1b}[1m").context("cannot read a.tar");
        assert_eq!(
            error_text(&error),
            "cannot read a.tar: first\nsecond \\u{1b}[1m".replace("\\u{1b}", "\\x1b")
        );
        let missing = anyhow::Error::from(std::io::Error::from_raw_os_error(2)).context("a.tar");
        assert_eq!(error_text(&missing), "a.tar: No such file or directory");
    }
}
