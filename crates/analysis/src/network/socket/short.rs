//! What names a socket: family, protocol, state, addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ckptfx_parser::{
    dynamic::{Numbering, Show, number_name},
    image::ByteOrder,
    proto::{self, FileEntry},
};

use super::endpoint::Endpoint;
use crate::{Text, files::file::SocketFacts};

/// What `files` shows of a socket; none if the entry is no socket.
pub(crate) fn short(entry: &FileEntry, order: ByteOrder, numbering: Numbering) -> Option<SocketFacts> {
    let mut facts =
        SocketFacts { family: None, protocol: None, state: None, local: None, remote: None, path: None };
    if let Some(inet) = &entry.isk {
        facts.family = match inet.family {
            Some(2) => Some("inet"),
            Some(10) => Some("inet6"),
            _ => None,
        };
        let number = inet.proto.map(u64::from);
        facts.protocol = number.map(|number| {
            number_name(Show::IpProtocol, number, numbering)
                .map_or_else(|| number.to_string(), str::to_lowercase)
        });
        facts.state = inet.state.and_then(state_name);
        (facts.local, facts.remote) = endpoints(inet, order);
    } else if let Some(unix) = &entry.usk {
        facts.family = Some("unix");
        facts.state = unix.state.and_then(state_name);
        facts.path = unix_path(unix);
    } else if let Some(netlink) = &entry.nlsk {
        /// `NETLINK_CONNECTED`.
        const CONNECTED: u32 = 1;
        facts.family = Some("netlink");
        facts.protocol = netlink.protocol.map(|number| {
            number_name(Show::NetlinkProtocol, u64::from(number), numbering)
                .map_or_else(|| number.to_string(), |name| format!("NETLINK_{name}"))
        });
        facts.state = netlink.state.map(|state| if state == CONNECTED { "ESTABLISHED" } else { "UNCONN" });
        facts.local = netlink.portid.map(|port| Endpoint { address: None, port: Some(port) });
        let peer = netlink.dst_portid.filter(|port| *port != 0);
        facts.remote = peer.map(|port| Endpoint { address: None, port: Some(port) });
    } else if let Some(packet) = &entry.psk {
        facts.family = Some("packet");
        facts.protocol = packet.protocol.map(|number| ether_type(number, order));
        facts.state = Some("UNCONN");
    } else {
        return None;
    }
    Some(facts)
}

/// Both ends of an inet socket. The port of a raw socket is its protocol, which is no port.
pub(crate) fn endpoints(
    socket: &proto::InetSkEntry,
    order: ByteOrder,
) -> (Option<Endpoint>, Option<Endpoint>) {
    /// `SOCK_RAW`, the same on every architecture.
    const RAW: u32 = 3;
    let is_ipv4 = socket.family == Some(2);
    let port = |port: Option<u32>| port.filter(|_| socket.r#type != Some(RAW));
    let local = address(&socket.src_addr, order, is_ipv4);
    let remote = address(&socket.dst_addr, order, is_ipv4);
    let connected = remote.is_some_and(|address| !address.is_unspecified())
        || socket.dst_port.is_some_and(|port| port != 0);
    let end = |address: Option<IpAddr>, port: Option<u32>| {
        address.map(|address| Endpoint { address: Some(address.to_string()), port })
    };
    let remote = if connected { end(remote, port(socket.dst_port)) } else { None };
    (end(local, port(socket.src_port)), remote)
}

/// Words whose bytes in the memory of the host are an address.
fn address(words: &[u32], order: ByteOrder, is_ipv4: bool) -> Option<IpAddr> {
    let bytes: Vec<u8> = words
        .iter()
        .take(4)
        .flat_map(|word| match order {
            ByteOrder::Little => word.to_le_bytes(),
            ByteOrder::Big => word.to_be_bytes(),
        })
        .collect();
    // Very old dumps keep four words for IPv4 as well.
    if is_ipv4 {
        return bytes.first_chunk::<4>().map(|bytes| Ipv4Addr::from(*bytes).into());
    }
    bytes.first_chunk::<16>().map(|bytes| Ipv6Addr::from(*bytes).into())
}

/// Name of a unix socket: a path without the NUL that ends it, or `@` and an abstract name.
pub(crate) fn unix_path(socket: &proto::UnixSkEntry) -> Option<Text> {
    let name = socket.name.as_deref().filter(|name| !name.is_empty())?;
    if let Some(name) = name.strip_prefix(b"\0") {
        return Some(Text([b"@", name].concat()));
    }
    Some(Text(name.strip_suffix(b"\0").unwrap_or(name).to_vec()))
}

/// The states as `ss` names them; a closed socket is one that is not connected.
fn state_name(state: u32) -> Option<&'static str> {
    Some(match state {
        1 => "ESTABLISHED",
        2 => "SYN-SENT",
        3 => "SYN-RECV",
        4 => "FIN-WAIT-1",
        5 => "FIN-WAIT-2",
        6 => "TIME-WAIT",
        7 => "UNCONN",
        8 => "CLOSE-WAIT",
        9 => "LAST-ACK",
        10 => "LISTEN",
        11 => "CLOSING",
        _ => return None,
    })
}

/// Whether messages of a unix socket have no borders.
pub(crate) fn is_stream(socket: &proto::UnixSkEntry, numbering: Numbering) -> bool {
    socket.r#type.and_then(|number| type_name(number, numbering)) == Some("stream")
}

pub(super) fn type_of(entry: &FileEntry) -> Option<u32> {
    None.or_else(|| entry.isk.as_ref()?.r#type)
        .or_else(|| entry.usk.as_ref()?.r#type)
        .or_else(|| entry.psk.as_ref()?.r#type)
}

pub(super) fn type_name(number: u32, numbering: Numbering) -> Option<&'static str> {
    Some(match number_name(Show::SocketType, u64::from(number), numbering)? {
        "STREAM" => "stream",
        "DGRAM" => "dgram",
        "RAW" => "raw",
        "SEQPACKET" => "seqpacket",
        _ => return None,
    })
}

pub(super) fn shutdown(number: Option<i32>) -> Option<&'static str> {
    match number? {
        1 => Some("read"),
        2 => Some("write"),
        3 => Some("both"),
        _ => None,
    }
}

/// An `EtherType` that the host kept in network order.
fn ether_type(number: u32, order: ByteOrder) -> String {
    let Ok(value) = u16::try_from(number) else { return number.to_string() };
    let value = if order == ByteOrder::Little { value.swap_bytes() } else { value };
    let name = match value {
        0x0003 => "ETH_P_ALL",
        0x0800 => "ETH_P_IP",
        0x0806 => "ETH_P_ARP",
        0x8100 => "ETH_P_8021Q",
        0x86dd => "ETH_P_IPV6",
        0x888e => "ETH_P_PAE",
        0x88cc => "ETH_P_LLDP",
        _ => return format!("{value:#06x}"),
    };
    name.to_owned()
}
