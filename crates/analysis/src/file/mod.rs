//! Open files as `files` lists them: what readlink, fdinfo and stat of `/proc/PID/fd/N` say, as far as the
//! images hold it (`format.md §8`).

mod details;
mod facts;

use std::collections::HashSet;

use ckptfx_parser::{
    Diagnostic,
    files::Remap,
    memory::status,
    proto::{self, FdTypes},
};
use schemars::JsonSchema;
use serde::Serialize;

pub use self::details::{Details, EpollTarget, FanotifyMark, InotifyWatch, Regular, SocketFacts, TimeValue};
pub(crate) use self::facts::Facts;
use crate::{
    Case, Task, Text,
    descriptor::{Descriptors, FileKey, Holder, Wanted, is_zombie},
};

/// How a process refers to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Working directory.
    Cwd,
    /// Root directory.
    Root,
    /// Executable.
    Exe,
    /// Mapped into memory.
    Map,
    /// Open descriptor.
    Fd,
    /// Sent over a unix socket and not received yet.
    InFlight,
}

impl Role {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cwd => "cwd",
            Self::Root => "root",
            Self::Exe => "exe",
            Self::Map => "map",
            Self::Fd => "fd",
            Self::InFlight => "in-flight",
        }
    }
}

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Kind {
    Regular,
    Directory,
    CharDevice,
    BlockDevice,
    Symlink,
    Pipe,
    Fifo,
    Socket,
    Tty,
    Eventfd,
    Eventpoll,
    Inotify,
    Fanotify,
    Signalfd,
    Timerfd,
    Memfd,
    Pidfd,
    BpfMap,
    Namespace,
    Tun,
    External,
}

impl Kind {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Regular => "regular",
            Self::Directory => "directory",
            Self::CharDevice => "char-device",
            Self::BlockDevice => "block-device",
            Self::Symlink => "symlink",
            Self::Pipe => "pipe",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
            Self::Tty => "tty",
            Self::Eventfd => "eventfd",
            Self::Eventpoll => "eventpoll",
            Self::Inotify => "inotify",
            Self::Fanotify => "fanotify",
            Self::Signalfd => "signalfd",
            Self::Timerfd => "timerfd",
            Self::Memfd => "memfd",
            Self::Pidfd => "pidfd",
            Self::BpfMap => "bpf-map",
            Self::Namespace => "namespace",
            Self::Tun => "tun",
            Self::External => "external",
        }
    }
}

/// Whether the file's bytes are among the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// It was deleted, and CRIU saved it.
    Ghost,
    /// A memfd, whose pages are in the dump.
    Memfd,
    /// Shared anonymous or System V memory, whose pages are in the dump.
    Shm,
    /// Not in the images; a file may still be in the container's image or in what changed in its root file
    /// system.
    #[default]
    None,
}

impl Content {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ghost => "ghost",
            Self::Memfd => "memfd",
            Self::Shm => "shm",
            Self::None => "none",
        }
    }
}

/// A lock that a process holds on a file through a descriptor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Lock {
    /// `POSIX`, `FLOCK`, `OFD`, `LEASE`, or its number.
    pub kind: String,
    /// `F_RDLCK`, `F_WRLCK`, `F_UNLCK`, or its number.
    pub r#type: String,
    /// First byte.
    pub start: i64,
    /// Number of bytes; null is to the end of the file.
    pub length: Option<i64>,
}

/// One file that a process refers to. `null` is "not recorded" or "has none".
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct OpenFile {
    /// The process; of a file in flight, one that can receive it, and null if there is none.
    pub pid: Option<u32>,
    /// Its name.
    pub comm: Option<Text>,
    /// Number of the descriptor; null for the other roles.
    pub fd: Option<u32>,
    /// How the process refers to it.
    pub role: Role,
    /// What it is.
    pub kind: Option<Kind>,
    /// What `readlink /proc/PID/fd/N` gives. Null where the images lack the inode that it names: namespaces and
    /// packet sockets.
    pub link: Option<Text>,
    /// Path in the process's mount namespace without `(deleted)`, or `memfd:NAME`.
    pub path: Option<Text>,
    /// Whether the name is gone; null for what never has one.
    pub deleted: Option<bool>,
    /// Whether the bytes are in the checkpoint.
    pub content: Content,
    /// Open flags by name, `O_CLOEXEC` included as in `/proc/PID/fdinfo`; unknown bits in hexadecimal.
    pub flags: Option<Vec<String>>,
    /// Whether execve closes it; null for the other roles.
    pub cloexec: Option<bool>,
    /// Offset in bytes.
    pub position: Option<u64>,
    /// Size in bytes. CRIU does not record that of files open for appending only.
    pub size: Option<u64>,
    /// Permission bits in octal.
    pub mode: Option<String>,
    /// Owner, as seen in the process's user namespace; recorded for deleted files, memfds and terminals.
    pub uid: Option<u32>,
    /// Group, as the owner.
    pub gid: Option<u32>,
    /// Inode; not recorded for files that are not deleted.
    pub inode: Option<u64>,
    /// Mount it was opened through.
    pub mount_id: Option<u32>,
    /// Where that is mounted.
    pub mount_point: Option<Text>,
    /// GNU build id.
    pub build_id: Option<String>,
    /// Other descriptors of the same open file description: they share flags and offset.
    pub shared_with: Vec<Holder>,
    /// Locks held through this descriptor.
    pub locks: Vec<Lock>,
    /// Label of a socket by SELinux.
    pub selinux_label: Option<Text>,
    /// Inode of the unix socket in whose queue a file in flight waits.
    pub queued_in: Option<u32>,
    /// What only this kind of file has.
    pub details: Option<Details>,
}

/// The files of the processes that `wanted` accepts: of each process its directories, executable, mapped files
/// and descriptors; then the files in flight.
pub fn files(case: &mut Case<'_>, wanted: &dyn Fn(&Task<'_>) -> bool) -> Vec<OpenFile> {
    let mut diagnostics = Vec::new();
    let descriptors = Descriptors::read(case, &mut diagnostics);
    let facts = Facts::read(case, descriptors.numbering, &mut diagnostics);
    let mut list = Vec::new();
    for task in case.tasks.iter().filter(|task| wanted(task) && !is_zombie(task)) {
        let mut found = references(case, task, &facts, &mut diagnostics);
        found.extend(descriptors.of(task.process.pid).iter().map(|descriptor| {
            let holders = descriptors.holders(descriptor.key);
            let mut file = facts.describe(descriptor.key, Role::Fd);
            file.fd = Some(descriptor.fd);
            facts.set_cloexec(&mut file, descriptor.key, descriptor.cloexec);
            let this = |holder: &Holder| (holder.pid, holder.fd) == (task.process.pid, descriptor.fd);
            file.shared_with = holders.iter().filter(|holder| !this(holder)).cloned().collect();
            file.locks = facts.locks(task.process.pid, descriptor.fd);
            file.selinux_label.clone_from(&descriptor.selinux_label);
            file
        }));
        list.extend(found.into_iter().map(|file| file.of(task)));
    }
    in_flight(case, &descriptors, &facts, &Wanted::of(case, wanted), &mut list);
    drop(facts);
    case.diagnostics.extend(diagnostics);
    list
}

impl OpenFile {
    fn of(mut self, task: &Task<'_>) -> Self {
        self.pid = Some(task.process.pid);
        self.comm.clone_from(&task.process.comm);
        self
    }
}

/// Directories, executable and mapped files of a process.
fn references(
    case: &Case<'_>,
    task: &Task<'_>,
    facts: &Facts<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<OpenFile> {
    let name = format!("fs-{}.img", task.process.pid);
    let fs: Option<proto::FsEntry> = case.checkpoint.images.read_one(&name, diagnostics);
    let regular = |id: u32| (FdTypes::Reg as i32, id);
    let single = [
        (Role::Cwd, fs.as_ref().and_then(|fs| fs.cwd_id).map(regular)),
        (Role::Root, fs.as_ref().and_then(|fs| fs.root_id).map(regular)),
        (Role::Exe, task.mm.as_ref().and_then(|mm| mm.exe_file_id).map(|id| executable(case, id))),
    ];
    let mut found: Vec<OpenFile> =
        single.into_iter().filter_map(|(role, key)| Some(facts.describe(key?, role))).collect();
    mapped(case, task, facts, &mut found);
    found
}

/// The executable is a regular file, or a memfd that was executed.
fn executable(case: &Case<'_>, id: u32) -> FileKey {
    let kind = match case.files.get(FdTypes::Reg, id) {
        None if case.files.get(FdTypes::Memfd, id).is_some() => FdTypes::Memfd,
        _ => FdTypes::Reg,
    };
    (kind as i32, id)
}

/// What makes two mapped files the same: the name and, if it was deleted, its ghost.
type Identity = (Option<Text>, Option<u32>, Option<u64>);

/// Each distinct file that a process maps, in order of address.
fn mapped(case: &Case<'_>, task: &Task<'_>, facts: &Facts<'_>, list: &mut Vec<OpenFile>) {
    let mut seen: HashSet<Identity> = HashSet::new();
    for vma in task.mm.iter().flat_map(|mm| &mm.vmas) {
        let bits = vma.status.unwrap_or(0);
        let has = |mask: u32| bits & mask != 0;
        let key = vma.shmid.unwrap_or(0);
        let file = |kind: FdTypes| Some((kind as i32, u32::try_from(key).ok()?));
        let found = if has(status::SYSVIPC) || has(status::ANON_SHARED) {
            facts.shared_memory(key)
        } else if has(status::MEMFD) {
            let Some(key) = file(FdTypes::Memfd) else { continue };
            facts.describe(key, Role::Map)
        } else if has(status::FILE_PRIVATE | status::FILE_SHARED) {
            let Some(key) = file(FdTypes::Reg) else { continue };
            facts.describe(key, Role::Map)
        } else if has(status::SOCKET) {
            let Some(key) = file(FdTypes::Packetsk) else { continue };
            facts.describe(key, Role::Map)
        } else {
            continue;
        };
        let ghost = match u32::try_from(key).ok().and_then(|id| case.files.remap(id)) {
            Some(Remap::Ghost(ghost)) => Some(ghost),
            _ => None,
        };
        if seen.insert((found.link.clone(), ghost, found.inode)) {
            list.push(found);
        }
    }
}

fn in_flight(
    case: &Case<'_>,
    descriptors: &Descriptors,
    facts: &Facts<'_>,
    wanted: &Wanted,
    list: &mut Vec<OpenFile>,
) {
    for receiver in descriptors.receivers() {
        let pids = descriptors.pids((FdTypes::Unixsk as i32, receiver));
        if !wanted.any(&pids) {
            continue;
        }
        let socket = case.files.get(FdTypes::Unixsk, receiver).and_then(|file| file.usk.as_ref());
        for id in descriptors.packets(receiver).iter().flat_map(|packet| &packet.rights) {
            let key = descriptors.in_flight(*id);
            let mut file = facts.describe(key.unwrap_or((FdTypes::Und as i32, *id)), Role::InFlight);
            file.queued_in = socket.and_then(|socket| socket.ino);
            file.shared_with = key.map(|key| descriptors.holders(key).to_vec()).unwrap_or_default();
            if pids.is_empty() {
                list.push(file);
                continue;
            }
            let receivers = pids.iter().filter(|pid| wanted.any([*pid])).filter_map(|pid| case.task(*pid));
            list.extend(receivers.map(|task| file.clone().of(task)));
        }
    }
}
