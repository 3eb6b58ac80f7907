//! Addresses, routes, rules and connections from netlink messages (`format.md §11.5`, `§11.6`).

use std::{collections::BTreeMap, net::IpAddr};

use ckptfx_parser::{
    image::ByteOrder,
    netlink::{Attribute, Attributes, Message, NEW_ADDRESS, NEW_CONNECTION, NEW_ROUTE, NEW_RULE},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::Text;

/// An address of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Address {
    /// CRIU's number for the network namespace.
    pub net_ns: u32,
    /// Index of the device.
    pub index: Option<u32>,
    /// Name of the device, if its image is there.
    pub interface: Option<Text>,
    /// Address with the length of its network's prefix, such as `10.0.0.2/24`.
    pub address: String,
    /// Address of the other end of a point-to-point link.
    pub peer: Option<IpAddr>,
    /// Broadcast address.
    pub broadcast: Option<IpAddr>,
    /// Label.
    pub label: Option<Text>,
    /// `global`, `site`, `link`, `host`, `nowhere`, or a number.
    pub scope: String,
}

/// One way of a route that has several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NextHop {
    /// Where packets are sent; null when the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// Index of the device.
    pub index: u32,
    /// Name of the device, if its image is there.
    pub interface: Option<Text>,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Route {
    /// CRIU's number for the network namespace.
    pub net_ns: u32,
    /// Network or host, or `default`.
    pub destination: String,
    /// Only packets from there; null for any.
    pub source: Option<String>,
    /// Where packets are sent; null when the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// Index of the device.
    pub index: Option<u32>,
    /// Name of the device, if its image is there.
    pub interface: Option<Text>,
    /// Address that packets get as their source.
    pub preferred_source: Option<IpAddr>,
    /// Metric: of several routes the one with the lowest is used.
    pub metric: Option<u32>,
    /// Routing table; 254 is the main one.
    pub table: u32,
    /// What made it, such as `kernel`, `static`, `dhcp`, or a number.
    pub protocol: String,
    /// `unicast`, `local`, `blackhole`…, or a number.
    #[serde(rename = "type")]
    pub route_type: String,
    /// As of addresses.
    pub scope: String,
    /// The ways, when there are several.
    pub next_hops: Vec<NextHop>,
}

/// A rule that says which routing table is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Rule {
    /// CRIU's number for the network namespace.
    pub net_ns: u32,
    /// Place in the order of the rules, the lowest first; absent is 0.
    pub priority: u32,
    /// `inet`, `inet6`, or a number.
    pub family: String,
    /// Whether the rule is for the packets that its conditions do not fit.
    pub inverted: bool,
    /// Only packets from there; null for any.
    pub source: Option<String>,
    /// Only packets to there; null for any.
    pub destination: Option<String>,
    /// Only packets that came in by this device.
    pub input_interface: Option<Text>,
    /// Only packets that go out by this device.
    pub output_interface: Option<Text>,
    /// Only packets with this mark.
    pub mark: Option<u32>,
    /// Bits of the mark that count; null for all.
    pub mark_mask: Option<u32>,
    /// Only packets of sockets of these users; null for any.
    pub uid_range: Option<Range>,
    /// Only this transport protocol, by name or number.
    pub protocol: Option<String>,
    /// Only packets from these ports.
    pub source_ports: Option<Range>,
    /// Only packets to these ports.
    pub destination_ports: Option<Range>,
    /// `lookup`, `blackhole`, `unreachable`, `prohibit`…, or a number.
    pub action: String,
    /// The table asked.
    pub table: u32,
}

/// Numbers from one to another, both among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Range {
    /// The lowest.
    pub first: u32,
    /// The highest.
    pub last: u32,
}

/// Both ends of one direction of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Tuple {
    /// Sender.
    pub source: Option<IpAddr>,
    /// Its port; null for protocols without.
    pub source_port: Option<u16>,
    /// Receiver.
    pub destination: Option<IpAddr>,
    /// Its port; null for protocols without.
    pub destination_port: Option<u16>,
}

/// A connection that the kernel tracked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Connection {
    /// CRIU's number for the network namespace.
    pub net_ns: u32,
    /// `tcp`, `udp`, `icmp`…, or a number.
    pub protocol: Option<String>,
    /// As it was begun.
    pub original: Tuple,
    /// The way back: where it is not the original turned round, addresses were translated.
    pub reply: Option<Tuple>,
    /// `IPS_*` without the prefix.
    pub status: Vec<String>,
    /// Seconds until the kernel would have forgotten it.
    pub timeout_seconds: Option<u32>,
    /// Mark.
    pub mark: Option<u32>,
}

type Names = &'static [(u8, &'static str)];

const SCOPES: Names = &[(0, "global"), (200, "site"), (253, "link"), (254, "host"), (255, "nowhere")];
const PROTOCOLS: Names = &[
    (0, "unspec"),
    (1, "redirect"),
    (2, "kernel"),
    (3, "boot"),
    (4, "static"),
    (9, "ra"),
    (11, "zebra"),
    (12, "bird"),
    (16, "dhcp"),
    (186, "bgp"),
];
const TYPES: Names = &[
    (0, "unspec"),
    (1, "unicast"),
    (2, "local"),
    (3, "broadcast"),
    (4, "anycast"),
    (5, "multicast"),
    (6, "blackhole"),
    (7, "unreachable"),
    (8, "prohibit"),
    (9, "throw"),
];
const ACTIONS: Names =
    &[(1, "lookup"), (2, "goto"), (3, "nop"), (6, "blackhole"), (7, "unreachable"), (8, "prohibit")];
const FAMILIES: Names = &[(2, "inet"), (10, "inet6")];
const TRANSPORTS: Names = &[
    (1, "icmp"),
    (6, "tcp"),
    (17, "udp"),
    (33, "dccp"),
    (47, "gre"),
    (58, "icmpv6"),
    (132, "sctp"),
    (136, "udplite"),
];
/// Bits of the status of a connection, from the lowest.
const STATUS: [&str; 11] = [
    "EXPECTED",
    "SEEN_REPLY",
    "ASSURED",
    "CONFIRMED",
    "SRC_NAT",
    "DST_NAT",
    "SEQ_ADJUST",
    "SRC_NAT_DONE",
    "DST_NAT_DONE",
    "DYING",
    "FIXED_TIMEOUT",
];

fn named(names: Names, number: u8) -> String {
    let found = names.iter().find(|(known, _)| *known == number);
    found.map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned())
}

fn ip(attribute: Attribute<'_>) -> Option<IpAddr> {
    ip_of(attribute.value)
}

fn ip_of(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    four.or_else(|| <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from))
}

/// Connection tracking has its numbers in network order.
fn big_word(attribute: Attribute<'_>) -> Option<u32> {
    ByteOrder::Big.word(attribute.value, 0)
}

/// What is needed to read messages.
pub(super) struct Context<'a> {
    pub net_ns: u32,
    pub order: ByteOrder,
    /// Devices by index.
    pub names: &'a BTreeMap<u32, Text>,
}

impl Context<'_> {
    fn name(&self, index: Option<u32>) -> Option<Text> {
        self.names.get(&index?).cloned()
    }

    /// `struct ifaddrmsg` with `IFA_*`.
    pub(super) fn address(&self, message: &Message<'_>) -> Option<Address> {
        let [_, prefix, _, scope, ..] = *message.head else { return None };
        if message.kind != NEW_ADDRESS {
            return None;
        }
        let find = |kind| message.attributes.find(kind).and_then(ip);
        let (remote, local) = (find(1), find(2));
        let address = local.or(remote)?;
        let index = self.order.word(message.head, 4);
        Some(Address {
            net_ns: self.net_ns,
            index,
            interface: self.name(index),
            address: format!("{address}/{prefix}"),
            peer: remote.filter(|remote| *remote != address),
            broadcast: find(4),
            label: message.attributes.find(3).map(|label| label.text().into()),
            scope: named(SCOPES, scope),
        })
    }

    /// `struct rtmsg` with `RTA_*`.
    pub(super) fn route(&self, message: &Message<'_>) -> Option<Route> {
        let [_, to, from, _, table, protocol, scope, route_type, ..] = *message.head else { return None };
        if message.kind != NEW_ROUTE {
            return None;
        }
        let attributes = message.attributes;
        let find = |kind| attributes.find(kind).and_then(ip);
        let word = |kind| attributes.find(kind).and_then(|attribute| attribute.word());
        let index = word(4);
        Some(Route {
            net_ns: self.net_ns,
            destination: find(1).map_or_else(|| "default".to_owned(), |address| format!("{address}/{to}")),
            source: find(2).map(|address| format!("{address}/{from}")),
            gateway: gateway(attributes),
            index,
            interface: self.name(index),
            preferred_source: find(7),
            metric: word(6),
            table: word(15).unwrap_or(u32::from(table)),
            protocol: named(PROTOCOLS, protocol),
            route_type: named(TYPES, route_type),
            scope: named(SCOPES, scope),
            next_hops: attributes.find(9).map_or_else(Vec::new, |hops| self.next_hops(hops.value)),
        })
    }

    /// An array of `struct rtnexthop`, each with attributes of its own.
    fn next_hops(&self, mut bytes: &[u8]) -> Vec<NextHop> {
        const HEADER: usize = 8;
        let mut hops = Vec::new();
        while let (Some(length), Some(index)) = (self.order.half(bytes, 0), self.order.word(bytes, 4)) {
            // A length below that of the header would never come to an end.
            let Some(inner) = bytes.get(HEADER..usize::from(length)) else { break };
            hops.push(NextHop {
                gateway: gateway(Attributes::new(inner, self.order)),
                index,
                interface: self.name(Some(index)),
            });
            bytes = bytes.get(usize::from(length).next_multiple_of(4)..).unwrap_or_default();
        }
        hops
    }

    /// `struct fib_rule_hdr` with `FRA_*`.
    pub(super) fn rule(&self, message: &Message<'_>) -> Option<Rule> {
        let [family, to, from, _, table, _, _, action, ..] = *message.head else { return None };
        if message.kind != NEW_RULE {
            return None;
        }
        let attributes = message.attributes;
        let network = |kind, prefix: u8| {
            attributes.find(kind).and_then(ip).map(|address| format!("{address}/{prefix}"))
        };
        let word = |kind| attributes.find(kind).and_then(|attribute| attribute.word());
        let text = |kind| attributes.find(kind).map(|attribute| Text::from(attribute.text()));
        let value = |kind| attributes.find(kind).map(|attribute| attribute.value);
        let ports = |kind| {
            let bytes = value(kind)?;
            let (first, last) = (self.order.half(bytes, 0)?, self.order.half(bytes, 2)?);
            Some(Range { first: first.into(), last: last.into() })
        };
        // FIB_RULE_INVERT
        let inverted = self.order.word(message.head, 8).is_some_and(|flags| flags & 2 != 0);
        Some(Rule {
            net_ns: self.net_ns,
            priority: word(6).unwrap_or(0),
            family: named(FAMILIES, family),
            inverted,
            source: network(2, from),
            destination: network(1, to),
            input_interface: text(3),
            output_interface: text(17),
            mark: word(10),
            mark_mask: word(16).filter(|mask| *mask != u32::MAX),
            uid_range: value(20).and_then(|bytes| {
                Some(Range { first: self.order.word(bytes, 0)?, last: self.order.word(bytes, 4)? })
            }),
            protocol: value(22).and_then(|bytes| Some(named(TRANSPORTS, *bytes.first()?))),
            source_ports: ports(23),
            destination_ports: ports(24),
            action: named(ACTIONS, action),
            table: word(15).unwrap_or(u32::from(table)),
        })
    }

    /// `CTA_*`.
    pub(super) fn connection(&self, message: &Message<'_>) -> Option<Connection> {
        if message.kind != NEW_CONNECTION {
            return None;
        }
        let find = |kind| message.attributes.find(kind);
        let original = find(1)?.attributes();
        let protocol = original.find(2).and_then(|inner| inner.attributes().find(1));
        let status = find(3).and_then(big_word).unwrap_or(0);
        let bits = STATUS.iter().enumerate().filter(|(bit, _)| status >> bit & 1 == 1);
        Some(Connection {
            net_ns: self.net_ns,
            protocol: protocol.and_then(|inner| Some(named(TRANSPORTS, *inner.value.first()?))),
            original: tuple(original),
            reply: find(2).map(|reply| tuple(reply.attributes())),
            status: bits.map(|(_, name)| (*name).to_owned()).collect(),
            timeout_seconds: find(7).and_then(big_word),
            mark: find(8).and_then(big_word),
        })
    }
}

/// `RTA_GATEWAY`, or `RTA_VIA`: a family and an address, for a gateway of the other family.
fn gateway(attributes: Attributes<'_>) -> Option<IpAddr> {
    attributes.find(5).and_then(ip).or_else(|| {
        let via = attributes.find(18)?;
        ip_of(via.value.get(2..)?)
    })
}

/// `CTA_TUPLE_IP` and `CTA_TUPLE_PROTO`.
fn tuple(attributes: Attributes<'_>) -> Tuple {
    let addresses = attributes.find(1).map(|inner| inner.attributes());
    let protocol = attributes.find(2).map(|inner| inner.attributes());
    let address = |four, six| addresses.and_then(|all| all.find(four).or_else(|| all.find(six))).and_then(ip);
    let port = |kind| ByteOrder::Big.half(protocol?.find(kind)?.value, 0);
    Tuple {
        source: address(1, 3),
        source_port: port(2),
        destination: address(2, 4),
        destination_port: port(3),
    }
}
