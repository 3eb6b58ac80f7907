//! Docker archives: the output of `docker save` and `podman save --format docker-archive`.

use std::sync::Arc;

use serde_json::Value;

use super::{
    found::{Archives, Found},
    kind::{ImageManifest, Kind, Subject},
    layers::{few, json, list, open_layers, text_at},
    options::OpenOptions,
};
use crate::{Diagnostic, Error, Result, archive::Archive, limits::count};

pub(super) const KIND: Kind = Kind {
    of_directory: "docker-archive",
    of_file: "docker-archive",
    detect: |subject| subject.archive().is_some_and(is_docker),
    open,
    images: Some(manifests),
};

fn is_docker(archive: &Archive) -> bool {
    archive.find(b"manifest.json").is_some() && archive.find(b"spec.dump").is_none()
}

/// Opens the output of `docker save` or `podman save --format docker-archive`.
fn open(
    subject: &Subject,
    name: &str,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Option<Archives>> {
    let Some(archive) = subject.archive() else { return Ok(None) };
    let manifest =
        archive.file(b"manifest.json").and_then(|bytes| json(bytes, &archive.limits)).ok_or_else(|| {
            Error::NotACheckpoint {
                name: name.to_owned(),
                reason: "manifest.json is not readable JSON".to_owned(),
                is_damaged: true,
            }
        })?;
    let mut archives = Archives::new();
    for image in manifest.as_array().into_iter().flatten().take(count(archive.limits.descriptors)) {
        let mut layers = Vec::new();
        for path in few(list(image, "Layers"), archive, name, diagnostics).filter_map(Value::as_str) {
            match archive.extent(path.as_bytes()) {
                Some(bytes) => layers.push((bytes, path.to_owned())),
                None => diagnostics.push(Diagnostic::loss(
                    "missing-blob",
                    name,
                    format!("layer {path} is not there"),
                )),
            }
        }
        let label = list(image, "RepoTags").next().and_then(Value::as_str).map(str::to_owned);
        if let Some(layers) = open_layers(layers, options, diagnostics) {
            archives.push(Found { label, index: None, archive: Arc::new(layers) });
        }
    }
    Ok(Some(archives))
}

/// The images of `docker save`.
fn manifests(
    archive: &Archive,
    name: &str,
    _diagnostics: &mut Vec<Diagnostic>,
) -> Result<Vec<ImageManifest>> {
    let manifest =
        archive.file(b"manifest.json").and_then(|bytes| json(bytes, &archive.limits)).ok_or_else(|| {
            Error::NotACheckpoint {
                name: name.to_owned(),
                reason: "manifest.json is not readable JSON".to_owned(),
                is_damaged: true,
            }
        })?;
    let images = manifest.as_array().into_iter().flatten().take(count(archive.limits.descriptors));
    let describe = |image: &Value| {
        // The configuration is named after its digest: `<hex>.json`, or `blobs/sha256/<hex>`.
        let config = text_at(image, &["Config"]).map(|path| {
            let last = path.rsplit('/').next().unwrap_or(&path);
            format!("sha256:{}", last.strip_suffix(".json").unwrap_or(last))
        });
        let layers = list(image, "Layers").filter_map(Value::as_str).take(count(archive.limits.descriptors));
        ImageManifest {
            digest: None,
            config,
            architecture: None,
            layers: layers.map(|path| (archive.extent(path.as_bytes()), path.to_owned())).collect(),
        }
    };
    Ok(images.map(describe).collect())
}
