//! OCI layouts and image archives whose one layer is a checkpoint.

use super::container::{Container, compact};
use crate::compress::gzip;
use crate::member::{Member, Members};
use crate::wire::Message;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Which restore annotations the manifest carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Annotations {
    /// None.
    None,
    /// What CRI-O looks for.
    Crio,
    /// What containerd looks for and `checkpointctl build` writes.
    Criu,
    /// What Podman writes.
    Podman,
    /// All three sets.
    All,
}

/// Compression of the layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerCompression {
    /// Plain tar.
    Plain,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

/// How the image is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageFormat {
    /// `oci-layout`, `index.json`, `blobs/`.
    Oci,
    /// `manifest.json` and `<id>/layer.tar`.
    Docker,
}

/// An image around the members of a checkpoint.
#[derive(Debug, Clone)]
pub struct Image {
    /// Layer content.
    pub layer: Members,
    /// Compression of the layer.
    pub compression: LayerCompression,
    /// Annotations.
    pub annotations: Annotations,
    /// Tag.
    pub tag: String,
    /// Architecture in OCI terms.
    pub architecture: String,
}

impl Image {
    /// An image with a gzip layer and all annotations.
    pub fn new(layer: Members) -> Self {
        Self {
            layer,
            compression: LayerCompression::Gzip,
            annotations: Annotations::All,
            tag: "localhost/checkpoint:latest".to_owned(),
            architecture: "amd64".to_owned(),
        }
    }

    /// Sets the annotations.
    pub fn annotations(mut self, annotations: Annotations) -> Self {
        self.annotations = annotations;
        self
    }

    /// Sets the compression of the layer.
    pub fn compression(mut self, compression: LayerCompression) -> Self {
        self.compression = compression;
        self
    }

    /// The members of the layout or archive.
    pub fn members(&self, format: ImageFormat) -> Members {
        match format {
            ImageFormat::Oci => self.oci(),
            ImageFormat::Docker => self.docker(),
        }
    }

    fn config(&self, plain: &[u8]) -> Vec<u8> {
        compact(&json!({
            "created": "2024-06-01T12:00:00Z",
            "architecture": self.architecture,
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sha256(plain))]},
            "history": [{"created": "2024-06-01T12:00:00Z", "created_by": "checkpoint"}],
        }))
    }

    fn oci(&self) -> Members {
        let plain = self.layer.to_tar();
        let (suffix, layer) = match self.compression {
            LayerCompression::Plain => ("", plain.clone()),
            LayerCompression::Gzip => ("+gzip", gzip(&plain)),
            LayerCompression::Zstd => ("+zstd", crate::Outer::Zstd.pack(&plain)),
        };
        let mut store = Store::default();
        let config = store.add(self.config(&plain), "application/vnd.oci.image.config.v1+json");
        let layer = store.add(layer, &format!("application/vnd.oci.image.layer.v1.tar{suffix}"));
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let mut manifest =
            json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]});
        let annotations = annotations(self.annotations);
        if !annotations.is_empty() {
            manifest["annotations"] = Value::Object(annotations);
        }
        let mut entry = store.add(compact(&manifest), kind);
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": self.tag});
        store.finish(vec![entry], Map::new())
    }

    fn docker(&self) -> Members {
        let plain = self.layer.to_tar();
        let config = self.config(&plain);
        let (id, name) = (sha256(&plain), format!("{}.json", sha256(&config)));
        let mut out = Members::new();
        out.file(&format!("{id}/layer.tar"), 0o644, plain);
        out.file(&name, 0o644, config);
        let manifest =
            json!([{"Config": name, "RepoTags": [self.tag], "Layers": [format!("{id}/layer.tar")]}]);
        out.file("manifest.json", 0o644, compact(&manifest));
        out
    }
}

impl Container {
    /// The index that `ctr checkpoint` exports: raw blobs instead of manifests.
    pub fn ctr_index(&self) -> Members {
        let mut store = Store::default();
        let entries = self.ctr_blobs(&mut store);
        store.finish(entries, self.ctr_annotations())
    }

    fn ctr_blobs(&self, store: &mut Store) -> Vec<Value> {
        let criu = self.docker_directory().to_tar();
        let media = "application/vnd.containerd.container";
        let spec = compact(&self.spec(json!({})));
        let any =
            Message::new().bytes(1, "types.containerd.io/opencontainers/runtime-spec/1/Spec").bytes(2, spec);
        vec![
            store.add(criu, &format!("{media}.criu.checkpoint.criu.tar")),
            store.add(any.into_bytes(), &format!("{media}.checkpoint.config.v1+proto")),
            store.add(gzip(&self.rootfs.layer().to_tar()), "application/vnd.oci.image.layer.v1.tar+gzip"),
        ]
    }

    fn ctr_annotations(&self) -> Map<String, Value> {
        let mut annotations = Map::new();
        annotations.insert("image.name".to_owned(), json!(self.image));
        annotations.insert("io.containerd.checkpoint.runtime".to_owned(), json!("io.containerd.runc.v2"));
        annotations
    }
}

/// What `ctr images export` makes of several checkpoints: an index of their indexes. The name of each image is that of
/// its container, and all have the same tag.
pub fn ctr_export(containers: &[Container]) -> Members {
    let mut store = Store::default();
    let kind = "application/vnd.oci.image.index.v1+json";
    let mut entries = Vec::new();
    for container in containers {
        let blobs = container.ctr_blobs(&mut store);
        let index =
            json!({"schemaVersion": 2, "manifests": blobs, "annotations": container.ctr_annotations()});
        let mut entry = store.add(compact(&index), kind);
        let name = format!("checkpoints/{}:1", container.name);
        entry["annotations"] =
            json!({"io.containerd.image.name": name, "org.opencontainers.image.ref.name": "1"});
        entries.push(entry);
    }
    store.finish(entries, Map::new())
}

fn annotations(set: Annotations) -> Map<String, Value> {
    let mut out = Map::new();
    let mut add = |key: &str, value: &str| out.insert(key.to_owned(), json!(value));
    if matches!(set, Annotations::Crio | Annotations::All) {
        add("io.kubernetes.cri-o.annotations.checkpoint.name", "counter");
    }
    if matches!(set, Annotations::Criu | Annotations::All) {
        add("org.criu.checkpoint.container.name", "counter");
        add("org.criu.checkpoint.engine.name", "CRI-O");
        add("org.criu.checkpoint.pod.name", "counters-0");
        add("org.criu.checkpoint.pod.namespace", "default");
    }
    if matches!(set, Annotations::Podman | Annotations::All) {
        add("io.podman.annotations.checkpoint.name", "counter");
        add("io.podman.annotations.checkpoint.runtime.name", "runc");
        add("io.podman.annotations.checkpoint.podman.version", "5.8.2");
    }
    out
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Blobs by digest.
#[derive(Default)]
struct Store(Vec<(String, Vec<u8>)>);

impl Store {
    /// Adds a blob and returns its descriptor.
    fn add(&mut self, bytes: Vec<u8>, media_type: &str) -> Value {
        let digest = sha256(&bytes);
        let descriptor =
            json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()});
        self.0.push((digest, bytes));
        descriptor
    }

    fn finish(self, manifests: Vec<Value>, annotations: Map<String, Value>) -> Members {
        let mut out = Members::new();
        for directory in ["blobs/", "blobs/sha256/"] {
            out.push(Member::directory(directory, 0o755));
        }
        for (digest, bytes) in self.0 {
            out.file(&format!("blobs/sha256/{digest}"), 0o644, bytes);
        }
        let mut index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": manifests,
        });
        if !annotations.is_empty() {
            index["annotations"] = Value::Object(annotations);
        }
        out.file("index.json", 0o644, compact(&index));
        out.file("oci-layout", 0o644, compact(&json!({"imageLayoutVersion": "1.0.0"})));
        out
    }
}
