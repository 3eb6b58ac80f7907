//! Makes an image: its layer, its configuration and its manifest.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    annotations::annotations,
    layer::Layer,
    parts::{
        CONFIG_TYPE, Descriptor, Entry, Error, Image, LAYER_TYPE, MANIFEST_TYPE, Origin, descriptor, to_bytes,
    },
};

impl Image {
    /// Makes the image. Its layer is written to an unnamed file beside `place`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn build(entries: &[Entry], origin: &Origin, place: &Path) -> Result<Self, Error> {
        let at = |source| Error::Write { path: place.display().to_string(), source };
        let Layer { file, digest, size, diff_id, left_out } = Layer::write(entries, place).map_err(at)?;
        let layer_descriptor = Descriptor { media_type: LAYER_TYPE, digest, size };
        let created = origin.checkpointed.unwrap_or(Timestamp::UNIX_EPOCH).to_string();
        let config = to_bytes(&json!({
            "created": created,
            "architecture": origin.architecture,
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
            "history": [{"created": created, "created_by": "ckptfx image"}],
        }));
        let config_descriptor = descriptor(CONFIG_TYPE, &config);
        let annotations = annotations(origin);
        let map: serde_json::Map<String, Value> =
            annotations.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
        let manifest = to_bytes(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": config_descriptor,
            "layers": [layer_descriptor],
            "annotations": map,
        }));
        Ok(Self {
            descriptor: descriptor(MANIFEST_TYPE, &manifest),
            manifest,
            config,
            config_descriptor,
            layer: file,
            layer_descriptor,
            diff_id,
            annotations,
            left_out,
        })
    }
}
