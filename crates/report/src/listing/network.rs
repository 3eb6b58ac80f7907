//! Sockets, unread bytes, and who talks to whom.

use ckptfx_analysis::{
    graph,
    network::{queue, socket},
};

use super::kind::{Listing, each};

/// Who is whose parent, too; not who may trace whom.
const GRAPH: graph::Wish = graph::Wish { parents: true, may_trace: false };

/// Sockets.
pub const SOCKETS: Listing<socket::Socket> = Listing {
    command: "sockets",
    list: "sockets",
    columns: &[
        "family",
        "type",
        "protocol",
        "state",
        "local.address",
        "local.port",
        "remote.address",
        "remote.port",
        "path",
        "peer_path",
        "interface",
        "inode",
        "peer_inode",
        "peer_pids",
        "receive_queue.bytes",
        "send_queue.bytes",
        "backlog",
        "shutdown",
        "in_flight_fds",
        "promiscuous",
        "filter",
        "options",
        "holders",
        "net_ns",
    ],
    records: |case, ask, give| each(socket::sockets(case, ask.wanted), give),
};

/// Bytes that nobody had read.
pub const QUEUES: Listing<queue::Queue> = Listing {
    command: "queues",
    list: "queues",
    columns: &[
        "number",
        "kind",
        "direction",
        "id",
        "path",
        "local.address",
        "local.port",
        "remote.address",
        "remote.port",
        "writers",
        "readers",
        "bytes",
        "capacity",
        "first_sequence",
        "unsent_bytes",
        "message",
        "message_type",
        "in_flight_fds",
        "member",
        "text",
        "bytes_b64",
        "senders",
    ],
    records: |case, ask, give| each(queue::queues(case, ask.wanted), give),
};

/// Who talks to whom.
pub const EDGES: Listing<graph::Edge> = Listing {
    command: "graph",
    list: "edges",
    columns: &["kind", "from", "from_name", "to", "to_name", "directed", "label", "unread_bytes"],
    records: |case, ask, give| each(graph::graph(case, GRAPH, ask.wanted).edges, give),
};
