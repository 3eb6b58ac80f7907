//! Captures and checks as they are reported.

use std::path::{Path, PathBuf};

use ckptfx_parser::text::Text;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{captured::Captured, error::Error, kubernetes::preflight::Check};

/// A container that was captured, or was not.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Record {
    /// Kubernetes namespace.
    pub namespace: Option<Text>,
    /// Pod.
    pub pod: Option<Text>,
    /// Container; for one that failed the words by which it was asked for.
    pub container: Option<Text>,
    /// Full container id.
    pub container_id: Option<Text>,
    /// Kubernetes node.
    pub node: Option<Text>,
    /// `api-server`, `kubelet`, `cri` or `podman`; null when nothing was captured.
    pub via: Option<Text>,
    /// Path of the archive; null when it is on the node only.
    pub archive: Option<Text>,
    /// Its size in bytes.
    pub bytes: Option<u64>,
    /// Its SHA-256.
    pub sha256: Option<String>,
    /// Path of the archive on the node; null when it never was a file there.
    pub node_path: Option<Text>,
    /// Path of the manifest.
    pub manifest: Option<Text>,
    /// Path of the findings of triage; null when it was not asked for.
    pub triage: Option<Text>,
    /// Place in a chain, from 1.
    pub chain_index: Option<u32>,
    /// Whether the same container ran afterwards; null when nothing tells.
    pub running_after: Option<bool>,
    /// Its state then, in the words of whom was asked.
    pub state_after: Option<Text>,
    /// What a reader must know.
    pub notes: Vec<Text>,
    /// Why it was not captured, in plain words; null when it was.
    pub error: Option<Text>,
    /// Names of the causes, as `explain` has them.
    pub causes: Vec<&'static str>,
    /// Whether the failure says something about the workload itself.
    pub finding: bool,
}

/// Something that was checked on a node.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CheckRecord {
    /// The node.
    pub node: Text,
    /// Stable kebab-case name.
    pub code: &'static str,
    /// `ok`, `missing` or `unknown`.
    pub state: &'static str,
    /// What was found, in a plain sentence.
    pub message: Text,
    /// What to do about it.
    pub fix: Option<Text>,
}

impl From<Captured> for Record {
    fn from(captured: Captured) -> Self {
        let failed = captured.failure.as_ref().map(|error| Self::failed("", error)).unwrap_or_default();
        let manifest = captured.manifest;
        let text = |text: Option<String>| text.map(|text| text.as_str().into());
        let path = |path: PathBuf| path.to_string_lossy().as_ref().into();
        let after = manifest.after;
        Self {
            namespace: text(manifest.subject.namespace),
            pod: text(manifest.subject.pod),
            container: text(manifest.subject.container),
            container_id: text(manifest.subject.container_id),
            node: text(manifest.source.node),
            via: text(Some(manifest.source.via)),
            archive: captured.path.map(path),
            bytes: manifest.archive.bytes,
            sha256: manifest.archive.sha256,
            node_path: text(manifest.archive.node_path),
            manifest: Some(path(captured.manifest_path)),
            chain_index: manifest.chain.map(|chain| chain.index),
            running_after: after.as_ref().and_then(|after| after.running),
            state_after: text(after.map(|after| after.state)),
            notes: manifest.notes.iter().map(|note| note.as_str().into()).collect(),
            error: failed.error,
            causes: failed.causes,
            finding: failed.finding,
            triage: None,
        }
    }
}

impl Record {
    /// The archive, if it is here.
    pub fn archive(&self) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStrExt as _;
        let archive = self.archive.as_ref()?;
        Some(Path::new(std::ffi::OsStr::from_bytes(&archive.0)).to_path_buf())
    }

    /// One that was not captured, by the words by which it was asked for.
    pub fn failed(name: &str, error: &Error) -> Self {
        let known = error.explanations();
        Self {
            container: Some(name.into()),
            error: Some(error.to_string().as_str().into()),
            causes: known.iter().map(|explanation| explanation.code).collect(),
            finding: known.iter().any(|explanation| explanation.finding),
            ..Self::default()
        }
    }
}

impl CheckRecord {
    /// What was checked on a node.
    pub fn new(node: &str, check: Check) -> Self {
        Self {
            node: node.into(),
            code: check.code,
            state: check.state.name(),
            message: check.message.as_str().into(),
            fix: check.fix.map(|fix| fix.as_str().into()),
        }
    }
}
