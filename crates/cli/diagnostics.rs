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

/// An error for people: what the system calls an error is told without its number, and each line stays one. Names from the
/// evidence are fit to be shown; lines after the first are set in, so that no name can pass for a message of its own.
pub fn error_text(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let lines = text.lines().map(|line| without_numbers(&show(line.as_bytes())));
    let trimmed = lines.enumerate().map(|(index, line)| match index {
        0 => line,
        _ => format!("  {}", line.trim_start()),
    });
    trimmed.collect::<Vec<_>>().join("\n")
}

/// The text without ` (os error 2)` and its kind.
fn without_numbers(line: &str) -> String {
    let mut parts = line.split(" (os error ");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(')') {
            Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => text.push_str(rest),
            _ => text.extend([" (os error ", part]),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_lines_without_numbers() {
        let error = anyhow::anyhow!("first\nsecond \u{1b}[1m").context("cannot read a.tar");
        let told = error_text(&error);
        assert!(
            told.starts_with("cannot read a.tar: first\n  second ") && !told.contains('\u{1b}'),
            "{told}"
        );
        // A name of the evidence cannot make a message of its own.
        let forged = anyhow::anyhow!("a\nckptfx: note: nothing was found\n\n  b");
        assert!(error_text(&forged).lines().skip(1).all(|line| line.starts_with("  ")), "{forged}");
        let missing = anyhow::Error::from(std::io::Error::from_raw_os_error(2)).context("a.tar");
        assert_eq!(error_text(&missing), "a.tar: No such file or directory");
        assert_eq!(without_numbers("a (os error x) b (os error 5): c"), "a (os error x) b: c");
    }
}
