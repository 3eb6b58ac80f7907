//! Sockets as states.

use ckptfx_analysis::network::socket::{Endpoint, Socket};
use serde_json::Value;

use super::Writer;
use crate::flow::Flow;

impl Writer<'_> {
    /// A socket. The source is who began the connection, as far as that is known; of a socket that only waits, its own
    /// address is the destination.
    pub fn socket(&self, index: usize, socket: &Socket) -> Value {
        let mut record = self.begin("state", "socket", &[index.to_string().as_bytes()]);
        record.list("event.category", ["network"]);
        record.list("event.type", ["info"]);
        record.set("event.action", "socket-in-checkpoint");
        let flow = Flow::of(socket, &self.index);
        record.set("message", flow.sentence());
        let (source, destination) = flow.ends();
        let mut addresses = Vec::new();
        for (side, endpoint) in [("source", source), ("destination", destination)] {
            let Some(Endpoint { address, port }) = endpoint.filter(|_| flow.is_ip()) else { continue };
            if let Some(address) = address {
                record.set(&format!("{side}.address"), address.clone());
                // A zone is no part of an address of the type `ip`.
                let plain = address.split('%').next().unwrap_or_default().to_owned();
                if plain.parse::<std::net::IpAddr>().is_ok() {
                    record.set(&format!("{side}.ip"), plain.clone());
                    if !addresses.contains(&plain) {
                        addresses.push(plain);
                    }
                }
            }
            record.put(&format!("{side}.port"), *port);
        }
        record.list("related.ip", addresses);
        record.put("network.transport", flow.transport.clone());
        record.put(
            "network.type",
            match socket.family {
                Some("inet") => Some("ipv4"),
                Some("inet6") => Some("ipv6"),
                _ => None,
            },
        );
        record.set("network.direction", flow.direction.name());
        record.put("network.community_id", flow.community_id());
        if let Some(process) = socket.holders.first().and_then(|holder| self.index.process(holder.pid)) {
            self.about(&mut record, process);
        }
        record.put("ckptfx.socket.family", socket.family);
        record.put("ckptfx.socket.type", socket.r#type);
        record.put("ckptfx.socket.protocol", socket.protocol.clone());
        record.put("ckptfx.socket.state", socket.state);
        record.text("ckptfx.socket.path", socket.path.as_ref());
        record.text("ckptfx.socket.peer_path", socket.peer_path.as_ref());
        record.put("ckptfx.socket.inode", socket.inode);
        record.put("ckptfx.socket.receive_queue_bytes", socket.receive_queue.map(|queue| queue.bytes));
        record.put("ckptfx.socket.send_queue_bytes", socket.send_queue.map(|queue| queue.bytes));
        record.list("ckptfx.socket.peer_pids", socket.peer_pids.iter().copied());
        record.list(
            "ckptfx.socket.holders",
            socket.holders.iter().map(|holder| format!("{}/{}", holder.pid, holder.fd)),
        );
        record.finish()
    }
}
