//! Reads the changes of the file systems, and what is to be said of them.

use std::collections::{BTreeMap, BTreeSet};

use ckptfx_parser::{
    Diagnostic,
    archive::{Member, MemberKind},
    container::Engine,
};

use jiff::Timestamp;

use super::{
    base::{self, Base},
    change::{Change, ChangeKind, OPAQUE, WHITEOUT, Xattr, split},
    flags,
};
use crate::{
    Case, Task, Text,
    files::{
        file_use::{FileUse, User},
        nested::{Origin, Source, contents_in},
    },
    recover::contents::Contents,
};

/// A list of deleted files longer than this is not read.
const MAX_DELETED_LIST: usize = 64 << 20;

/// What to say of each change.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'b> {
    /// Whether files are hashed.
    pub hash: bool,
    /// Whether changes of text are shown; needs the base image.
    pub diff: bool,
    /// Zeros of holes that are hashed in all, in bytes.
    pub zeros: u64,
    /// The base image, if there is one.
    pub base: Option<&'b Base>,
}

/// The changes, in order of path. With a filter of processes (`all` is false) only what these use.
pub fn changes(
    case: &mut Case<'_>,
    sources: &[Source],
    wish: &Wish<'_>,
    wanted: &dyn Fn(&Task<'_>) -> bool,
    all: bool,
) -> Vec<Change> {
    let users = FileUse::read(case, wanted).by_path(case);
    let mut changes = Vec::new();
    let engine = case.checkpoint.container.engine;
    let mut zeros = wish.zeros;
    for source in sources {
        // Podman and CRI-O list no parents; in a tar of a whole file system every directory is simply there.
        let lists_parents =
            source.origin == Origin::RootfsDiff && !matches!(engine, Engine::Podman | Engine::CriO);
        let parents: BTreeSet<&[u8]> =
            source.members().filter(|_| lists_parents).map(|member| split(&member.path).0).collect();
        for member in source.members() {
            if let Some(deletion) = whiteout(source, member, wish) {
                changes.push(deletion);
                continue;
            }
            let mut change = change(source, member, wish, &users, &mut zeros);
            if member.kind == MemberKind::Directory && parents.contains(member.path.as_slice()) {
                change.flags.push("parent");
            }
            changes.push(change);
        }
    }
    changes.extend(deleted_files(case, wish));
    let is_unhashed = |change: &&Change| {
        change.kind == Some("regular") && change.sha256.is_none() && !change.flags.contains(&"cut")
    };
    for change in changes.iter().filter(|_| wish.hash).filter(is_unhashed) {
        if change.change != ChangeKind::Deleted {
            let message = "the file is nearly all a hole and is not hashed (--max-size)";
            case.diagnostics.push(Diagnostic::loss("too-large", change.path.escaped(), message));
        }
    }
    mark_recreated(&mut changes);
    changes.sort_by(|one, other| {
        (&one.path, one.change, &one.origin).cmp(&(&other.path, other.change, &other.origin))
    });
    changes.retain(|change| all || !change.pids.is_empty());
    changes
}

/// What the archive cannot tell about changes, as notes (`archives.md §2.4`).
pub fn add_notes(case: &mut Case<'_>, sources: &[Source], has_base: bool) {
    let checkpoint = case.checkpoint;
    let mounts = crate::container::absent::mounts(case);
    if !mounts.is_empty() {
        let names = crate::container::absent::names(&mounts);
        let message = format!("the content of what was mounted from outside is not here: {names}");
        case.diagnostics.push(Diagnostic::note("not-captured", "mounts", message));
    }
    let mut note = |code: &'static str, message: &str| {
        case.diagnostics.push(Diagnostic::note(code, "rootfs-diff.tar", message));
    };
    let has_diff = sources.iter().any(|source| source.origin == Origin::RootfsDiff);
    let host_made = matches!(checkpoint.container.engine, Engine::Podman | Engine::CriO);
    if !has_diff && checkpoint.engine_file("rootfs-diff.tar").is_none() {
        note(
            "no-rootfs-diff",
            match checkpoint.container.engine {
                Engine::Podman => {
                    "the archive has none: no file was added, or it was made with --ignore-rootfs"
                }
                Engine::CriO | Engine::Containerd => "the archive has none: no file was added or changed",
                _ => "there is none: this kind of checkpoint does not record changes of the root file system",
            },
        );
    }
    if has_diff && !has_base {
        note("added-or-modified", "it does not tell added from modified files; the base image does (--base)");
    }
    if host_made && (has_diff || checkpoint.engine_file("deleted.files").is_some()) {
        note(
            "incomplete-diff",
            "Podman and CRI-O record a modified file only where the node has a file of the same path, and no \
             modified directory: a path that is not listed may have been changed all the same",
        );
    }
    if has_diff && checkpoint.container.engine == Engine::Containerd {
        note(
            "parent-directories",
            "containerd lists all parent directories of a change: a directory by itself is no sign of one",
        );
    }
}

/// The deletion that a whiteout stands for. Only an empty file counts: one with content is a file.
fn whiteout(source: &Source, member: &Member, wish: &Wish<'_>) -> Option<Change> {
    if source.origin != Origin::RootfsDiff || member.kind != MemberKind::File || member.size > 0 {
        return None;
    }
    let (directory, name) = split(&member.path);
    let (path, flags) = if name == OPAQUE {
        (directory.to_vec(), vec!["whiteout", "opaque"])
    } else {
        let name =
            name.strip_prefix(WHITEOUT).filter(|name| !name.is_empty() && !name.starts_with(WHITEOUT))?;
        let slash: &[u8] = if directory.is_empty() { b"" } else { b"/" };
        ([directory, slash, name].concat(), vec!["whiteout"])
    };
    Some(deletion(&path, source.name.clone(), flags, wish))
}

/// A path that is gone, with what the base image knows of it.
fn deletion(path: &[u8], origin: Text, flags: Vec<&'static str>, wish: &Wish<'_>) -> Change {
    let before = wish.base.and_then(|base| base.find(path));
    let mut zeros = wish.zeros;
    let mut change = match before {
        Some((archive, member)) => {
            let contents = contents_in(archive, member);
            let mut change = facts(member, contents.as_ref());
            change.sha256 =
                contents.as_ref().filter(|_| wish.hash).and_then(|contents| contents.sha256(&mut zeros));
            if wish.diff {
                change.diff = base::text_diff(path, contents.as_ref(), None);
            }
            change
        }
        None => unknown(),
    };
    change.path = Text([b"/", path].concat());
    change.change = ChangeKind::Deleted;
    change.origin = origin;
    change.flags = flags;
    change
}

/// The list of Podman and CRI-O.
fn deleted_files(case: &mut Case<'_>, wish: &Wish<'_>) -> Vec<Change> {
    let Some(member) = case.checkpoint.engine_file("deleted.files") else { return Vec::new() };
    let bytes = member.bytes();
    let list: Option<Vec<String>> =
        (bytes.len() <= MAX_DELETED_LIST).then(|| serde_json::from_slice(bytes).ok()).flatten();
    let Some(list) = list else {
        let message = "it is no list of paths in JSON: which files were deleted is not known";
        case.diagnostics.push(Diagnostic::loss("bad-metadata", "deleted.files", message));
        return Vec::new();
    };
    let paths = list.iter().map(|path| ckptfx_parser::archive::normalise(path.as_bytes()));
    paths.map(|path| deletion(&path, Text::from("deleted.files"), Vec::new(), wish)).collect()
}

fn change(
    source: &Source,
    member: &Member,
    wish: &Wish<'_>,
    users: &BTreeMap<Vec<u8>, Vec<User>>,
    zeros: &mut u64,
) -> Change {
    let contents = source.contents(member);
    let mut change = facts(member, contents.as_ref());
    let owner = source.owners.of(member);
    (change.uid, change.gid) = (owner.uid, owner.gid);
    (change.host_uid, change.host_gid) = (owner.host_uid, owner.host_gid);
    let path = source.path_of(&member.path);
    change.flags = flags::of(&path, member, contents.as_ref());
    if wish.hash && member.kind == MemberKind::File {
        change.sha256 = contents.as_ref().and_then(|contents| contents.sha256(zeros));
    }
    if let Some(base) = wish.base.filter(|_| source.origin == Origin::RootfsDiff) {
        change.change = base.compare(member, owner, contents.as_ref());
        if wish.diff && change.change != ChangeKind::Unchanged {
            let before = base.find(&member.path).and_then(|(archive, member)| contents_in(archive, member));
            change.diff = base::text_diff(&member.path, before.as_ref(), contents.as_ref());
        }
    }
    change.pids = users.get(&path).map(|users| crate::files::file_use::pids(users)).unwrap_or_default();
    change.path = Text(path);
    change.origin = source.name.clone();
    change
}

/// A change of which nothing is known yet.
fn unknown() -> Change {
    Change {
        path: Text::default(),
        change: ChangeKind::AddedOrModified,
        kind: None,
        size: None,
        mode: None,
        uid: None,
        gid: None,
        host_uid: None,
        host_gid: None,
        mtime: None,
        sha256: None,
        link_target: None,
        device: None,
        xattrs: Vec::new(),
        origin: Text::default(),
        flags: Vec::new(),
        pids: Vec::new(),
        diff: None,
    }
}

fn facts(member: &Member, contents: Option<&Contents>) -> Change {
    let kind = match &member.kind {
        MemberKind::File => "regular",
        MemberKind::Directory => "directory",
        MemberKind::Symlink(_) => "symlink",
        MemberKind::Hardlink(_) => "hardlink",
        MemberKind::Other(b'3') => "char-device",
        MemberKind::Other(b'4') => "block-device",
        MemberKind::Other(b'6') => "fifo",
        MemberKind::Other(_) => "other",
    };
    let link_target = match &member.kind {
        MemberKind::Symlink(target) | MemberKind::Hardlink(target) => Some(Text(target.clone())),
        _ => None,
    };
    let xattr =
        |(name, value): &(Vec<u8>, Vec<u8>)| Xattr { name: Text(name.clone()), value: Text(value.clone()) };
    Change {
        kind: Some(kind),
        size: contents.map(Contents::size),
        mode: Some(format!("{:04o}", member.mode & 0o7777)),
        uid: member.uid,
        gid: member.gid,
        mtime: member.mtime.and_then(|seconds| Timestamp::from_second(seconds).ok()),
        link_target,
        device: member.device.map(|(major, minor)| format!("{major}:{minor}")),
        xattrs: member.xattrs.iter().map(xattr).collect(),
        ..unknown()
    }
}

/// Marks paths that were deleted and are there again, themselves or with something below them: both facts
/// stay (`archives.md §2.1`).
fn mark_recreated(changes: &mut [Change]) {
    let paths = |deleted: bool| -> BTreeSet<Vec<u8>> {
        let chosen = changes.iter().filter(|change| (change.change == ChangeKind::Deleted) == deleted);
        chosen.map(|change| change.path.0.clone()).collect()
    };
    let (gone, there) = (paths(true), paths(false));
    for change in changes {
        let path = &change.path.0;
        let again = if change.change == ChangeKind::Deleted {
            let prefix = [path.as_slice(), b"/"].concat();
            there.contains(path)
                || there.range(prefix.clone()..).next().is_some_and(|next| next.starts_with(&prefix))
        } else {
            let is_gone = |end: usize| path.get(..end).is_some_and(|parent| gone.contains(parent));
            let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
            gone.contains(path) || slashes.skip(1).any(is_gone)
        };
        if again {
            change.flags.push("recreated");
        }
    }
}
