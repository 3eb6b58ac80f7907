//! CRI-O and containerd archives, and the pod archives of old CRI-O.

use super::container::{Container, compact, pretty};
use crate::compress::gzip;
use crate::member::{Dialect, Member, Members};
use serde_json::{Map, Value, json};

/// Which generation of CRI-O.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CrioVersion {
    /// 1.25: no statistics, no bind mounts, short configuration.
    V1_25,
    /// 1.26.
    V1_26,
    /// 1.27.
    V1_27,
    /// 1.29 and later.
    V1_29,
}

/// Which generation of containerd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerdVersion {
    /// 2.0: four members.
    V2_0,
    /// 2.1 and later.
    V2_1,
}

/// Shape of `pod.options`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodOptions {
    /// CRI-O 1.25: an array of names.
    Array,
    /// 2026: a map from short to full names, with annotations.
    Map,
}

const NEVER: &str = "0001-01-01T00:00:00Z";

impl Container {
    /// Name as CRI-O composes it.
    pub fn crio_name(&self) -> String {
        let Self { name, pod, namespace, uid, .. } = self;
        format!("k8s_{name}_{pod}_{namespace}_{uid}_0")
    }

    fn labels(&self) -> Value {
        json!({
            "io.kubernetes.container.name": self.name,
            "io.kubernetes.pod.name": self.pod,
            "io.kubernetes.pod.namespace": self.namespace,
            "io.kubernetes.pod.uid": self.uid,
        })
    }

    /// The archive of CRI-O.
    pub fn crio(&self, version: CrioVersion) -> Members {
        let mut out = Members::new();
        if version >= CrioVersion::V1_26 {
            out.file("stats-dump", 0o644, self.checkpoint.stats_dump());
        }
        out.file("dump.log", 0o600, self.checkpoint.dump_log());
        out.list.extend(self.images("checkpoint", self.directory_mode, 0o600));
        out.file("config.dump", 0o600, pretty(&self.crio_config(version)));
        out.file("spec.dump", 0o600, pretty(&self.spec(self.crio_annotations())));
        if version >= CrioVersion::V1_26 && !self.binds.is_empty() {
            let mounts = self.binds.iter().map(|(source, destination)| {
                json!({"source": source, "destination": destination, "file_type": "file", "permissions": 420})
            });
            out.file("bind.mounts", 0o600, pretty(&Value::Array(mounts.collect())));
        }
        if let Some(tar) = self.rootfs.plain() {
            out.file("rootfs-diff.tar", 0o644, tar);
        }
        if let Some(list) = self.rootfs.deleted_files() {
            out.file("deleted.files", 0o600, list);
        }
        if let Some(log) = &self.log {
            out.file("io.kubernetes.cri-o.LogPath", 0o644, log.clone());
        }
        out
    }

    fn crio_config(&self, version: CrioVersion) -> Value {
        let mut config = Map::new();
        let mut set = |key: &str, value: Value| config.insert(key.to_owned(), value);
        set("id", json!(self.id));
        set("name", json!(self.crio_name()));
        if version >= CrioVersion::V1_29 {
            set("rootfsImage", json!(self.image));
            set("rootfsImageRef", json!(self.image_id));
        }
        set("rootfsImageName", json!(self.image));
        if version >= CrioVersion::V1_26 {
            set("runtime", json!(self.runtime));
            set("createdTime", json!(self.created));
        }
        if version >= CrioVersion::V1_27 {
            set("checkpointedTime", json!(self.checkpointed));
            set("restoredTime", json!(if self.restored { &self.created } else { NEVER }));
            set("restored", json!(self.restored));
        }
        Value::Object(config)
    }

    fn crio_annotations(&self) -> Value {
        let text = |value: Value| value.to_string();
        json!({
            "io.container.manager": "cri-o",
            "io.kubernetes.container.name": self.name,
            "io.kubernetes.cri-o.Annotations": text(json!({"io.kubernetes.container.hash": "abc", "io.kubernetes.container.restartCount": "0"})),
            "io.kubernetes.cri-o.ContainerID": self.id,
            "io.kubernetes.cri-o.ContainerName": self.crio_name(),
            "io.kubernetes.cri-o.ContainerType": "container",
            "io.kubernetes.cri-o.Created": self.created,
            "io.kubernetes.cri-o.IP.0": "10.85.0.7",
            "io.kubernetes.cri-o.Image": self.image_id,
            "io.kubernetes.cri-o.ImageName": self.image,
            "io.kubernetes.cri-o.ImageRef": self.image_id,
            "io.kubernetes.cri-o.Labels": text(self.labels()),
            "io.kubernetes.cri-o.LogPath": format!("/var/log/pods/{}_{}_{}/{}/0.log", self.namespace, self.pod, self.uid, self.name),
            "io.kubernetes.cri-o.Metadata": text(json!({"name": self.name, "attempt": 0})),
            "io.kubernetes.cri-o.Name": format!("k8s_{}_{}_{}_0", self.pod, self.namespace, self.uid),
            "io.kubernetes.cri-o.SandboxID": "7a".repeat(32),
            "io.kubernetes.pod.name": self.pod,
            "io.kubernetes.pod.namespace": self.namespace,
            "io.kubernetes.pod.uid": self.uid,
        })
    }

    /// The archive of containerd's CRI plugin.
    pub fn containerd(&self, version: ContainerdVersion) -> Members {
        let newer = version == ContainerdVersion::V2_1;
        let mut out = Members::new().dialect(Dialect::Pax);
        out.list.extend(self.images("checkpoint", 0o700, 0o644));
        let digest = format!("sha256:{}", self.image_id);
        let repository = self.image.rsplit_once(':').map_or(&self.image[..], |(name, _)| name);
        let reference = if newer { format!("{repository}@{digest}") } else { digest };
        let config = json!({
            "id": self.id,
            "name": format!("{}_{}_{}_{}_0", self.name, self.pod, self.namespace, self.uid),
            "rootfsImage": self.image,
            "rootfsImageRef": reference,
            "rootfsImageName": self.image,
            "runtime": "io.containerd.runc.v2",
            "createdTime": self.created,
            "checkpointedTime": self.checkpointed,
            "restoredTime": NEVER,
            "restored": false,
        });
        out.file("config.dump", 0o600, compact(&config));
        if newer {
            if let Some(log) = &self.log {
                out.file("container.log", 0o600, log.clone());
            }
            out.file("dump.log", 0o600, self.checkpoint.dump_log());
        }
        out.file("rootfs-diff.tar", 0o644, gzip(&self.rootfs.layer().to_tar()));
        let annotations = json!({
            "io.kubernetes.cri.container-name": self.name,
            "io.kubernetes.cri.container-type": "container",
            "io.kubernetes.cri.image-name": self.image,
            "io.kubernetes.cri.sandbox-id": "7a".repeat(32),
            "io.kubernetes.cri.sandbox-name": self.pod,
            "io.kubernetes.cri.sandbox-namespace": self.namespace,
            "io.kubernetes.cri.sandbox-uid": self.uid,
        });
        out.file("spec.dump", 0o644, compact(&self.spec(annotations)));
        if newer {
            out.file("stats-dump", 0o644, self.checkpoint.stats_dump());
            let (created, started) = (1_717_243_140_123_456_789_u64, 1_717_243_141_000_000_000_u64);
            let status = json!({
                "Version": "v1", "Pid": 4242, "CreatedAt": created, "StartedAt": started,
                "FinishedAt": 0, "ExitCode": 0, "Reason": "", "Message": "",
                "Resources": {"linux": {}}, "Restore": false,
            });
            out.file("status", 0o600, compact(&status));
            let status = json!({
                "id": self.id,
                "metadata": {"name": self.name},
                "state": 1,
                "created_at": created,
                "started_at": started,
                "image": {"image": self.image},
                "image_ref": reference,
                "labels": self.labels(),
                "annotations": {"io.kubernetes.container.hash": "abc"},
                "log_path": format!("/var/log/pods/{}_{}_{}/{}/0.log", self.namespace, self.pod, self.uid, self.name),
                "resources": {"linux": {}},
            });
            out.file("status.dump", 0o600, compact(&status));
        }
        out
    }

    /// File name as the kubelet composes it; `time` is RFC 3339 with a zone.
    pub fn kubelet_name(&self, time: &str) -> String {
        format!("checkpoint-{}_{}-{}-{time}.tar", self.pod, self.namespace, self.name)
    }
}

/// The archive of a whole pod: one nested archive per container.
pub fn pod_archive(containers: &[Container], options: PodOptions) -> Members {
    let mut out = Members::new();
    for container in containers {
        let name = format!("{}.tar", container.crio_name());
        out.push(Member::file(name, 0o600, container.crio(CrioVersion::V1_25).to_tar()));
    }
    let first = containers.first().expect("a pod has containers");
    let dump = json!({
        "metadata": {"name": first.pod, "uid": first.uid, "namespace": first.namespace, "attempt": 0},
        "hostname": first.pod,
        "log_directory": format!("/var/log/pods/{}_{}_{}", first.namespace, first.pod, first.uid),
    });
    out.file("pod.dump", 0o600, pretty(&dump));
    let options = match options {
        PodOptions::Array => {
            let names: Vec<String> = containers.iter().map(Container::crio_name).collect();
            json!({"version": 1, "containers": names, "mountLabel": "", "processLabel": ""})
        }
        PodOptions::Map => {
            let names = containers.iter().map(|each| (each.name.clone(), json!(each.crio_name())));
            let annotations = json!({
                "org.criu.checkpoint.pod.name": first.pod,
                "org.criu.checkpoint.pod.namespace": first.namespace,
            });
            json!({"version": 1, "containers": names.collect::<Map<_, _>>(), "annotations": annotations})
        }
    };
    out.file("pod.options", 0o600, pretty(&options));
    out.dot_slash()
}
