//! Facts that only one kind of file has.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Text, network::socket::Endpoint};

/// Facts that only one kind of file has.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Details {
    /// A file whose path no longer leads to it.
    Regular(Regular),
    /// An end of a pipe or FIFO.
    Pipe {
        /// Bytes written and not read yet.
        unread_bytes: u64,
        /// Bytes that fit in it.
        capacity: Option<u32>,
    },
    /// A socket, in short; `sockets` has all of it.
    Socket(SocketFacts),
    /// A terminal.
    Tty {
        /// `PTY`, `CONSOLE`, `VT`, `CTTY`, `EXT_TTY`, `SERIAL`.
        r#type: Option<&'static str>,
        /// Number of the pseudoterminal: that of `/dev/pts/N`.
        index: Option<u32>,
        /// `master`, which a terminal emulator or remote login holds, or `slave`, which programs hold.
        side: Option<&'static str>,
        /// Session that it controls.
        session: Option<u32>,
        /// Foreground process group.
        foreground_group: Option<u32>,
        /// Height in lines.
        rows: Option<u32>,
        /// Width in columns.
        columns: Option<u32>,
        /// Device, `major:minor`.
        device: Option<String>,
    },
    /// An event counter.
    Eventfd {
        /// Its value.
        count: Option<u64>,
    },
    /// An epoll instance.
    Eventpoll {
        /// What it waits for.
        targets: Vec<EpollTarget>,
    },
    /// An inotify instance.
    Inotify {
        /// What it watches.
        watches: Vec<InotifyWatch>,
    },
    /// A fanotify instance.
    Fanotify {
        /// How it was made (`fanotify_init`).
        flags: Vec<String>,
        /// How the files in its events are opened.
        event_flags: Vec<String>,
        /// What it watches.
        marks: Vec<FanotifyMark>,
    },
    /// A signal descriptor.
    Signalfd {
        /// Signals that it receives.
        signals: Vec<String>,
    },
    /// A timer.
    Timerfd {
        /// Its clock.
        clock: Option<String>,
        /// Expirations that were not read.
        ticks: Option<u64>,
        /// Time left until it expires; zero when it is not armed.
        value: TimeValue,
        /// Period; zero for once.
        interval: TimeValue,
    },
    /// A memfd.
    Memfd {
        /// Name that the program gave it.
        name: Option<Text>,
        /// What may no longer be done to it.
        seals: Vec<String>,
    },
    /// A descriptor of a process.
    Pidfd {
        /// The process, as seen in its pid namespace; null if it was dead already.
        pid: Option<u32>,
    },
    /// A BPF map.
    BpfMap {
        /// Number in the dump.
        map_id: Option<u32>,
        /// Its name.
        name: Option<Text>,
        /// `HASH`, `ARRAY`, …
        r#type: Option<String>,
        /// Bytes of a key.
        key_size: Option<u32>,
        /// Bytes of a value.
        value_size: Option<u32>,
        /// Most entries that it can have.
        max_entries: Option<u32>,
        /// Entries whose content is in the checkpoint; null if none is.
        entries: Option<u32>,
        /// Whether programs may no longer change it.
        frozen: Option<bool>,
    },
    /// A namespace.
    Namespace {
        /// `net`, `mnt`, `pid`, …
        r#type: Option<&'static str>,
        /// CRIU's number for it.
        id: Option<u32>,
        /// Whether CRIU itself was in it, which ran on the host.
        shared_with_host: Option<bool>,
    },
    /// A TUN device.
    Tun {
        /// Interface.
        interface: Option<Text>,
        /// Whether the interface is detached from it.
        detached: Option<bool>,
        /// CRIU's number for the network namespace.
        net_ns: Option<u32>,
    },
}

/// What became of the path of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Regular {
    /// Number of the image with its content, as in `ghost-file-<hexadecimal>.img`.
    pub ghost: Option<u32>,
    /// Another name that CRIU made for it: the inode had other names, or was given one to keep it.
    pub linked_as: Option<Text>,
    /// The file was in `/proc` of this process, which is gone.
    pub dead_process: Option<u32>,
}

/// A socket in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SocketFacts {
    /// `inet`, `inet6`, `unix`, `netlink`, `packet`.
    pub family: Option<&'static str>,
    /// `tcp`, `udp`, …
    pub protocol: Option<String>,
    /// As `ss` names it.
    pub state: Option<&'static str>,
    /// Local address.
    pub local: Option<Endpoint>,
    /// Remote address.
    pub remote: Option<Endpoint>,
    /// Name of a unix socket.
    pub path: Option<Text>,
}

/// A time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TimeValue {
    /// Seconds.
    pub seconds: Option<u64>,
    /// Nanoseconds after them.
    pub nanoseconds: Option<u64>,
}

/// What an epoll instance waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EpollTarget {
    /// Number of the descriptor when it was added.
    pub fd: Option<u32>,
    /// Events.
    pub events: Vec<String>,
    /// What the program gets back with the event: often an address in its memory.
    pub data: Option<String>,
    /// Inode of the file; since CRIU 3.11.
    pub inode: Option<u64>,
    /// Device of the file, `major:minor`; since CRIU 3.11.
    pub device: Option<String>,
}

/// What an inotify instance watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct InotifyWatch {
    /// Number of the watch.
    pub wd: Option<u32>,
    /// Path, where CRIU found one.
    pub path: Option<Text>,
    /// Events.
    pub mask: Vec<String>,
    /// Inode watched.
    pub inode: Option<u64>,
    /// Its device, `major:minor`.
    pub device: Option<String>,
}

/// What a fanotify instance watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FanotifyMark {
    /// `inode` or `mount`.
    pub r#type: Option<&'static str>,
    /// Path, where CRIU found one.
    pub path: Option<Text>,
    /// How it marks (`fanotify_mark`).
    pub flags: Vec<String>,
    /// Events.
    pub mask: Vec<String>,
    /// Events that are ignored.
    pub ignored_mask: Vec<String>,
    /// Inode marked.
    pub inode: Option<u64>,
    /// Mount marked.
    pub mount_id: Option<u32>,
    /// Device, `major:minor`.
    pub device: Option<String>,
}
