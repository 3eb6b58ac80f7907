//! One model of a container for all engines.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

/// The engine that wrote the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Engine {
    /// Podman (libpod).
    Podman,
    /// CRI-O.
    CriO,
    /// containerd, through CRI or `ctr`.
    Containerd,
    /// Docker: images with Docker's own `config.v2.json` beside them.
    Docker,
    /// No engine's files are there: runc, crun, Docker or CRIU itself.
    #[default]
    Unknown,
}

impl Engine {
    /// The name used in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Podman => "podman",
            Self::CriO => "cri-o",
            Self::Containerd => "containerd",
            Self::Docker => "docker",
            Self::Unknown => "unknown",
        }
    }
}

/// The container as the engine describes it. Absent is what no file says.
#[derive(Debug, Clone, Default)]
pub struct Container {
    /// Which engine wrote the files.
    pub engine: Engine,
    /// Full container id.
    pub id: Option<String>,
    /// Name of the container in its pod, or Podman's container name.
    pub name: Option<String>,
    /// The engine's own longer name, when it differs.
    pub engine_name: Option<String>,
    /// Pod name (Kubernetes), or pod id (Podman).
    pub pod: Option<String>,
    /// Pod UID (Kubernetes).
    pub pod_uid: Option<String>,
    /// Kubernetes namespace.
    pub namespace: Option<String>,
    /// Id of the pod sandbox.
    pub sandbox_id: Option<String>,
    /// Image reference as the user or pod gave it.
    pub image: Option<String>,
    /// Digest of the image's manifest, `sha256:…`; not the image id.
    pub image_digest: Option<String>,
    /// Id of the image's configuration, without algorithm.
    pub image_id: Option<String>,
    /// OCI runtime or runtime handler.
    pub runtime: Option<String>,
    /// When the container was created.
    pub created: Option<Timestamp>,
    /// When it was started.
    pub started: Option<Timestamp>,
    /// When the engine says that the checkpoint began.
    pub checkpointed: Option<Timestamp>,
    /// When it was restored from an earlier checkpoint, if it was.
    pub restored: Option<Timestamp>,
    /// Host pid of the container's first process.
    pub host_pid: Option<u64>,
    /// Host name set by the engine.
    pub hostname: Option<String>,
    /// Arguments of the first process as configured; the running process may have replaced itself.
    pub command: Vec<String>,
    /// Whether the engine ran it privileged, if it says.
    pub privileged: Option<bool>,
    /// Where the engine keeps the container's log on the node.
    pub log_path: Option<String>,
    /// IP addresses the engine recorded.
    pub addresses: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the runtime specification.
    pub annotations: BTreeMap<String, String>,
    /// `spec.dump`, the OCI runtime specification.
    pub spec: Option<Value>,
    /// `config.dump`, the engine's configuration of the container.
    pub config: Option<Value>,
}
