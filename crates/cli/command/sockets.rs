//! `ckptfx sockets`: what `ss` would have shown.

use ckptfx_analysis::network::socket::Socket;
use ckptfx_report::{listing, schema::Document, untrusted::show};
use clap::Args;

pub use ckptfx_report::words::endpoint as address;

use crate::{
    args::{Format, ViewArgs},
    spec::{Command, Group},
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "sockets",
    aliases: &["ss", "sockstat"],
    group: Group::Network,
    about: "List sockets with peers, queues and holders",
    usage: None,
    notes: "",
    examples: &[
        "ckptfx sockets archive.tar",
        "ckptfx ss -o json archive.tar | jq '.sockets[] | select(.state == \"LISTEN\")'",
    ],
    arguments: ViewArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[VIEW.collection])),
    run: |call| view::list(&VIEW, &listing::SOCKETS, call),
};

pub const VIEW: View<Socket> = View::of(
    &listing::SOCKETS,
    &[
        Column::left("NETID", netid),
        Column::left("STATE", |socket| socket.state.unwrap_or("?").to_owned()),
        Column::right("RECV-Q", |socket| view::number(socket.receive_queue.map(|queue| queue.bytes))),
        // As in ss, a listening socket has its backlog here.
        Column::right("SEND-Q", |socket| {
            view::number(socket.send_queue.map(|queue| queue.bytes).or(socket.backlog.map(u64::from)))
        }),
        Column::left("LOCAL", local),
        Column::left("REMOTE", remote),
        Column::right("INODE", |socket| view::number(socket.inode)),
        Column::left("USERS", users),
    ],
);

fn netid(socket: &Socket) -> String {
    match (socket.family, socket.r#type) {
        (Some("unix"), Some(kind)) => format!("u_{}", kind.get(..3).unwrap_or(kind)),
        (Some("unix"), None) => "unix".to_owned(),
        (Some("netlink"), _) => "nl".to_owned(),
        (Some("packet"), kind) => format!("p_{}", kind.map_or("?", |kind| kind.get(..3).unwrap_or(kind))),
        (_, Some("raw")) => format!("raw {}", socket.protocol.as_deref().unwrap_or("?")),
        _ => socket.protocol.clone().unwrap_or_else(|| "?".to_owned()),
    }
}

fn local(socket: &Socket) -> String {
    let interface = socket.interface.as_ref().map(|name| format!("%{}", show(&name.0))).unwrap_or_default();
    let promiscuous = if socket.promiscuous == Some(true) { " promiscuous" } else { "" };
    let filter = if socket.filter.is_some() { " filtered" } else { "" };
    let text = match (&socket.path, &socket.local, socket.family) {
        (Some(path), ..) => show(&path.0),
        (None, Some(endpoint), Some("netlink")) => {
            format!("{}:{}", socket.protocol.as_deref().unwrap_or("?"), address(endpoint))
        }
        (None, Some(endpoint), _) => address(endpoint),
        (None, None, Some("packet")) => socket.protocol.clone().unwrap_or_else(|| "?".to_owned()),
        (None, None, _) => "*".to_owned(),
    };
    format!("{text}{interface}{promiscuous}{filter}")
}

fn remote(socket: &Socket) -> String {
    match (&socket.remote, socket.peer_inode, &socket.peer_path) {
        (Some(endpoint), ..) => address(endpoint),
        (None, Some(inode), Some(path)) => format!("{} {inode}", show(&path.0)),
        (None, Some(inode), None) if socket.peer_pids.is_empty() => format!("{inode} (outside)"),
        (None, Some(inode), None) => format!("* {inode}"),
        (None, None, _) => "*".to_owned(),
    }
}

fn users(socket: &Socket) -> String {
    let users: Vec<String> = socket
        .holders
        .iter()
        .map(|holder| format!("{}({}) fd {}", view::text(holder.comm.as_ref()), holder.pid, holder.fd))
        .collect();
    if users.is_empty() { "-".to_owned() } else { users.join(", ") }
}
