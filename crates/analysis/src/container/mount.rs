//! Mounts as `/proc/PID/mountinfo` shows them (`format.md §10`).

use std::collections::BTreeMap;

use ckptfx_parser::{Diagnostic, ImageDirectory, proto};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Case, Task, Text, container::namespace};

/// Flags of a mount and their names, in the order in which mountinfo shows them.
const MOUNT_FLAGS: [(u32, &str); 7] = [
    (2, "nosuid"),
    (4, "nodev"),
    (8, "noexec"),
    (0x400, "noatime"),
    (0x800, "nodiratime"),
    (0x20_0000, "relatime"),
    (0x100, "nosymfollow"),
];

/// Flags of a file system, in the same way.
const FILE_SYSTEM_FLAGS: [(u32, &str); 4] =
    [(0x10, "sync"), (0x80, "dirsync"), (0x40, "mand"), (0x200_0000, "lazytime")];

/// `MS_RDONLY`.
const READ_ONLY: u32 = 1;

/// What mounts on demand below an autofs mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Autofs {
    /// Process group of the daemon, as seen in the container: its accesses mount nothing.
    pub process_group: Option<i32>,
    /// `direct`, `indirect` or `offset`, or its number.
    pub mode: Option<String>,
    /// Seconds without use after which what was mounted may be unmounted.
    pub timeout: Option<i32>,
    /// Descriptor of the daemon through which the kernel asks it; -1 when there is none.
    pub fd: Option<i32>,
    /// Oldest version of the protocol that the daemon speaks.
    pub min_protocol: Option<i32>,
    /// Newest version of the protocol that the daemon speaks.
    pub max_protocol: Option<i32>,
}

/// One mount of a mount namespace. The records come in the order of the tree: parents first, siblings in the
/// order in which they were mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Mount {
    /// CRIU's number of the mount namespace; null when nothing tells it.
    pub namespace: Option<u32>,
    /// Mount id.
    pub mount_id: Option<u32>,
    /// Mount id of the parent, which may be outside the namespace.
    pub parent_id: Option<u32>,
    /// Number of ancestors that are in the list.
    pub depth: usize,
    /// Where it is mounted, as seen in the namespace.
    pub mountpoint: Option<Text>,
    /// What was mounted, in the file system's own words.
    pub source: Option<Text>,
    /// Type of the file system; null when CRIU did not record it.
    pub fstype: Option<Text>,
    /// Device as `major:minor`.
    pub device: Option<String>,
    /// What of the file system is mounted: the source of a bind mount. Null for external mounts before
    /// CRIU 3.0, which wrote their key in its place.
    pub root: Option<Text>,
    /// Flags of the mount: `rw` or `ro`, then others.
    pub flags: Option<Vec<String>>,
    /// Flags of the file system: `rw` or `ro`, then others; not recorded before CRIU 1.8.
    pub super_flags: Option<Vec<String>>,
    /// Options of the file system; those of an overlay name directories of the host. CRIU adds `newinstance` to
    /// those of devpts.
    pub options: Option<Text>,
    /// Peer group that mounts spread to and from; null for none.
    pub shared_id: Option<u32>,
    /// Peer group that mounts spread from; null for none.
    pub master_id: Option<u32>,
    /// Whether it came from outside of the container: its content is not in the images.
    pub external: bool,
    /// Key under which the engine or CRIU knows an external mount.
    pub ext_key: Option<Text>,
    /// Whether the source of the bind mount was deleted; CRIU writes nothing otherwise, and never before 1.7.
    pub deleted: Option<bool>,
    /// What an autofs mount has of its own; null for other mounts.
    pub autofs: Option<Autofs>,
}

/// The mounts of the namespaces of the processes that `wanted` accepts; with all accepted, also those of
/// namespaces without a process.
pub fn mounts(case: &mut Case<'_>, wanted: &dyn Fn(&Task<'_>) -> bool) -> Vec<Mount> {
    let images = &case.checkpoint.images;
    let mut lists: Vec<(Option<u32>, &str)> = Vec::new();
    for (name, _) in images.files() {
        if let Some(("mountpoints", number)) = namespace::split(name) {
            lists.push((namespace::id(case, "mnt", number), name));
        }
    }
    lists.sort_unstable();
    let mut missing: Vec<u32> = Vec::new();
    for task in case.tasks.iter().filter(|task| wanted(task)) {
        let Some(own) = task.process.namespaces.get("mnt") else { continue };
        let has_list = lists.iter().any(|(id, _)| *id == Some(own.id));
        if own.shared_with_host == Some(false) && !has_list && !missing.contains(&own.id) {
            missing.push(own.id);
        }
    }
    let mut mounts = Vec::new();
    let mut diagnostics = Vec::new();
    for (id, name) in lists.into_iter().filter(|(id, _)| namespace::is_wanted(case, "mnt", *id, wanted)) {
        let entries = images.read::<proto::MntEntry>(name, &mut diagnostics);
        // The last mounted is written first.
        let list: Vec<_> = entries.into_iter().rev().map(|entry| entry.value).collect();
        tree(list, id, (images, name), &mut mounts, &mut diagnostics);
    }
    for id in missing {
        let message = "the mounts of a mount namespace are missing";
        diagnostics.push(Diagnostic::loss("missing-image", format!("mountpoints-{id}.img"), message));
    }
    case.diagnostics.append(&mut diagnostics);
    mounts
}

/// Orders mounts as a tree, without recursion. Mounts whose parents are not in the list, or lead in a
/// circle, become roots.
fn tree(
    list: Vec<proto::MntEntry>,
    namespace: Option<u32>,
    (images, image): (&ImageDirectory, &str),
    mounts: &mut Vec<Mount>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut first: BTreeMap<u32, usize> = BTreeMap::new();
    let mut doubled = 0_usize;
    for (index, id) in list.iter().enumerate().filter_map(|(index, entry)| Some((index, entry.mnt_id?))) {
        let before = *first.entry(id).or_insert(index);
        doubled += usize::from(before != index);
    }
    if doubled > 0 {
        let message = format!("{doubled} mounts have the id of another one");
        diagnostics.push(Diagnostic::note("duplicate-id", image, message));
    }
    let mut children: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut roots = Vec::new();
    for (index, entry) in list.iter().enumerate() {
        match entry.parent_mnt_id.and_then(|parent| first.get(&parent)) {
            Some(parent) if *parent != index => children.entry(*parent).or_default().push(index),
            _ => roots.push(index),
        }
    }
    let mut rest: Vec<Option<proto::MntEntry>> = list.into_iter().map(Some).collect();
    let mut pending: Vec<(usize, usize)> = roots.into_iter().rev().map(|root| (root, 0)).collect();
    let mut next = 0;
    let mut circles = 0_usize;
    loop {
        while let Some((index, depth)) = pending.pop() {
            let Some(entry) = rest.get_mut(index).and_then(Option::take) else { continue };
            let device = entry.root_dev;
            let mut mount = mount(entry, namespace, depth);
            if mount.fstype.as_ref().is_some_and(|name| name.0 == b"autofs") {
                mount.autofs = device.and_then(|device| autofs(images, device, diagnostics));
            }
            mounts.push(mount);
            let below = children.remove(&index).unwrap_or_default();
            pending.extend(below.into_iter().rev().map(|child| (child, depth.saturating_add(1))));
        }
        // What is left is in a circle of parents.
        match rest.get(next) {
            None => break,
            Some(None) => next += 1,
            Some(Some(_)) => {
                circles += 1;
                pending.push((next, 0));
            }
        }
    }
    if circles > 0 {
        let message = format!("{circles} mounts are their own ancestors");
        diagnostics.push(Diagnostic::note("bad-parent", image, message));
    }
}

fn mount(entry: proto::MntEntry, namespace: Option<u32>, depth: usize) -> Mount {
    // Before CRIU 3.0 the key of an external mount took the place of its root.
    let old_external = entry.ext_mount == Some(true) && entry.ext_key.is_none();
    let (root, ext_key) = if old_external { (None, entry.root) } else { (entry.root, entry.ext_key) };
    Mount {
        namespace,
        mount_id: entry.mnt_id,
        parent_id: entry.parent_mnt_id,
        depth,
        mountpoint: entry.mountpoint.map(Text),
        source: entry.source.map(Text),
        fstype: file_system(entry.fstype, entry.fsname),
        device: entry.root_dev.map(|number| format!("{}:{}", number >> 20, number & 0xf_ffff)),
        root: root.map(Text),
        flags: entry.flags.map(|flags| flag_names(flags, &MOUNT_FLAGS)),
        super_flags: entry.sb_flags.map(|flags| flag_names(flags, &FILE_SYSTEM_FLAGS)),
        options: entry.options.map(Text),
        shared_id: entry.shared_id.filter(|id| *id != 0),
        master_id: entry.master_id.filter(|id| *id != 0),
        external: entry.ext_mount == Some(true) || ext_key.is_some(),
        ext_key: ext_key.map(Text),
        deleted: entry.deleted,
        autofs: None,
    }
}

/// What the image of an autofs mount says, which is named by the device.
fn autofs(images: &ImageDirectory, device: u32, diagnostics: &mut Vec<Diagnostic>) -> Option<Autofs> {
    let entry: proto::AutofsEntry = images.read_one(&format!("autofs-{device}.img"), diagnostics)?;
    Some(Autofs {
        process_group: entry.pgrp,
        mode: entry.mode.map(|mode| match mode {
            0 => "direct".to_owned(),
            1 => "indirect".to_owned(),
            2 => "offset".to_owned(),
            other => other.to_string(),
        }),
        timeout: entry.timeout,
        fd: entry.fd,
        min_protocol: entry.minproto,
        max_protocol: entry.maxproto,
    })
}

fn flag_names(flags: u32, names: &[(u32, &str)]) -> Vec<String> {
    let access = if flags & READ_ONLY != 0 { "ro" } else { "rw" };
    let others = names.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, name)| *name);
    [access].into_iter().chain(others).map(str::to_owned).collect()
}

/// The kernel's name of a file system.
fn file_system(number: Option<u32>, name: Option<Vec<u8>>) -> Option<Text> {
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        return Some(Text(name));
    }
    let number = number?;
    let known = i32::try_from(number).ok().and_then(|number| proto::Fstype::try_from(number).ok());
    match known {
        Some(proto::Fstype::Unsupported | proto::Fstype::Auto) => None,
        Some(proto::Fstype::Overlayfs) => Some("overlay".into()),
        Some(known) => Some(known.as_str_name().to_ascii_lowercase().into_bytes().into()),
        None => Some(number.to_string().into_bytes().into()),
    }
}

#[cfg(test)]
mod tests {
    use ckptfx_testkit::{Criu, Mount as Description};

    use super::*;
    use crate::tests::with_case;

    fn lines(case: &mut Case<'_>) -> Vec<(usize, String)> {
        let path = |mount: &Mount| mount.mountpoint.as_ref().unwrap().escaped().into_owned();
        mounts(case, &|_| true).iter().map(|mount| (mount.depth, path(mount))).collect()
    }

    #[test]
    fn children_stand_under_their_parents() {
        with_case(ckptfx_testkit::rich(), |case| {
            let expected = [(0, "/"), (1, "/proc"), (1, "/dev"), (2, "/dev/pts"), (1, "/sys")];
            assert_eq!(lines(case), expected.map(|(depth, path)| (depth, path.to_owned())));
            assert!(mounts(case, &|_| false).is_empty());
        });
    }

    #[test]
    fn circles_and_doubled_ids_lose_nothing() {
        let odd = |id, parent, path| Description { parent, ..Description::bind(id, "/x", path) };
        let dump = ckptfx_testkit::rich()
            .mount(odd(200, 201, "/a"))
            .mount(odd(201, 200, "/b"))
            .mount(odd(202, 202, "/self"))
            .mount(odd(133, 130, "/again"));
        with_case(dump, |case| {
            let lines = lines(case);
            assert_eq!(lines.len(), 9);
            assert!(lines.contains(&(0, "/a".to_owned())) && lines.contains(&(1, "/b".to_owned())));
            let codes: Vec<_> = case.diagnostics.iter().map(|one| one.code).collect();
            assert!(codes.contains(&"duplicate-id") && codes.contains(&"bad-parent"), "{codes:?}");
        });
    }

    #[test]
    fn the_key_of_an_external_mount_is_found_in_old_images() {
        for criu in [Criu::V2_12, Criu::V4_2] {
            let dump = ckptfx_testkit::rich_old(criu).mount(Description::bind(140, "/host", "/data"));
            with_case(dump, |case| {
                let mounts = mounts(case, &|_| true);
                let bind = mounts.iter().find(|mount| mount.mount_id == Some(140)).unwrap();
                assert!(bind.external);
                assert_eq!(bind.ext_key, Some("/data".into()), "{criu:?}");
                let root = (criu == Criu::V4_2).then(|| "/host".into());
                assert_eq!(bind.root, root, "{criu:?}");
            });
        }
    }

    #[test]
    fn flags_and_types_have_the_kernel_s_names() {
        assert_eq!(flag_names(0x20_000f, &MOUNT_FLAGS), ["ro", "nosuid", "nodev", "noexec", "relatime"]);
        assert_eq!(flag_names(0x100_0000, &MOUNT_FLAGS), ["rw"]);
        assert_eq!(file_system(Some(16), Some(b"ext4".to_vec())), Some("ext4".into()));
        assert_eq!(file_system(Some(23), None), Some("cgroup2".into()));
        assert_eq!(file_system(Some(0), None), None);
        assert_eq!(file_system(Some(99), None), Some("99".into()));
    }
}
