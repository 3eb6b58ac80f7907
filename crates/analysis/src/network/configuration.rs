//! Network namespaces: devices, addresses, routes, rules, firewall, settings, connections
//! (`format.md §11.4`–`§11.6`).

use std::collections::{BTreeMap, BTreeSet};

use ckptfx_parser::{
    Diagnostic, ImageDirectory, Reports,
    dynamic::{Numbering, Show, bit_names},
    image::registry::Raw,
    netlink::Messages,
    proto,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    firewall::{self, FirewallLine},
    netlink::{self, Address, Connection, Route, Rule},
    sysctl::{self, Sysctl},
};
use crate::{Case, Task, Text};

/// A network device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Interface {
    /// CRIU's number for the network namespace.
    pub net_ns: u32,
    /// Index of the device in its namespace.
    pub index: Option<u32>,
    /// Name.
    pub name: Option<Text>,
    /// What kind of device: `loopback`, `veth`, `tun`, `external-link`, `venet`, `bridge`, `macvlan`, `sit`, or its number.
    #[serde(rename = "type")]
    pub device_type: Option<String>,
    /// Largest packet in bytes.
    pub mtu: Option<u32>,
    /// `IFF_*`.
    pub flags: Vec<String>,
    /// Hardware address.
    pub mac: Option<String>,
    /// Index of the bridge it belongs to; null when it belongs to none.
    pub master: Option<u32>,
    /// Index of the other end of a veth pair, in the namespace `peer_ns`.
    pub peer: Option<u32>,
    /// What the kernel here calls the namespace of the other end.
    pub peer_ns: Option<u32>,
}

/// All that is known of the network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// Devices.
    pub interfaces: Vec<Interface>,
    /// Addresses.
    pub addresses: Vec<Address>,
    /// Routes of the main table.
    pub routes: Vec<Route>,
    /// Which table routes are looked up in.
    pub rules: Vec<Rule>,
    /// Firewall, line by line.
    pub firewall: Vec<FirewallLine>,
    /// Settings.
    pub sysctls: Vec<Sysctl>,
    /// Connections that the kernel tracked; closed ones may be among them.
    pub connections: Vec<Connection>,
}

/// Beginnings of the names of images of a network namespace; the rest is its number.
const STEMS: [&str; 11] = [
    "netdev-",
    "netns-",
    "ifaddr-",
    "route-",
    "route6-",
    "rule-",
    "iptables-",
    "ip6tables-",
    "nftables-",
    "netns-ct-",
    "netns-exp-",
];

/// The network namespaces of the processes that `wanted` accepts, and those that no known process is in.
pub fn network(case: &mut Case<'_>, wanted: &dyn Fn(&Task<'_>) -> bool) -> Network {
    let images = &case.checkpoint.images;
    let number = |name: &str| {
        STEMS.iter().find_map(|stem| name.strip_prefix(stem)?.strip_suffix(".img")?.parse::<u32>().ok())
    };
    let all: BTreeSet<u32> = images.files().filter_map(|(name, _)| number(name)).collect();
    let mut network = Network::default();
    let mut notes = Vec::new();
    if all.is_empty() {
        notes.push(Diagnostic::note(
            "no-network-images",
            "netns",
            "the checkpoint holds no image of a network namespace: it belongs to the engine or is the host's, and CRIU \
             saved nothing of it but sockets",
        ));
    }
    for net_ns in all {
        let mut inside = case
            .tasks
            .iter()
            .filter(|task| task.process.namespaces.get("net").is_some_and(|net| net.id == net_ns))
            .peekable();
        if inside.peek().is_none() || inside.any(wanted) {
            Reader { images, net_ns, network: &mut network, notes: &mut notes }.read();
        }
    }
    case.diagnostics.append(&mut notes);
    network
}

struct Reader<'a> {
    images: &'a ImageDirectory,
    net_ns: u32,
    network: &'a mut Network,
    notes: &'a mut Vec<Diagnostic>,
}

impl Reader<'_> {
    fn read(&mut self) {
        let net_ns = self.net_ns;
        let name = format!("netns-{net_ns}.img");
        let settings: Option<proto::NetnsEntry> = self.images.read_one(&name, self.notes);
        if settings.as_ref().is_some_and(|settings| settings.ext_key.is_some()) {
            self.notes.push(Diagnostic::note(
                "external-network",
                name,
                "the network namespace belongs to the engine (external): CRIU saved nothing of it but sockets",
            ));
        }
        let devices = self.images.read::<proto::NetDeviceEntry>(&format!("netdev-{net_ns}.img"), self.notes);
        let devices: Vec<_> = devices.into_iter().map(|device| device.value).collect();
        let sysctls = &mut self.network.sysctls;
        if let Some(settings) = &settings {
            sysctls.extend(sysctl::of_namespace(net_ns, settings));
        }
        for device in &devices {
            sysctls.extend(sysctl::of_device(net_ns, device));
            self.network.interfaces.push(interface(net_ns, device));
        }
        let names: BTreeMap<u32, Text> =
            devices.into_iter().filter_map(|device| Some((device.ifindex?, Text(device.name?)))).collect();
        self.read_messages(&names);
        for tool in ["iptables", "ip6tables", "nftables"] {
            let name = format!("{tool}-{net_ns}.img");
            if let Some(file) = self.images.file(&name) {
                self.network.firewall.extend(firewall::lines(net_ns, tool, file.bytes));
            }
        }
    }

    fn read_messages(&mut self, names: &BTreeMap<u32, Text>) {
        let net_ns = self.net_ns;
        for stem in ["ifaddr", "route", "route6", "rule", "netns-ct"] {
            let name = format!("{stem}-{net_ns}.img");
            let Some(file) = self.images.file(&name) else { continue };
            let raw = if stem == "netns-ct" { Raw::Nfnetlink } else { Raw::Netlink };
            let messages = match Messages::new(&file, raw) {
                Ok(messages) => messages,
                Err(damage) => {
                    self.notes.push(damage);
                    continue;
                }
            };
            let context = netlink::Context { net_ns, order: messages.order(), names };
            let mut reports = Reports::new(self.images.limits());
            for message in messages {
                match message {
                    Ok(message) if message.is_short => {
                        let what = format!("a message of type {} is too short to say anything", message.kind);
                        reports.push(Diagnostic::loss("truncated-image", name.as_str(), what), self.notes);
                    }
                    Ok(message) if raw == Raw::Nfnetlink => {
                        self.network.connections.extend(context.connection(&message));
                    }
                    Ok(message) => {
                        self.network.addresses.extend(context.address(&message));
                        self.network.routes.extend(context.route(&message));
                        self.network.rules.extend(context.rule(&message));
                    }
                    Err(damage) => self.notes.push(damage),
                }
            }
            reports.finish(&name, self.notes);
        }
    }
}

fn interface(net_ns: u32, device: &proto::NetDeviceEntry) -> Interface {
    use proto::NdType;
    let device_type = device.r#type.map(|number| {
        let name = match NdType::try_from(number) {
            Ok(NdType::Loopback) => "loopback",
            Ok(NdType::Veth) => "veth",
            Ok(NdType::Tun) => "tun",
            Ok(NdType::Extlink) => "external-link",
            Ok(NdType::Venet) => "venet",
            Ok(NdType::Bridge) => "bridge",
            Ok(NdType::Macvlan) => "macvlan",
            Ok(NdType::Sit) => "sit",
            Err(_) => return number.to_string(),
        };
        name.to_owned()
    });
    let hexadecimal =
        |bytes: &Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":");
    Interface {
        net_ns,
        index: device.ifindex,
        name: device.name.clone().map(Text),
        device_type,
        mtu: device.mtu,
        flags: device.flags.map_or_else(Vec::new, |flags| {
            bit_names(Show::InterfaceFlags, u64::from(flags), Numbering::Generic)
        }),
        mac: device.address.as_ref().filter(|bytes| !bytes.is_empty()).map(hexadecimal),
        master: device.master.filter(|index| *index != 0),
        peer: device.peer_ifindex,
        peer_ns: device.peer_nsid,
    }
}
