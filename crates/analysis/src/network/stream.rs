//! The two queues of a TCP connection.

use std::ops::Range;

use ckptfx_parser::{Diagnostic, proto};

use crate::Case;

/// The two queues of a TCP connection.
pub(crate) struct Stream {
    pub entry: proto::TcpStreamEntry,
    pub name: String,
    pub received: Range<u64>,
    pub sent: Range<u64>,
}

/// The image of a TCP connection; none for sockets that have none.
pub(crate) fn tcp_stream(
    case: &Case<'_>,
    socket: &proto::InetSkEntry,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Stream> {
    /// `IPPROTO_TCP`.
    const TCP: u32 = 6;
    /// `TCP_ESTABLISHED`.
    const ESTABLISHED: u32 = 1;
    /// `SOCK_RAW`.
    const RAW: u32 = 3;
    let images = &case.checkpoint.images;
    let has_stream = socket.proto == Some(TCP) && socket.r#type != Some(RAW);
    let connected = socket.dst_port.is_some_and(|port| port != 0);
    if !has_stream || !connected {
        return None;
    }
    let name = format!("tcp-stream-{:x}.img", socket.ino?);
    let before = diagnostics.len();
    let found = images.read::<proto::TcpStreamEntry>(&name, diagnostics).into_iter().next();
    let closed = case.inventory.as_ref().and_then(|inventory| inventory.tcp_close) == Some(true);
    if found.is_none() && diagnostics.len() == before && !closed && socket.state == Some(ESTABLISHED) {
        let message = "what waited in this TCP connection is not in the checkpoint";
        diagnostics.push(Diagnostic::loss("missing-image", name.as_str(), message));
    }
    let found = found?;
    let (start, end) = (found.payload.start, found.payload.end);
    let border = start.saturating_add(u64::from(found.value.inq_len.unwrap_or(0))).min(end);
    let last = border.saturating_add(u64::from(found.value.outq_len.unwrap_or(0))).min(end);
    Some(Stream { entry: found.value, name, received: start..border, sent: border..last })
}
