//! Images as they are reported.

use std::collections::BTreeMap;

use ckptfx_parser::text::Text;
use schemars::JsonSchema;
use serde::Serialize;

use super::restorable::Verdict;

/// An image made of the checkpoint.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Record {
    /// Name under which it is stored.
    pub name: Text,
    /// Digest of its manifest, `sha256:…`.
    pub digest: String,
    /// Digest of its layer as stored, gzip-compressed.
    pub layer_digest: String,
    /// Digest of its layer before compression.
    pub layer_diff_id: String,
    /// Size of the layer as stored, in bytes.
    pub layer_bytes: u64,
    /// Architecture in the words of images: `amd64`, `arm64`, …
    pub architecture: String,
    /// Annotations of its manifest.
    pub annotations: BTreeMap<String, Text>,
    /// What each engine will do with it.
    pub engines: Vec<EngineFacts>,
    /// Members of the archive that are not in it, since engines refuse images that have such.
    pub left_out: Vec<Text>,
    /// `oci-dir` or `oci-archive`; null when it was not written.
    pub written: Option<&'static str>,
    /// Where it was written.
    pub path: Option<Text>,
    /// Name and digest by which a registry has it; null when it was not sent to one.
    pub pushed: Option<Text>,
}

/// What an engine will do with the image.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EngineFacts {
    /// `cri-o`, `containerd` or `podman`.
    pub engine: &'static str,
    /// Whether it takes the image, where what it needs is there.
    pub restores: bool,
    /// Why it refuses the image, in plain sentences.
    pub refuses: Vec<Text>,
    /// What must be so on the node or in the pod.
    pub needs: Vec<Text>,
}

impl From<Verdict> for EngineFacts {
    fn from(verdict: Verdict) -> Self {
        let texts = |sentences: Vec<String>| sentences.iter().map(|text| text.as_str().into()).collect();
        Self {
            engine: verdict.engine.name(),
            restores: verdict.refuses.is_empty(),
            refuses: texts(verdict.refuses),
            needs: texts(verdict.needs),
        }
    }
}
