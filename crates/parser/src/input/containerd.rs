//! Checkpoints of which an index of an OCI layout lists the raw blobs (`ctr checkpoint`, `archives.md §1.6`).

use bytes::Bytes;
use prost::Message as _;
use serde_json::Value;

use super::{
    found::IndexFacts,
    layers::{layer, text_at},
    options::OpenOptions,
};
use crate::{Diagnostic, Limits, archive::Archive, source::Extent};

const CRIU_TAR: &str = "application/vnd.containerd.container.criu.checkpoint.criu.tar";
const SPEC_ANY: &str = "application/vnd.containerd.container.checkpoint.config.v1+proto";

/// containerd wraps the runtime specification into a `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// The blobs of one checkpoint: those that one index lists.
pub(super) struct Blobs {
    pub label: Option<String>,
    pub digest: Option<String>,
    pub facts: IndexFacts,
    pub archive: Archive,
}

impl Blobs {
    pub fn of(index: &Value, descriptor: Option<&Value>, limits: &Limits) -> Self {
        let annotation = |key| text_at(index, &["annotations", key]);
        let image = annotation("image.name").or_else(|| annotation(REF_NAME));
        let facts = IndexFacts { image, runtime: annotation("io.containerd.checkpoint.runtime") };
        let digest = descriptor.and_then(|descriptor| text_at(descriptor, &["digest"]));
        Self { label: descriptor.and_then(label_of), digest, facts, archive: Archive::under(limits) }
    }

    /// Takes in a blob; false when its type is that of no part of a checkpoint.
    pub fn take(
        &mut self,
        media_type: &str,
        bytes: &Extent,
        path: &str,
        options: &OpenOptions<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> bool {
        match media_type {
            CRIU_TAR => {
                let before = diagnostics.len();
                match layer(bytes, path, options, diagnostics) {
                    Some(images) => self.archive.merge_below(images, b"checkpoint"),
                    None if diagnostics.len() == before => {
                        diagnostics.push(Diagnostic::loss("unreadable-archive", path, "it is no tar"));
                    }
                    None => {}
                }
            }
            SPEC_ANY => match bytes
                .read()
                .map_err(|error| error.to_string())
                .and_then(|bytes| Any::decode(bytes).map_err(|error| error.to_string()))
            {
                Ok(any) => {
                    self.archive.merge(Archive::of_files([(b"spec.dump".to_vec(), Bytes::from(any.value))]));
                }
                Err(error) => diagnostics.push(Diagnostic::loss("bad-message", path, error)),
            },
            // Between the blobs of a checkpoint it is what the container changed.
            _ if is_layer(media_type) => {
                self.archive.merge(Archive::of_files([(b"rootfs-diff.tar".to_vec(), bytes.clone())]));
            }
            _ => return false,
        }
        true
    }
}

/// Whether a blob is the layer of a file system.
fn is_layer(media_type: &str) -> bool {
    ["application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs.diff."]
        .iter()
        .any(|stem| media_type.starts_with(stem))
}

const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The name of an image; containerd writes only its tag where others write all of it.
pub(super) fn label_of(descriptor: &Value) -> Option<String> {
    ["io.containerd.image.name", REF_NAME].iter().find_map(|key| text_at(descriptor, &["annotations", key]))
}
