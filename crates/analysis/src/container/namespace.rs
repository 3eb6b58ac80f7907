//! Namespaces, and what the images say of each (`format.md §2.3`, `§11`).

use std::collections::{BTreeMap, BTreeSet};

use ckptfx_parser::{Diagnostic, proto};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Case, Task, Text};

/// Images that are named by a namespace, by what stands before its number, and the kind of namespace.
const IMAGES: [(&str, &str); 21] = [
    ("mountpoints", "mnt"),
    ("utsns", "uts"),
    ("ipcns-var", "ipc"),
    ("ipcns-shm", "ipc"),
    ("ipcns-msg", "ipc"),
    ("ipcns-sem", "ipc"),
    ("netns", "net"),
    ("netdev", "net"),
    ("ifaddr", "net"),
    ("route", "net"),
    ("route6", "net"),
    ("rule", "net"),
    ("iptables", "net"),
    ("ip6tables", "net"),
    ("nftables", "net"),
    ("netns-ct", "net"),
    ("netns-exp", "net"),
    ("userns", "user"),
    ("pidns", "pid"),
    ("timens", "time"),
    ("cgroupns", "cgroup"),
];

/// Ids of users or groups that a user namespace maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct IdRange {
    /// First id inside.
    pub inside: Option<u32>,
    /// First id outside: in the namespace of CRIU, which is usually the host's.
    pub outside: Option<u32>,
    /// Number of ids.
    pub count: Option<u32>,
}

/// A binary format that the kernel gives to an interpreter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BinaryFormat {
    /// Its name.
    pub name: Option<Text>,
    /// Whether it is in force.
    pub enabled: Option<bool>,
    /// What runs the files.
    pub interpreter: Option<Text>,
    /// Flags by letter: `C` runs with the credentials of the file, `F` opens the interpreter at once.
    pub flags: Option<Text>,
    /// File name extension that it is told by.
    pub extension: Option<Text>,
    /// Bytes that it is told by.
    pub magic: Option<Text>,
}

/// A namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NamespaceFacts {
    /// `pid`, `net`, `ipc`, `uts`, `mnt`, `user`, `cgroup` or `time`.
    pub kind: &'static str,
    /// CRIU's number for it, which has meaning only inside this checkpoint; 0 for the host's time namespace
    /// where nothing tells its number; null when nothing tells which namespace an image describes.
    pub id: Option<u32>,
    /// Whether CRIU itself was in it, which ran on the host; null when the inventory does not tell.
    pub shared_with_host: Option<bool>,
    /// Whether the first process is in another one; null when it is not known which that is in.
    pub differs_from_root: Option<bool>,
    /// Processes in it; none when only a descriptor or a mount keeps it, or when it is not known who is.
    pub pids: Vec<u32>,
    /// Images that describe it. CRIU writes none for namespaces of the host, but clocks.
    pub images: Vec<String>,
    /// Users of a user namespace; null when it has no image: ids of the host's are those outside.
    pub uid_map: Option<Vec<IdRange>>,
    /// Groups of a user namespace, in the same way.
    pub gid_map: Option<Vec<IdRange>>,
    /// Binary formats that are registered in a user namespace; not recorded before CRIU 4.3.
    pub binfmt_misc: Vec<BinaryFormat>,
    /// `CLOCK_MONOTONIC` as read in a time namespace at the dump, in nanoseconds. Its offset to the host's
    /// clock is not recorded.
    pub monotonic_ns: Option<u64>,
    /// `CLOCK_BOOTTIME` in the same way: for the host's namespace, how long the host had been running.
    pub boottime_ns: Option<u64>,
    /// Key of a pid or network namespace that the engine gave to the container from outside.
    pub ext_key: Option<Text>,
}

/// What stands before the number in the name of an image, and the number.
pub(crate) fn split(image: &str) -> Option<(&str, u32)> {
    let (stem, number) = image.strip_suffix(".img")?.rsplit_once('-')?;
    Some((stem, number.parse().ok()?))
}

/// The number of the namespace that an image's name has: images are named by namespace, or in old dumps by
/// the pid of the first process.
pub(crate) fn id(case: &Case<'_>, kind: &str, number: u32) -> Option<u32> {
    let inventory = case.inventory.as_ref();
    // Without an inventory the usual is assumed.
    if inventory.is_none_or(|inventory| inventory.ns_per_id == Some(true)) {
        return Some(number);
    }
    Some(case.task(number)?.process.namespaces.get(kind)?.id)
}

/// Whether a namespace is one of a process that `wanted` accepts. One that is nobody's is wanted with all.
pub(crate) fn is_wanted(
    case: &Case<'_>,
    kind: &str,
    id: Option<u32>,
    wanted: &dyn Fn(&Task<'_>) -> bool,
) -> bool {
    let is_in = |task: &&Task<'_>| {
        let own = task.process.namespaces.get(kind);
        id.is_some() && own.map(|own| own.id) == id
    };
    let mut members = case.tasks.iter().filter(is_in).peekable();
    if members.peek().is_some() { members.any(wanted) } else { case.tasks.iter().all(wanted) }
}

/// The namespaces of the processes that `wanted` accepts; with all accepted, also those without a process.
pub fn namespaces(case: &mut Case<'_>, wanted: &dyn Fn(&Task<'_>) -> bool) -> Vec<NamespaceFacts> {
    let mut found: BTreeMap<(&'static str, Option<u32>), NamespaceFacts> = BTreeMap::new();
    let root = case.tasks.first().map(|task| &task.process.namespaces);
    let facts = |kind: &'static str, id: Option<u32>| NamespaceFacts {
        kind,
        id,
        shared_with_host: host(case, kind).zip(id).map(|(host, id)| host == id),
        differs_from_root: root.and_then(|own| own.get(kind)).zip(id).map(|(own, id)| own.id != id),
        pids: Vec::new(),
        images: Vec::new(),
        uid_map: None,
        binfmt_misc: Vec::new(),
        gid_map: None,
        monotonic_ns: None,
        boottime_ns: None,
        ext_key: None,
    };
    for task in &case.tasks {
        for (kind, own) in &task.process.namespaces {
            let facts = found.entry((kind, Some(own.id))).or_insert_with(|| facts(kind, Some(own.id)));
            facts.pids.push(task.process.pid);
        }
    }
    let mut diagnostics = Vec::new();
    let names: BTreeSet<&str> = case.checkpoint.images.files().map(|(name, _)| name).collect();
    for name in names {
        let Some((stem, number)) = split(name) else { continue };
        let Some((_, kind)) = IMAGES.into_iter().find(|(known, _)| *known == stem) else { continue };
        // The clocks of the host have no number.
        let of_host = kind == "time" && number == 0;
        let id = if of_host { host(case, kind).or(Some(0)) } else { id(case, kind, number) };
        let facts = found.entry((kind, id)).or_insert_with(|| facts(kind, id));
        if of_host {
            facts.shared_with_host = Some(true);
        }
        facts.images.push(name.to_owned());
        describe(case, stem, name, facts, &mut diagnostics);
    }
    let found = found.into_values().filter(|facts| is_wanted(case, facts.kind, facts.id, wanted)).collect();
    case.diagnostics.append(&mut diagnostics);
    found
}

/// The number of the namespace that CRIU itself was in.
fn host(case: &Case<'_>, kind: &str) -> Option<u32> {
    let ids = case.inventory.as_ref()?.root_ids.as_ref()?;
    let id = match kind {
        "pid" => ids.pid_ns_id,
        "net" => ids.net_ns_id,
        "ipc" => ids.ipc_ns_id,
        "uts" => ids.uts_ns_id,
        "mnt" => ids.mnt_ns_id,
        "user" => ids.user_ns_id,
        "cgroup" => ids.cgroup_ns_id,
        "time" => ids.time_ns_id,
        _ => None,
    };
    id.filter(|id| *id != 0)
}

/// Adds what one image says.
fn describe(
    case: &Case<'_>,
    stem: &str,
    name: &str,
    facts: &mut NamespaceFacts,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let images = &case.checkpoint.images;
    match stem {
        "userns" => {
            if let Some(entry) = images.read_one::<proto::UsernsEntry>(name, diagnostics) {
                facts.binfmt_misc = entry.binfmt_misc.into_iter().map(binary_format).collect();
                facts.uid_map = Some(ranges(&entry.uid_map));
                facts.gid_map = Some(ranges(&entry.gid_map));
            }
        }
        "timens" => {
            if let Some(entry) = images.read_one::<proto::TimensEntry>(name, diagnostics) {
                facts.monotonic_ns = nanoseconds(entry.monotonic.as_ref());
                facts.boottime_ns = nanoseconds(entry.boottime.as_ref());
            }
        }
        "pidns" => {
            let entry = images.read_one::<proto::PidnsEntry>(name, diagnostics);
            facts.ext_key = entry.and_then(|entry| entry.ext_key).map(Text);
        }
        "netns" => {
            let entry = images.read_one::<proto::NetnsEntry>(name, diagnostics);
            facts.ext_key = entry.and_then(|entry| entry.ext_key).map(Text);
        }
        _ => {}
    }
}

fn binary_format(entry: proto::BinfmtMiscEntry) -> BinaryFormat {
    BinaryFormat {
        name: entry.name.map(Text),
        enabled: entry.enabled,
        interpreter: entry.interpreter.map(Text),
        flags: entry.flags.map(Text),
        extension: entry.extension.map(Text),
        magic: entry.magic.map(Text),
    }
}

fn ranges(extents: &[proto::UidGidExtent]) -> Vec<IdRange> {
    let range = |extent: &proto::UidGidExtent| IdRange {
        inside: extent.first,
        outside: extent.lower_first,
        count: extent.count,
    };
    extents.iter().map(range).collect()
}

fn nanoseconds(time: Option<&proto::Timespec>) -> Option<u64> {
    let time = time?;
    time.tv_sec?.checked_mul(1_000_000_000)?.checked_add(time.tv_nsec?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::with_case;

    #[test]
    fn each_namespace_has_its_processes_and_images() {
        let dump = ckptfx_testkit::rich().with(|dump| {
            dump.userns = vec![(0, 100_000, 65536)];
            dump.processes[0].children[0].namespaces.net = 77;
        });
        with_case(dump, |case| {
            let found = namespaces(case, &|_| true);
            let one = |kind: &str| found.iter().filter(|one| one.kind == kind).collect::<Vec<_>>();
            let net = one("net");
            let other = net.iter().find(|one| one.id == Some(77)).unwrap();
            assert_eq!((other.differs_from_root, other.pids.as_slice()), (Some(true), [7].as_slice()));
            // The zombie has no ids.
            assert_eq!(one("mnt")[0].pids, [1, 7, 20]);
            assert_eq!(one("mnt")[0].differs_from_root, Some(false));
            assert_eq!(one("mnt")[0].shared_with_host, Some(false));
            let range = IdRange { inside: Some(0), outside: Some(100_000), count: Some(65536) };
            assert_eq!(one("user")[0].uid_map, Some(vec![range]));
            assert_eq!(one("pid")[0].ext_key, Some("extRootPidNS".into()));
            let host = one("time");
            assert_eq!((host.len(), host[0].shared_with_host), (1, Some(true)));
            assert_eq!(host[0].monotonic_ns, Some(3_756_789_640_204));
            let of_seven = namespaces(case, &|task| task.process.pid == 7);
            assert_eq!(of_seven.iter().filter(|one| one.kind == "net").count(), 1);
        });
    }
}
