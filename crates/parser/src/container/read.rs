//! Reading the engine's files.

use serde_json::Value;

use super::{
    engine::{self, Files},
    model::Container,
};
use crate::{
    Diagnostic,
    archive::{Archive, join},
    limits::reached,
};

impl Container {
    /// Reads the engine's files below `base`.
    pub fn read(archive: &Archive, base: &[u8], diagnostics: &mut Vec<Diagnostic>) -> Self {
        let mut read = |name: &str| read_json(archive, &join(base, name.as_bytes()), diagnostics);
        let files = Files {
            spec: read("spec.dump"),
            config: read("config.dump"),
            status: read("status"),
            status_dump: read("status.dump"),
            network_status: read("network.status"),
            has_cri_o_log: archive.find(&join(base, b"io.kubernetes.cri-o.LogPath")).is_some(),
        };
        engine::container(files)
    }
}

fn read_json(archive: &Archive, path: &[u8], diagnostics: &mut Vec<Diagnostic>) -> Option<Value> {
    let bytes = archive.file(path).filter(|bytes| !bytes.is_empty())?;
    let subject = String::from_utf8_lossy(path).into_owned();
    if bytes.len() as u64 > archive.limits.metadata_bytes {
        let what = format!("{} bytes are too many for an engine's file; it is not read", bytes.len());
        diagnostics.push(reached("metadata-too-large", subject, "metadata-bytes", what));
        return None;
    }
    match serde_json::from_slice(bytes) {
        Ok(value) => Some(value),
        Err(error) => {
            let message = format!("not readable as JSON: {error}");
            diagnostics.push(Diagnostic::loss("bad-metadata", subject, message));
            None
        }
    }
}
