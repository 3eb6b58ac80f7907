//! Failures of a checkpoint in plain words, with what to do about them.
//!
//! The knowledge is in its tables; here it is held against a message or against CRIU's `dump.log`. What the
//! table does not know is quoted and not guessed at.

mod pattern;
pub mod record;
mod said;
mod table;

use std::borrow::Cow;

use serde::Serialize;

use self::{
    pattern::Captures,
    said::{Line, Said},
};

/// Longest input that is looked at, in bytes; the errors of a dump are at the end, so the end is kept.
pub const MAX_INPUT: usize = 64 << 20;

/// Code of the error that ended a dump, where none that is known did.
pub const UNKNOWN: &str = "unknown";

/// Which program refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The connection did not get anywhere.
    Connection,
    /// The Kubernetes API server.
    ApiServer,
    /// The kubelet of the node.
    Kubelet,
    /// containerd, CRI-O or Podman, or the OCI runtime below it.
    Runtime,
    /// CRIU.
    Criu,
}

impl Stage {
    /// The word used in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::ApiServer => "api-server",
            Self::Kubelet => "kubelet",
            Self::Runtime => "runtime",
            Self::Criu => "criu",
        }
    }
}

/// What an explanation is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Something must be changed.
    Fix,
    /// The same again may work.
    Retry,
    /// The failure tells something about the workload that an investigator wants to know.
    Finding,
    /// It only says that something else failed: of interest when nothing else is known.
    Wrapper,
    /// No failure at all.
    Success,
    /// An error that CRIU can do without: it says nothing of the cause.
    Probe,
}

/// A line that is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Stable name.
    pub code: &'static str,
    /// Which program said it.
    pub stage: Stage,
    /// What happened, in a plain sentence.
    pub why: String,
    /// What to do.
    pub fix: Option<String>,
    /// Whether it says something about the workload itself, and belongs in the report.
    pub finding: bool,
    /// Whether the same request may succeed without any change.
    pub retry: bool,
    /// Number of the line, from 1.
    pub line: usize,
    /// The line as it stands.
    pub matched: Vec<u8>,
    /// The lines beside it that belong to it, as what a program that CRIU runs complained of.
    pub context: Vec<Vec<u8>>,
}

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

/// One thing that is known.
struct Rule {
    code: &'static str,
    stage: Stage,
    kind: Kind,
    /// Literal text with `{name}` for what varies.
    pattern: &'static str,
    /// A sentence that may use the names of the pattern.
    why: &'static str,
    /// What to do; empty when there is nothing to do.
    fix: &'static str,
}

impl Rule {
    fn explain(&self, captures: &Captures<'_>, line: &Line<'_>, context: Vec<Vec<u8>>) -> Explanation {
        Explanation {
            code: self.code,
            stage: self.stage,
            why: captures.fill(self.why),
            fix: (!self.fix.is_empty()).then(|| captures.fill(self.fix)),
            finding: self.kind == Kind::Finding,
            retry: self.kind == Kind::Retry,
            line: line.number,
            matched: line.raw.to_vec(),
            context,
        }
    }
}

#[cfg(test)]
mod tests;
