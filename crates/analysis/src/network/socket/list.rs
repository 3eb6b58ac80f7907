//! Lists the sockets.

use std::collections::BTreeMap;

use ckptfx_parser::{
    Diagnostic,
    proto::{self, FileEntry},
};

use super::{
    options,
    record::{InFlight, QueueSize, Socket},
    short::{short, shutdown, type_name, type_of, unix_path},
    view::View,
};
use crate::{
    Case, Task, Text,
    files::{
        descriptor::{Descriptors, FileKey, Wanted, key_of},
        file::{Facts, Role},
    },
    network::stream::{Stream, tcp_stream},
    security::bpf::Instruction,
};

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

impl View<'_> {
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
