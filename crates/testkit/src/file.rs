//! Open files: what a descriptor, a mapping, a working directory can refer to.

use crate::wire::Message;

/// Content and metadata of a deleted file that CRIU saved.
#[derive(Debug, Clone)]
pub struct Ghost {
    /// Content of a regular file.
    pub bytes: Vec<u8>,
    /// `st_mode`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification and access time, seconds.
    pub time: u64,
    /// Ranges written as chunks; `None` lets the release decide.
    pub chunks: Option<Vec<(u64, u64)>>,
    /// Target of a deleted symlink.
    pub symlink: Option<Vec<u8>>,
    /// Ghosts with the same label are one image (hard links of one inode).
    pub label: Option<String>,
}

impl Ghost {
    /// A regular file of mode 0644.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            mode: 0o100_644,
            uid: 0,
            gid: 0,
            time: crate::TIME,
            chunks: None,
            symlink: None,
            label: None,
        }
    }

    /// Sets the whole `st_mode`.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Writes exactly these `(offset, length)` ranges; the rest are holes.
    pub fn chunks(mut self, ranges: impl IntoIterator<Item = (u64, u64)>) -> Self {
        self.chunks = Some(ranges.into_iter().collect());
        self
    }

    /// Shares one image with every ghost of this label.
    pub fn label(mut self, label: &str) -> Self {
        self.label = Some(label.to_owned());
        self
    }
}

/// Why the path of a regular file no longer leads to it.
#[derive(Debug, Clone)]
pub enum Remap {
    /// No link left: saved as a ghost.
    Ghost(Ghost),
    /// Another link exists under this path.
    Linked(String),
    /// A `/proc` path of this dead process.
    DeadProcess(u32),
}

/// An inet socket.
#[derive(Debug, Clone)]
pub struct Inet {
    /// 6 TCP, 17 UDP, other numbers as in the kernel.
    pub proto: u32,
    /// 1 stream, 2 datagram, 3 raw.
    pub socket_type: u32,
    /// TCP state number.
    pub state: u32,
    /// Local address and port.
    pub local: std::net::SocketAddr,
    /// Remote address and port.
    pub remote: std::net::SocketAddr,
    /// Length of the accept queue of a listener.
    pub backlog: u32,
    /// Received and unread.
    pub received: Vec<u8>,
    /// Sent and not acknowledged.
    pub sent: Vec<u8>,
    /// Bytes at the end of `sent` that never left the host.
    pub unsent: u32,
    /// Whether the TCP stream image is written.
    pub stream: bool,
}

/// A unix socket.
#[derive(Debug, Clone)]
pub struct Unix {
    /// Inode of this end.
    pub ino: u32,
    /// Inode of the other end, 0 for none.
    pub peer: u32,
    /// 1 stream, 2 datagram, 5 seqpacket.
    pub socket_type: u32,
    /// 1 connected, 7 unconnected, 10 listening.
    pub state: u32,
    /// 1 external peer, 2 service, 4 callback, 8 inherited.
    pub uflags: u32,
    /// Name as CRIU writes it: with its NUL.
    pub name: Vec<u8>,
    /// Messages queued to be received, each with descriptors in flight.
    pub queue: Vec<(Vec<u8>, Vec<File>)>,
}

/// What kind of open file this is.
#[derive(Debug, Clone)]
pub enum FileKind {
    /// File, directory or device with a path.
    Regular,
    /// End of a pipe: inode and unread bytes.
    Pipe(u32, Vec<u8>),
    /// Named pipe: inode and unread bytes.
    Fifo(u32, Vec<u8>),
    /// Inet socket.
    Inet(Box<Inet>),
    /// Unix socket.
    Unix(Box<Unix>),
    /// Pseudo terminal.
    Tty(Tty),
    /// Descriptor of the [`Shared`](crate::Shared) memfd with this key.
    Memfd(String),
    /// Event counter.
    Eventfd(u64),
    /// Watched descriptors: `(fd, events, data)`.
    Epoll(Vec<(u32, u32, u64)>),
    /// Watches: `(wd, mask, inode, path)`.
    Inotify(Vec<(u32, u32, u64, String)>),
    /// Fanotify marks of mounts: `(mnt_id, mask, path)`.
    Fanotify(Vec<(u32, u32, String)>),
    /// Signal mask.
    Signalfd(u64),
    /// Packet socket: `(type, protocol, ifindex, promiscuous)`.
    Packet(u32, u32, u32, bool),
    /// Netlink socket: `(protocol, portid, groups)`.
    Netlink(u32, u32, Vec<u32>),
    /// Namespace file: `(namespace id, CLONE_NEW flag)`.
    Namespace(u32, u32),
    /// TUN descriptor of this device.
    Tun(String),
    /// Left to a plugin.
    External,
    /// Timer: `(clock, value seconds, interval seconds)`.
    Timerfd(u32, u64, u64),
    /// eBPF map: `(map id, name, keys, values, count)`.
    BpfMap(u32, String, Vec<u8>, Vec<u8>, u32),
    /// Process descriptor: pid in its namespace, −1 when dead.
    Pidfd(i32),
    /// Anything: descriptor type number, number of the union member, message
    /// made from the file id, and the older image's stem.
    Raw(u32, u32, fn(u32) -> Message, &'static str),
}

/// A pseudo terminal.
#[derive(Debug, Clone)]
pub struct Tty {
    /// Number of the pair.
    pub index: u32,
    /// Whether this is the master side.
    pub master: bool,
    /// Session.
    pub sid: u32,
    /// Foreground process group.
    pub pgrp: u32,
    /// Unread bytes of this side.
    pub pending: Vec<u8>,
}

/// An open file description.
#[derive(Debug, Clone)]
pub struct File {
    /// What it is.
    pub kind: FileKind,
    /// Path of a regular file, FIFO or terminal.
    pub path: Vec<u8>,
    /// Open flags.
    pub flags: u32,
    /// Offset.
    pub pos: u64,
    /// Size; `None` writes no field.
    pub size: Option<u64>,
    /// `st_mode`; `None` writes no field.
    pub mode: Option<u32>,
    /// Mount it lies on.
    pub mnt_id: i64,
    /// GNU build id.
    pub build_id: Vec<u8>,
    /// Deleted or replaced.
    pub remap: Option<Remap>,
    /// Files with the same label are one description with one id.
    pub label: Option<String>,
}

impl File {
    fn of(kind: FileKind, flags: u32) -> Self {
        Self {
            kind,
            path: Vec::new(),
            flags,
            pos: 0,
            size: None,
            mode: None,
            mnt_id: 130,
            build_id: Vec::new(),
            remap: None,
            label: None,
        }
    }

    /// A regular file, opened read-only.
    pub fn regular(path: impl Into<Vec<u8>>) -> Self {
        Self {
            path: path.into(),
            size: Some(0),
            mode: Some(0o100_644),
            ..Self::of(FileKind::Regular, 0x8000)
        }
    }

    /// A file that is mapped or executed; equal paths are one entry.
    pub fn mapped(path: impl Into<Vec<u8>>) -> Self {
        let path = path.into();
        let label = format!("mapped:{}", path.escape_ascii());
        Self { flags: 0, size: Some(0x2_0000), mode: Some(0o100_755), ..Self::regular(path) }.label(&label)
    }

    /// A directory.
    pub fn directory(path: impl Into<Vec<u8>>) -> Self {
        Self { flags: 0, size: None, mode: Some(0o040_755), ..Self::regular(path) }
    }

    /// `/dev/null`, read and write.
    pub fn dev_null() -> Self {
        Self { flags: 0x8002, size: None, mode: Some(0o020_666), mnt_id: 133, ..Self::regular("/dev/null") }
    }

    /// Reading end of a pipe.
    pub fn pipe_read(ino: u32) -> Self {
        Self::of(FileKind::Pipe(ino, Vec::new()), 0)
    }

    /// Writing end of a pipe.
    pub fn pipe_write(ino: u32) -> Self {
        Self::of(FileKind::Pipe(ino, Vec::new()), 1)
    }

    /// A named pipe, read and write.
    pub fn fifo(path: &str, ino: u32) -> Self {
        Self { path: path.into(), mode: Some(0o010_644), ..Self::of(FileKind::Fifo(ino, Vec::new()), 2) }
    }

    /// A TCP listener at `local`.
    pub fn tcp_listen(local: &str) -> Self {
        Self::inet(6, 1, 10, local, None)
    }

    /// An established TCP connection.
    pub fn tcp(local: &str, remote: &str) -> Self {
        Self::inet(6, 1, 1, local, Some(remote))
    }

    /// A UDP socket; connected when `remote` is given.
    pub fn udp(local: &str, remote: Option<&str>) -> Self {
        let state = if remote.is_some() { 1 } else { 7 };
        Self::inet(17, 2, state, local, remote)
    }

    /// A raw IPv4 socket of a protocol.
    pub fn raw_socket(proto: u16) -> Self {
        Self::inet(u32::from(proto), 3, 7, &format!("0.0.0.0:{proto}"), None)
    }

    /// Any inet socket.
    pub fn inet(proto: u32, socket_type: u32, state: u32, local: &str, remote: Option<&str>) -> Self {
        let parse = |text: &str| text.parse().expect("address:port");
        let local: std::net::SocketAddr = parse(local);
        let none = if local.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let inet = Inet {
            proto,
            socket_type,
            state,
            local,
            remote: parse(remote.unwrap_or(none)),
            backlog: if state == 10 { 128 } else { 0 },
            received: Vec::new(),
            sent: Vec::new(),
            unsent: 0,
            stream: proto == 6 && remote.is_some(),
        };
        Self::of(FileKind::Inet(Box::new(inet)), 2)
    }

    /// A unix socket with a peer inode (0 for none).
    pub fn unix(ino: u32, peer: u32) -> Self {
        let unix = Unix {
            ino,
            peer,
            socket_type: 1,
            state: if peer == 0 { 7 } else { 1 },
            uflags: 0,
            name: Vec::new(),
            queue: Vec::new(),
        };
        Self::of(FileKind::Unix(Box::new(unix)), 2)
    }

    /// A listening unix socket; a leading `@` makes the name abstract.
    pub fn unix_listen(ino: u32, name: &str) -> Self {
        let mut file = Self::unix(ino, 0).named(name);
        file.unix_mut().state = 10;
        file
    }

    /// A unix socket connected to something outside of the container.
    pub fn unix_external(ino: u32, peer: u32, name: &str) -> Self {
        let mut file = Self::unix(ino, peer).named(name);
        file.unix_mut().uflags = 1;
        file
    }

    /// One side of pseudo terminal `index`.
    pub fn pty(index: u32, master: bool, sid: u32) -> Self {
        let path = if master { "/dev/ptmx".to_owned() } else { format!("/dev/pts/{index}") };
        let tty = Tty { index, master, sid, pgrp: sid, pending: Vec::new() };
        Self { path: path.into(), mode: Some(0o020_620), mnt_id: 134, ..Self::of(FileKind::Tty(tty), 0x8002) }
    }

    /// A descriptor of the shared object with this key.
    pub fn memfd(key: &str) -> Self {
        Self::of(FileKind::Memfd(key.to_owned()), 0x8002)
    }

    /// Any other kind.
    pub fn other(kind: FileKind) -> Self {
        Self::of(kind, 2)
    }

    /// Refers to the file that carries this label.
    pub fn same_as(label: &str) -> Self {
        Self::regular("").label(label)
    }

    /// Gives the file a label, by which others can share it.
    pub fn label(mut self, label: &str) -> Self {
        self.label = Some(label.to_owned());
        self
    }

    /// Sets the open flags.
    pub fn flags(mut self, flags: u32) -> Self {
        self.flags = flags;
        self
    }

    /// Sets the offset.
    pub fn pos(mut self, pos: u64) -> Self {
        self.pos = pos;
        self
    }

    /// Sets the size.
    pub fn size(mut self, size: u64) -> Self {
        self.size = Some(size);
        self
    }

    /// Sets `st_mode`.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Sets the build id.
    pub fn build_id(mut self, id: impl Into<Vec<u8>>) -> Self {
        self.build_id = id.into();
        self
    }

    /// Sets the mount id.
    pub fn mount(mut self, mnt_id: i64) -> Self {
        self.mnt_id = mnt_id;
        self
    }

    /// The file was deleted; its content is in the dump.
    pub fn deleted(mut self, ghost: Ghost) -> Self {
        self.size = Some(ghost.bytes.len() as u64);
        self.mode = Some(ghost.mode);
        self.remap = Some(Remap::Ghost(ghost));
        self
    }

    /// The name is gone, another link exists.
    pub fn linked(mut self, other: &str) -> Self {
        self.remap = Some(Remap::Linked(other.to_owned()));
        self
    }

    /// The path lies under `/proc` of a dead process.
    pub fn dead_process(mut self, pid: u32) -> Self {
        self.remap = Some(Remap::DeadProcess(pid));
        self
    }

    /// Unread bytes: of a pipe, FIFO or terminal, or received by a socket.
    pub fn queued(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.queued_with(bytes, [])
    }

    /// Unread bytes with descriptors in flight (unix sockets).
    pub fn queued_with(mut self, bytes: impl Into<Vec<u8>>, files: impl IntoIterator<Item = Self>) -> Self {
        let bytes = bytes.into();
        match &mut self.kind {
            FileKind::Pipe(_, data) | FileKind::Fifo(_, data) => data.extend(bytes),
            FileKind::Tty(tty) => tty.pending.extend(bytes),
            FileKind::Inet(inet) => inet.received.extend(bytes),
            FileKind::Unix(unix) => unix.queue.push((bytes, files.into_iter().collect())),
            other => panic!("nothing can be queued in {other:?}"),
        }
        self
    }

    /// Bytes sent over TCP and not acknowledged; the last `unsent` never left.
    pub fn sent(mut self, bytes: impl Into<Vec<u8>>, unsent: u32) -> Self {
        let FileKind::Inet(inet) = &mut self.kind else {
            panic!("only inet sockets have a send queue here");
        };
        inet.sent = bytes.into();
        inet.unsent = unsent;
        self
    }

    /// Names a unix socket; a leading `@` makes the name abstract.
    pub fn named(mut self, name: &str) -> Self {
        self.unix_mut().name = match name.strip_prefix('@') {
            Some(name) => [b"\0", name.as_bytes()].concat(),
            None => [name.as_bytes(), b"\0"].concat(),
        };
        self
    }

    /// Changes the fields of a unix socket.
    pub fn unix_mut(&mut self) -> &mut Unix {
        match &mut self.kind {
            FileKind::Unix(unix) => unix,
            other => panic!("not a unix socket: {other:?}"),
        }
    }

    /// Changes the fields of an inet socket.
    pub fn inet_mut(&mut self) -> &mut Inet {
        match &mut self.kind {
            FileKind::Inet(inet) => inet,
            other => panic!("not an inet socket: {other:?}"),
        }
    }
}
