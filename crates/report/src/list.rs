//! Records that are of no single fact: checkpoints of many, one line each, and records of several kinds in one list.

use schemars::JsonSchema;
use serde::Serialize;

use crate::envelope::{ContainerHead, EvidenceHead, Status};

/// One checkpoint.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Row {
    /// Where it lies.
    pub evidence: EvidenceHead,
    /// Of which container; all null when it was not read.
    pub container: ContainerHead,
    /// Number of processes; null when it was not read.
    pub processes: Option<usize>,
    /// Captured memory of all processes; shared objects do not count. Null when it was not read.
    pub captured_bytes: Option<u64>,
    /// Number of warnings and notes that reading gave.
    pub warnings: usize,
    /// Whether it was read.
    pub status: Status,
    /// Why it was not read; null when it was.
    pub reason: Option<String>,
}

/// A record among those of other kinds.
#[derive(Debug, Serialize)]
pub struct OfKind<'a, R> {
    /// Which kind.
    pub kind: &'static str,
    /// The record.
    #[serde(flatten)]
    pub record: &'a R,
}
