//! A message or a log held against what is known.

use std::borrow::Cow;

use super::{
    rule::{Explanation, Kind, Stage},
    said::Said,
    table,
};

/// Longest input that is looked at, in bytes; the errors of a dump are at the end, so the end is kept.
pub const MAX_INPUT: usize = 64 << 20;

/// Code of the error that ended a dump, where none that is known did.
pub const UNKNOWN: &str = "unknown";

/// Explains what a server, a runtime or CRIU said, in the order of its lines; each cause once.
///
/// In a `dump.log` errors and warnings count, and what other programs wrote to it; those of a dump that finished are
/// left out unless they say something of the workload, since CRIU probes the kernel for much that it then does
/// without. Where nothing known tells the cause, the error that ended the dump is quoted as [`UNKNOWN`].
pub fn explain(input: &[u8]) -> Vec<Explanation> {
    let text = status_message(input);
    let said = Said::read(&text);
    let mut found: Vec<(Kind, Explanation)> = Vec::new();
    for (index, line) in said.reasons() {
        let Some((rule, captures)) = table::first_match(line).filter(|(rule, _)| rule.kind != Kind::Probe)
        else {
            continue;
        };
        let explanation = rule.explain(&captures, line, said.context(index, false));
        if !found.iter().any(|(_, other)| other.code == explanation.code && other.why == explanation.why) {
            found.push((rule.kind, explanation));
        }
    }
    // A sentence that only wraps another adds nothing to it.
    let all_wrap = found.iter().all(|(kind, _)| *kind == Kind::Wrapper);
    let finished = found.iter().any(|(kind, _)| *kind == Kind::Success);
    found.retain(|(kind, _)| match kind {
        Kind::Wrapper => all_wrap,
        Kind::Finding | Kind::Success => true,
        _ => !finished,
    });
    let mut found: Vec<Explanation> = found.into_iter().map(|(_, explanation)| explanation).collect();
    if all_wrap && let Some(cause) = said.cause() {
        add_cause(&said, cause, &mut found);
    }
    found
}

/// Puts the error that ended a dump in the place of what only says that it failed.
fn add_cause(said: &Said<'_>, cause: usize, found: &mut Vec<Explanation>) {
    let Some(line) = said.get(cause) else { return };
    let is_it = |known: &Explanation| known.line == line.number;
    found.retain(|known| known.stage != Stage::Criu || is_it(known));
    if found.iter().any(is_it) {
        return;
    }
    let why = "CRIU stopped with this error, which is not known here.".to_owned();
    let unknown = Explanation {
        code: UNKNOWN,
        stage: Stage::Criu,
        why,
        fix: None,
        finding: false,
        retry: false,
        line: line.number,
        matched: line.raw.to_vec(),
        context: said.context(cause, true),
    };
    let at = found.iter().position(|known| known.line > line.number).unwrap_or(found.len());
    found.insert(at, unknown);
}

/// Whether trying once more without any change may work: two checkpoints of one container got in each other's way.
pub fn is_transient(input: &[u8]) -> bool {
    explain(input).iter().any(|explanation| explanation.retry)
}

/// The message of an API server's `Status` object or of libpod's error; any other text as it is.
fn status_message(input: &[u8]) -> Cow<'_, [u8]> {
    let tail = input.get(input.len().saturating_sub(MAX_INPUT)..).unwrap_or(input);
    let looks_like_json = tail.trim_ascii_start().starts_with(b"{");
    let value = looks_like_json.then(|| serde_json::from_slice::<serde_json::Value>(tail).ok()).flatten();
    match value.as_ref().and_then(|value| value.get("message")?.as_str()) {
        Some(message) => Cow::Owned(message.as_bytes().to_vec()),
        None => Cow::Borrowed(tail),
    }
}
