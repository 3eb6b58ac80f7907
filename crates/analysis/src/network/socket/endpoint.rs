//! One side of a connection.

use schemars::JsonSchema;
use serde::Serialize;

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
