//! Findings and facts in the forms that other systems take: Elastic Common Schema, OCSF, SARIF and STIX.
//!
//! Each form is one file with one function that writes a [`Dossier`]. Nothing here has a clock or draws random
//! numbers: ids are UUIDs (version 5) of the checkpoint and of what they name.

use ckptfx_analysis::{
    finding::{Facts, Finding, NotExamined},
    report::{Head, Warning},
    timeline::Event,
};
use serde_json::Value;

/// What an export is made of: all that is known of one checkpoint.
pub struct Dossier<'d> {
    /// Evidence and container.
    pub head: &'d Head,
    /// What findings rest on, and the inventory.
    pub facts: &'d Facts<'d>,
    /// What speaks for an intrusion, the worst first.
    pub findings: &'d [Finding],
    /// Secrets, masked: records as `secrets -o json` has them.
    pub secrets: &'d [Value],
    /// Dated facts.
    pub events: &'d [Event],
    /// Whether processes, files and sockets are exported too, or only findings.
    pub inventory: bool,
    /// What the reader must know about the result.
    pub warnings: &'d [Warning],
    /// What findings do not rest on.
    pub not_examined: &'d [NotExamined],
}
