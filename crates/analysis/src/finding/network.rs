//! Sockets that ordinary services do not have (`format.md §16.2`, rules 17, 18, 20, 21, 39–41).

use std::net::IpAddr;

use super::{
    Confidence, Facts, Hit, Severity,
    known::{self, basename},
    next_step::Topic,
    record::about,
    shell::socket_text,
};
use crate::{
    files::file::{Details, Kind},
    network::socket::Socket,
    process::Process,
};

/// Programs that send and receive ICMP.
const PINGERS: [&[u8]; 7] =
    [b"ping", b"ping6", b"fping", b"arping", b"traceroute", b"mtr-packet", b"busybox"];
/// Programs that need whole frames to do what they are for.
const NETWORK_DAEMONS: [&[u8]; 9] = [
    b"dhclient",
    b"dhcpcd",
    b"udhcpc",
    b"keepalived",
    b"bird",
    b"zebra",
    b"lldpd",
    b"wpa_supplicant",
    b"radvd",
];
/// Ports on which pools of miners listen.
const POOL_PORTS: [u32; 12] = [3333, 3334, 4444, 5555, 7777, 9999, 14433, 14444, 45560, 45700, 20580, 10300];
/// Ports of remote control tools and of IRC.
const CONTROL_PORTS: [u32; 6] = [1337, 31337, 4443, 6667, 6697, 50050];

fn remote(socket: &Socket) -> Option<(IpAddr, u32)> {
    let remote = socket.remote.as_ref()?;
    Some((remote.address.as_ref()?.parse().ok()?, remote.port?))
}

/// Whether an address can only be of this host or link.
fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_unspecified() || address.is_link_local(),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => is_local(IpAddr::V4(mapped)),
            None => address.is_loopback() || address.is_unspecified() || address.is_unicast_link_local(),
        },
    }
}

/// Whether an address is of an organisation's own network.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            // 100.64.0.0/10 is shared by carriers, and used by clouds for their pods.
            let [first, second, ..] = address.octets();
            address.is_private() || (first == 100 && second & 0xc0 == 64)
        }
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => is_private(IpAddr::V4(mapped)),
            None => address.is_unique_local(),
        },
    }
}

fn holder<'f>(facts: &'f Facts<'_>, socket: &Socket) -> Option<&'f Process> {
    socket.holders.iter().find_map(|holder| facts.process(holder.pid))
}

/// Raw sockets.
pub fn raw(facts: &Facts<'_>) -> Vec<Hit> {
    let raw = facts
        .sockets
        .iter()
        .filter(|socket| matches!(socket.family, Some("inet" | "inet6")) && socket.r#type == Some("raw"));
    raw.filter_map(|socket| {
        let process = holder(facts, socket)?;
        let hit = Hit::new(about(process), "has a raw IP socket")
            .fact("socket", "files.img", socket_text(socket))
            .more(Topic::Sockets.of(process.pid));
        let name = known::program(process);
        Some(if PINGERS.contains(&name) || NETWORK_DAEMONS.contains(&name) {
            hit.harmless(Severity::Info, "the program is made for this")
        } else {
            hit
        })
    })
    .collect()
}

/// Sockets that see whole frames.
pub fn packet(facts: &Facts<'_>) -> Vec<Hit> {
    let packet = facts.sockets.iter().filter(|socket| socket.family == Some("packet"));
    packet
        .filter_map(|socket| {
            let process = holder(facts, socket)?;
            let promiscuous = socket.promiscuous == Some(true);
            let why = if promiscuous {
                "captures packets of other hosts (promiscuous mode)"
            } else {
                "captures network packets"
            };
            let mut hit = Hit::new(about(process), why)
                .fact("socket", "files.img", socket_text(socket))
                .more(Topic::Sockets.of(process.pid));
            if let Some(interface) = &socket.interface {
                hit = hit.fact("interface", "files.img", interface.clone());
            }
            if let Some(filter) = &socket.filter {
                hit = hit.fact("filter", "files.img", format!("{} instructions", filter.len()));
            }
            Some(if promiscuous {
                hit
            } else if NETWORK_DAEMONS.contains(&known::program(process)) {
                hit.harmless(Severity::Info, "the program is made for this")
            } else {
                hit.severity(Severity::Medium)
            })
        })
        .collect()
}

/// Sockets that wait for connections in processes whose program is odd.
pub fn listener(facts: &Facts<'_>) -> Vec<Hit> {
    let listening = facts
        .sockets
        .iter()
        .filter(|socket| socket.state == Some("LISTEN") && matches!(socket.family, Some("inet" | "inet6")));
    let mut hits = Vec::new();
    for socket in listening {
        let Some(process) = holder(facts, socket) else { continue };
        let path = process.exe.as_ref().map(|exe| exe.0.as_slice()).unwrap_or_default();
        let odd = process.exe_deleted == Some(true)
            || process.exe_memfd == Some(true)
            || known::is_temporary(path)
            || basename(path).starts_with(b".");
        let hit = Hit::new(about(process), "listens for connections")
            .fact("socket", "files.img", socket_text(socket))
            .more(Topic::Sockets.of(process.pid));
        hits.push(if odd {
            Hit {
                why: "listens for connections; its executable is not in a system directory".to_owned(),
                ..hit
            }
            .severity(Severity::Medium)
        } else {
            hit
        });
    }
    hits
}

/// Connections to elsewhere.
pub fn outbound(facts: &Facts<'_>) -> Vec<Hit> {
    let connected = facts.sockets.iter().filter(|socket| {
        socket.protocol.as_deref() == Some("tcp") && matches!(socket.state, Some("ESTABLISHED" | "SYN-SENT"))
    });
    let mut hits = Vec::new();
    for socket in connected {
        let Some((process, (address, port))) = holder(facts, socket).zip(remote(socket)) else { continue };
        if is_local(address) || is_accepted(facts, socket) {
            continue;
        }
        let hit = Hit::new(about(process), "connected to another host")
            .fact("connection", "files.img", socket_text(socket))
            .more(Topic::Sockets.of(process.pid));
        if CONTROL_PORTS.contains(&port) && !is_private(address) {
            hits.push(
                Hit { why: format!("connected to port {port}, popular with remote control tools"), ..hit }
                    .severity(Severity::Medium)
                    .confidence(Confidence::Low),
            );
        } else if !is_private(address) {
            hits.push(hit);
        }
    }
    hits
}

/// Whether a connection was made to a port on which the container listens.
fn is_accepted(facts: &Facts<'_>, socket: &Socket) -> bool {
    let port = socket.local.as_ref().and_then(|local| local.port);
    port.is_some_and(|port| facts.listens(port))
}

/// Connections to ports of mining pools.
pub fn pool(facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for socket in facts.sockets.iter().filter(|socket| socket.protocol.as_deref() == Some("tcp")) {
        let Some((process, (address, port))) = holder(facts, socket).zip(remote(socket)) else { continue };
        if !POOL_PORTS.contains(&port) || is_local(address) || is_accepted(facts, socket) {
            continue;
        }
        let mines = facts.miners_in(process.pid) > 0;
        let hit = Hit::new(about(process), format!("connected to port {port}, used by mining pools"))
            .fact("connection", "files.img", socket_text(socket))
            .more(Topic::Sockets.of(process.pid));
        hits.push(if mines {
            hit.severity(Severity::High).confidence(Confidence::High)
        } else {
            // By itself a port says little.
            hit.harmless(Severity::Low, "other services use these ports as well")
        });
    }
    hits
}

/// Descriptors of network tunnels.
pub fn tunnel(facts: &Facts<'_>) -> Vec<Hit> {
    of_kind(facts, Kind::Tun, "has a network tunnel device open")
}

/// Maps of eBPF programs.
pub fn bpf(facts: &Facts<'_>) -> Vec<Hit> {
    of_kind(facts, Kind::BpfMap, "has an eBPF map open")
}

/// Watches over file systems that see who opens what.
pub fn fanotify(facts: &Facts<'_>) -> Vec<Hit> {
    of_kind(facts, Kind::Fanotify, "monitors which files other processes open")
}

fn of_kind(facts: &Facts<'_>, kind: Kind, why: &str) -> Vec<Hit> {
    let files = facts.files.iter().filter(|file| file.kind == Some(kind) && file.fd.is_some());
    files
        .filter_map(|file| {
            let process = facts.process(file.pid?)?;
            let link = file.link.clone().unwrap_or_else(|| kind.name().into());
            let hit = Hit::new(about(process), why).fact("descriptor", "files.img", link);
            Some(hit.more(Topic::Files.of(process.pid)))
        })
        .collect()
}

/// Watches over files of accounts and keys.
pub fn inotify(facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for file in &facts.files {
        let Some(Details::Inotify { watches }) = &file.details else { continue };
        let Some(process) = file.pid.and_then(|pid| facts.process(pid)) else { continue };
        for path in watches.iter().filter_map(|watch| watch.path.as_ref()) {
            let odd = [b"/etc/passwd".as_slice(), b"/etc/shadow", b"/root/.ssh", b"/proc"];
            if odd.iter().any(|odd| path.0 == *odd) || path.0.ends_with(b"/.ssh") {
                hits.push(
                    Hit::new(
                        about(process).path(path.clone()),
                        "watches account, key or process files for changes",
                    )
                    .fact("watch", "files.img", path.clone())
                    .more(Topic::Files.of(process.pid)),
                );
            }
        }
    }
    hits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_others_are_told_from_own_ones() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for own in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.1.1", "fe80::1"] {
            assert!(is_local(address(own)), "{own}");
        }
        for private in ["10.1.2.3", "172.20.0.1", "192.168.0.1", "100.96.0.1", "fd00::1", "::ffff:10.0.0.1"] {
            assert!(is_private(address(private)) && !is_local(address(private)), "{private}");
        }
        for other in ["198.51.100.7", "2001:db8::7", "172.32.0.1", "100.128.0.1"] {
            assert!(!is_private(address(other)) && !is_local(address(other)), "{other}");
        }
    }
}
