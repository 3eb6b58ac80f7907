//! Checkpoints inside OCI and Docker images (`archives.md §1.2 end, §1.6`).

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use serde_json::Value;

use super::{Archives, Found, OpenOptions, decompress, nested::is_attestation};
use crate::{
    Diagnostic, Error, Limits, Result,
    archive::Archive,
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

/// What an index says of the checkpoint that lies in it as raw blobs (`ctr checkpoint`).
#[derive(Debug, Clone, Default)]
pub(crate) struct IndexFacts {
    /// The image that the container was made of.
    pub image: Option<String>,
    /// The OCI runtime.
    pub runtime: Option<String>,
}

/// The blobs of one checkpoint: those that one index lists.
struct Blobs {
    label: Option<String>,
    digest: Option<String>,
    facts: IndexFacts,
    archive: Archive,
}

impl Blobs {
    fn of(index: &Value, descriptor: Option<&Value>, limits: &Limits) -> Self {
        let annotation = |key| text_at(index, &["annotations", key]);
        let image = annotation("image.name").or_else(|| annotation(REF_NAME));
        let facts = IndexFacts { image, runtime: annotation("io.containerd.checkpoint.runtime") };
        let digest = descriptor.and_then(|descriptor| text_at(descriptor, &["digest"]));
        Self { label: descriptor.and_then(label_of), digest, facts, archive: Archive::under(limits) }
    }
}

/// Whether a blob is the layer of a file system.
fn is_layer(media_type: &str) -> bool {
    ["application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs.diff."]
        .iter()
        .any(|stem| media_type.starts_with(stem))
}

/// Opens an OCI layout: the layers of its manifests, and for each index the blobs of `ctr checkpoint` in it.
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
        let mut add = |more: Archive| {
            if let Some(checkpoint) = checkpoints.get_mut(of) {
                checkpoint.archive.merge(more);
            }
        };
        match media_type {
            CRIU_TAR => {
                let before = diagnostics.len();
                match layer(bytes, &path, options, diagnostics) {
                    Some(images) => add(prefixed(images, b"checkpoint")),
                    None if diagnostics.len() == before => {
                        diagnostics.push(Diagnostic::loss("unreadable-archive", path, "it is no tar"));
                    }
                    None => {}
                }
            }
            SPEC_ANY => match Any::decode(bytes.as_ref()) {
                Ok(any) => add(Archive::of_files([(b"spec.dump".to_vec(), Bytes::from(any.value))])),
                Err(error) => diagnostics.push(Diagnostic::loss("bad-message", path, error.to_string())),
            },
            // Between the blobs of a checkpoint it is what the container changed.
            _ if is_layer(media_type) => {
                add(Archive::of_files([(b"rootfs-diff.tar".to_vec(), bytes.clone())]));
            }
            _ => {
                let Some(manifest) = json(bytes, &archive.limits) else { continue };
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
                    archives.push(Found {
                        label: label_of(&descriptor),
                        index: None,
                        archive: Arc::new(layers),
                    });
                }
            }
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
    Ok(archives)
}

const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The name of an image; containerd writes only its tag where others write all of it.
fn label_of(descriptor: &Value) -> Option<String> {
    ["io.containerd.image.name", REF_NAME].iter().find_map(|key| text_at(descriptor, &["annotations", key]))
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
                is_damaged: true,
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
        if let Some(layers) = open_layers(layers, options, diagnostics) {
            archives.push(Found { label, index: None, archive: Arc::new(layers) });
        }
    }
    Ok(archives)
}

/// Lays the layers of an image over one another.
fn open_layers(
    layers: Vec<(&Bytes, String)>,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Archive> {
    let mut all: Option<Archive> = None;
    for (bytes, path) in layers {
        if let Some(layer) = layer(bytes, &path, options, diagnostics) {
            all.get_or_insert_with(|| Archive::under(&options.limits)).merge(layer);
        }
    }
    all
}

/// The tar that a blob is, if it is one. One that cannot be decompressed costs itself.
fn layer(
    bytes: &Bytes,
    path: &str,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Archive> {
    match decompress(bytes.clone(), path, options, diagnostics) {
        Ok(plain) => plain.index_one(path, options),
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
            layers: layers.map(|path| (archive.file(path.as_bytes()).cloned(), path.to_owned())).collect(),
        }
    };
    Ok(images.map(describe).collect())
}
