//! Checkpoints inside OCI and Docker images (`archives.md §1.2 end, §1.6`).

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use serde_json::Value;

use super::{Archives, OpenOptions, decompress, nested::is_attestation};
use crate::{
    Diagnostic, Error, Limits, Result,
    archive::{Archive, index_tar},
    limits::{count, reached},
};

const CRIU_TAR: &str = "application/vnd.containerd.container.criu.checkpoint.criu.tar";
const SPEC_ANY: &str = "application/vnd.containerd.container.checkpoint.config.v1+proto";

/// containerd wraps the runtime specification into a `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

fn json(bytes: &[u8], limits: &Limits) -> Option<Value> {
    (bytes.len() <= count(limits.metadata_bytes)).then(|| serde_json::from_slice(bytes).ok()).flatten()
}

fn blob<'a>(archive: &'a Archive, descriptor: &Value) -> Option<(&'a Bytes, String)> {
    let (algorithm, hex) = descriptor.get("digest")?.as_str()?.split_once(':')?;
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !plain(algorithm) || !plain(hex) {
        return None;
    }
    let path = format!("blobs/{algorithm}/{hex}");
    archive.file(path.as_bytes()).map(|bytes| (bytes, path))
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// As many of the layers as are followed; that there are more is reported.
fn few<'a>(
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
fn too_many(name: &str, limits: &Limits) -> Diagnostic {
    let what = format!("only the first {} manifests and layers are read", limits.descriptors);
    reached("too-many-members", name, "descriptors", what)
}

/// Opens an OCI layout: the layers of its manifests, and the blobs of `ctr checkpoint`.
pub(super) fn open_oci(
    archive: &Archive,
    name: &str,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Archives> {
    let index =
        archive.file(b"index.json").and_then(|bytes| json(bytes, &archive.limits)).ok_or_else(|| {
            Error::NotACheckpoint {
                name: name.to_owned(),
                reason: "index.json is not readable JSON".to_owned(),
            }
        })?;
    let mut archives = Archives::new();
    let mut pending: Vec<(Value, usize)> = list(&index, "manifests").map(|item| (item.clone(), 0)).collect();
    pending.reverse();
    let mut task = Archive::default();
    let mut followed = 0;
    while let Some((descriptor, depth)) = pending.pop() {
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
        match media_type {
            CRIU_TAR => task.merge(prefixed(index_tar(bytes, &path, &options.limits), b"checkpoint")),
            SPEC_ANY => match Any::decode(bytes.as_ref()) {
                Ok(any) => {
                    task.merge(Archive::of_files([(b"spec.dump".to_vec(), Bytes::from(any.value))]));
                }
                Err(error) => diagnostics.push(Diagnostic::loss("bad-message", path, error.to_string())),
            },
            _ => {
                let Some(manifest) = json(bytes, &archive.limits) else { continue };
                if depth < 4 {
                    let nested: Vec<_> =
                        list(&manifest, "manifests").map(|item| (item.clone(), depth + 1)).collect();
                    pending.extend(nested.into_iter().rev());
                }
                let layers: Vec<_> = few(list(&manifest, "layers"), archive, name, diagnostics)
                    .filter_map(|item| blob(archive, item))
                    .collect();
                let label = manifest_label(&descriptor);
                if let Some(layers) = open_layers(layers, options, diagnostics)? {
                    archives.push((label, Arc::new(layers)));
                }
            }
        }
    }
    if !task.members().is_empty() {
        archives.push((None, Arc::new(task)));
    }
    Ok(archives)
}

fn manifest_label(descriptor: &Value) -> Option<String> {
    let annotations = descriptor.get("annotations")?;
    annotations.get("org.opencontainers.image.ref.name")?.as_str().map(str::to_owned)
}

/// Opens the output of `docker save` or `podman save --format docker-archive`.
pub(super) fn open_docker(
    archive: &Archive,
    name: &str,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Archives> {
    let manifest =
        archive.file(b"manifest.json").and_then(|bytes| json(bytes, &archive.limits)).ok_or_else(|| {
            Error::NotACheckpoint {
                name: name.to_owned(),
                reason: "manifest.json is not readable JSON".to_owned(),
            }
        })?;
    let mut archives = Archives::new();
    for image in manifest.as_array().into_iter().flatten().take(count(archive.limits.descriptors)) {
        let mut layers = Vec::new();
        for path in few(list(image, "Layers"), archive, name, diagnostics).filter_map(Value::as_str) {
            match archive.file(path.as_bytes()) {
                Some(bytes) => layers.push((bytes, path.to_owned())),
                None => diagnostics.push(Diagnostic::loss(
                    "missing-blob",
                    name,
                    format!("layer {path} is not there"),
                )),
            }
        }
        let label = list(image, "RepoTags").next().and_then(Value::as_str).map(str::to_owned);
        if let Some(layers) = open_layers(layers, options, diagnostics)? {
            archives.push((label, Arc::new(layers)));
        }
    }
    Ok(archives)
}

/// Lays the layers of an image over one another.
fn open_layers(
    layers: Vec<(&Bytes, String)>,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Option<Archive>> {
    let mut all: Option<Archive> = None;
    for (bytes, path) in layers {
        let plain = decompress(bytes.clone(), &path, options, diagnostics)?;
        if let Some(layer) = plain.index_one(&path, options) {
            all.get_or_insert_default().merge(layer);
        }
    }
    Ok(all)
}

fn prefixed(archive: Archive, directory: &[u8]) -> Archive {
    let mut moved = Archive::default();
    moved.merge_below(archive, directory);
    moved
}

/// An image as its manifest describes it.
pub(super) struct ImageManifest {
    /// Digest of the manifest.
    pub digest: Option<String>,
    /// Digest of the configuration.
    pub config: Option<String>,
    /// Architecture as Go names it, if the index tells.
    pub architecture: Option<String>,
    /// Bytes and path of each layer; none where a blob is missing.
    pub layers: Vec<(Option<Bytes>, String)>,
}

fn text_at(value: &Value, keys: &[&str]) -> Option<String> {
    let found = keys.iter().try_fold(value, |value, key| value.get(key))?;
    found.as_str().map(str::to_owned)
}

/// The images of an OCI layout, through nested indexes; build records are left out.
pub(super) fn manifests(
    archive: &Archive,
    name: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Vec<ImageManifest>> {
    let index =
        archive.file(b"index.json").and_then(|bytes| json(bytes, &archive.limits)).ok_or_else(|| {
            Error::NotACheckpoint {
                name: name.to_owned(),
                reason: "index.json is not readable JSON".to_owned(),
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
        let Some(manifest) = blob(archive, &descriptor).and_then(|(bytes, _)| json(bytes, &archive.limits))
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
                Some((bytes, path)) => (Some(bytes.clone()), path),
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

/// The images of `docker save`.
pub(super) fn docker_images(archive: &Archive, name: &str) -> Result<Vec<ImageManifest>> {
    let manifest =
        archive.file(b"manifest.json").and_then(|bytes| json(bytes, &archive.limits)).ok_or_else(|| {
            Error::NotACheckpoint {
                name: name.to_owned(),
                reason: "manifest.json is not readable JSON".to_owned(),
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
            layers: layers.map(|path| (archive.file(path.as_bytes()).cloned(), path.to_owned())).collect(),
        }
    };
    Ok(images.map(describe).collect())
}
