//! The frame around every result: the JSON contract of `docs/output.md`.

use ckptfx_parser::{Checkpoint, Diagnostic, Severity, evidence::Evidence};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::dated::{self, Basis};

/// Who made the report.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Tool {
    /// Always `ckptfx`.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

/// What the report is about.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EvidenceHead {
    /// File or directory name, without path.
    pub name: String,
    /// `tar`, `tar+zstd`, `directory`, …
    pub format: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Which checkpoint of the evidence, when it holds several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
}

/// The container, in short.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ContainerHead {
    /// `podman`, `cri-o`, `containerd`, `docker` or `unknown`.
    pub engine: &'static str,
    /// Full id.
    pub id: Option<String>,
    /// Name of the container.
    pub name: Option<String>,
    /// Pod.
    pub pod: Option<String>,
    /// Kubernetes namespace.
    pub namespace: Option<String>,
    /// Image reference.
    pub image: Option<String>,
    /// Manifest digest of the image.
    pub image_digest: Option<String>,
    /// OCI runtime or handler.
    pub runtime: Option<String>,
    /// Creation time.
    #[schemars(with = "Option<String>")]
    pub created: Option<Timestamp>,
    /// Time of the checkpoint; see [`dated::checkpointed`].
    #[schemars(with = "Option<String>")]
    pub checkpointed: Option<Timestamp>,
    /// What that time is derived from; null when the engine recorded it, or it is not known.
    pub checkpointed_from: Option<String>,
}

/// Something the reader must know about the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Warning {
    /// Stable kebab-case name.
    pub code: &'static str,
    /// Member or process.
    pub subject: String,
    /// Plain sentence.
    pub message: String,
    /// Byte offset in the member, when one place is to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Whether something is missing from the result because of it.
    pub partial: bool,
}

impl From<&Diagnostic> for Warning {
    fn from(diagnostic: &Diagnostic) -> Self {
        Self {
            code: diagnostic.code,
            subject: diagnostic.subject.clone(),
            message: diagnostic.message.clone(),
            offset: diagnostic.offset,
            partial: diagnostic.severity == Severity::Loss,
        }
    }
}

/// What begins a result that is about no single checkpoint.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DocumentHead {
    /// `ckptfx.<command>.v1`.
    pub schema: String,
    /// Who made it.
    pub tool: Tool,
}

impl DocumentHead {
    /// The head of a command's result.
    pub fn new(command: &str) -> Self {
        Self {
            schema: format!("ckptfx.{command}.v1"),
            tool: Tool { name: "ckptfx", version: env!("CARGO_PKG_VERSION") },
        }
    }
}

/// Everything around the records of a result.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Head {
    /// Schema and tool.
    #[serde(flatten)]
    pub document: DocumentHead,
    /// Of what.
    pub evidence: EvidenceHead,
    /// Of which container.
    pub container: ContainerHead,
}

impl Head {
    /// The head of a command's result about one checkpoint.
    pub fn new(command: &str, evidence: &Evidence, checkpoint: &Checkpoint, sha256: Option<String>) -> Self {
        let container = &checkpoint.container;
        let checkpointed = dated::checkpointed(checkpoint);
        Self {
            document: DocumentHead::new(command),
            evidence: EvidenceHead {
                name: evidence.name.clone(),
                format: evidence.format.clone(),
                bytes: evidence.bytes,
                sha256,
                part: checkpoint.label.clone().filter(|_| evidence.checkpoints.len() > 1),
            },
            container: ContainerHead {
                engine: container.engine.name(),
                id: container.id.clone(),
                name: container.name.clone(),
                pod: container.pod.clone(),
                namespace: container.namespace.clone(),
                image: container.image.clone(),
                image_digest: container.image_digest.clone(),
                runtime: container.runtime.clone(),
                created: container.created,
                checkpointed: checkpointed.as_ref().map(|found| found.time),
                checkpointed_from: checkpointed
                    .filter(|found| found.basis == Basis::Derived)
                    .map(|found| found.source),
            },
        }
    }
}
