//! Verdicts on many checkpoints, and what they have in common.

use ckptfx_analysis::{
    Text,
    finding::{Severity, Subject},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::envelope::{ContainerHead, EvidenceHead, Head, Status};

/// The verdict on one checkpoint.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Verdict {
    /// Where it lies.
    pub evidence: EvidenceHead,
    /// Of which container.
    pub container: ContainerHead,
    /// Whether it was read: of what was not, nothing below is known.
    pub status: Status,
    /// Why it was not read; null when it was.
    pub reason: Option<String>,
    /// Severity of the worst finding; null without findings.
    pub verdict: Option<Severity>,
    /// Number of findings of each severity; null when it was not read.
    pub findings: Option<Counts>,
    /// The worst finding; null without findings.
    pub top: Option<Top>,
    /// Number of processes; null when it was not read.
    pub processes: Option<usize>,
    /// Number of warnings and notes that reading gave.
    pub warnings: usize,
    /// Whether something could not be read: the verdict may then miss something.
    pub partial: bool,
}

/// Numbers of findings.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct Counts {
    /// Critical.
    pub critical: usize,
    /// High.
    pub high: usize,
    /// Medium.
    pub medium: usize,
    /// Low.
    pub low: usize,
    /// Information.
    pub info: usize,
}

/// A finding, in short.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Top {
    /// Id of the detection.
    pub id: String,
    /// What it is.
    pub title: String,
    /// 0 to 100.
    pub score: u32,
    /// What it is about.
    pub subject: Subject,
}

/// Something that more than one checkpoint has.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Shared {
    /// `sha256` of a recovered or dropped program, `build-id` of a program that a finding is about, `endpoint` that is not
    /// the container itself, or `finding`.
    pub kind: &'static str,
    /// Hash, build id, address and port, or id of the detection and what it is about.
    pub value: Text,
    /// What it is called in the checkpoints: paths, or protocols.
    pub names: Vec<Text>,
    /// In how many checkpoints it is.
    pub count: usize,
    /// Which ones: path or name of the evidence, and its part in brackets if it has several.
    pub checkpoints: Vec<String>,
}

impl Verdict {
    /// What is told of evidence that was not read.
    #[must_use]
    pub fn not_read(head: Head, status: Status, reason: String) -> Self {
        Self {
            evidence: head.evidence,
            container: head.container,
            status,
            partial: status == Status::Unreadable,
            reason: Some(reason),
            verdict: None,
            findings: None,
            top: None,
            processes: None,
            warnings: 1,
        }
    }
}
