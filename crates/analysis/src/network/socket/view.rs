//! Sockets by what names them, to find the other ends of connections.

use std::collections::HashMap;

use ckptfx_parser::{
    Diagnostic,
    image::ByteOrder,
    proto::{self, FdTypes},
};

use super::{endpoint::Endpoint, short::endpoints};
use crate::{
    Case, Text,
    files::descriptor::{Descriptors, FileKey, key_of},
};

/// Network namespace, protocol, local and remote end: what names a connection.
type Connection = (Option<u32>, Option<u32>, Option<Endpoint>, Option<Endpoint>);

/// What descriptions of sockets are made of.
pub(crate) struct View<'c> {
    pub(super) case: &'c Case<'c>,
    pub(super) descriptors: &'c Descriptors,
    unix: HashMap<u32, &'c proto::UnixSkEntry>,
    /// Unix sockets by the inode that they send to.
    senders: HashMap<u32, Vec<FileKey>>,
    connections: HashMap<Connection, (FileKey, u32)>,
    pub(super) interfaces: HashMap<(u32, u32), Text>,
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

    pub(super) fn order(&self) -> ByteOrder {
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
