//! Podman archives.

use super::container::{Container, pretty};
use crate::member::{Member, Members};
use serde_json::{Value, json};

/// The time at which [`Container::new`] says that the container was created, in whole seconds.
const CREATED: u64 = crate::TIME - 60;

/// Which generation of Podman.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodmanVersion {
    /// 3: no statistics, CNI network state.
    V3,
    /// 4 and 5.
    V5,
    /// 6.
    V6,
}

impl Container {
    /// The archive of `podman container checkpoint -e`, before compression.
    pub fn podman(&self, version: PodmanVersion) -> Members {
        let newer = version >= PodmanVersion::V5;
        let mut out = Members::new();
        out.push(Member::directory("artifacts/", 0o755).mtime(CREATED));
        if newer {
            let devshm = self.devshm.clone().unwrap_or_default().dot_slash();
            out.file("devshm-checkpoint.tar", 0o644, devshm.to_tar());
        }
        let annotations =
            json!({"io.container.manager": "libpod", "org.opencontainers.image.stopSignal": "15"});
        let spec = self.spec(annotations);
        out.file("config.dump", 0o600, pretty(&self.libpod_config(version, &spec)));
        out.file("spec.dump", 0o600, pretty(&spec));
        let network = self.network_status.clone().unwrap_or_else(|| example_network(version));
        out.file("network.status", 0o600, pretty(&network));
        if newer {
            out.file("stats-dump", 0o644, self.checkpoint.stats_dump());
        }
        if let Some(log) = &self.log {
            out.push(Member::file("ctr.log", 0o640, log.clone()).mtime(CREATED + 1));
        }
        let directory = if self.checkpoint.pre_dump { "pre-checkpoint" } else { "checkpoint" };
        out.list.extend(self.images(directory, self.directory_mode, 0o600));
        if let Some(tar) = self.rootfs.plain() {
            out.file("rootfs-diff.tar", 0o644, tar);
        }
        if let Some(list) = self.rootfs.deleted_files() {
            out.file("deleted.files", 0o600, list);
        }
        for (name, files) in &self.volumes {
            let tar = files.clone().dot_slash().to_tar();
            out.file(&format!("volumes/{name}.tar"), 0o600, tar);
        }
        out
    }

    /// The archives of `--pre-checkpoint` and the following `--with-previous`.
    ///
    /// `earlier` is the dump of the first, this container that of the second.
    pub fn podman_with_previous(&self, earlier: &Self) -> (Members, Members) {
        let mut before = earlier.clone();
        before.checkpoint.pre_dump = true;
        let mut after = self.clone();
        after.checkpoint.parent = Some(b"../pre-checkpoint".to_vec());
        (before.podman(PodmanVersion::V5), after.podman(PodmanVersion::V5))
    }

    fn libpod_config(&self, version: PodmanVersion, spec: &Value) -> Value {
        let state = format!("/var/lib/containers/storage/overlay-containers/{}/userdata", self.id);
        let volumes: Vec<Value> = self
            .volumes
            .iter()
            .map(|(name, _)| json!({"volumeName": name, "dest": format!("/{name}"), "options": ["rw"]}))
            .collect();
        let mut config = json!({
            "spec": spec,
            "id": self.id,
            "name": self.name,
            "lockID": 0,
            "CreateCommand": ["podman", "run", "-d", "--name", self.name, self.image],
            "RawImageName": self.image,
            "rootfsImageID": self.image_id,
            "rootfsImageName": self.image,
            "ShmDir": format!("{state}/shm"),
            "shmSize": 65_536_000,
            "staticDir": state,
            "mounts": [format!("{state}/shm")],
            "namedVolumes": volumes,
            "privileged": false,
            "createNetNS": true,
            "command": self.args,
            "labels": {"app": self.name},
            "stopSignal": 15,
            "createdTime": self.created,
            "cgroupManager": "systemd",
            "cgroupParent": "machine.slice",
            "logPath": format!("{state}/ctr.log"),
            "logDriver": "k8s-file",
            "runtime": self.runtime,
        });
        let networks = match version {
            PodmanVersion::V3 => ("networks", json!(["podman"])),
            PodmanVersion::V5 => ("newNetworks", json!({"podman": {"interface_name": "eth0"}})),
            PodmanVersion::V6 => ("orderedNetworks", json!([{"name": "podman", "interface_name": "eth0"}])),
        };
        config[networks.0] = networks.1;
        config
    }
}

fn example_network(version: PodmanVersion) -> Value {
    if version == PodmanVersion::V3 {
        return json!([{
            "cniVersion": "0.4.0",
            "interfaces": [{"name": "eth0", "mac": "f2:99:8d:fb:5a:57", "sandbox": "/run/netns/cni-1"}],
            "ips": [{"version": "4", "interface": 0, "address": "10.88.0.9/16", "gateway": "10.88.0.1"}],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dns": {},
        }]);
    }
    json!({"podman": {"interfaces": {"eth0": {
        "subnets": [{"ipnet": "10.88.0.9/16", "gateway": "10.88.0.1"}],
        "mac_address": "f2:99:8d:fb:5a:57",
    }}}})
}
