//! OCI layouts and archives (`archives.md §1.2 end, §1.6`).

use std::sync::Arc;

use serde_json::Value;

use super::{
    containerd::{Blobs, label_of},
    found::{Archives, Found},
    kind::{ImageManifest, Kind, Subject},
    layers::{few, json, list, open_layers, text_at, too_many},
    options::OpenOptions,
};
use crate::{Diagnostic, Error, Limits, Result, archive::Archive, source::Extent};

pub(super) const KIND: Kind = Kind {
    of_directory: "oci-layout",
    of_file: "oci-archive",
    detect: |subject| subject.archive().is_some_and(is_oci),
    open,
    images: Some(manifests),
};

fn is_oci(archive: &Archive) -> bool {
    archive.find(b"index.json").is_some() && archive.find(b"oci-layout").is_some()
}

fn blob(archive: &Archive, descriptor: &Value) -> Option<(Extent, String)> {
    let (algorithm, hex) = descriptor.get("digest")?.as_str()?.split_once(':')?;
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !plain(algorithm) || !plain(hex) {
        return None;
    }
    let path = format!("blobs/{algorithm}/{hex}");
    archive.extent(path.as_bytes()).map(|bytes| (bytes, path))
}

/// A blob as JSON, which is not read when it is too long for that.
fn json_of(bytes: &Extent, limits: &Limits) -> Option<Value> {
    let is_short = bytes.len() <= limits.metadata_bytes;
    is_short.then(|| json(&bytes.read().ok()?, limits)).flatten()
}

/// Opens an OCI layout: the layers of its manifests, and for each index the blobs of `ctr checkpoint` in it.
fn open(
    subject: &Subject,
    name: &str,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Option<Archives>> {
    let Some(archive) = subject.archive() else { return Ok(None) };
    let index =
        archive.file(b"index.json").and_then(|bytes| json(bytes, &archive.limits)).ok_or_else(|| {
            Error::NotACheckpoint {
                name: name.to_owned(),
                reason: "index.json is not readable JSON".to_owned(),
                is_damaged: true,
            }
        })?;
    let mut archives = Archives::new();
    // A descriptor, how deep it lies, and which of the checkpoints its index is.
    let mut pending: Vec<(Value, usize, usize)> =
        list(&index, "manifests").map(|item| (item.clone(), 0, 0)).collect();
    pending.reverse();
    let mut checkpoints = vec![Blobs::of(&index, None, &archive.limits)];
    let mut followed = 0;
    while let Some((descriptor, depth, of)) = pending.pop() {
        followed += 1;
        if followed > archive.limits.descriptors {
            diagnostics.push(too_many(name, &archive.limits));
            break;
        }
        let media_type = descriptor.get("mediaType").and_then(Value::as_str).unwrap_or_default();
        let Some((bytes, path)) = blob(archive, &descriptor) else {
            let digest = descriptor.get("digest").and_then(Value::as_str).unwrap_or("without digest");
            diagnostics.push(Diagnostic::loss("missing-blob", name, format!("blob {digest} is not there")));
            continue;
        };
        if let Some(checkpoint) = checkpoints.get_mut(of)
            && checkpoint.take(media_type, &bytes, &path, options, diagnostics)
        {
            continue;
        }
        let Some(manifest) = json_of(&bytes, &archive.limits) else { continue };
        if depth < 4 && manifest.get("manifests").is_some() {
            let nested: Vec<_> = list(&manifest, "manifests")
                .map(|item| (item.clone(), depth + 1, checkpoints.len()))
                .collect();
            checkpoints.push(Blobs::of(&manifest, Some(&descriptor), &archive.limits));
            pending.extend(nested.into_iter().rev());
        }
        let layers: Vec<_> = few(list(&manifest, "layers"), archive, name, diagnostics)
            .filter_map(|item| blob(archive, item))
            .collect();
        if let Some(layers) = open_layers(layers, options, diagnostics) {
            archives.push(Found { label: label_of(&descriptor), index: None, archive: Arc::new(layers) });
        }
    }
    checkpoints.retain(|checkpoint| !checkpoint.archive.members().is_empty());
    let names: Vec<_> = checkpoints.iter().map(|checkpoint| checkpoint.label.clone()).collect();
    for checkpoint in checkpoints {
        let is_only = names.iter().filter(|name| **name == checkpoint.label).count() < 2;
        let label = match (checkpoint.label, checkpoint.digest) {
            (label, _) if is_only => label,
            (Some(label), Some(digest)) => Some(format!("{label}@{digest}")),
            (label, digest) => label.or(digest),
        };
        archives.push(Found { label, index: Some(checkpoint.facts), archive: Arc::new(checkpoint.archive) });
    }
    Ok(Some(archives))
}

/// The images of an OCI layout, through nested indexes; build records are left out.
fn manifests(archive: &Archive, name: &str, diagnostics: &mut Vec<Diagnostic>) -> Result<Vec<ImageManifest>> {
    let index =
        archive.file(b"index.json").and_then(|bytes| json(bytes, &archive.limits)).ok_or_else(|| {
            Error::NotACheckpoint {
                name: name.to_owned(),
                reason: "index.json is not readable JSON".to_owned(),
                is_damaged: true,
            }
        })?;
    let mut found = Vec::new();
    let mut pending: Vec<(Value, usize)> = list(&index, "manifests").map(|item| (item.clone(), 0)).collect();
    pending.reverse();
    let mut followed = 0;
    while let Some((descriptor, depth)) = pending.pop() {
        followed += 1;
        if followed > archive.limits.descriptors {
            diagnostics.push(too_many(name, &archive.limits));
            break;
        }
        if is_attestation(&descriptor) {
            continue;
        }
        let digest = text_at(&descriptor, &["digest"]);
        let Some(manifest) =
            blob(archive, &descriptor).and_then(|(bytes, _)| json_of(&bytes, &archive.limits))
        else {
            let digest = digest.unwrap_or_else(|| "without digest".to_owned());
            diagnostics.push(Diagnostic::loss("missing-blob", name, format!("blob {digest} is not there")));
            continue;
        };
        if depth < 4 {
            let nested: Vec<_> = list(&manifest, "manifests").map(|item| (item.clone(), depth + 1)).collect();
            pending.extend(nested.into_iter().rev());
        }
        let layers: Vec<_> = few(list(&manifest, "layers"), archive, name, diagnostics)
            .map(|item| match blob(archive, item) {
                Some((bytes, path)) => (Some(bytes), path),
                None => (None, text_at(item, &["digest"]).unwrap_or_default()),
            })
            .collect();
        if !layers.is_empty() {
            found.push(ImageManifest {
                digest,
                config: text_at(&manifest, &["config", "digest"]),
                architecture: text_at(&descriptor, &["platform", "architecture"]),
                layers,
            });
        }
    }
    Ok(found)
}

/// Whether the descriptor is of something that belongs to an image but is none, such as a build record.
fn is_attestation(descriptor: &Value) -> bool {
    let annotations = descriptor.get("annotations");
    annotations.and_then(|all| all.get("vnd.docker.reference.type")).is_some()
}
