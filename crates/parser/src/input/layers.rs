//! What images have in common: manifests in JSON, and layers.

use serde_json::Value;

use super::{decompress::decompress, options::OpenOptions};
use crate::{
    Diagnostic, Error, Limits,
    archive::Archive,
    limits::{count, reached},
    source::Extent,
};

/// A file as JSON, if it is that and not too long.
pub(super) fn json(bytes: &[u8], limits: &Limits) -> Option<Value> {
    (bytes.len() <= count(limits.metadata_bytes)).then(|| serde_json::from_slice(bytes).ok()).flatten()
}

/// What a list in an object holds; nothing when there is none.
pub(super) fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// As many of the layers as are followed; that there are more is reported.
pub(super) fn few<'a>(
    layers: impl Iterator<Item = &'a Value>,
    archive: &Archive,
    name: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> std::vec::IntoIter<&'a Value> {
    let mut layers: Vec<&Value> = layers.collect();
    let most = count(archive.limits.descriptors);
    if layers.len() > most {
        diagnostics.push(too_many(name, &archive.limits));
        layers.truncate(most);
    }
    layers.into_iter()
}

/// Says that an image has more parts than are followed.
pub(super) fn too_many(name: &str, limits: &Limits) -> Diagnostic {
    let what = format!("only the first {} manifests and layers are read", limits.descriptors);
    reached("too-many-members", name, "descriptors", what)
}

/// Lays the layers of an image over one another.
pub(super) fn open_layers(
    layers: Vec<(Extent, String)>,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Archive> {
    let mut all: Option<Archive> = None;
    for (bytes, path) in layers {
        if let Some(layer) = layer(&bytes, &path, options, diagnostics) {
            all.get_or_insert_with(|| Archive::under(&options.limits)).merge(layer);
        }
    }
    all
}

/// The tar that a blob is, if it is one. One that cannot be decompressed costs itself.
pub(super) fn layer(
    bytes: &Extent,
    path: &str,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Archive> {
    let opened = decompress(bytes.clone(), path, options, diagnostics);
    match opened.and_then(|plain| plain.index_one(path, options)) {
        Ok(layer) => layer,
        Err(error) => {
            diagnostics.push(Diagnostic::loss("unreadable-archive", path, with_cause(&error)));
            None
        }
    }
}

fn with_cause(error: &Error) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}

/// A text below keys.
pub(super) fn text_at(value: &Value, keys: &[&str]) -> Option<String> {
    let found = keys.iter().try_fold(value, |value, key| value.get(key))?;
    found.as_str().map(str::to_owned)
}
