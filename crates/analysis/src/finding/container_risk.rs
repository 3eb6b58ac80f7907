//! Rights and openings through which a container reaches its host (`format.md §16.2`, rules 23–33, 47).

use serde_json::Value;

use super::{
    Confidence, Facts, Hit, Severity, Subject,
    known::{self, is_below},
    next_step::Topic,
    record::about,
};
use crate::{
    files::file::Kind,
    process::{Ids, Process},
};

/// Capabilities with which a container can leave its confinement or see what is not its own.
const DANGEROUS: [&str; 12] = [
    "CAP_SYS_ADMIN",
    "CAP_SYS_PTRACE",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_DAC_READ_SEARCH",
    "CAP_SYS_BOOT",
    "CAP_SYSLOG",
    "CAP_BPF",
    "CAP_PERFMON",
    "CAP_MAC_ADMIN",
    "CAP_MAC_OVERRIDE",
    "CAP_SYS_TIME",
];
/// As many capabilities as only privileged containers have.
const ALMOST_ALL: usize = 35;
/// Sockets through which container engines are told what to do.
const ENGINE_SOCKETS: [&[u8]; 8] = [
    b"docker.sock",
    b"containerd.sock",
    b"crio.sock",
    b"podman.sock",
    b"cri-dockerd.sock",
    b"dockershim.sock",
    b"kubelet.sock",
    b"buildkitd.sock",
];
/// Files of the kernel and of devices that reach through to the host.
const HANDLES: [&[u8]; 9] = [
    b"/proc/sys/kernel/core_pattern",
    b"/proc/sysrq-trigger",
    b"/proc/sys/kernel/modprobe",
    b"/proc/sys/fs/binfmt_misc/register",
    b"/sys/kernel/uevent_helper",
    b"/proc/kcore",
    b"/dev/mem",
    b"/dev/kmem",
    b"/dev/kmsg",
];
/// Directories of the host that no ordinary workload needs.
const HOST_PATHS: [&str; 14] = [
    "/etc",
    "/root",
    "/home",
    "/boot",
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/proc",
    "/sys",
    "/dev",
    "/var/run",
    "/var/lib/docker",
    "/var/lib/kubelet",
];

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn is_socket_of_engine(path: &[u8]) -> bool {
    ENGINE_SOCKETS.contains(&known::basename(path))
}

/// Containers that may do anything.
pub fn privileged(facts: &Facts<'_>) -> Vec<Hit> {
    let Some(first) = facts.first() else { return Vec::new() };
    let effective = first.capabilities.as_ref().map(|sets| sets.effective.as_slice()).unwrap_or_default();
    let stated = facts.container.privileged == Some(true);
    if !stated && effective.len() < ALMOST_ALL {
        return Vec::new();
    }
    let mut hit = Hit::new(Subject::default(), "the container has nearly all capabilities on its host")
        .fact("effective capabilities", format!("core-{}.img", first.pid), effective.len().to_string())
        .more(Topic::Credentials.all());
    if stated {
        hit = hit.fact("privileged", "config.dump", "true");
    }
    vec![hit]
}

/// Capabilities that ordinary containers do not have.
pub fn capabilities(facts: &Facts<'_>) -> Vec<Hit> {
    let of = |process: &Process| -> Vec<String> {
        let sets = process.capabilities.as_ref();
        let effective = sets.map(|sets| sets.effective.as_slice()).unwrap_or_default();
        effective.iter().filter(|name| DANGEROUS.contains(&name.as_str())).cloned().collect()
    };
    let own = facts.first().map(of).unwrap_or_default();
    let mut hits = Vec::new();
    for process in facts.living() {
        let names = of(process);
        let is_first = facts.first().is_some_and(|first| first.pid == process.pid);
        // What the first process has the others inherit; of them only more than that counts.
        let more: Vec<String> =
            names.iter().filter(|name| is_first || !own.contains(name)).cloned().collect();
        if more.is_empty() {
            continue;
        }
        let hit = Hit::new(about(process), "has capabilities that let a container reach its host")
            .fact("effective capabilities", format!("core-{}.img", process.pid), more.join(" "))
            .more(Topic::Credentials.of(process.pid));
        hits.push(if is_first {
            hit
        } else {
            let why = "has capabilities that the container was not given";
            Hit { why: why.to_owned(), ..hit }.severity(Severity::High).confidence(Confidence::High)
        });
    }
    hits
}

/// Processes that act as somebody else than they are.
pub fn credentials(facts: &Facts<'_>) -> Vec<Hit> {
    let differs = |ids: &Ids| {
        let known: Vec<u32> = [ids.real, ids.effective, ids.saved, ids.fs].into_iter().flatten().collect();
        known.windows(2).any(|pair| match pair {
            [one, other] => one != other,
            _ => false,
        })
    };
    let mut hits = Vec::new();
    for creds in &facts.credentials {
        let Some(process) = facts.process(creds.pid) else { continue };
        let of_thread: Vec<&str> = creds
            .differs_in
            .iter()
            .copied()
            .filter(|what| matches!(*what, "uid" | "gid" | "capabilities"))
            .collect();
        let user = creds.uid.as_ref().filter(|ids| differs(ids));
        if of_thread.is_empty() && user.is_none() {
            continue;
        }
        let show = |ids: &Ids| {
            let parts = [ids.real, ids.effective, ids.saved, ids.fs];
            parts.map(|id| id.map_or_else(|| "?".to_owned(), |id| id.to_string())).join(" ")
        };
        let mut hit = Hit::new(about(process), "effective user differs from real user")
            .more(Topic::Credentials.of(process.pid));
        if let Some(ids) = creds.uid.as_ref() {
            hit = hit.fact(
                "real, effective, saved and file system user",
                format!("core-{}.img", creds.tid),
                show(ids),
            );
        }
        if !of_thread.is_empty() {
            hit = hit.fact("thread differs in", format!("core-{}.img", creds.tid), of_thread.join(" "));
            hit.why = "one of its threads has different credentials".to_owned();
        }
        let becomes_root = user
            .is_some_and(|ids| ids.real != Some(0) && [ids.effective, ids.saved, ids.fs].contains(&Some(0)));
        // A server that gave up root for a while keeps it in reserve.
        hits.push(if becomes_root || !of_thread.is_empty() { hit } else { hit.severity(Severity::Low) });
    }
    hits
}

/// Processes with rights beyond those of their user.
pub fn ambient(facts: &Facts<'_>) -> Vec<Hit> {
    let able = facts.living().filter(|process| {
        let sets = process.capabilities.as_ref();
        let is_user = process.uid.and_then(|uid| uid.effective).is_some_and(|uid| uid != 0);
        is_user && sets.is_some_and(|sets| sets.effective.iter().any(|name| name != "CAP_NET_BIND_SERVICE"))
    });
    able.map(|process| {
        let names = process.capabilities.as_ref().map(|sets| sets.effective.join(" ")).unwrap_or_default();
        Hit::new(about(process), "has root capabilities without being root")
            .fact("effective capabilities", format!("core-{}.img", process.pid), names)
            .more(Topic::Credentials.of(process.pid))
    })
    .collect()
}

/// Processes without a filter of system calls.
pub fn seccomp(facts: &Facts<'_>) -> Vec<Hit> {
    let is_off = |process: &Process| process.seccomp == Some("disabled");
    let off: Vec<&Process> = facts.living().filter(|process| is_off(process)).collect();
    let all = facts.living().count();
    if off.is_empty() {
        return Vec::new();
    }
    if off.len() == all {
        return vec![
            Hit::new(Subject::default(), "no process in the container has a seccomp filter")
                .fact("processes without filter", "core images", all.to_string())
                .severity(Severity::Low)
                .more(Topic::Credentials.all()),
        ];
    }
    off.into_iter()
        .map(|process| {
            Hit::new(about(process), "has no seccomp filter, unlike other processes")
                .fact("seccomp", format!("core-{}.img", process.pid), "disabled")
                .more(Topic::Credentials.of(process.pid))
        })
        .collect()
}

/// Processes whose security label is not that of the container.
pub fn label(facts: &Facts<'_>) -> Vec<Hit> {
    let own = facts.first().and_then(|first| first.lsm_label.as_ref());
    let Some(own) = own else { return Vec::new() };
    let others = facts.living().filter(|process| process.lsm_label.as_ref() != Some(own));
    others
        .map(|process| {
            let label = process.lsm_label.clone().unwrap_or_else(|| "unconfined".into());
            Hit::new(about(process), "runs under a different LSM profile than the container")
                .fact("label", format!("core-{}.img", process.pid), label)
                .fact("label of the first process", "core images", own.clone())
                .more(Topic::Credentials.of(process.pid))
        })
        .collect()
}

/// Namespaces that the container shares with its host.
pub fn host_namespace(facts: &Facts<'_>) -> Vec<Hit> {
    let Some(first) = facts.first() else { return Vec::new() };
    let severity = |kind: &str| match kind {
        "mnt" | "pid" => Some(Severity::High),
        "net" => Some(Severity::Medium),
        "ipc" => Some(Severity::Medium),
        "uts" => Some(Severity::Low),
        // Containers usually share these.
        _ => None,
    };
    let mut hits = Vec::new();
    for (kind, namespace) in &first.namespaces {
        let Some(severity) = severity(kind).filter(|_| namespace.shared_with_host == Some(true)) else {
            continue;
        };
        hits.push(
            Hit::new(
                Subject::default().path(*kind),
                format!("the container shares the {kind} namespace of its host"),
            )
            .fact("namespace", format!("ids-{}.img", first.pid), format!("{kind} {}", namespace.id))
            .severity(severity)
            .more(Topic::Namespaces.all()),
        );
    }
    hits
}

/// Processes in other namespaces than the container.
pub fn foreign_namespace(facts: &Facts<'_>) -> Vec<Hit> {
    let Some(first) = facts.first() else { return Vec::new() };
    let mut hits = Vec::new();
    for process in facts.living() {
        let other: Vec<&str> = ["pid", "mnt", "net", "user"]
            .into_iter()
            .filter(|kind| {
                let id = |process: &Process| process.namespaces.get(kind).map(|namespace| namespace.id);
                id(first).is_some() && id(process).is_some() && id(first) != id(process)
            })
            .collect();
        if other.is_empty() {
            continue;
        }
        let hit = Hit::new(about(process), "runs in other namespaces than the container")
            .fact("namespaces", format!("ids-{}.img", process.pid), other.join(" "))
            .more(Topic::Namespaces.of(process.pid));
        let host = other.iter().any(|kind| {
            process.namespaces.get(kind).is_some_and(|namespace| namespace.shared_with_host == Some(true))
        });
        hits.push(if host {
            Hit { why: "left the container: it runs in host namespaces".to_owned(), ..hit }
                .severity(Severity::Critical)
                .confidence(Confidence::High)
        } else if other.contains(&"user") {
            hit.harmless(Severity::Low, "browsers and container tools confine their own processes this way")
        } else {
            hit
        });
    }
    hits
}

/// Processes in other control groups than the container.
pub fn cgroup(facts: &Facts<'_>) -> Vec<Hit> {
    let foreign = facts
        .starts
        .iter()
        .filter_map(|start| Some((facts.process(start.pid)?, start.foreign_cgroup.as_ref()?)));
    foreign
        .map(|(process, line)| {
            Hit::new(about(process), "runs in another control group than the container")
                .fact("control group", "cgroup.img", line.clone())
                .more(Topic::Cgroups.of(process.pid))
        })
        .collect()
}

/// Open files and sockets through which the host can be reached.
pub fn handles(facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for socket in &facts.sockets {
        let paths = [socket.path.as_ref(), socket.peer_path.as_ref()];
        let Some(path) = paths.into_iter().flatten().find(|path| is_socket_of_engine(&path.0)) else {
            continue;
        };
        let Some(process) = socket.holders.iter().find_map(|holder| facts.process(holder.pid)) else {
            continue;
        };
        hits.push(
            Hit::new(about(process).path(path.clone()), "connected to the host's container engine")
                .fact("socket", "files.img", path.clone())
                .more(Topic::Sockets.of(process.pid)),
        );
    }
    for file in facts.files.iter().filter(|file| file.fd.is_some()) {
        let Some(process) = file.pid.and_then(|pid| facts.process(pid)) else { continue };
        let path = file.path.as_ref().map(|path| path.0.as_slice()).unwrap_or_default();
        let is_disk = file.kind == Some(Kind::BlockDevice);
        let is_root = path.starts_with(b"/proc/1/root") || path.starts_with(b"/proc/1/ns");
        let is_release = known::basename(path) == b"release_agent";
        if !(is_disk || is_root || is_release || HANDLES.contains(&path)) {
            continue;
        }
        let why = if is_disk { "it has a disk open" } else { "has a kernel file open that reaches the host" };
        hits.push(
            Hit::new(about(process).path(path), why)
                .fact("descriptor", format!("files.img, fd {}", file.fd.unwrap_or_default()), path)
                .fact("flags", "files.img", file.flags.clone().unwrap_or_default().join(" "))
                .more(Topic::Files.of(process.pid)),
        );
    }
    hits
}

/// The engine's socket inside the container.
pub fn engine_socket(facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits: Vec<Hit> = Vec::new();
    for mount in &facts.mounts {
        let paths = [mount.mountpoint.as_ref(), mount.root.as_ref(), mount.source.as_ref()];
        if let Some(path) = paths.into_iter().flatten().find(|path| is_socket_of_engine(&path.0)) {
            let inside = mount.mountpoint.clone().unwrap_or_else(|| path.clone());
            hits.push(
                Hit::new(
                    Subject::default().path(inside),
                    "access to the engine socket means control of the host",
                )
                .fact("mount", "mountpoints image", path.clone())
                .more(Topic::Mounts.all()),
            );
        }
    }
    for (destination, source, _) in binds(facts) {
        if is_socket_of_engine(source.as_bytes())
            && !hits.iter().any(|hit| hit.subject.path == Some(destination.into()))
        {
            hits.push(
                Hit::new(
                    Subject::default().path(destination),
                    "access to the engine socket means control of the host",
                )
                .fact("mount", "spec.dump", source)
                .more(Topic::Mounts.all()),
            );
        }
    }
    hits
}

/// Bind mounts of the runtime specification: destination, source, and whether they are read-only.
fn binds<'f>(facts: &'f Facts<'_>) -> impl Iterator<Item = (&'f str, &'f str, bool)> {
    let mounts = facts.container.spec.as_ref().and_then(|spec| spec.get("mounts")?.as_array());
    mounts.into_iter().flatten().filter_map(|mount| {
        let options: Vec<&str> = mount
            .get("options")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let is_bind =
            text(mount, "type") == "bind" || options.iter().any(|option| matches!(*option, "bind" | "rbind"));
        is_bind.then(|| (text(mount, "destination"), text(mount, "source"), options.contains(&"ro")))
    })
}

/// Directories of the host inside the container.
pub fn host_path(facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for (destination, source, read_only) in binds(facts) {
        // What engines and the kubelet mount themselves.
        let is_usual = source.contains("/containers/")
            || source.starts_with("/var/lib/kubelet/pods/")
            || source.starts_with("/var/lib/containerd/")
            || source.starts_with("/run/containerd/")
            || source.contains("/kubernetes.io~")
            || source.starts_with("/var/lib/docker/volumes/")
            || source.starts_with("/var/lib/docker/containers/")
            || source.contains("/volumes/");
        let is_engine = is_socket_of_engine(source.as_bytes());
        // Engines mount these single files and devices on request without harm.
        let is_small = matches!(
            source,
            "/etc/localtime"
                | "/etc/hosts"
                | "/etc/resolv.conf"
                | "/etc/hostname"
                | "/etc/timezone"
                | "/dev/null"
                | "/dev/shm"
                | "/dev/log"
                | "/etc/ssl/certs"
        );
        let path = source.as_bytes();
        let is_host = source == "/" || HOST_PATHS.iter().any(|known| is_below(path, known.as_bytes()));
        if is_usual || is_engine || is_small || !is_host {
            continue;
        }
        let hit = Hit::new(
            Subject::default().path(destination),
            "host directory mounted that workloads do not need",
        )
        .fact("source on the host", "spec.dump", source)
        .fact("access", "spec.dump", if read_only { "read-only" } else { "read and write" })
        .more(Topic::Mounts.all());
        let is_core = source == "/" || source == "/etc" || source == "/root" || is_below(path, b"/proc");
        hits.push(match (is_core, read_only) {
            (true, false) => hit.severity(Severity::High),
            (true, true) | (false, false) => hit,
            (false, true) => hit.severity(Severity::Low),
        });
    }
    hits
}

/// Users of the container that are the host's.
pub fn host_root(facts: &Facts<'_>) -> Vec<Hit> {
    let Some(first) = facts.first() else { return Vec::new() };
    let is_root = first.uid.and_then(|uid| uid.effective) == Some(0);
    let shared = first.namespaces.get("user").and_then(|namespace| namespace.shared_with_host) == Some(true);
    if !(is_root && shared) {
        return Vec::new();
    }
    let hit =
        Hit::new(Subject::default(), "root in the container is root on the host, apart from its confinement")
            .fact("effective user", format!("core-{}.img", first.pid), "0")
            .more(Topic::Namespaces.all());
    vec![hit]
}

/// Processes that may gain rights by running other programs.
pub fn new_privileges(facts: &Facts<'_>) -> Vec<Hit> {
    let able = facts.living().filter(|process| process.no_new_privs == Some(false)).count();
    if able == 0 {
        return Vec::new();
    }
    let hit = Hit::new(Subject::default(), "programs with setuid give rights to processes of the container")
        .fact("processes without no_new_privs", "core images", able.to_string())
        .more(Topic::Credentials.all());
    vec![hit]
}

/// Variables whose names say that they hold a secret. The values are not repeated.
pub fn secret_variables(facts: &Facts<'_>) -> Vec<Hit> {
    const ENDINGS: [&[u8]; 9] = [
        b"_TOKEN",
        b"_KEY",
        b"_SECRET",
        b"PASSWORD",
        b"_PASS",
        b"_PASSWD",
        b"_CREDENTIALS",
        b"_DSN",
        b"DATABASE_URL",
    ];
    let mut hits = Vec::new();
    for process in facts.living() {
        let names: Vec<&[u8]> = facts
            .environment(process)
            .filter(|(name, value)| !value.is_empty() && ENDINGS.iter().any(|ending| name.ends_with(ending)))
            .map(|(name, _)| name)
            .collect();
        // What a child inherits is told of its parent.
        let of_parent: Vec<&[u8]> = facts
            .parent(process)
            .map(|parent| facts.environment(parent).map(|(name, _)| name).collect())
            .unwrap_or_default();
        let own: Vec<&[u8]> = names.into_iter().filter(|name| !of_parent.contains(name)).collect();
        if own.is_empty() {
            continue;
        }
        let hit = Hit::new(about(process), "environment variables whose names suggest secrets")
            .fact("variables", format!("mm-{}.img, environment", process.pid), own.join(&b' '))
            .more(Topic::Environment.of(process.pid));
        hits.push(hit);
    }
    hits
}

/// Descriptors of namespaces, with which a process can enter them.
pub fn namespace_descriptor(facts: &Facts<'_>) -> Vec<Hit> {
    let files = facts.files.iter().filter(|file| file.fd.is_some() && file.kind == Some(Kind::Namespace));
    files
        .filter_map(|file| {
            let process = facts.process(file.pid?)?;
            let link = file.path.clone().or_else(|| file.link.clone()).unwrap_or_else(|| "namespace".into());
            let hit = Hit::new(about(process), "has a namespace handle open, which it can enter").fact(
                "descriptor",
                format!("files.img, fd {}", file.fd?),
                link,
            );
            Some(hit.more(Topic::Files.of(process.pid)))
        })
        .collect()
}
