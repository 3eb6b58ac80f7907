//! What images are made of: the archive's members, what is known of the container, blobs and their media types.

use std::io;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::manifest::sha256_hex;

/// Media types of the parts of an image.
pub(crate) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

pub(crate) const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";

pub(crate) const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

pub(super) const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something could not be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// What was to be written.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// The place is taken.
    #[error("{0} exists already; nothing is written over")]
    Exists(String),
}

/// A member of the archive.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Path below the root of the layer, without leading or trailing `/`.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Modification time in seconds since the epoch.
    pub mtime: u64,
}

/// What a member is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A file: its size, and pieces at their offsets; what lies between them is zero.
    File(u64, Vec<(u64, Bytes)>),
    /// A link, device or anything else that engines refuse.
    Other,
}

/// What the archive says of the container.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// `podman`, `cri-o`, `containerd` or another word.
    pub engine: String,
    /// Name of the container.
    pub container: Option<String>,
    /// Pod.
    pub pod: Option<String>,
    /// Kubernetes namespace.
    pub namespace: Option<String>,
    /// Image as the user named it.
    pub image: Option<String>,
    /// OCI runtime or handler as the engine names it.
    pub runtime: Option<String>,
    /// When the checkpoint was made.
    pub checkpointed: Option<Timestamp>,
    /// Architecture in Go's words: `amd64`, `arm64`, …
    pub architecture: String,
    /// Whether it holds memory only, without processes.
    pub is_pre_dump: bool,
    /// Whether it needs a parent dump that is not part of it.
    pub needs_parent: bool,
    /// `spec.dump`.
    pub spec: Option<Value>,
    /// `config.dump`.
    pub config: Option<Value>,
}

/// A blob of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Descriptor {
    /// What it is.
    #[serde(rename = "mediaType")]
    pub media_type: &'static str,
    /// `sha256:…` of its bytes.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
}

/// An image, complete but for the place where it is put.
#[derive(Debug)]
pub struct Image {
    /// The manifest as it is stored.
    pub manifest: Vec<u8>,
    /// Descriptor of the manifest.
    pub descriptor: Descriptor,
    /// The configuration as it is stored.
    pub config: Vec<u8>,
    /// Descriptor of the configuration.
    pub config_descriptor: Descriptor,
    /// The layer, in a file without a name.
    pub layer: std::fs::File,
    /// Descriptor of the layer.
    pub layer_descriptor: Descriptor,
    /// SHA-256 of the layer before compression.
    pub diff_id: String,
    /// Annotations of the manifest.
    pub annotations: Vec<(String, String)>,
    /// Members that are not in it since engines refuse such images.
    pub left_out: Vec<Vec<u8>>,
}

pub(super) fn descriptor(media_type: &'static str, bytes: &[u8]) -> Descriptor {
    Descriptor { media_type, digest: format!("sha256:{}", sha256_hex(bytes)), size: bytes.len() as u64 }
}

/// Compact JSON; writing a [`Value`] to memory cannot fail.
pub(super) fn to_bytes(value: &Value) -> Vec<u8> {
    ckptfx_parser::plain::json(&value.to_string()).into_bytes()
}

/// `repository:tag` taken apart; the tag is `latest` where none is given.
pub fn split_name(name: &str) -> (&str, &str) {
    match name.rsplit_once(':') {
        // A colon before a slash belongs to a port.
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (name, "latest"),
    }
}
