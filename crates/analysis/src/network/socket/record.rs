//! A socket as it is listed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::endpoint::Endpoint;
use crate::{
    Text,
    files::{descriptor::Holder, file::Kind},
};

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
