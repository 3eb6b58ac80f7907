//! An open file as it is listed.

use schemars::JsonSchema;
use serde::Serialize;

use super::details::Details;
use crate::{Task, Text, files::descriptor::Holders};

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

/// A lock on a file. One of kind `FLOCK`, `OFD` or `LEASE` belongs to the open file description, and so to every
/// descriptor of it; a `POSIX` one to the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Lock {
    /// `POSIX`, `FLOCK`, `OFD`, `LEASE`, or its number.
    pub kind: String,
    /// `F_RDLCK`, `F_WRLCK`, `F_UNLCK`, or its number; of a lease that is being broken what it is to become.
    pub r#type: String,
    /// Whether somebody waits for the lease to be given up.
    pub breaking: bool,
    /// First byte.
    pub start: i64,
    /// Number of bytes; null is to the end of the file.
    pub length: Option<i64>,
}

/// Who gets a signal when something happens to a file (`F_SETOWN`, `F_SETSIG`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SignalOwner {
    /// The signal.
    pub signal: String,
    /// `process`, `thread` or `process-group`: what the number is of.
    pub r#type: Option<&'static str>,
    /// Its number, as seen in the pid namespace of the holder; null when nobody is set.
    pub pid: Option<u32>,
    /// Real user id that the right to signal is judged by.
    pub uid: Option<u32>,
    /// Effective user id that the right to signal is judged by.
    pub euid: Option<u32>,
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
    /// Whether the name is gone; null for what never has one, and when that may be lost with a part of the archive.
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
    /// Owner, as seen in the process's user namespace; recorded for deleted files, memfds and terminals, and since
    /// CRIU 4.3 for pipes.
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
    pub shared_with: Holders,
    /// Locks held through this descriptor, or by its open file description.
    pub locks: Vec<Lock>,
    /// Who is signalled about it; null when nobody is.
    pub signal_owner: Option<SignalOwner>,
    /// Label of a socket by SELinux.
    pub selinux_label: Option<Text>,
    /// Inode of the unix socket in whose queue a file in flight waits.
    pub queued_in: Option<u32>,
    /// What only this kind of file has.
    pub details: Option<Details>,
}

impl OpenFile {
    pub(super) fn of(mut self, task: &Task<'_>) -> Self {
        self.pid = Some(task.process.pid);
        self.comm.clone_from(&task.process.comm);
        self
    }
}
