//! What several forms say of a socket: who began the connection, and its id among all tools.

use std::net::IpAddr;

use base64::Engine as _;
use ckptfx_analysis::network::socket::{Endpoint, Socket};
use sha1::{Digest as _, Sha1};

use crate::{index::Index, record::clipped};

/// Who began a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Nobody yet: the socket waits for connections.
    Listens,
    /// The other end: a socket of the container listens on the port.
    Ingress,
    /// This end: the other one is in the checkpoint, too, and its port is listened on.
    Egress,
    /// Not recorded.
    Unknown,
}

impl Direction {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
            Self::Listens | Self::Unknown => "unknown",
        }
    }
}

/// A socket as a flow between two ends.
pub struct Flow<'s> {
    socket: &'s Socket,
    /// Who began it.
    pub direction: Direction,
    /// `tcp`, `udp`, …; `unix`; null of other families.
    pub transport: Option<String>,
}

impl<'s> Flow<'s> {
    /// Looks at one socket among all.
    pub fn of(socket: &'s Socket, index: &Index<'_>) -> Self {
        let port = |endpoint: &Option<Endpoint>| endpoint.as_ref().and_then(|endpoint| endpoint.port);
        let direction = match socket.state {
            Some("LISTEN") => Direction::Listens,
            _ if socket.remote.is_none() => Direction::Unknown,
            _ if index.listens(socket, port(&socket.local)) => Direction::Ingress,
            _ if socket.peer_inode.is_some() && index.listens(socket, port(&socket.remote)) => {
                Direction::Egress
            }
            _ => Direction::Unknown,
        };
        let transport = match socket.family {
            Some("inet" | "inet6") => socket.protocol.clone(),
            Some("unix") => Some("unix".to_owned()),
            _ => None,
        };
        Self { socket, direction, transport }
    }

    /// Who began it and the other end, as far as that is known; otherwise this end and the other. Of a socket that
    /// only waits, its own address is where connections go to.
    pub fn ends(&self) -> (Option<&'s Endpoint>, Option<&'s Endpoint>) {
        let (local, remote) = (self.socket.local.as_ref(), self.socket.remote.as_ref());
        match self.direction {
            Direction::Listens => (None, local),
            Direction::Ingress => (remote, local),
            Direction::Egress | Direction::Unknown => (local, remote),
        }
    }

    /// Whether its ends have IP addresses.
    pub fn is_ip(&self) -> bool {
        matches!(self.socket.family, Some("inet" | "inet6"))
    }

    /// The number of its transport protocol.
    pub fn protocol_number(&self) -> Option<u8> {
        match (self.is_ip(), self.socket.protocol.as_deref()?) {
            (true, "icmp") => Some(1),
            (true, "tcp") => Some(6),
            (true, "udp") => Some(17),
            (true, "icmpv6" | "ipv6-icmp") => Some(58),
            (true, "udplite") => Some(136),
            _ => None,
        }
    }

    /// The connection in words.
    pub fn sentence(&self) -> String {
        let kind = self.socket.protocol.as_deref().or(self.socket.family).unwrap_or("socket");
        let end = |endpoint: &Option<Endpoint>| {
            let Some(Endpoint { address, port }) = endpoint else { return "-".to_owned() };
            let port = port.map(|port| port.to_string());
            match (address, port) {
                (Some(address), Some(port)) => format!("{address} port {port}"),
                (Some(address), None) => address.clone(),
                (None, Some(port)) => format!("port {port}"),
                (None, None) => "-".to_owned(),
            }
        };
        let state = self.socket.state.unwrap_or("state unknown");
        match &self.socket.path {
            Some(path) if !self.is_ip() => format!("{kind} {state} {}", clipped(&path.0)),
            _ => format!("{kind} {state} {} to {}", end(&self.socket.local), end(&self.socket.remote)),
        }
    }

    /// The Community ID (version 1, seed 0) of a TCP or UDP connection: a hash of its ends in order.
    pub fn community_id(&self) -> Option<String> {
        let protocol = self.protocol_number().filter(|number| matches!(number, 6 | 17))?;
        let end = |endpoint: &Option<Endpoint>| -> Option<(Vec<u8>, u16)> {
            let endpoint = endpoint.as_ref()?;
            let address = match endpoint.address.as_ref()?.parse().ok()? {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            Some((address, u16::try_from(endpoint.port?).ok()?))
        };
        Some(community_id(protocol, end(&self.socket.local)?, end(&self.socket.remote)?))
    }
}

/// The Community ID of two ends, each an address and a port.
fn community_id(protocol: u8, one: (Vec<u8>, u16), other: (Vec<u8>, u16)) -> String {
    let (from, to) = if one <= other { (one, other) } else { (other, one) };
    let hash = Sha1::new()
        .chain_update([0, 0])
        .chain_update(&from.0)
        .chain_update(&to.0)
        .chain_update([protocol, 0])
        .chain_update(from.1.to_be_bytes())
        .chain_update(to.1.to_be_bytes())
        .finalize();
    format!("1:{}", base64::engine::general_purpose::STANDARD.encode(hash))
}

#[cfg(test)]
mod tests {
    use super::community_id;

    #[test]
    fn community_ids_are_as_everywhere() {
        // A flow of the baseline data of the specification.
        let (one, other) = ((vec![128, 232, 110, 120], 34855), (vec![66, 35, 250, 204], 80));
        let id = "1:LQU9qZlK+B5F3KDmev6m5PMibrg=";
        assert_eq!(community_id(6, one.clone(), other.clone()), id);
        assert_eq!(community_id(6, other, one), id, "the same from either end");
    }
}
