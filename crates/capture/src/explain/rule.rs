//! What is known of one failure, and what is said of it.

use serde::Serialize;

use super::{line::Line, pattern::Captures};

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
pub(super) enum Kind {
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

/// One thing that is known.
pub(super) struct Rule {
    pub(super) code: &'static str,
    pub(super) stage: Stage,
    pub(super) kind: Kind,
    /// Literal text with `{name}` for what varies.
    pub(super) pattern: &'static str,
    /// A sentence that may use the names of the pattern.
    pub(super) why: &'static str,
    /// What to do; empty when there is nothing to do.
    pub(super) fix: &'static str,
}

impl Rule {
    pub(super) fn explain(
        &self,
        captures: &Captures<'_>,
        line: &Line<'_>,
        context: Vec<Vec<u8>>,
    ) -> Explanation {
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
