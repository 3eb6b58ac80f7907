//! Files whose content is in the checkpoint although no file system of the container shows them any more:
//! deleted files, memfds, and what was on a tmpfs (`format.md §7.4, §8.3, §10`).

pub mod contents;
pub mod ghost;

use std::collections::BTreeMap;

use bytes::Bytes;
use ckptfx_parser::{
    Diagnostic,
    archive::MemberKind,
    files::Remap,
    image::{Ghost, GhostContent, read_ghost},
    memory::{Content, ObjectKind, SharedObject},
    proto,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Case, Task, Text,
    files::{
        file_use::{FileRef, FileUse, Role, User},
        nested::{OpenNested, Origin, sources},
    },
    recover::contents::{Contents, file_type},
};

/// Bytes of a file that its type is told by.
const HEAD: usize = 4 << 10;

/// How a file is kept in the checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A deleted file, saved in one piece.
    Ghost,
    /// A deleted file, saved without its holes.
    GhostChunked,
    /// Made with `memfd_create`.
    Memfd,
    /// Shared anonymous or System V memory.
    SharedMemory,
    /// A file of a tmpfs mount.
    TmpfsFile,
}

impl Kind {
    /// The word used in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ghost => "ghost",
            Self::GhostChunked => "ghost-chunked",
            Self::Memfd => "memfd",
            Self::SharedMemory => "shared-memory",
            Self::TmpfsFile => "tmpfs-file",
        }
    }
}

/// What the file was to the processes that used it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// A process runs it: a program that exists only in memory.
    Executable,
    /// It is mapped to be executed: a deleted library.
    Library,
    /// It is mapped.
    Mapped,
    /// It is open, or a working directory.
    Open,
    /// No process in the checkpoint uses it.
    Unused,
}

impl Purpose {
    fn of(users: &[User]) -> Self {
        match users.iter().map(|user| user.role).min() {
            Some(Role::Exe) => Self::Executable,
            Some(Role::MapExec) => Self::Library,
            Some(Role::Map) => Self::Mapped,
            Some(Role::Fd | Role::Cwd | Role::Root) => Self::Open,
            None => Self::Unused,
        }
    }

    /// The word used in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Executable => "executable",
            Self::Library => "library",
            Self::Mapped => "mapped",
            Self::Open => "open",
            Self::Unused => "unused",
        }
    }
}

/// A file that can be recovered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Recoverable {
    /// Names it on the command line: `ghost-2` is `ghost-file-2.img`, `memfd-253` has its pages in
    /// `pagemap-shmem-253.img`, `tmpfs-58-3` is the third file of `tmpfs-dev-58.tar.gz.img`.
    pub id: String,
    /// How it is kept.
    pub kind: Kind,
    /// What it was to the processes.
    pub purpose: Purpose,
    /// Last known path, or `memfd:NAME`; null when no entry names it.
    pub name: Option<Text>,
    /// Other paths of the same deleted file.
    pub other_names: Vec<Text>,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the content; null when some of it is missing, or it is too large.
    pub sha256: Option<String>,
    /// What the content is by its first bytes: `elf`, `script`, `text`, `data`, …; or the kind of a file
    /// without content: `symlink`, `directory`, `fifo`, `device`, `socket`.
    pub r#type: &'static str,
    /// Permission bits, in octal; null when not recorded.
    pub mode: Option<String>,
    /// Owner as the container sees it.
    pub uid: Option<u32>,
    /// Group as the container sees it.
    pub gid: Option<u32>,
    /// Last modification; null when not recorded.
    #[schemars(with = "Option<String>")]
    pub mtime: Option<Timestamp>,
    /// Last access; null when not recorded.
    #[schemars(with = "Option<String>")]
    pub atime: Option<Timestamp>,
    /// Where a symbolic link leads.
    pub link_target: Option<Text>,
    /// Build-id of an ELF file, as recorded when it was open.
    pub build_id: Option<String>,
    /// Processes that use it, and how.
    pub users: Vec<User>,
    /// Whether all its content is in the checkpoint.
    pub complete: bool,
    /// Bytes of content that are stored; holes are not.
    pub stored_bytes: u64,
    /// Member of the archive that has it, or that says where its pages are.
    pub member: String,
    /// File that it was written to, when it was.
    pub written: Option<String>,
}

/// A file with its content.
#[derive(Debug)]
pub struct Found {
    /// What is reported of it.
    pub facts: Recoverable,
    /// Its bytes; none when the kind of file has none.
    pub contents: Option<Contents>,
}

/// What to look for, and how far to go.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Whether shared anonymous and System V memory counts.
    pub shared_memory: bool,
    /// Zeros of holes that are hashed in all, in bytes.
    pub zeros: u64,
}

/// Finds what can be recovered. Of the files that processes use, only those of the processes that
/// `wanted` accepts are given; `all` also gives what no process uses.
pub fn find(
    case: &mut Case<'_>,
    wanted: &dyn Fn(&Task<'_>) -> bool,
    all: bool,
    limits: Limits,
    open: &OpenNested<'_>,
) -> Vec<Found> {
    let users = FileUse::read(case, wanted);
    let mut found = ghosts(case, &users);
    found.extend(memory(case, &users, limits.shared_memory));
    found.extend(tmpfs(case, &users, open));
    let mut zeros = limits.zeros;
    for item in &mut found {
        let Some(contents) = &item.contents else { continue };
        item.facts.stored_bytes = contents.captured();
        item.facts.complete = contents.lost() == 0;
        item.facts.r#type = file_type(&contents.head(HEAD));
        item.facts.sha256 = contents.sha256(&mut zeros);
        if item.facts.sha256.is_none() && item.facts.complete {
            let message = format!(
                "{} is said to have {} bytes, nearly all a hole: it is not hashed (--max-size)",
                item.facts.id,
                contents.size()
            );
            case.diagnostics.push(Diagnostic::loss("too-large", item.facts.member.clone(), message));
        }
    }
    found.retain(|item| all || !item.facts.users.is_empty());
    found
}

/// A build-id in hexadecimal: its words have the least significant byte first (`format.md §7.6`).
pub(crate) fn build_id(words: &[u32]) -> Option<String> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    (!words.is_empty()).then(|| hex::encode(bytes))
}

/// Names and entries of each deleted file, by the number of its image.
fn ghost_entries(case: &Case<'_>) -> BTreeMap<u32, Vec<proto::RegFileEntry>> {
    let mut ghosts: BTreeMap<u32, Vec<proto::RegFileEntry>> = BTreeMap::new();
    for entry in case.files.entries().filter_map(|entry| entry.reg.as_ref()) {
        if let Some(id) = entry.id
            && let Some(Remap::Ghost(ghost)) = case.files.remap(id)
        {
            ghosts.entry(ghost).or_default().push(entry.clone());
        }
    }
    ghosts
}

/// Deleted files; what their content hashes to is left open.
pub(crate) fn ghosts(case: &mut Case<'_>, users: &FileUse) -> Vec<Found> {
    let checkpoint = case.checkpoint;
    let images = &checkpoint.images;
    let mut entries = ghost_entries(case);
    for (name, _) in images.files() {
        let number = name.strip_prefix("ghost-file-").and_then(|rest| rest.strip_suffix(".img"));
        if let Some(number) = number.and_then(|hex| u32::from_str_radix(hex, 16).ok()) {
            entries.entry(number).or_default();
        }
    }
    let mut found = Vec::new();
    for (number, entries) in entries {
        let name = format!("ghost-file-{number:x}.img");
        let mut names: Vec<Text> = entries.iter().filter_map(|entry| entry.name.clone()).map(Text).collect();
        names.sort();
        names.dedup();
        let mut used: Vec<User> = entries
            .iter()
            .flat_map(|entry| users.of(FileRef::Regular(entry.id.unwrap_or(0))).iter().cloned())
            .collect();
        used.sort();
        used.dedup();
        let Some((ghost, member)) = images
            .file(&name)
            .zip(images.member(&name))
            .and_then(|(file, member)| read_ghost(&file, &mut case.diagnostics).map(|ghost| (ghost, member)))
        else {
            let message = format!("the content of the deleted file {} is not there", shown(&names));
            case.diagnostics.push(Diagnostic::loss("missing-ghost", name, message));
            continue;
        };
        let contents = ghost_contents(&ghost, member.bytes(), member.is_cut());
        if contents.as_ref().is_some_and(|contents| contents.lost() > 0) {
            let message = format!("some of the deleted file {} is missing: the image is cut", shown(&names));
            case.diagnostics.push(Diagnostic::loss("truncated-ghost", name.clone(), message));
        }
        let ghost_entry = &ghost.entry.value;
        let time = |time: &Option<proto::Timeval>| {
            let time = time.as_ref()?;
            let nanoseconds = i32::try_from(time.tv_usec.unwrap_or(0).checked_mul(1000)?).ok()?;
            Timestamp::new(i64::try_from(time.tv_sec?).ok()?, nanoseconds).ok()
        };
        let facts = Recoverable {
            id: format!("ghost-{number:x}"),
            kind: if matches!(ghost.content, GhostContent::Chunks(_)) {
                Kind::GhostChunked
            } else {
                Kind::Ghost
            },
            purpose: Purpose::of(&used),
            build_id: entries.iter().find_map(|entry| build_id(&entry.build_id)),
            size: contents.as_ref().map_or(0, Contents::size),
            sha256: None,
            r#type: special_type(ghost_entry.mode.unwrap_or(0)),
            mode: ghost_entry.mode.map(|mode| format!("{:04o}", mode & 0o7777)),
            uid: ghost_entry.uid,
            gid: ghost_entry.gid,
            mtime: time(&ghost_entry.mtim),
            atime: time(&ghost_entry.atim),
            link_target: ghost_entry.symlnk_target.clone().map(Text),
            users: used,
            complete: true,
            stored_bytes: 0,
            member: member.name().into_owned(),
            name: names.first().cloned(),
            other_names: names.into_iter().skip(1).collect(),
            written: None,
        };
        found.push(Found { facts, contents });
    }
    found
}

fn shown(names: &[Text]) -> String {
    names.first().map_or_else(|| "without a name".to_owned(), |name| name.escaped().into_owned())
}

/// What a file is that has no content, from the type bits of its mode.
fn special_type(mode: u32) -> &'static str {
    match mode & 0o170_000 {
        0o120_000 => "symlink",
        0o040_000 => "directory",
        0o010_000 => "fifo",
        0o020_000 | 0o060_000 => "device",
        0o140_000 => "socket",
        _ => "empty",
    }
}

fn ghost_contents(ghost: &Ghost, image: &Bytes, is_cut: bool) -> Option<Contents> {
    let slice = |range: &std::ops::Range<u64>| {
        let end = usize::try_from(range.end).unwrap_or(usize::MAX).min(image.len());
        let start = usize::try_from(range.start).unwrap_or(usize::MAX).min(end);
        image.slice(start..end)
    };
    let stated = ghost.entry.value.size;
    let mut contents = match &ghost.content {
        GhostContent::None => return None,
        // It runs to the end of the image: only a size that is stated can tell that the end is missing.
        GhostContent::Inline(range) => {
            let bytes = slice(range);
            let mut contents = Contents::new(stated.unwrap_or(0).max(bytes.len() as u64));
            contents.put(0, bytes);
            let size = contents.size();
            contents.lose(size - contents.captured());
            contents
        }
        GhostContent::Chunks(chunks) => {
            let end = |chunk: &ckptfx_parser::image::GhostChunk| chunk.offset.saturating_add(chunk.length);
            let size = stated.or_else(|| chunks.iter().map(end).max()).unwrap_or(0);
            let mut contents = Contents::new(size);
            for chunk in chunks {
                let bytes = slice(&chunk.range);
                let wanted = chunk.length.min(size.saturating_sub(chunk.offset));
                contents.lose(wanted.saturating_sub(bytes.len() as u64));
                contents.put(chunk.offset, bytes);
            }
            contents
        }
    };
    if is_cut {
        contents.lose(1);
    }
    Some(contents)
}

fn memory(case: &mut Case<'_>, users: &FileUse, shared_memory: bool) -> Vec<Found> {
    let inodes: BTreeMap<u64, proto::MemfdInodeEntry> =
        case.files.memfds().map(|inode| (u64::from(inode.shmid.unwrap_or(0)), inode.clone())).collect();
    let mut found = Vec::new();
    for (key, object) in &case.shared.objects {
        let (kind, stem, name) = match &object.kind {
            ObjectKind::Memfd(name) => (Kind::Memfd, "memfd", [b"memfd:", name.as_slice()].concat()),
            _ if shared_memory => {
                let name = object.name.strip_suffix(b" (deleted)").unwrap_or(&object.name);
                (Kind::SharedMemory, "shm", name.to_vec())
            }
            _ => continue,
        };
        let inode = inodes.get(key).filter(|_| object.kind != ObjectKind::SystemV);
        object.pages.unpack(&mut case.diagnostics);
        let contents = object_contents(object);
        let member = [case.checkpoint.images.path(), format!("/pagemap-shmem-{key}.img").as_bytes()].concat();
        let member = ckptfx_parser::text::escape_invalid(&member).into_owned();
        if contents.lost() > 0 {
            let message = format!(
                "{} of the {} bytes of {} are not in the checkpoint",
                contents.lost(),
                contents.size(),
                Text(name.clone()).escaped()
            );
            case.diagnostics.push(Diagnostic::loss("incomplete-memory", member.clone(), message));
        }
        let used = users.of(FileRef::Memory(*key)).to_vec();
        let facts = Recoverable {
            id: format!("{stem}-{key}"),
            kind,
            purpose: Purpose::of(&used),
            name: Some(Text(name)),
            other_names: Vec::new(),
            size: contents.size(),
            sha256: None,
            r#type: "empty",
            mode: inode.and_then(|inode| inode.mode).map(|mode| format!("{:04o}", mode & 0o7777)),
            uid: inode.and_then(|inode| inode.uid),
            gid: inode.and_then(|inode| inode.gid),
            mtime: None,
            atime: None,
            link_target: None,
            build_id: None,
            users: used,
            complete: true,
            stored_bytes: 0,
            member,
            written: None,
        };
        found.push(Found { facts, contents: Some(contents) });
    }
    found
}

/// The pages of a shared object, cut to its size; what lies between them is zero.
fn object_contents(object: &SharedObject<'_>) -> Contents {
    let end = object.pages.runs.last().map_or(0, ckptfx_parser::memory::PageRun::end);
    let size = object.size.unwrap_or(end);
    let mut contents = Contents::new(size);
    for run in object.pages.within(0, size) {
        match run.content {
            Content::Captured { bytes, member, offset } => {
                // What lies in the evidence as it is needs no copy.
                let read = match offset {
                    Some(offset) => member.extent().read_at(offset, bytes.len()),
                    None => bytes.to_bytes(),
                };
                match read {
                    Ok(bytes) => contents.put(run.start, bytes),
                    Err(_) => contents.lose(run.length),
                }
            }
            _ => contents.lose(run.length),
        }
    }
    contents
}

fn tmpfs(case: &mut Case<'_>, users: &FileUse, open: &OpenNested<'_>) -> Vec<Found> {
    let paths = users.by_path(case);
    let mut found = Vec::new();
    for source in sources(case, open) {
        let (stem, name) = match source.origin {
            Origin::DevShm => ("devshm".to_owned(), "devshm-checkpoint.tar".to_owned()),
            Origin::Tmpfs(number) => (format!("tmpfs-{number}"), format!("tmpfs-dev-{number}.tar.gz.img")),
            Origin::RootfsDiff | Origin::Volume(_) => continue,
        };
        let files = source.members().filter(|member| member.kind == MemberKind::File);
        for (index, member) in files.enumerate() {
            let Some(contents) = source.contents(member) else { continue };
            let path = source.path_of(&member.path);
            let used = paths.get(&path).cloned().unwrap_or_default();
            let owner = source.owners.of(member);
            let facts = Recoverable {
                id: format!("{stem}-{}", index + 1),
                kind: Kind::TmpfsFile,
                purpose: Purpose::of(&used),
                name: Some(Text(path)),
                other_names: Vec::new(),
                size: contents.size(),
                sha256: None,
                r#type: "empty",
                mode: Some(format!("{:04o}", member.mode & 0o7777)),
                uid: owner.uid.and_then(|id| id.try_into().ok()),
                gid: owner.gid.and_then(|id| id.try_into().ok()),
                mtime: member.mtime.and_then(|seconds| Timestamp::from_second(seconds).ok()),
                atime: None,
                link_target: None,
                build_id: None,
                users: used,
                complete: true,
                stored_bytes: 0,
                member: name.clone(),
                written: None,
            };
            found.push(Found { facts, contents: Some(contents) });
        }
    }
    found
}
