//! Failures of a checkpoint in plain words, with what to do about them.
//!
//! The knowledge is in its tables; here it is held against a message or against CRIU's `dump.log`. What the
//! table does not know is quoted and not guessed at.

mod pattern;
mod table;

use std::borrow::Cow;

use serde::Serialize;

use self::pattern::Captures;

/// Longest input that is looked at, in bytes; the errors of a dump are at the end, so the end is kept.
pub const MAX_INPUT: usize = 64 << 20;

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
}

/// Explains what a server, a runtime or CRIU said, in the order of its lines; each cause once.
///
/// In a `dump.log` only errors and warnings count, and those of a dump that finished are left out unless they
/// say something of the workload: CRIU probes the kernel for much that it then does without.
pub fn explain(input: &[u8]) -> Vec<Explanation> {
    let text = status_message(input);
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let is_log = lines.iter().any(|line| log_message(line).is_some());
    let mut found: Vec<Explanation> = Vec::new();
    let mut finished = false;
    let mut wrappers = 0;
    for (index, line) in lines.iter().enumerate() {
        let message = match (is_log, log_message(line)) {
            (true, Some(message)) if message.counts => message.text,
            (true, _) => continue,
            (false, _) => line,
        };
        let Some((rule, captures)) = table::first_match(message) else { continue };
        if rule.kind == Kind::Probe {
            continue;
        }
        let explanation = rule.explain(&captures, index.saturating_add(1), line);
        finished |= rule.kind == Kind::Success;
        if found.iter().any(|other| other.code == explanation.code && other.why == explanation.why) {
            continue;
        }
        wrappers += usize::from(rule.kind == Kind::Wrapper);
        found.push(explanation);
    }
    // A sentence that only wraps another adds nothing to it.
    if found.len() > wrappers {
        found.retain(|explanation| !table::is_wrapper(explanation.code));
    }
    if finished {
        found.retain(|explanation| explanation.finding || explanation.code == table::FINISHED);
    }
    found
}

/// Whether trying once more without any change may work: two checkpoints of one container got in each other's way.
pub fn is_transient(input: &[u8]) -> bool {
    explain(input).iter().any(|explanation| explanation.retry)
}

/// The first error line of a log, but for those that CRIU can do without: what a person should look at.
pub fn first_error(input: &[u8]) -> Option<(usize, Vec<u8>)> {
    let text = status_message(input);
    let mut lines = text.split(|byte| *byte == b'\n').enumerate();
    let is_probe = |text: &[u8]| table::first_match(text).is_some_and(|(rule, _)| rule.kind == Kind::Probe);
    let is_error =
        |line: &[u8]| log_message(line).is_some_and(|message| message.is_error && !is_probe(message.text));
    lines
        .find(|(_, line)| is_error(line))
        .map(|(index, line)| (index.saturating_add(1), line.strip_suffix(b"\r").unwrap_or(line).to_vec()))
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

/// A line of a CRIU log.
struct LogMessage<'a> {
    /// What stands behind the time.
    text: &'a [u8],
    /// Whether it is an error.
    is_error: bool,
    /// Whether it can be the reason of anything.
    counts: bool,
}

/// Takes `(00.013957) Error (criu/tun.c:85): …` apart.
fn log_message(line: &[u8]) -> Option<LogMessage<'_>> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let rest = line.strip_prefix(b"(")?;
    let end = rest.iter().position(|byte| *byte == b')').filter(|end| *end <= 24)?;
    let (time, rest) = rest.split_at_checked(end)?;
    let is_time = time.contains(&b'.') && time.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    let rest = rest.strip_prefix(b")")?.trim_ascii_start();
    // A restored process is named by its pid before the message.
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = rest.get(digits..).and_then(|rest| rest.strip_prefix(b":")).filter(|_| digits > 0);
    let text = text.unwrap_or(rest).trim_ascii_start();
    let is_error = text.starts_with(b"Error ");
    let counts = is_error || text.starts_with(b"Warn ") || text.ends_with(b"finished successfully");
    is_time.then_some(LogMessage { text, is_error, counts })
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
    fn explain(&self, captures: &Captures<'_>, line: usize, matched: &[u8]) -> Explanation {
        Explanation {
            code: self.code,
            stage: self.stage,
            why: captures.fill(self.why),
            fix: (!self.fix.is_empty()).then(|| captures.fill(self.fix)),
            finding: self.kind == Kind::Finding,
            retry: self.kind == Kind::Retry,
            line,
            matched: matched.strip_suffix(b"\r").unwrap_or(matched).to_vec(),
        }
    }
}

#[cfg(test)]
mod tests;
