//! The frame around every result: the JSON contract of `docs/output.md`.

use base64::{Engine as _, prelude::BASE64_STANDARD as STANDARD};
use ckptfx_parser::{
    Checkpoint, Diagnostic, Severity, container::Engine, input::Evidence, text::escape_invalid,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use ckptfx_analysis::{
    Text,
    container::dated::{self, Basis},
};

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
    /// File or directory name, without path. Bytes that are not UTF-8 are shown as `\xNN`.
    pub name: String,
    /// The exact bytes of such a name, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_b64: Option<String>,
    /// Where it lies below what was named; where that does not tell it from other evidence, with as much of what was
    /// named as does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Text>,
    /// As much of the path as a line needs.
    #[serde(skip)]
    pub shown: Option<Text>,
    /// What became of evidence that was not read: `unreadable`, or `no-checkpoint` when there is none in it. Absent
    /// when it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// `tar`, `tar+zstd`, `directory`, …; `unknown` when it was not read.
    pub format: String,
    /// Size in bytes; null when that is not known either.
    pub bytes: Option<u64>,
    /// SHA-256 of the file, when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Which checkpoint of the evidence, when it holds several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
}

/// What became of something that may be evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It was read.
    Read,
    /// It looks like evidence and could not be read.
    Unreadable,
    /// It was read, and no checkpoint is in it.
    NoCheckpoint,
}

impl Status {
    /// The word used in output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Unreadable => "unreadable",
            Self::NoCheckpoint => "no-checkpoint",
        }
    }
}

impl EvidenceHead {
    /// What a checkpoint is called in a line: as much of its path as tells it apart, and its part in brackets.
    #[must_use]
    pub fn label(&self) -> Text {
        let exact = || self.name_b64.as_ref().and_then(|text| STANDARD.decode(text).ok());
        let shown = self.shown.as_ref().map(|shown| shown.0.clone()).or_else(exact);
        let mut label = shown.unwrap_or_else(|| self.name.clone().into_bytes());
        // In a directory the path tells the part.
        if let Some(part) = self.part.as_ref().filter(|_| self.format != "directory") {
            label.extend([b" [", part.as_bytes(), b"]"].concat());
        }
        Text(label)
    }
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
                name_b64: evidence.raw_name.as_ref().map(|raw| STANDARD.encode(raw)),
                shown: shown(evidence, checkpoint),
                path: path(evidence, checkpoint),
                status: None,
                format: evidence.format.clone(),
                bytes: Some(evidence.bytes),
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

    /// The head of a result about evidence that was not read.
    pub fn not_read(
        command: &str,
        name: &[u8],
        (path, shown): (Option<Text>, Option<Text>),
        status: Status,
        bytes: Option<u64>,
    ) -> Self {
        Self {
            document: DocumentHead::new(command),
            evidence: EvidenceHead {
                name: escape_invalid(name).into_owned(),
                name_b64: std::str::from_utf8(name).is_err().then(|| STANDARD.encode(name)),
                path,
                shown,
                status: Some(status),
                format: "unknown".to_owned(),
                bytes,
                sha256: None,
                part: None,
            },
            container: ContainerHead {
                engine: Engine::Unknown.name(),
                id: None,
                name: None,
                pod: None,
                namespace: None,
                image: None,
                image_digest: None,
                runtime: None,
                created: None,
                checkpointed: None,
                checkpointed_from: None,
            },
        }
    }
}

/// Of checkpoints that lie in a directory in the open, each has its own.
fn base<'c>(evidence: &Evidence, checkpoint: &'c Checkpoint) -> Option<&'c [u8]> {
    Some(checkpoint.base()).filter(|base| evidence.format == "directory" && !base.is_empty())
}

fn shown(evidence: &Evidence, checkpoint: &Checkpoint) -> Option<Text> {
    match base(evidence, checkpoint) {
        Some(_) => path(evidence, checkpoint),
        None => evidence.shown.clone().map(Text),
    }
}

/// Where a checkpoint lies below what was named.
fn path(evidence: &Evidence, checkpoint: &Checkpoint) -> Option<Text> {
    let base = base(evidence, checkpoint);
    let path = match (&evidence.path, base) {
        (Some(path), Some(base)) => [path, b"/".as_slice(), base].concat(),
        (path, base) => path.as_deref().or(base)?.to_vec(),
    };
    Some(Text(path))
}
