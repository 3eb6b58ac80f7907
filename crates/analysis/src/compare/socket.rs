//! Sockets, by their addresses.

use super::{Input, Item, Key, Side, Wish, item::Builder};
use crate::{
    Text,
    files::descriptor::Holder,
    network::socket::{self, Endpoint, Socket},
};

pub(super) fn items(input: &mut Input<'_, '_>, side: &Side<'_>, wish: &Wish) -> Vec<Item> {
    let filtered = wish.filtered;
    let sockets = socket::sockets(input.case, &|task| !filtered || side.wants(task));
    sockets.iter().map(|socket| item(socket, side)).collect()
}

fn item(socket: &Socket, side: &Side<'_>) -> Item {
    // A socket without a name or address is known by who holds it.
    let first = socket.holders.first();
    let owner = first.and_then(|holder| side.owner(holder.pid));
    let named = socket.path.is_some() || socket.local.is_some() || socket.remote.is_some();
    let text = |text: Option<&str>| Text::from(text.unwrap_or("?"));
    let end = |end: Option<&Endpoint>| Text::from(end.map(socket::shown).unwrap_or_default().into_bytes());
    let what = [text(socket.family), text(socket.r#type), text(socket.protocol.as_deref())];
    let (local, remote) = (end(socket.local.as_ref()), end(socket.remote.as_ref()));
    let place = match (&socket.path, first) {
        (Some(path), _) => path.clone(),
        (None, Some(holder)) if !named => Text::from(format!("fd {}", holder.fd).into_bytes()),
        _ => Text::default(),
    };
    let name = name(socket, &local, &remote, &place);
    let parts = what.into_iter().chain([local, remote, place]);
    let key = Key::new(if named { None } else { owner }, parts);
    let holder = |holder: &Holder| {
        let comm = holder.comm.as_ref().map_or(&b"?"[..], |comm| comm.0.as_slice());
        Text([comm, format!(" fd {}", holder.fd).as_bytes()].concat())
    };
    let mut holders: Vec<Text> = socket.holders.iter().map(holder).collect();
    holders.sort();
    let mut facts = Builder::default()
        .fact("state", socket.state)
        .fact("peer_path", &socket.peer_path)
        .fact("interface", &socket.interface)
        .known("receive_queue", socket.receive_queue.map(|queue| queue.bytes))
        .known("send_queue", socket.send_queue.map(|queue| queue.bytes))
        .fact("shutdown", socket.shutdown)
        .fact("in_flight_fds", socket.in_flight_fds.len())
        .fact("promiscuous", socket.promiscuous)
        .fact("filter", &socket.filter)
        .fact("holders", holders);
    if side.pairs.same_container {
        facts = facts.known("inode", socket.inode);
    }
    Item { key, name, facts: facts.finish() }
}

fn name(socket: &Socket, local: &Text, remote: &Text, place: &Text) -> Text {
    let kind = socket.protocol.as_deref().filter(|_| socket.family != Some("unix"));
    let kind = kind.or(socket.family).unwrap_or("socket");
    let mut name = kind.as_bytes().to_vec();
    for part in [local, place].into_iter().filter(|part| !part.0.is_empty()) {
        name.push(b' ');
        name.extend_from_slice(&part.0);
    }
    if !remote.0.is_empty() {
        name.extend_from_slice(b" to ");
        name.extend_from_slice(&remote.0);
    }
    Text(name)
}
