//! Small containers of which each edge is known.

use ckptfx_testkit::{Checkpoint, File, Process, Shared, Vma};

use super::*;
use crate::tests::with_case;

fn edges(dump: Checkpoint, wish: Wish) -> Vec<(EdgeKind, String, String, String)> {
    with_case(dump, |case| {
        let graph = graph(case, wish, &|_| true);
        let label = |edge: &Edge| edge.label.escaped().into_owned();
        graph.edges.iter().map(|edge| (edge.kind, edge.from.clone(), edge.to.clone(), label(edge))).collect()
    })
}

const PLAIN: Wish = Wish { parents: false, may_trace: false };

fn two(first: impl FnOnce(Process) -> Process, second: impl FnOnce(Process) -> Process) -> Checkpoint {
    Checkpoint::new().process(first(Process::new(1).no_fds()).child(second(Process::new(2).no_fds())))
}

#[test]
fn pipes_go_from_writer_to_reader() {
    let dump = two(|one| one.fd(5, File::pipe_write(600)), |two| two.fd(0, File::pipe_read(600)));
    let expected = (EdgeKind::Pipe, "p1".into(), "p2".into(), "pipe:[600] fd 5 to fd 0".into());
    assert_eq!(edges(dump, PLAIN), [expected]);
}

#[test]
fn both_ends_of_a_socket_are_one_edge() {
    let dump = two(|one| one.fd(3, File::unix(501, 502)), |two| two.fd(4, File::unix(502, 501)));
    let expected = (EdgeKind::Unix, "p1".into(), "p2".into(), "501-502".into());
    assert_eq!(edges(dump, PLAIN), [expected]);
}

#[test]
fn connections_go_from_client_to_server() {
    let dump = two(
        |one| {
            one.fd(3, File::tcp_listen("0.0.0.0:80"))
                .fd(4, File::tcp("127.0.0.1:80", "127.0.0.1:40000"))
                .fd(5, File::tcp("10.0.0.2:80", "198.51.100.7:5555"))
        },
        |two| {
            two.fd(3, File::tcp("127.0.0.1:40000", "127.0.0.1:80"))
                .fd(4, File::tcp("10.0.0.2:40001", "203.0.113.9:443"))
        },
    );
    let text = |text: &str| text.to_owned();
    assert_eq!(
        edges(dump, PLAIN),
        [
            (EdgeKind::Tcp, text("p2"), text("p1"), text("127.0.0.1:40000 to 127.0.0.1:80")),
            (EdgeKind::Tcp, text("p2"), text("x2"), text("10.0.0.2:40001 to 203.0.113.9:443")),
            (EdgeKind::Tcp, text("x1"), text("p1"), text("198.51.100.7:5555 to 10.0.0.2:80")),
        ]
    );
}

#[test]
fn shared_memory_and_terminals_join() {
    let map = |process: Process| process.memory(Vma::shared(0x7f20_0000_0000, 0x1000, "s"));
    let dump = two(
        |one| map(one).fd(3, File::pty(0, true, 2)),
        |two| map(two).stdio(File::pty(0, false, 2)).fd(9, File::regular("/proc/1/mem")),
    )
    .shared(Shared::anonymous("s", 0x1000));
    let kinds: Vec<_> = edges(dump, PLAIN).into_iter().map(|(kind, from, to, _)| (kind, from, to)).collect();
    let text = |text: &str| text.to_owned();
    assert_eq!(
        kinds,
        [
            (EdgeKind::SharedMemory, text("p1"), text("p2")),
            (EdgeKind::Terminal, text("p1"), text("p2")),
            (EdgeKind::ProcMem, text("p2"), text("p1")),
        ]
    );
}

#[test]
fn who_may_trace_follows_ids_and_capabilities() {
    let wish = Wish { parents: true, may_trace: true };
    let dump = two(|one| one.caps(1 << 19), |two| two.uid(1000).caps(0));
    let kinds: Vec<_> = edges(dump, wish).into_iter().map(|(kind, from, to, _)| (kind, from, to)).collect();
    let text = |text: &str| text.to_owned();
    assert_eq!(
        kinds,
        [(EdgeKind::Parent, text("p1"), text("p2")), (EdgeKind::MayTrace, text("p1"), text("p2"))]
    );
}

#[test]
fn many_processes_meet_in_a_node() {
    let mut root = Process::new(1).no_fds().fd(3, File::pipe_write(7));
    for pid in 2..20 {
        root = root.child(Process::new(pid).no_fds().fd(0, File::pipe_read(7)).fd(1, File::pipe_write(7)));
    }
    with_case(Checkpoint::new().process(root), |case| {
        let graph = graph(case, PLAIN, &|_| true);
        assert_eq!(graph.edges.len(), 19 + 18);
        assert_eq!(graph.nodes.last().unwrap().label, Text::from("pipe:[7]"));
    });
}
