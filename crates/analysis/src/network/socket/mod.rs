//! Sockets as `ss` shows them, with who holds them and what waits in them (`format.md §9`).

mod options;
mod short;

use std::collections::{BTreeMap, HashMap};

use ckptfx_parser::{
    Diagnostic,
    image::ByteOrder,
    proto::{self, FdTypes, FileEntry},
};
use schemars::JsonSchema;
use serde::Serialize;

pub(crate) use self::short::{endpoints, is_stream, short, unix_path};
use self::short::{shutdown, type_name, type_of};
use crate::{
    Case, Task, Text,
    files::{
        descriptor::{Descriptors, FileKey, Holder, Wanted, key_of},
        file::{Facts, Kind, Role},
    },
    network::queue::{Stream, tcp_stream},
    security::bpf::Instruction,
};

/// One side of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, JsonSchema)]
pub struct Endpoint {
    /// IP address; null for netlink.
    pub address: Option<String>,
    /// Port; of netlink the port id. Null for raw sockets, which have none.
    pub port: Option<u32>,
}

/// `10.0.0.2:80`, `[::1]:80`; `*` for what is not there.
pub fn shown(end: &Endpoint) -> String {
    let address = end.address.as_deref().unwrap_or("*");
    let port = end.port.map_or_else(|| "*".to_owned(), |port| port.to_string());
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

/// What waits in a queue of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct QueueSize {
    /// Bytes.
    pub bytes: u64,
}

/// A descriptor that waits to be received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct InFlight {
    /// What it refers to.
    pub kind: Option<Kind>,
    /// As readlink would show it.
    pub link: Option<Text>,
}

/// A socket. `null` is "not recorded" or "has none".
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Socket {
    /// `inet`, `inet6`, `unix`, `netlink`, `packet`.
    pub family: Option<&'static str>,
    /// `stream`, `dgram`, `raw`, `seqpacket`.
    pub r#type: Option<&'static str>,
    /// `tcp`, `udp`, `icmp`, …; `NETLINK_…`; `ETH_P_…` of packet sockets; a number without a name.
    pub protocol: Option<String>,
    /// `LISTEN`, `ESTABLISHED`, `UNCONN` (not connected), `SYN-SENT`, `CLOSE-WAIT`, … as `ss` names them.
    pub state: Option<&'static str>,
    /// Local address.
    pub local: Option<Endpoint>,
    /// Remote address; null when there is none.
    pub remote: Option<Endpoint>,
    /// Name of a unix socket; that of an abstract one begins with `@`.
    pub path: Option<Text>,
    /// Name of the other end of a unix socket.
    pub peer_path: Option<Text>,
    /// Interface that it is bound to, or that a link-local address belongs to.
    pub interface: Option<Text>,
    /// Inode; not recorded for packet sockets.
    pub inode: Option<u32>,
    /// Inode of the other end, if it is a unix socket or in the checkpoint as well.
    pub peer_inode: Option<u32>,
    /// Processes that hold the other end; none when it is outside of the container.
    pub peer_pids: Vec<u32>,
    /// Received and not read. Not recorded for UDP, raw and packet sockets.
    pub receive_queue: Option<QueueSize>,
    /// Sent and not acknowledged, or not sent yet. For unix sockets the kernel memory that messages take which
    /// the other end did not read, as in `ss`: more than their bytes.
    pub send_queue: Option<QueueSize>,
    /// Connections that a listening socket lets wait. Those that waited are not recorded.
    pub backlog: Option<u32>,
    /// `read`, `write` or `both` when these directions are shut down.
    pub shutdown: Option<&'static str>,
    /// Descriptors that wait in its receive queue.
    pub in_flight_fds: Vec<InFlight>,
    /// Whether a packet socket asked for frames to other hosts; null for other sockets.
    pub promiscuous: Option<bool>,
    /// Attached filter program in the notation of the kernel's `bpf_asm`, an instruction each; null if there is none.
    pub filter: Option<Vec<String>>,
    /// Options that are set, by their names in the kernel. Those that are false or zero are left out.
    pub options: BTreeMap<&'static str, serde_json::Value>,
    /// Descriptors that refer to it.
    pub holders: Vec<Holder>,
    /// CRIU's number for its network namespace; since CRIU 3.8.
    pub net_ns: Option<u32>,
}

/// The sockets that processes hold which `wanted` accepts; those that nobody holds when it accepts all.
pub fn sockets(case: &mut Case<'_>, wanted: &dyn Fn(&Task<'_>) -> bool) -> Vec<Socket> {
    let mut diagnostics = Vec::new();
    let descriptors = Descriptors::read(case, &mut diagnostics);
    let facts = Facts::read(case, descriptors.numbering, &mut diagnostics);
    let view = View::read(case, &descriptors, &mut diagnostics);
    let wanted = Wanted::of(case, wanted);
    let mut list = Vec::new();
    for entry in case.files.entries() {
        let (key, _) = key_of(entry);
        if wanted.any(descriptors.holders(key).iter().map(|holder| &holder.pid))
            && let Some(socket) = view.socket(entry, key, &facts, &mut diagnostics)
        {
            list.push(socket);
        }
    }
    drop((view, facts));
    descriptors.finish(&mut diagnostics);
    case.diagnostics.extend(diagnostics);
    list
}

/// Network namespace, protocol, local and remote end: what names a connection.
type Connection = (Option<u32>, Option<u32>, Option<Endpoint>, Option<Endpoint>);

/// What descriptions of sockets are made of.
pub(crate) struct View<'c> {
    case: &'c Case<'c>,
    descriptors: &'c Descriptors,
    unix: HashMap<u32, &'c proto::UnixSkEntry>,
    /// Unix sockets by the inode that they send to.
    senders: HashMap<u32, Vec<FileKey>>,
    connections: HashMap<Connection, (FileKey, u32)>,
    interfaces: HashMap<(u32, u32), Text>,
}

impl<'c> View<'c> {
    pub fn read(case: &'c Case<'c>, descriptors: &'c Descriptors, diagnostics: &mut Vec<Diagnostic>) -> Self {
        let mut view = Self {
            case,
            descriptors,
            unix: HashMap::new(),
            senders: HashMap::new(),
            connections: HashMap::new(),
            interfaces: interfaces(case, diagnostics),
        };
        for entry in case.files.entries() {
            let (key, _) = key_of(entry);
            if let Some((socket, ino)) = entry.usk.as_ref().and_then(|socket| Some((socket, socket.ino?))) {
                view.unix.insert(ino, socket);
                if let Some(peer) = socket.peer.filter(|peer| *peer != 0) {
                    view.senders.entry(peer).or_default().push(key);
                }
            }
            if let Some((socket, ino)) = entry.isk.as_ref().and_then(|socket| Some((socket, socket.ino?))) {
                let (local, remote) = endpoints(socket, view.order());
                if remote.is_some() {
                    view.connections.insert((socket.ns_id, socket.proto, local, remote), (key, ino));
                }
            }
        }
        view
    }

    fn order(&self) -> ByteOrder {
        self.case.checkpoint.images.order
    }

    /// The other end of a TCP or UDP connection, when both are in the checkpoint: type and id, and inode.
    pub fn inet_peer(&self, socket: &proto::InetSkEntry) -> Option<(FileKey, u32)> {
        let (local, remote) = endpoints(socket, self.order());
        self.connections.get(&(socket.ns_id, socket.proto, remote, local)).copied()
    }

    /// The other end of a unix connection, if it is in the checkpoint.
    pub fn unix_peer(&self, socket: &proto::UnixSkEntry) -> Option<(FileKey, &'c proto::UnixSkEntry)> {
        let peer = self.unix.get(&socket.peer.filter(|peer| *peer != 0)?)?;
        Some(((FdTypes::Unixsk as i32, peer.id?), peer))
    }

    /// Unix sockets that send to the one with this inode.
    pub fn unix_senders(&self, inode: u32) -> &[FileKey] {
        self.senders.get(&inode).map(Vec::as_slice).unwrap_or_default()
    }

    fn socket(
        &self,
        entry: &FileEntry,
        key: FileKey,
        facts: &Facts<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Socket> {
        let numbering = self.descriptors.numbering;
        let short = short(entry, self.order(), numbering)?;
        let mut socket = Socket {
            family: short.family,
            r#type: None,
            protocol: short.protocol,
            state: short.state,
            local: short.local,
            remote: short.remote,
            path: short.path,
            peer_path: None,
            interface: None,
            inode: None,
            peer_inode: None,
            peer_pids: Vec::new(),
            receive_queue: None,
            send_queue: None,
            backlog: None,
            shutdown: None,
            in_flight_fds: Vec::new(),
            promiscuous: None,
            filter: None,
            options: BTreeMap::new(),
            holders: self.descriptors.holders(key).to_vec(),
            net_ns: None,
        };
        let opts = if let Some(inet) = &entry.isk {
            self.inet(&mut socket, inet, diagnostics);
            inet.opts.as_ref()
        } else if let Some(unix) = &entry.usk {
            self.unix(&mut socket, unix);
            unix.opts.as_ref()
        } else if let Some(packet) = &entry.psk {
            self.packet(&mut socket, packet);
            packet.opts.as_ref()
        } else {
            let netlink = entry.nlsk.as_ref()?;
            socket.inode = netlink.ino;
            socket.net_ns = netlink.ns_id;
            options::netlink(&mut socket.options, netlink);
            netlink.opts.as_ref()
        };
        let number = type_of(entry);
        let is_stand_in = socket.family == Some("unix") && socket.state.is_none();
        socket.r#type = number.filter(|_| !is_stand_in).and_then(|number| type_name(number, numbering));
        if let Some(opts) = opts {
            options::common(&mut socket.options, opts);
            let program = opts.so_filter.iter().map(|word| Instruction::from(*word).to_string());
            socket.filter = (!opts.so_filter.is_empty()).then(|| program.collect());
            let bound = opts.so_bound_dev.clone().filter(|name| !name.is_empty()).map(Text);
            socket.interface = bound.or_else(|| socket.interface.take());
        }
        for id in self.descriptors.packets(key.1).iter().flat_map(|packet| &packet.rights) {
            let file = self.descriptors.in_flight(*id).map(|key| facts.describe(key, Role::InFlight));
            socket.in_flight_fds.push(InFlight {
                kind: file.as_ref().and_then(|file| file.kind),
                link: file.and_then(|file| file.link),
            });
        }
        Some(socket)
    }

    fn inet(&self, socket: &mut Socket, inet: &proto::InetSkEntry, diagnostics: &mut Vec<Diagnostic>) {
        socket.inode = inet.ino;
        socket.net_ns = inet.ns_id;
        socket.interface = inet.ifname.clone().filter(|name| !name.is_empty()).map(Text);
        socket.shutdown = shutdown(inet.shutdown);
        if socket.state == Some("LISTEN") {
            socket.backlog = inet.backlog;
        }
        options::inet(&mut socket.options, inet);
        if let Some((key, inode)) = self.inet_peer(inet) {
            socket.peer_inode = Some(inode);
            socket.peer_pids = self.descriptors.pids(key);
        }
        if let Some(Stream { entry, received, sent, .. }) = tcp_stream(self.case, inet, diagnostics) {
            socket.receive_queue = Some(QueueSize { bytes: received.end.saturating_sub(received.start) });
            socket.send_queue = Some(QueueSize { bytes: sent.end.saturating_sub(sent.start) });
            options::stream(&mut socket.options, &entry);
        }
    }

    fn unix(&self, socket: &mut Socket, unix: &proto::UnixSkEntry) {
        /// CRIU's mark of a socket outside of what was dumped.
        const EXTERN: u32 = 1;
        socket.inode = unix.ino;
        socket.net_ns = unix.ns_id;
        socket.shutdown = shutdown(unix.shutdown);
        socket.peer_inode = unix.peer.filter(|peer| *peer != 0);
        if let Some((key, peer)) = self.unix_peer(unix) {
            socket.peer_pids = self.descriptors.pids(key);
            socket.peer_path = unix_path(peer);
        }
        options::unix(&mut socket.options, unix);
        if unix.uflags.unwrap_or(0) & EXTERN != 0 && socket.holders.is_empty() {
            // CRIU writes such an entry in the place of a socket outside, with a type and state of its own.
            socket.state = None;
        } else if socket.state == Some("LISTEN") {
            socket.backlog = unix.backlog;
        } else {
            let waiting = unix.id.map(|id| self.descriptors.packets(id)).unwrap_or_default();
            let bytes =
                waiting.iter().map(|packet| packet.payload.end.saturating_sub(packet.payload.start)).sum();
            socket.receive_queue = Some(QueueSize { bytes });
            // The kernel reports what is queued to be sent in the place of the backlog, and CRIU keeps it there.
            socket.send_queue = unix.backlog.map(|bytes| QueueSize { bytes: u64::from(bytes) });
        }
    }

    fn packet(&self, socket: &mut Socket, packet: &proto::PacketSockEntry) {
        /// `PACKET_MR_PROMISC`.
        const PROMISCUOUS: u32 = 1;
        socket.net_ns = packet.ns_id;
        socket.promiscuous =
            Some(packet.mclist.iter().any(|membership| membership.r#type == Some(PROMISCUOUS)));
        socket.interface = packet
            .ifindex
            .filter(|index| *index != 0)
            .and_then(|index| self.interfaces.get(&(packet.ns_id?, index)).cloned());
        options::packet(&mut socket.options, packet, self.descriptors.numbering);
    }
}

/// Names of interfaces by network namespace and index; a namespace that CRIU did not dump has none.
fn interfaces(case: &Case<'_>, diagnostics: &mut Vec<Diagnostic>) -> HashMap<(u32, u32), Text> {
    let images = &case.checkpoint.images;
    let mut found = HashMap::new();
    for (name, _) in images.files() {
        let number = name.strip_prefix("netdev-").and_then(|rest| rest.strip_suffix(".img")?.parse().ok());
        let Some(namespace) = number else { continue };
        for entry in images.read::<proto::NetDeviceEntry>(name, diagnostics) {
            if let (Some(index), Some(name)) = (entry.value.ifindex, entry.value.name) {
                found.insert((namespace, index), Text(name));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use ckptfx_testkit::{Checkpoint, File, FileKind, Process, rich};

    use super::*;
    use crate::tests::with_case;

    fn all(dump: Checkpoint) -> Vec<Socket> {
        with_case(dump, |case| sockets(case, &|_| true))
    }

    fn of(files: impl IntoIterator<Item = File>) -> Vec<Socket> {
        let process = (3..).zip(files).fold(Process::new(1), |process, (fd, file)| process.fd(fd, file));
        all(Checkpoint::new().process(process))
    }

    #[test]
    fn both_ends_find_each_other() {
        let list = of([
            File::tcp("127.0.0.1:80", "127.0.0.1:9999").queued("unread"),
            File::tcp("127.0.0.1:9999", "127.0.0.1:80"),
            File::tcp("127.0.0.1:80", "127.0.0.1:9998"),
        ]);
        assert_eq!(list[0].peer_inode, list[1].inode);
        assert_eq!(list[1].peer_inode, list[0].inode);
        assert_eq!(list[0].peer_pids, [1]);
        assert_eq!(list[0].receive_queue, Some(QueueSize { bytes: 6 }));
        assert_eq!((list[2].peer_inode, &list[2].peer_pids), (None, &Vec::new()));
    }

    #[test]
    fn addresses_and_states() {
        let list = of([
            File::tcp_listen("[::]:443"),
            File::tcp("[::ffff:192.0.2.1]:443", "[::ffff:198.51.100.7]:5000"),
            File::udp("0.0.0.0:53", None),
            File::raw_socket(1),
            File::inet(136, 2, 1, "[fe80::1]:7", Some("[fe80::2]:8")),
        ]);
        let shown: Vec<_> = list
            .iter()
            .map(|socket| {
                let end =
                    |end: &Option<Endpoint>| end.as_ref().map(|end| (end.address.clone().unwrap(), end.port));
                (
                    socket.protocol.clone().unwrap(),
                    socket.state.unwrap(),
                    end(&socket.local),
                    end(&socket.remote),
                )
            })
            .collect();
        let end = |address: &str, port| Some((address.to_owned(), port));
        assert_eq!(
            shown,
            [
                ("tcp".to_owned(), "LISTEN", end("::", Some(443)), None),
                (
                    "tcp".to_owned(),
                    "ESTABLISHED",
                    end("::ffff:192.0.2.1", Some(443)),
                    end("::ffff:198.51.100.7", Some(5000))
                ),
                ("udp".to_owned(), "UNCONN", end("0.0.0.0", Some(53)), None),
                ("icmp".to_owned(), "UNCONN", end("0.0.0.0", None), None),
                ("udplite".to_owned(), "ESTABLISHED", end("fe80::1", Some(7)), end("fe80::2", Some(8))),
            ]
        );
        assert_eq!(list[0].backlog, Some(128));
        assert_eq!(list[2].receive_queue, None, "not recorded is not empty");
    }

    #[test]
    fn unix_names_peers_and_descriptors_in_flight() {
        let list = all(rich());
        let unix = |inode| list.iter().find(|socket| socket.inode == Some(inode)).unwrap();
        assert_eq!(unix(503).path, Some("@control".into()));
        assert_eq!(unix(504).path, Some("/var/run/docker.sock".into()));
        assert_eq!((unix(504).peer_inode, &unix(504).peer_pids), (Some(9999), &Vec::new()));
        assert_eq!(unix(501).peer_pids, [7]);
        assert_eq!(unix(501).receive_queue, Some(QueueSize { bytes: 5 }));
        assert_eq!(
            unix(501).in_flight_fds,
            [InFlight { kind: Some(Kind::Regular), link: Some("/etc/shadow".into()) }]
        );
    }

    #[test]
    fn a_sniffer_is_told() {
        let list = of([
            File::other(FileKind::Packet(3, 768, 2, true)),
            File::other(FileKind::Packet(2, 8, 0, false)),
            File::other(FileKind::Netlink(9, 7, vec![0b101])),
        ]);
        assert_eq!(list[0].protocol.as_deref(), Some("ETH_P_ALL"));
        assert_eq!((list[0].promiscuous, list[0].r#type), (Some(true), Some("raw")));
        assert_eq!((list[1].promiscuous, list[1].protocol.as_deref()), (Some(false), Some("ETH_P_IP")));
        assert_eq!((list[2].promiscuous, list[2].protocol.as_deref()), (None, Some("NETLINK_AUDIT")));
        assert_eq!(list[2].options["groups"], serde_json::json!([1, 3]));
    }

    #[test]
    fn a_lost_stream_is_told() {
        let mut file = File::tcp("10.0.0.2:1", "10.0.0.3:2");
        file.inet_mut().stream = false;
        let dump = Checkpoint::new().process(Process::new(1).fd(3, file));
        with_case(dump, |case| {
            let list = sockets(case, &|_| true);
            assert_eq!((list[0].receive_queue, list[0].send_queue), (None, None));
            assert!(case.diagnostics.iter().any(|problem| problem.subject.starts_with("tcp-stream-")));
        });
    }
}
