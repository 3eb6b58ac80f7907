//! A container around a dump, and what each engine says of it.

use super::rootfs::RootfsDiff;
use crate::checkpoint::Checkpoint;
use crate::member::{Member, Members};
use serde_json::{Value, json};

/// A container: a checkpoint and what the engine knew about it.
#[derive(Debug, Clone)]
pub struct Container {
    /// The dump.
    pub checkpoint: Checkpoint,
    /// 64 hex digits.
    pub id: String,
    /// Short name.
    pub name: String,
    /// Pod name.
    pub pod: String,
    /// Pod namespace.
    pub namespace: String,
    /// Pod UID.
    pub uid: String,
    /// Image as the user wrote it.
    pub image: String,
    /// Image id, 64 hex digits.
    pub image_id: String,
    /// OCI runtime.
    pub runtime: String,
    /// Creation, RFC 3339.
    pub created: String,
    /// Dump, RFC 3339.
    pub checkpointed: String,
    /// Whether the container was itself restored from a checkpoint.
    pub restored: bool,
    /// Arguments in the spec.
    pub args: Vec<String>,
    /// Environment in the spec.
    pub env: Vec<String>,
    /// Annotations added to those of the engine.
    pub annotations: Vec<(String, String)>,
    /// Mounts besides the usual ones: source and destination.
    pub binds: Vec<(String, String)>,
    /// Container log; `None` leaves it out.
    pub log: Option<Vec<u8>>,
    /// Changes to the root file system.
    pub rootfs: RootfsDiff,
    /// Podman: named volumes with their files.
    pub volumes: Vec<(String, Members)>,
    /// Podman: files in `/dev/shm`.
    pub devshm: Option<Members>,
    /// Podman: `network.status`; `None` takes an example that fits the version.
    pub network_status: Option<Value>,
    /// Mode of the `checkpoint/` directory.
    pub directory_mode: u32,
}

impl Container {
    /// A container around a dump; the spec tells of its first process.
    pub fn new(checkpoint: Checkpoint) -> Self {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        let root = checkpoint.processes.first();
        let args = root.map(|process| process.cmdline.iter().map(text).collect());
        let env = root.map(|process| process.environ.iter().map(text).collect());
        Self {
            id: "5f".repeat(32),
            name: "counter".to_owned(),
            pod: "counters-0".to_owned(),
            namespace: "default".to_owned(),
            uid: "0b7c2f6e-11aa-4c1d-9f2e-5d8f3a1c9e42".to_owned(),
            image: "registry.local/counter:1.4".to_owned(),
            image_id: "9c".repeat(32),
            runtime: "runc".to_owned(),
            created: "2024-06-01T11:59:00.123456789Z".to_owned(),
            checkpointed: "2024-06-01T12:00:00.5Z".to_owned(),
            restored: false,
            args: args.unwrap_or_default(),
            env: env.unwrap_or_default(),
            annotations: Vec::new(),
            binds: vec![("/var/lib/kubelet/pods/p/etc-hosts".to_owned(), "/etc/hosts".to_owned())],
            log: Some(b"2024-06-01T11:59:01.000000001Z stdout F started\n".to_vec()),
            rootfs: RootfsDiff::default(),
            volumes: Vec::new(),
            devshm: None,
            network_status: None,
            directory_mode: 0o600,
            checkpoint,
        }
    }

    /// The sample dump in a container with a small root file system change.
    pub fn sample() -> Self {
        let mut container = Self::new(Checkpoint::sample());
        container.rootfs = RootfsDiff::sample();
        container
    }

    /// Changes any field in the middle of a chain.
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The images below a directory such as `checkpoint`, as members.
    pub(super) fn images(&self, directory: &str, directory_mode: u32, file_mode: u32) -> Vec<Member> {
        let mut out = vec![Member::directory(directory, directory_mode)];
        let mut files: Vec<Member> = self
            .checkpoint
            .images()
            .into_iter()
            .map(|(name, body)| Member::with_body(format!("{directory}/{name}"), 0o644, body))
            .collect();
        if let Some(json) = self.checkpoint.descriptors_json()
            && !self.checkpoint.pre_dump
        {
            let path = format!("{directory}/descriptors.json");
            files.push(Member::file(path, file_mode, json));
        }
        if let Some(target) = &self.checkpoint.parent {
            files.push(Member::symlink(format!("{directory}/parent"), target.clone()));
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        out.append(&mut files);
        out
    }

    /// The runtime specification with the given annotations.
    pub(super) fn spec(&self, annotations: Value) -> Value {
        let mut mounts = vec![
            json!({"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]}),
            json!({"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]}),
        ];
        for (source, destination) in &self.binds {
            mounts.push(json!({"destination": destination, "type": "bind", "source": source, "options": ["rbind", "rw"]}));
        }
        let mut annotations = annotations;
        if let Some(map) = annotations.as_object_mut() {
            for (key, value) in &self.annotations {
                map.insert(key.clone(), json!(value));
            }
        }
        let caps = ["CAP_CHOWN", "CAP_NET_BIND_SERVICE", "CAP_KILL"];
        json!({
            "ociVersion": "1.2.1",
            "process": {
                "user": {"uid": 0, "gid": 0, "additionalGids": [0]},
                "args": self.args,
                "env": self.env,
                "cwd": "/",
                "capabilities": {"bounding": caps, "effective": caps, "permitted": caps},
            },
            "root": {"path": "rootfs"},
            "hostname": self.checkpoint.hostname,
            "mounts": mounts,
            "annotations": annotations,
            "linux": {
                "resources": {"devices": [{"allow": false, "access": "rwm"}]},
                "cgroupsPath": self.checkpoint.cgroup,
                "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}],
            },
        })
    }
}

/// JSON as the Go tools indent it.
pub(super) fn pretty(value: &Value) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("plain JSON")
}

/// JSON without spaces.
pub(super) fn compact(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain JSON")
}
