//! Bytes that nobody had read yet: in pipes, sockets, terminals and message queues
//! (`format.md §8.4`, `§8.5`, `§9.3`, `§9.5`, `§11.3`).

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
};

use base64::Engine as _;
use ckptfx_parser::{
    Diagnostic, ImageDirectory,
    image::read_message_queues,
    proto::{self, FdTypes},
    text::escape_invalid,
};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::{
    Case, Task, Text,
    files::descriptor::{Descriptors, FileKey, SOCKET_QUEUES, Wanted, key_of},
    network::{
        socket::{self, Endpoint},
        stream::tcp_stream,
    },
};

/// What the bytes wait in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A pipe.
    Pipe,
    /// A named pipe.
    Fifo,
    /// A unix socket.
    Unix,
    /// Another socket, or one that is not in the checkpoint.
    Socket,
    /// A TCP connection.
    Tcp,
    /// A terminal.
    Tty,
    /// A System V message queue.
    SysvMessage,
}

impl Kind {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pipe => "pipe",
            Self::Fifo => "fifo",
            Self::Unix => "unix",
            Self::Socket => "socket",
            Self::Tcp => "tcp",
            Self::Tty => "tty",
            Self::SysvMessage => "sysv-message",
        }
    }
}

/// Which way the bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Received from the network and not read by the program.
    Received,
    /// Written by the program and not acknowledged, or not sent yet.
    Sent,
    /// Typed, and not read by the program.
    Typed,
    /// Written to the screen, and not read by the terminal emulator or remote login.
    Screen,
}

impl Direction {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Sent => "sent",
            Self::Typed => "typed",
            Self::Screen => "screen",
        }
    }
}

/// Raw bytes; in JSON they are base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload(pub Vec<u8>);

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64::engine::general_purpose::STANDARD.encode(&self.0))
    }
}

impl JsonSchema for Payload {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Base64".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "contentEncoding": "base64" })
    }
}

/// Who sent bytes over a unix socket, as the kernel vouches for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Sender {
    /// The process, as seen in the container; null when it is outside, or was gone.
    pub pid: Option<u32>,
    /// Its user.
    pub uid: Option<u32>,
    /// Its group.
    pub gid: Option<u32>,
}

impl From<&proto::SkUcredEntry> for Sender {
    fn from(entry: &proto::SkUcredEntry) -> Self {
        Self { pid: entry.pid.filter(|pid| *pid != 0), uid: entry.uid, gid: entry.gid }
    }
}

/// A message, or all that waits in one direction of a stream. `null` is "not recorded" or "has none".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Queue {
    /// Number for `--raw`, from 1; the same whatever processes are asked for.
    pub number: usize,
    /// What the bytes wait in.
    pub kind: Kind,
    /// Which way they go; null where there is only one.
    pub direction: Option<Direction>,
    /// Inode of the pipe or of the receiving socket; id of the message queue.
    pub id: Option<u32>,
    /// Path of a FIFO or terminal, name of the receiving unix socket.
    pub path: Option<Text>,
    /// Local address of a TCP connection.
    pub local: Option<Endpoint>,
    /// Remote address of a TCP connection.
    pub remote: Option<Endpoint>,
    /// Processes that can have written it.
    pub writers: Vec<u32>,
    /// Processes that would have read it.
    pub readers: Vec<u32>,
    /// Who sent it over a unix socket, each once; not recorded before CRIU 4.3.
    pub senders: Vec<Sender>,
    /// Number of bytes.
    pub bytes: u64,
    /// Capacity of a pipe, or most bytes of a message queue.
    pub capacity: Option<u32>,
    /// TCP sequence number of the first byte.
    pub first_sequence: Option<u32>,
    /// The last of the sent bytes that never left the host.
    pub unsent_bytes: Option<u32>,
    /// Number of the message in its queue, from 0; null for streams.
    pub message: Option<usize>,
    /// Type of a System V message.
    pub message_type: Option<u64>,
    /// Descriptors that travel with the bytes; `files` shows them with the role `in-flight`.
    pub in_flight_fds: usize,
    /// Image that holds the bytes.
    pub member: String,
    /// The bytes as text; those that are not UTF-8 are shown as `\xNN`.
    pub text: String,
    /// The bytes.
    pub bytes_b64: Payload,
}

/// What waits for, or was written by, the processes that `wanted` accepts.
pub fn queues(case: &mut Case<'_>, wanted: &dyn Fn(&Task<'_>) -> bool) -> Vec<Queue> {
    let mut diagnostics = Vec::new();
    let descriptors = Descriptors::read(case, &mut diagnostics);
    let mut reader = Reader { case, descriptors: &descriptors, list: Vec::new() };
    reader.pipes("pipes-data.img", Kind::Pipe, &mut diagnostics);
    reader.pipes("fifo-data.img", Kind::Fifo, &mut diagnostics);
    reader.sockets(&mut diagnostics);
    reader.terminals(&mut diagnostics);
    reader.messages(&mut diagnostics);
    let mut list = reader.list;
    for (index, queue) in list.iter_mut().enumerate() {
        queue.number = index.saturating_add(1);
    }
    let wanted = Wanted::of(case, wanted);
    list.retain(|queue| wanted.any(queue.writers.iter().chain(&queue.readers)));
    descriptors.finish(&mut diagnostics);
    case.diagnostics.extend(diagnostics);
    list
}

/// Who has the ends of a pipe or a side of a terminal.
#[derive(Debug, Clone, Default)]
struct Ends {
    writers: BTreeSet<u32>,
    readers: BTreeSet<u32>,
    path: Option<Text>,
}

impl Ends {
    /// Adds the holders of a file with these open flags: O_RDONLY is 0, O_WRONLY 1, O_RDWR 2 everywhere.
    fn add(&mut self, flags: Option<u32>, pids: Vec<u32>) {
        let access = flags.unwrap_or(0) & 3;
        if access != 0 {
            self.writers.extend(pids.iter().copied());
        }
        if access != 1 {
            self.readers.extend(pids);
        }
    }
}

struct Reader<'c> {
    case: &'c Case<'c>,
    descriptors: &'c Descriptors,
    list: Vec<Queue>,
}

impl Reader<'_> {
    fn images(&self) -> &ImageDirectory {
        &self.case.checkpoint.images
    }

    fn payload(&self, name: &str, range: &Range<u64>) -> Vec<u8> {
        self.images().file(name).map(|file| file.slice(range).to_vec()).unwrap_or_default()
    }

    /// Adds a queue unless it is empty; gives it to be completed.
    fn add(&mut self, kind: Kind, member: &str, payload: Vec<u8>) -> Option<&mut Queue> {
        if payload.is_empty() {
            return None;
        }
        self.list.push(Queue {
            number: 0,
            kind,
            direction: None,
            id: None,
            path: None,
            local: None,
            remote: None,
            writers: Vec::new(),
            readers: Vec::new(),
            senders: Vec::new(),
            bytes: payload.len() as u64,
            capacity: None,
            first_sequence: None,
            unsent_bytes: None,
            message: None,
            message_type: None,
            in_flight_fds: 0,
            member: member.to_owned(),
            text: escape_invalid(&payload).into_owned(),
            bytes_b64: Payload(payload),
        });
        self.list.last_mut()
    }

    fn pipes(&mut self, name: &str, kind: Kind, diagnostics: &mut Vec<Diagnostic>) {
        let mut ends: HashMap<u32, Ends> = HashMap::new();
        for file in self.case.files.entries() {
            let pids = || self.descriptors.pids(key_of(file).0);
            if let (Kind::Pipe, Some(pipe)) = (kind, &file.pipe) {
                let Some(id) = pipe.pipe_id else { continue };
                ends.entry(id).or_default().add(pipe.flags, pids());
            } else if let (Kind::Fifo, Some(fifo)) = (kind, &file.fifo) {
                let Some(id) = fifo.pipe_id else { continue };
                // Before CRIU 3.6 the file with the path had the same id.
                let named = fifo.regf_id.or(fifo.id).and_then(|id| self.case.files.regular(id));
                let ends = ends.entry(id).or_default();
                ends.add(named.and_then(|named| named.flags), pids());
                ends.path = named.and_then(|named| named.name.clone()).map(Text).or(ends.path.take());
            }
        }
        for entry in self.images().read::<proto::PipeDataEntry>(name, diagnostics) {
            let Some(id) = entry.value.pipe_id else { continue };
            let payload = self.payload(name, &entry.payload);
            if let Some(queue) = self.add(kind, name, payload) {
                let ends = ends.remove(&id).unwrap_or_default();
                queue.id = Some(id);
                queue.path = ends.path;
                queue.capacity = entry.value.size;
                queue.writers = ends.writers.into_iter().collect();
                queue.readers = ends.readers.into_iter().collect();
            }
        }
    }

    fn sockets(&mut self, diagnostics: &mut Vec<Diagnostic>) {
        let (case, descriptors) = (self.case, self.descriptors);
        let view = socket::View::read(case, descriptors, diagnostics);
        for file in case.files.entries() {
            let (key, kind) = key_of(file);
            if let (Some(FdTypes::Unixsk), Some(unix)) = (kind, &file.usk) {
                self.unix(key, unix, &view);
            } else if let (Some(FdTypes::Inetsk), Some(inet)) = (kind, &file.isk) {
                self.tcp(key, inet, &view, diagnostics);
            }
        }
        // CRIU saves the queues of unix sockets; ids are unique within a type only before CRIU 3.4.
        for receiver in descriptors.receivers() {
            if case.files.get(FdTypes::Unixsk, receiver).is_none() {
                self.packets((FdTypes::Netlinksk as i32, receiver), Kind::Socket, false);
            }
        }
    }

    /// Adds what waits in the receive queue of a socket; gives the number of queues that this adds.
    fn packets(&mut self, key: FileKey, kind: Kind, is_stream: bool) -> usize {
        let before = self.list.len();
        let descriptors = self.descriptors;
        let readers = descriptors.pids(key);
        let mut stream = (Vec::new(), 0_usize);
        let mut senders: Vec<Sender> = Vec::new();
        for (index, packet) in descriptors.packets(key.1).iter().enumerate() {
            let payload = self.payload(SOCKET_QUEUES, &packet.payload);
            let sender = packet.sender.as_ref().map(Sender::from);
            if is_stream {
                senders.extend(sender.filter(|sender| !senders.contains(sender)));
                stream.0.extend(payload);
                stream.1 = stream.1.saturating_add(packet.rights.len());
            } else if let Some(queue) = self.add(kind, SOCKET_QUEUES, payload) {
                queue.message = Some(index);
                queue.in_flight_fds = packet.rights.len();
                queue.senders.extend(sender);
                if descriptors.names(readers.len()) {
                    queue.readers.clone_from(&readers);
                }
            }
        }
        if let Some(queue) = self.add(kind, SOCKET_QUEUES, stream.0) {
            queue.in_flight_fds = stream.1;
            queue.senders = senders;
            queue.readers = readers;
        }
        self.list.len().saturating_sub(before)
    }

    fn unix(&mut self, key: FileKey, unix: &proto::UnixSkEntry, view: &socket::View<'_>) {
        let count = self.packets(key, Kind::Unix, socket::is_stream(unix, self.descriptors.numbering));
        let senders = unix.ino.map(|inode| view.unix_senders(inode)).unwrap_or_default();
        let writers: BTreeSet<u32> = senders.iter().flat_map(|key| self.descriptors.pids(*key)).collect();
        for queue in self.list.iter_mut().rev().take(count) {
            queue.id = unix.ino;
            queue.path = socket::unix_path(unix);
            if self.descriptors.names(writers.len()) {
                queue.writers = writers.iter().copied().collect();
            }
        }
    }

    fn tcp(
        &mut self,
        key: FileKey,
        inet: &proto::InetSkEntry,
        view: &socket::View<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let Some(stream) = tcp_stream(self.case, inet, diagnostics) else { return };
        let holders = self.descriptors.pids(key);
        let peers = view.inet_peer(inet).map(|(key, _)| self.descriptors.pids(key)).unwrap_or_default();
        let (local, remote) = socket::endpoints(inet, self.images().order);
        let entry = &stream.entry;
        let sides = [
            (Direction::Received, &stream.received, entry.inq_seq, entry.inq_len, &peers, &holders),
            (Direction::Sent, &stream.sent, entry.outq_seq, entry.outq_len, &holders, &peers),
        ];
        for (direction, range, next, length, writers, readers) in sides {
            let payload = self.payload(&stream.name, range);
            if let Some(queue) = self.add(Kind::Tcp, &stream.name, payload) {
                queue.direction = Some(direction);
                queue.id = inet.ino;
                queue.local.clone_from(&local);
                queue.remote.clone_from(&remote);
                // Sequence numbers wrap around.
                queue.first_sequence = next.zip(length).map(|(next, length)| next.wrapping_sub(length));
                queue.unsent_bytes = entry.unsq_len.filter(|_| direction == Direction::Sent);
                queue.writers.clone_from(writers);
                queue.readers.clone_from(readers);
            }
        }
    }

    /// The ids of the two sides of a pseudoterminal differ in the last bit, which is set for the master.
    fn terminals(&mut self, diagnostics: &mut Vec<Diagnostic>) {
        const IMAGE: &str = "tty-data.img";
        let mut ends: HashMap<u32, Ends> = HashMap::new();
        for file in self.case.files.entries() {
            let Some((tty, id)) = file.tty.as_ref().and_then(|tty| Some((tty, tty.tty_info_id?))) else {
                continue;
            };
            let ends = ends.entry(id).or_default();
            ends.readers.extend(self.descriptors.pids(key_of(file).0));
            let named = tty.regf_id.or(tty.id).and_then(|id| self.case.files.regular(id));
            ends.path = named.and_then(|named| named.name.clone()).map(Text).or(ends.path.take());
        }
        let side = |id: u32| ends.get(&id).cloned().unwrap_or_default();
        for entry in self.images().read::<proto::TtyDataEntry>(IMAGE, diagnostics) {
            let Some(id) = entry.value.tty_id else { continue };
            if let Some(queue) = self.add(Kind::Tty, IMAGE, entry.value.data.unwrap_or_default()) {
                let this = side(id);
                queue.direction = Some(if id & 1 == 1 { Direction::Screen } else { Direction::Typed });
                queue.path = this.path;
                queue.readers = this.readers.into_iter().collect();
                queue.writers = side(id ^ 1).readers.into_iter().collect();
            }
        }
    }

    fn messages(&mut self, diagnostics: &mut Vec<Diagnostic>) {
        let case = self.case;
        let images = &case.checkpoint.images;
        for (name, _) in images.files().filter(|(name, _)| name.starts_with("ipcns-msg-")) {
            let Some(file) = images.file(name) else { continue };
            for (queue, messages) in read_message_queues(&file, diagnostics) {
                for (index, message) in messages.into_iter().enumerate() {
                    let payload = file.slice(&message.payload).to_vec();
                    if let Some(record) = self.add(Kind::SysvMessage, name, payload) {
                        record.id = queue.value.desc.as_ref().and_then(|desc| desc.id);
                        record.capacity = queue.value.qbytes;
                        record.message = Some(index);
                        record.message_type = message.value.mtype;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ckptfx_testkit::{Criu, rich, rich_old};

    use super::*;
    use crate::tests::with_case;

    #[test]
    fn everything_unread_with_who_wrote_it_for_whom() {
        let list = with_case(rich(), |case| queues(case, &|_| true));
        let shown: Vec<_> = list
            .iter()
            .map(|queue| {
                let pids = (queue.writers.as_slice(), queue.readers.as_slice());
                (queue.number, queue.kind.name(), queue.direction, pids, queue.text.trim_matches('\0'))
            })
            .collect();
        let (worker, shell): (&[u32], &[u32]) = (&[7], &[20]);
        assert_eq!(
            shown,
            [
                (1, "pipe", None, (worker, worker), "pipe data"),
                (2, "fifo", None, (worker, worker), "fifo data"),
                (3, "tcp", Some(Direction::Received), (&[][..], worker), "unread"),
                (4, "tcp", Some(Direction::Sent), (worker, &[][..]), "unsent"),
                (5, "unix", None, (worker, worker), "hello"),
                (6, "tty", Some(Direction::Typed), (shell, shell), "id; cat /etc/shadow\n"),
                (7, "tty", Some(Direction::Screen), (shell, shell), "root# "),
                (8, "sysv-message", None, (&[][..], &[][..]), "message"),
                (9, "sysv-message", None, (&[][..], &[][..]), ""),
            ]
        );
        assert_eq!(list[3].unsent_bytes, Some(3));
        assert_eq!((list[4].in_flight_fds, list[4].id), (1, Some(501)));
        assert_eq!((list[7].id, list[7].message_type, list[7].message), (Some(3), Some(1), Some(0)));
        assert_eq!(list[8].bytes, 17, "padding is no part of a message");
        let of_shell = with_case(rich(), |case| queues(case, &|task| task.process.pid == 20));
        assert_eq!(of_shell.iter().map(|queue| queue.number).collect::<Vec<_>>(), [6, 7]);
    }

    #[test]
    fn old_images_say_the_same() {
        for criu in [Criu::V3_3, Criu::V2_12, Criu::V1_5, Criu::V1_1] {
            let list = with_case(rich_old(criu), |case| queues(case, &|_| true));
            let texts: Vec<&str> = list.iter().map(|queue| queue.text.as_str()).collect();
            let terminals = if criu.since(2, 3) { 2 } else { 0 };
            assert_eq!(texts.len(), 7 + terminals, "{texts:?}");
            assert_eq!(texts[..5], ["pipe data", "fifo data", "unread", "unsent", "hello"]);
        }
    }
}
