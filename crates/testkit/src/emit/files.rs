//! Open files: ids, `files.img` or the older per-type images, and what hangs on them.

use crate::checkpoint::Checkpoint;
use crate::file::{File, FileKind, Ghost, Inet, Remap, Tty, Unix};
use crate::image::Images;
use crate::memory::{Shared, SharedKind};
use crate::version::Criu;
use crate::wire::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The files of a dump, numbered as they are met.
pub(crate) struct Files<'a> {
    checkpoint: &'a Checkpoint,
    files: Vec<(u32, File)>,
    labels: BTreeMap<String, u32>,
    kinds: BTreeMap<String, u32>,
    objects: BTreeMap<&'a str, usize>,
    next: BTreeMap<&'static str, u32>,
}

/// `fown_entry` without an owner.
fn fown() -> Message {
    (1..=5).fold(Message::new(), |message, field| message.uint(field, 0_u32))
}

/// Type number, union field and older image of a kind.
fn numbers(kind: &FileKind) -> (u32, u32, &'static str) {
    match kind {
        FileKind::Regular => (1, 3, "reg-files"),
        FileKind::Pipe(..) => (2, 18, "pipes"),
        FileKind::Fifo(..) => (3, 17, "fifo"),
        FileKind::Inet(_) => (4, 4, "inetsk"),
        FileKind::Unix(_) => (5, 16, "unixsk"),
        FileKind::Eventfd(_) => (6, 8, "eventfd"),
        FileKind::Epoll(_) => (7, 9, "eventpoll"),
        FileKind::Inotify(_) => (8, 13, "inotify"),
        FileKind::Signalfd(_) => (9, 10, "signalfd"),
        FileKind::Packet(..) => (10, 6, "packetsk"),
        FileKind::Tty(_) => (11, 19, "tty"),
        FileKind::Fanotify(_) => (12, 14, "fanotify"),
        FileKind::Netlink(..) => (13, 7, "netlinksk"),
        FileKind::Namespace(..) => (14, 5, "ns-files"),
        FileKind::Tun(_) => (15, 11, "tunfile"),
        FileKind::External => (16, 15, "ext-files"),
        FileKind::Timerfd(..) => (17, 12, "timerfd"),
        FileKind::Memfd(_) => (18, 20, "memfd-files"),
        FileKind::BpfMap(..) => (19, 21, "bpfmap-file"),
        FileKind::Pidfd(_) => (20, 22, "pidfd"),
        FileKind::Raw(number, field, _, stem) => (*number, *field, stem),
    }
}

impl<'a> Files<'a> {
    pub(crate) fn new(checkpoint: &'a Checkpoint) -> Self {
        let mut objects = BTreeMap::new();
        for (at, object) in checkpoint.shared.iter().enumerate() {
            objects.entry(object.key.as_str()).or_insert(at);
        }
        Self {
            checkpoint,
            files: Vec::new(),
            labels: BTreeMap::new(),
            kinds: BTreeMap::new(),
            objects,
            next: BTreeMap::new(),
        }
    }

    /// The id of a file, given on first sight. Before 3.4 ids count within the type; types that also write
    /// a regular file of the same id count with those.
    pub(crate) fn id(&mut self, file: &File) -> u32 {
        if let Some(id) = file.label.as_ref().and_then(|label| self.labels.get(label)) {
            return *id;
        }
        let (.., stem) = numbers(&file.kind);
        let series = match stem {
            _ if self.checkpoint.criu.since(3, 4) => "files",
            "tty" | "fifo" | "tunfile" => "reg-files",
            stem => stem,
        };
        let counter = self.next.entry(series).or_insert(0);
        *counter += 1;
        let id = *counter;
        if let Some(label) = &file.label {
            self.labels.insert(label.clone(), id);
            self.kinds.entry(label.clone()).or_insert(numbers(&file.kind).0);
        }
        self.files.push((id, file.clone()));
        id
    }

    /// The kind a label stands for, to find the type number of a shared description.
    pub(crate) fn kind(&self, file: &File) -> u32 {
        let shared = file.label.as_ref().and_then(|label| self.kinds.get(label));
        shared.copied().unwrap_or_else(|| numbers(&file.kind).0)
    }

    /// The shared object with this key.
    pub(crate) fn object(&self, key: &str) -> &'a Shared {
        let at = self.objects.get(key).unwrap_or_else(|| panic!("no shared object {key:?}"));
        &self.checkpoint.shared[*at]
    }

    fn position(&self, key: &str) -> u64 {
        *self.objects.get(key).expect("known object") as u64
    }

    /// Number that names the pagemap of an object.
    pub(crate) fn shmid(&self, key: &str) -> u64 {
        match self.object(key).kind {
            SharedKind::SysV(_, id) => u64::from(id),
            _ => 290 + self.position(key),
        }
    }

    /// Id of the file through which an object is mapped.
    pub(crate) fn mapped_object(&mut self, key: &str) -> u32 {
        self.id(&File::memfd(key).flags(2).label(&format!("object:{key}")))
    }

    /// Writes everything that was numbered.
    pub(crate) fn write(&mut self, images: &mut Images) {
        let mut at = 0;
        let mut ghosts: BTreeMap<String, u32> = BTreeMap::new();
        let mut ghost_count = 0;
        let mut ttys = BTreeSet::new();
        while at < self.files.len() {
            let (id, file) = self.files[at].clone();
            at += 1;
            let body = self.body(id, &file, images, &mut ttys);
            let (number, field, stem) = numbers(&file.kind);
            if self.checkpoint.criu.since(3, 4) {
                let entry = Message::new().uint(1, number).uint(2, id).message(field, &body);
                images.add("files", "", &entry);
            } else {
                images.add(stem, "", &body);
            }
            let typed = self.checkpoint.criu.since(1, 4);
            let remap = |target: u32, kind: u32| {
                let target = if !typed && kind == 1 { target | 1 << 31 } else { target };
                Message::new().uint(1, id).uint(2, target).when(typed, |entry| entry.uint(3, kind))
            };
            match &file.remap {
                None => {}
                Some(Remap::Linked(other)) => {
                    let other = self.id(&File::regular(other.clone()).mount(file.mnt_id));
                    images.add("remap-fpath", "", &remap(other, 0));
                }
                Some(Remap::DeadProcess(pid)) => images.add("remap-fpath", "", &remap(*pid, 2)),
                Some(Remap::Ghost(ghost)) => {
                    let label = ghost.label.clone().unwrap_or_else(|| format!("#{at}"));
                    let known = ghosts.get(&label).copied();
                    let number = known.unwrap_or_else(|| {
                        ghost_count += 1;
                        self.ghost(ghost_count, ghost, images);
                        ghosts.insert(label, ghost_count);
                        ghost_count
                    });
                    images.add("remap-fpath", "", &remap(number, 1));
                }
            }
        }
        self.memfds(images);
    }

    fn memfds(&self, images: &mut Images) {
        if !self.checkpoint.criu.since(3, 14) {
            return;
        }
        for (index, object) in (1_u64..).zip(&self.checkpoint.shared) {
            let name: &[u8] = match &object.kind {
                SharedKind::Anonymous => b"/dev/zero",
                SharedKind::Memfd(name) => name,
                SharedKind::SysV(..) => continue,
            };
            let entry = Message::new()
                .bytes(1, name)
                .uint(2, 0_u32)
                .uint(3, 0_u32)
                .uint(4, object.size)
                .uint(5, self.shmid(&object.key))
                .uint(6, object.seals)
                .uint(7, index)
                .when(self.checkpoint.criu.since(3, 19), |entry| entry.uint(9, 0o100_777_u32));
            images.add("memfd", "", &entry);
        }
    }

    fn ghost(&self, number: u32, ghost: &Ghost, images: &mut Images) {
        let criu = self.checkpoint.criu;
        let regular = ghost.mode & 0o170_000 == 0o100_000;
        let default =
            (criu.since(3, 3) && ghost.bytes.len() >= 12288).then(|| vec![(0, ghost.bytes.len() as u64)]);
        let chunks = ghost.chunks.clone().or(default).filter(|_| regular);
        let time = Message::new().uint(1, ghost.time).uint(2, 0_u32);
        let head = Message::new()
            .uint(1, ghost.uid)
            .uint(2, ghost.gid)
            .uint(3, ghost.mode)
            .uint(4, 50_u32)
            .uint(5, 8750 + u64::from(number))
            .when(criu.since(2, 0), |head| head.message(7, &time).message(8, &time))
            .when(chunks.is_some(), |head| head.flag(9, true).uint(10, ghost.bytes.len() as u64))
            .maybe(ghost.symlink.as_ref(), |head, target| head.bytes(11, target));
        let key = format!("{number:x}");
        let Some(chunks) = chunks else {
            let payload: &[u8] = if regular { &ghost.bytes } else { &[] };
            images.add_with("ghost-file", key, &head, payload);
            return;
        };
        images.add("ghost-file", &key, &head);
        for (offset, length) in chunks {
            let chunk = Message::new().uint(1, length).uint(2, offset);
            let bytes = &ghost.bytes[offset as usize..(offset + length) as usize];
            images.add_with("ghost-file", &key, &chunk, bytes);
        }
    }

    fn body(&mut self, id: u32, file: &File, images: &mut Images, ttys: &mut BTreeSet<u32>) -> Message {
        let criu = self.checkpoint.criu;
        let head = Message::new().uint(1, id);
        match &file.kind {
            FileKind::Regular => self.regular(id, file),
            FileKind::Pipe(ino, data) => {
                queue(images, "pipes-data", *ino, data);
                head.uint(2, *ino).uint(3, file.flags).message(4, &fown())
            }
            FileKind::Fifo(ino, data) => {
                queue(images, "fifo-data", *ino, data);
                let companion = self.companion(id, file, images);
                head.uint(2, *ino).maybe(companion, |entry, id| entry.uint(3, id))
            }
            FileKind::Inet(inet) => self.inet(id, file, inet, images),
            FileKind::Unix(unix) => self.unix(id, file, unix, images),
            FileKind::Tty(tty) => {
                let info = 2 * tty.index + u32::from(tty.master);
                if ttys.insert(info) {
                    terminal(images, info, tty, criu);
                }
                let companion = self.companion(id, file, images);
                head.uint(2, info)
                    .uint(3, file.flags)
                    .message(4, &fown())
                    .maybe(companion, |entry, id| entry.uint(6, id))
            }
            FileKind::Memfd(key) => {
                head.uint(2, file.flags).uint(3, file.pos).message(4, &fown()).uint(5, self.position(key) + 1)
            }
            FileKind::Eventfd(counter) => head.uint(2, file.flags).message(3, &fown()).uint(4, *counter),
            FileKind::Epoll(watched) => {
                let inline = criu.since(1, 4);
                let mut entry = head.uint(2, file.flags).message(3, &fown());
                for (fd, events, data) in watched {
                    let watch = Message::new().uint(1, id).uint(2, *fd).uint(3, *events).uint(4, *data);
                    if inline {
                        entry = entry.message(4, &watch);
                    } else {
                        images.add("eventpoll-tfd", "", &watch);
                    }
                }
                entry
            }
            FileKind::Inotify(watches) => {
                let inline = criu.since(1, 4);
                let mut entry = head.uint(2, file.flags).message(4, &fown());
                for (wd, mask, ino, path) in watches {
                    let watch = Message::new()
                        .uint(1, id)
                        .uint(2, *ino)
                        .uint(3, *mask)
                        .uint(4, 0_u32)
                        .uint(5, 50_u32)
                        .uint(6, *wd)
                        .message(7, &handle(*ino, if criu.since(1, 2) { path } else { "" }));
                    if inline {
                        entry = entry.message(5, &watch);
                    } else {
                        images.add("inotify-wd", "", &watch);
                    }
                }
                entry
            }
            FileKind::Fanotify(marks) => {
                let mut entry =
                    head.uint(2, file.flags).message(3, &fown()).uint(4, 0_u32).uint(5, file.flags);
                for (mnt_id, mask, path) in marks {
                    let mount = Message::new().uint(1, *mnt_id).bytes(2, path);
                    let mark = [id, 2, 0, *mask, 0, 0]
                        .into_iter()
                        .zip(1..)
                        .fold(Message::new(), |mark, (value, field)| mark.uint(field, value))
                        .message(8, &mount);
                    entry = entry.message(6, &mark);
                }
                entry
            }
            FileKind::Signalfd(mask) => head.uint(2, file.flags).message(3, &fown()).uint(4, *mask),
            FileKind::Packet(kind, protocol, ifindex, promiscuous) => {
                let entry = head
                    .uint(2, *kind)
                    .uint(3, *protocol)
                    .uint(4, file.flags)
                    .uint(5, *ifindex)
                    .message(6, &fown())
                    .message(7, &options());
                let entry = (8..=15).fold(entry, |entry, field| entry.uint(field, 0_u32));
                let promisc = Message::new().uint(1, *ifindex).uint(2, 1_u32).bytes(3, []);
                entry
                    .when(*promiscuous, |entry| entry.message(16, &promisc))
                    .when(criu.since(3, 8), |entry| entry.uint(20, 10_u32))
            }
            FileKind::Netlink(protocol, port, groups) => head
                .uint(2, 0x9000 + id)
                .uint(3, *protocol)
                .uint(4, 7_u32)
                .uint(6, file.flags)
                .uint(7, *port)
                .repeated(8, groups.iter().copied())
                .uint(9, 0_u32)
                .uint(10, 0_u32)
                .message(11, &fown())
                .message(12, &options()),
            FileKind::Namespace(ns_id, flag) => head.uint(2, *ns_id).uint(3, *flag).uint(4, file.flags),
            FileKind::Tun(device) => {
                // The companion REG entry shares the id: the one exception to unique ids.
                let entry = Message::new()
                    .uint(1, 1_u32)
                    .uint(2, id)
                    .message(3, &self.regular(id, &File::regular("/dev/net/tun")));
                if criu.since(3, 4) {
                    images.add("files", "", &entry);
                }
                head.bytes(2, device).uint(4, 10_u32)
            }
            FileKind::External => head.message(5, &fown()),
            FileKind::Timerfd(clock, value, interval) => head
                .uint(2, file.flags)
                .message(3, &fown())
                .uint(4, *clock)
                .uint(5, 0_u32)
                .uint(6, 0_u32)
                .uint(7, *value)
                .uint(8, 0_u32)
                .uint(9, *interval)
                .uint(10, 0_u32),
            FileKind::BpfMap(map_id, name, keys, values, count) => {
                let size = |bytes: &[u8]| bytes.len() as u32;
                let data =
                    Message::new().uint(1, *map_id).uint(2, size(keys)).uint(3, size(values)).uint(4, *count);
                images.add_with("bpfmap-data", "", &data, &[&keys[..], values].concat());
                let each = (*count).max(1);
                head.uint(2, file.flags)
                    .uint(3, 0_u32)
                    .message(4, &fown())
                    .uint(5, 1_u32)
                    .uint(6, size(keys) / each)
                    .uint(7, size(values) / each)
                    .uint(8, *map_id)
                    .uint(9, 1024_u32)
                    .uint(10, 0_u32)
                    .uint(11, 4096_u32)
                    .flag(12, false)
                    .bytes(13, name)
                    .uint(14, 0_u32)
            }
            FileKind::Pidfd(pid) => {
                head.uint(2, 0x7000 + id).uint(3, file.flags).int(4, i64::from(*pid)).message(5, &fown())
            }
            FileKind::Raw(_, _, make, _) => make(id),
        }
    }

    /// The REG entry behind a terminal or FIFO: its id since 3.6, before that it shares the id.
    fn companion(&mut self, id: u32, file: &File, images: &mut Images) -> Option<u32> {
        let regular = File { kind: FileKind::Regular, label: None, remap: None, ..file.clone() };
        if self.checkpoint.criu.since(3, 6) {
            return Some(self.id(&regular));
        }
        let body = self.regular(id, &regular);
        if self.checkpoint.criu.since(3, 4) {
            let entry = Message::new().uint(1, 1_u32).uint(2, id).message(3, &body);
            images.add("files", "", &entry);
        } else {
            images.add("reg-files", "", &body);
        }
        None
    }

    fn regular(&self, id: u32, file: &File) -> Message {
        let criu = self.checkpoint.criu;
        let words = file.build_id.chunks(4).map(|chunk| {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            u32::from_le_bytes(word)
        });
        Message::new()
            .uint(1, id)
            .uint(2, file.flags)
            .uint(3, file.pos)
            .message(5, &fown())
            .bytes(6, &file.path)
            .when(criu.since(1, 3), |entry| {
                entry.sint(7, file.mnt_id).maybe(file.size, |entry, size| entry.uint(8, size))
            })
            .maybe(file.mode.filter(|_| criu.since(2, 4)), |entry, mode| entry.uint(10, mode))
            .when(criu.since(3, 15), |entry| entry.repeated(11, words))
    }

    fn inet(&self, id: u32, file: &File, inet: &Inet, images: &mut Images) -> Message {
        let criu = self.checkpoint.criu;
        let ino = 0x5_1000 + id;
        let words = |address: IpAddr| -> Vec<u32> {
            let bytes = match address {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            let big = self.checkpoint.arch.big_endian();
            bytes
                .chunks_exact(4)
                .map(|chunk| {
                    let chunk: [u8; 4] = chunk.try_into().expect("four bytes");
                    if big { u32::from_be_bytes(chunk) } else { u32::from_le_bytes(chunk) }
                })
                .collect()
        };
        if inet.stream {
            let length = |bytes: &[u8]| bytes.len() as u32;
            let stream = Message::new()
                .uint(1, length(&inet.received))
                .uint(2, 0x61e8_88aa_u32)
                .uint(3, length(&inet.sent))
                .uint(4, 0x87b9_7d3b_u32)
                .uint(5, 7_u32)
                .uint(6, 10_u32)
                .uint(7, 65495_u32)
                .uint(8, 10_u32)
                .uint(9, 0x49cc_71f8_u32)
                .uint(12, inet.unsent);
            let payload = [&inet.received[..], &inet.sent].concat();
            images.add_with("tcp-stream", format!("{ino:x}"), &stream, &payload);
        }
        let v6 = inet.local.is_ipv6();
        Message::new()
            .uint(1, id)
            .uint(2, ino)
            .uint(3, if v6 { 10_u32 } else { 2 })
            .uint(4, inet.socket_type)
            .uint(5, inet.proto)
            .uint(6, inet.state)
            .uint(7, inet.local.port())
            .uint(8, inet.remote.port())
            .uint(9, file.flags)
            .uint(10, inet.backlog)
            .repeated(11, words(inet.local.ip()))
            .repeated(12, words(inet.remote.ip()))
            .message(13, &fown())
            .message(14, &options())
            .when(v6, |entry| entry.flag(15, false))
            .when(criu.since(4, 0), |entry| entry.message(16, &Message::new().uint(7, 64_u32)))
            .when(criu.since(3, 8), |entry| entry.uint(18, 10_u32))
            .when(criu.since(4, 0), |entry| entry.message(20, &Message::new()))
    }

    fn unix(&mut self, id: u32, file: &File, unix: &Unix, images: &mut Images) -> Message {
        let criu = self.checkpoint.criu;
        for (bytes, in_flight) in &unix.queue {
            let rights: Vec<u32> = in_flight.iter().map(|file| self.id(file)).collect();
            let scm = Message::new().uint(1, 1_u32).repeated(2, rights);
            let packet = Message::new()
                .uint(1, id)
                .uint(2, bytes.len() as u32)
                .when(criu.since(3, 6) && !in_flight.is_empty(), |packet| packet.message(4, &scm));
            images.add_with("sk-queues", "", &packet, bytes);
        }
        Message::new()
            .uint(1, id)
            .uint(2, unix.ino)
            .uint(3, unix.socket_type)
            .uint(4, unix.state)
            .uint(5, file.flags)
            .uint(6, unix.uflags)
            .uint(7, if unix.state == 10 { 128_u32 } else { 0 })
            .uint(8, unix.peer)
            .message(9, &fown())
            .message(10, &options())
            .bytes(11, &unix.name)
            .when(criu.since(3, 8), |entry| entry.uint(16, 10_u32))
    }
}

fn queue(images: &mut Images, stem: &str, ino: u32, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    let entry = Message::new().uint(1, ino).uint(2, data.len() as u32).uint(3, 65536_u32);
    images.add_with(stem, "", &entry, data);
}

fn options() -> Message {
    Message::new()
        .uint(1, 212_992_u32)
        .uint(2, 212_992_u32)
        .uint(3, 0_u32)
        .uint(4, 0_u32)
        .uint(5, 0_u32)
        .uint(6, 0_u32)
        .flag(7, false)
}

fn handle(ino: u64, path: &str) -> Message {
    Message::new()
        .uint(1, 8_u32)
        .uint(2, 1_u32)
        .repeated(3, [ino].into_iter().chain([0; 15]))
        .when(!path.is_empty(), |handle| handle.bytes(4, path))
}

fn terminal(images: &mut Images, info: u32, tty: &Tty, criu: Criu) {
    let termios = [1280_u32, 5, 191, 35387, 0, 15, 15]
        .into_iter()
        .zip(1..)
        .fold(Message::new(), |termios, (value, field)| termios.uint(field, value))
        .repeated(8, [0_u32; 19]);
    let size = Message::new().uint(1, 24_u32).uint(2, 80_u32).uint(3, 0_u32).uint(4, 0_u32);
    let entry = Message::new()
        .uint(1, info)
        .uint(2, 1_u32)
        .flag(3, false)
        .flag(4, false)
        .flag(5, false)
        .uint(6, tty.sid)
        .uint(7, tty.pgrp)
        .uint(8, if tty.master { 1282 } else { 34816 + tty.index })
        .message(9, &termios)
        .message(10, &termios)
        .message(11, &size)
        .message(12, &Message::new().uint(1, tty.index))
        .when(criu.since(2, 6), |entry| entry.uint(13, 66_u32).uint(14, 0_u32).uint(15, 5_u32));
    images.add("tty-info", "", &entry);
    if !tty.pending.is_empty() && criu.since(2, 3) {
        images.add("tty-data", "", &Message::new().uint(1, info).bytes(2, &tty.pending));
    }
}
