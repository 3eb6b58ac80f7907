use ckptfx_testkit::{Checkpoint, File, FileKind, Process, rich};

use super::*;
use crate::{files::file::Kind, tests::with_case};

fn all(dump: Checkpoint) -> Vec<Socket> {
    with_case(dump, |case| sockets(case, &|_| true))
}

fn of(files: impl IntoIterator<Item = File>) -> Vec<Socket> {
    let process = (3..).zip(files).fold(Process::new(1), |process, (fd, file)| process.fd(fd, file));
    all(Checkpoint::new().process(process))
}

#[test]
fn both_ends_find_each_other() {
    let list = of([
        File::tcp("127.0.0.1:80", "127.0.0.1:9999").queued("unread"),
        File::tcp("127.0.0.1:9999", "127.0.0.1:80"),
        File::tcp("127.0.0.1:80", "127.0.0.1:9998"),
    ]);
    assert_eq!(list[0].peer_inode, list[1].inode);
    assert_eq!(list[1].peer_inode, list[0].inode);
    assert_eq!(list[0].peer_pids, [1]);
    assert_eq!(list[0].receive_queue, Some(QueueSize { bytes: 6 }));
    assert_eq!((list[2].peer_inode, &list[2].peer_pids), (None, &Vec::new()));
}

#[test]
fn addresses_and_states() {
    let list = of([
        File::tcp_listen("[::]:443"),
        File::tcp("[::ffff:192.0.2.1]:443", "[::ffff:198.51.100.7]:5000"),
        File::udp("0.0.0.0:53", None),
        File::raw_socket(1),
        File::inet(136, 2, 1, "[fe80::1]:7", Some("[fe80::2]:8")),
    ]);
    let shown: Vec<_> = list
        .iter()
        .map(|socket| {
            let end =
                |end: &Option<Endpoint>| end.as_ref().map(|end| (end.address.clone().unwrap(), end.port));
            (socket.protocol.clone().unwrap(), socket.state.unwrap(), end(&socket.local), end(&socket.remote))
        })
        .collect();
    let end = |address: &str, port| Some((address.to_owned(), port));
    assert_eq!(
        shown,
        [
            ("tcp".to_owned(), "LISTEN", end("::", Some(443)), None),
            (
                "tcp".to_owned(),
                "ESTABLISHED",
                end("::ffff:192.0.2.1", Some(443)),
                end("::ffff:198.51.100.7", Some(5000))
            ),
            ("udp".to_owned(), "UNCONN", end("0.0.0.0", Some(53)), None),
            ("icmp".to_owned(), "UNCONN", end("0.0.0.0", None), None),
            ("udplite".to_owned(), "ESTABLISHED", end("fe80::1", Some(7)), end("fe80::2", Some(8))),
        ]
    );
    assert_eq!(list[0].backlog, Some(128));
    assert_eq!(list[2].receive_queue, None, "not recorded is not empty");
}

#[test]
fn unix_names_peers_and_descriptors_in_flight() {
    let list = all(rich());
    let unix = |inode| list.iter().find(|socket| socket.inode == Some(inode)).unwrap();
    assert_eq!(unix(503).path, Some("@control".into()));
    assert_eq!(unix(504).path, Some("/var/run/docker.sock".into()));
    assert_eq!((unix(504).peer_inode, &unix(504).peer_pids), (Some(9999), &Vec::new()));
    assert_eq!(unix(501).peer_pids, [7]);
    assert_eq!(unix(501).receive_queue, Some(QueueSize { bytes: 5 }));
    assert_eq!(
        unix(501).in_flight_fds,
        [InFlight { kind: Some(Kind::Regular), link: Some("/etc/shadow".into()) }]
    );
}

#[test]
fn a_sniffer_is_told() {
    let list = of([
        File::other(FileKind::Packet(3, 768, 2, true)),
        File::other(FileKind::Packet(2, 8, 0, false)),
        File::other(FileKind::Netlink(9, 7, vec![0b101])),
    ]);
    assert_eq!(list[0].protocol.as_deref(), Some("ETH_P_ALL"));
    assert_eq!((list[0].promiscuous, list[0].r#type), (Some(true), Some("raw")));
    assert_eq!((list[1].promiscuous, list[1].protocol.as_deref()), (Some(false), Some("ETH_P_IP")));
    assert_eq!((list[2].promiscuous, list[2].protocol.as_deref()), (None, Some("NETLINK_AUDIT")));
    assert_eq!(list[2].options["groups"], serde_json::json!([1, 3]));
}

#[test]
fn a_lost_stream_is_told() {
    let mut file = File::tcp("10.0.0.2:1", "10.0.0.3:2");
    file.inet_mut().stream = false;
    let dump = Checkpoint::new().process(Process::new(1).fd(3, file));
    with_case(dump, |case| {
        let list = sockets(case, &|_| true);
        assert_eq!((list[0].receive_queue, list[0].send_queue), (None, None));
        assert!(case.diagnostics.iter().any(|problem| problem.subject.starts_with("tcp-stream-")));
    });
}
