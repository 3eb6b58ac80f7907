//! What is worth noticing of a file, as plain facts.

use ckptfx_parser::archive::{Member, MemberKind};

use crate::recover::contents::{Contents, file_type};

/// Devices that the OCI runtime specification demands in every container, with their numbers.
const DEVICES: [(&[u8], (u32, u32)); 6] = [
    (b"/dev/null", (1, 3)),
    (b"/dev/zero", (1, 5)),
    (b"/dev/full", (1, 7)),
    (b"/dev/random", (1, 8)),
    (b"/dev/urandom", (1, 9)),
    (b"/dev/tty", (5, 0)),
];

/// Links that it demands, and one that engines make.
const LINKS: [(&[u8], &[u8]); 7] = [
    (b"/dev/fd", b"/proc/self/fd"),
    (b"/dev/stdin", b"/proc/self/fd/0"),
    (b"/dev/stdout", b"/proc/self/fd/1"),
    (b"/dev/stderr", b"/proc/self/fd/2"),
    (b"/dev/ptmx", b"pts/ptmx"),
    (b"/dev/core", b"/proc/kcore"),
    (b"/etc/mtab", b"/proc/mounts"),
];

/// Places where runtimes mount something.
const DIRECTORIES: [&[u8]; 3] = [b"/dev/shm", b"/dev/mqueue", b"/dev/pts"];

/// The flags of a member at a path of the container.
pub(super) fn of(path: &[u8], member: &Member, contents: Option<&Contents>) -> Vec<&'static str> {
    let mut flags = Vec::new();
    let mut flag = |name, is_set: bool| {
        if is_set {
            flags.push(name);
        }
    };
    let is_file = matches!(member.kind, MemberKind::File | MemberKind::Hardlink(_));
    let is_link = matches!(member.kind, MemberKind::Symlink(_));
    flag("setuid", is_file && member.mode & 0o4000 != 0);
    flag("setgid", is_file && member.mode & 0o2000 != 0);
    flag("capability", member.xattrs.iter().any(|(name, _)| name == b"security.capability"));
    flag("executable", is_file && member.mode & 0o111 != 0);
    // A sticky directory such as /tmp is meant to be written by all.
    flag("world-writable", !is_link && member.mode & 0o1002 == 0o002 && member.device.is_none());
    let what = contents.map(|contents| file_type(&contents.head(64)));
    flag("elf", what == Some("elf"));
    flag("script", what == Some("script"));
    flag(
        "hidden",
        path.split(|byte| *byte == b'/').any(|part| part.starts_with(b".") && part != b"." && part != b".."),
    );
    flag("runtime-default", is_runtime_default(path, member));
    flag("cut", contents.is_some_and(|contents| contents.lost() > 0));
    flags
}

fn is_runtime_default(path: &[u8], member: &Member) -> bool {
    match &member.kind {
        MemberKind::Symlink(target) => LINKS.contains(&(path, target.as_slice())),
        MemberKind::Directory => {
            // Version 1 control groups: a tmpfs with one mount point for each.
            DIRECTORIES.contains(&path)
                || path.strip_prefix(b"/sys/fs/cgroup/").is_some_and(|name| !name.contains(&b'/'))
        }
        MemberKind::Other(b'3') => member.device.is_some_and(|device| DEVICES.contains(&(path, device))),
        _ => false,
    }
}
