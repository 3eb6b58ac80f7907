//! Which engines can restore a checkpoint, why others refuse it, and what they need on the node.

use serde::Serialize;
use serde_json::Value;

use super::{
    annotations::oci_runtime,
    parts::{Entry, Kind, Origin},
};

/// Mount points that CRI-O makes by itself; all others must be in the new pod.
const MADE_BY_CRI_O: [&str; 13] = [
    "/dev",
    "/dev/mqueue",
    "/dev/pts",
    "/dev/shm",
    "/etc/group",
    "/etc/hostname",
    "/etc/passwd",
    "/etc/resolv.conf",
    "/proc",
    "/run/.containerenv",
    "/run/secrets",
    "/sys",
    "/sys/fs/cgroup",
];

/// An engine that restores from images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Engine {
    /// CRI-O 1.25 and later.
    #[serde(rename = "cri-o")]
    CriO,
    /// containerd 2.1 to 2.3.
    #[serde(rename = "containerd")]
    Containerd,
    /// Podman 4 and later.
    #[serde(rename = "podman")]
    Podman,
}

impl Engine {
    /// The word used in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::CriO => "cri-o",
            Self::Containerd => "containerd",
            Self::Podman => "podman",
        }
    }
}

/// What an engine will do with the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The engine.
    pub engine: Engine,
    /// Why it refuses; empty when it takes the image.
    pub refuses: Vec<String>,
    /// What must be so on the node, or in the pod.
    pub needs: Vec<String>,
}

/// What each engine will do with an image of these members.
pub fn verdicts(entries: &[Entry], origin: &Origin) -> Vec<Verdict> {
    let common = in_common(entries, origin);
    [cri_o(origin), containerd(entries, origin), podman(origin)]
        .into_iter()
        .map(|mut verdict| {
            verdict.refuses.splice(0..0, common.iter().cloned());
            verdict
        })
        .collect()
}

fn has(entries: &[Entry], path: &str) -> bool {
    entries.iter().any(|entry| entry.path == path.as_bytes() && matches!(entry.kind, Kind::File(..)))
}

/// What no engine can do without.
fn in_common(entries: &[Entry], origin: &Origin) -> Vec<String> {
    let mut refuses = Vec::new();
    if origin.is_pre_dump {
        refuses.push("the archive is a pre-checkpoint: memory without processes".to_owned());
    }
    if origin.needs_parent {
        refuses.push("the checkpoint builds on a parent dump that is not part of it".to_owned());
    }
    for path in ["config.dump", "spec.dump", "checkpoint/inventory.img"] {
        // A pre-checkpoint has its images elsewhere, which is said already.
        let is_said = origin.is_pre_dump && path.starts_with("checkpoint/");
        if !is_said && !has(entries, path) {
            refuses.push(format!("{path} is missing"));
        }
    }
    refuses
}

fn cri_o(origin: &Origin) -> Verdict {
    let mut refuses = Vec::new();
    let mut needs =
        vec!["checkpoint/restore enabled in CRI-O, and CRIU 3.16 or later on the node".to_owned()];
    let annotations = origin.spec.as_ref().and_then(|spec| spec.get("annotations"));
    let own = annotations.and_then(|map| map.get("io.kubernetes.cri-o.Annotations")?.as_str());
    match own.map(serde_json::from_str::<Value>) {
        Some(Ok(_)) => {}
        Some(Err(_)) => {
            refuses.push("the annotation io.kubernetes.cri-o.Annotations of spec.dump is no JSON".to_owned())
        }
        None => refuses.push(
            "spec.dump lacks the annotation io.kubernetes.cri-o.Annotations: CRI-O did not make it"
                .to_owned(),
        ),
    }
    let image = origin.config.as_ref().and_then(|config| config.get("rootfsImageRef")?.as_str());
    match image {
        Some(id) if is_image_id(id) => needs.push(format!("the base image {id} in the node's storage")),
        Some(other) if own.is_some() && !other.is_empty() => {
            refuses.push(format!("rootfsImageRef of config.dump is no image id: {other}"));
        }
        _ => {}
    }
    let mounts = mounts_of(origin);
    if refuses.is_empty() && !mounts.is_empty() {
        needs.push(format!("mounts in the pod at {}", mounts.join(", ")));
    }
    Verdict { engine: Engine::CriO, refuses, needs }
}

fn is_image_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Mount points that a pod must declare for CRI-O, in order of path.
pub fn mounts_of(origin: &Origin) -> Vec<String> {
    let mounts = origin.spec.as_ref().and_then(|spec| spec.get("mounts")?.as_array());
    let mut points: Vec<String> = mounts
        .into_iter()
        .flatten()
        .filter_map(|mount| mount.get("destination")?.as_str())
        .filter(|point| !MADE_BY_CRI_O.contains(point))
        .map(str::to_owned)
        .collect();
    points.sort_unstable();
    points.dedup();
    points
}

fn containerd(entries: &[Entry], origin: &Origin) -> Verdict {
    let mut refuses = Vec::new();
    if !has(entries, "status.dump") {
        refuses.push(match origin.engine.as_str() {
            "containerd" => "status.dump is missing: the archive is of containerd 2.0".to_owned(),
            _ => "status.dump is missing: containerd 2.1 or later did not make it".to_owned(),
        });
    }
    let config = |key: &str| origin.config.as_ref().and_then(|config| config.get(key)?.as_str());
    if refuses.is_empty() && config("rootfsImageName").is_none_or(str::is_empty) {
        refuses.push("config.dump does not name the image of the root file system".to_owned());
    }
    let mut needs = vec![
        "containerd 2.1 to 2.3; 2.2.7 and 2.3.4 restore only with enable_experimental_restore_via_create = true, \
         2.4 and later not at all"
            .to_owned(),
        format!("a node of architecture {}", origin.architecture),
    ];
    match config("rootfsImageRef").filter(|image| !image.is_empty()) {
        // Measured with 2.1: an id is taken for a name to pull, even where the node has the image.
        Some(id) if id.starts_with("sha256:") && refuses.is_empty() => refuses.push(format!(
            "config.dump names the base image by its id, {id}, since it was imported and not pulled; containerd finds \
             base images by repository and digest only"
        )),
        Some(image) => needs.push(format!("the base image {image}, which is pulled where it is missing")),
        None => {}
    }
    Verdict { engine: Engine::Containerd, refuses, needs }
}

fn podman(origin: &Origin) -> Verdict {
    let mut refuses = Vec::new();
    let mut needs = Vec::new();
    let config = origin.config.as_ref();
    // Only libpod's own configuration has this.
    if config.is_none_or(|config| config.get("staticDir").is_none()) {
        refuses.push("config.dump is not that of Podman".to_owned());
    }
    match oci_runtime(origin) {
        Some(runtime) => needs.push(format!("{runtime} as the host's OCI runtime, by exactly this name")),
        None => refuses.push("the archive does not name its OCI runtime, which Podman compares".to_owned()),
    }
    let text =
        |key: &str| config.and_then(|config| config.get(key)?.as_str()).filter(|text| !text.is_empty());
    if let Some(image) = text("rootfsImageName") {
        needs.push(format!("the base image {image}, which is pulled where it is missing"));
    }
    if let Some(pod) = text("pod") {
        needs.push(format!("a pod to restore into (--pod), since it was in pod {pod}"));
    }
    let volumes = config.and_then(|config| config.get("namedVolumes")?.as_array());
    let names: Vec<&str> =
        volumes.into_iter().flatten().filter_map(|volume| volume.get("volumeName")?.as_str()).collect();
    if !names.is_empty() {
        needs.push(format!("no volumes of these names yet: {}", names.join(", ")));
    }
    Verdict { engine: Engine::Podman, refuses, needs }
}
