//! Who talks to whom: processes, what is outside of the container, and what joins them.

use std::collections::{BTreeMap, BTreeSet};

use ckptfx_parser::Diagnostic;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Case, Task, Text,
    files::{
        descriptor::is_zombie,
        file::{self, Details, OpenFile, Role},
    },
    memory::mapping,
    network::socket::{self, Endpoint, Socket},
    security::trace::may_trace,
};

/// Most processes on both sides that are joined by an edge each; more are joined through a node of the object.
const MAX_DIRECT: usize = 9;
/// Most processes of which each pair is tried for who may trace whom.
const MAX_TRACED: usize = 2_000;
/// Most edges of a graph.
const MAX_EDGES: usize = 100_000;

/// What a node stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NodeKind {
    /// A process of the checkpoint.
    Process,
    /// An address or socket that no process of the checkpoint has.
    Outside,
    /// A pipe or shared memory that many processes have.
    Object,
}

impl NodeKind {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Outside => "outside",
            Self::Object => "object",
        }
    }
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Node {
    /// Name for the edges: `p` and the pid, `x` and a number for what is outside, `o` and a number for objects.
    pub id: String,
    /// What it stands for.
    pub kind: NodeKind,
    /// Name of the process, address, or name of the object.
    pub label: Text,
    /// The process; null for other nodes.
    pub pid: Option<u32>,
    /// Its executable.
    pub exe: Option<Text>,
    /// Effective user id.
    pub uid: Option<u32>,
    /// Where it waits for connections: protocol and address, or name of a unix socket.
    pub listens: Vec<Text>,
}

impl Node {
    /// `nginx(8)`, or the label of what is no process.
    pub fn name(&self) -> Text {
        match self.pid {
            Some(pid) => Text([self.label.0.as_slice(), format!("({pid})").as_bytes()].concat()),
            None => self.label.clone(),
        }
    }
}

/// How two nodes are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EdgeKind {
    /// From parent to child.
    Parent,
    /// A pipe, from writer to reader.
    Pipe,
    /// A named pipe, from writer to reader.
    Fifo,
    /// A unix socket.
    Unix,
    /// A TCP connection, from client to server where the server's port is known to listen.
    Tcp,
    /// A connected UDP socket.
    Udp,
    /// Memory that both map.
    SharedMemory,
    /// A terminal, from its master side (emulator, remote login) to the program on it.
    Terminal,
    /// From a process that has the memory file of another one open.
    ProcMem,
    /// The first may attach to the second as a debugger.
    MayTrace,
}

impl EdgeKind {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parent => "parent",
            Self::Pipe => "pipe",
            Self::Fifo => "fifo",
            Self::Unix => "unix",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::SharedMemory => "shared-memory",
            Self::Terminal => "terminal",
            Self::ProcMem => "proc-mem",
            Self::MayTrace => "may-trace",
        }
    }
}

/// An edge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Edge {
    /// How the nodes are joined.
    pub kind: EdgeKind,
    /// Id of a node.
    pub from: String,
    /// Name and pid of the process, or label of the node.
    pub from_name: Text,
    /// Id of a node.
    pub to: String,
    /// As `from_name`.
    pub to_name: Text,
    /// Whether it has a direction.
    pub directed: bool,
    /// Descriptors, addresses or name of what joins them.
    pub label: Text,
    /// Bytes that were written and not read; null where there is no queue.
    pub unread_bytes: Option<u64>,
}

/// The graph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// Processes in the order of the checkpoint, then what is outside, then objects.
    pub nodes: Vec<Node>,
    /// In order of kind, nodes and label.
    pub edges: Vec<Edge>,
}

/// What to put into the graph.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// Whether parents are joined with their children.
    pub parents: bool,
    /// Whether it is shown who may trace whom.
    pub may_trace: bool,
}

/// The graph of the processes that `wanted` accepts, and of what they are joined with.
pub fn graph(case: &mut Case<'_>, wish: Wish, wanted: &dyn Fn(&Task<'_>) -> bool) -> Graph {
    let sockets = socket::sockets(case, &|_| true);
    let files = file::files(case, &|_| true);
    let mappings = mapping::mappings(case, &|_| true);
    let mut builder = Builder {
        case,
        outside: BTreeMap::new(),
        objects: Vec::new(),
        edges: BTreeSet::new(),
        is_cut: false,
    };
    if wish.parents {
        builder.parents();
    }
    builder.pipes(&files);
    builder.terminals(&files);
    builder.proc_mem(&files);
    builder.sockets(&sockets);
    builder.shared_memory(&mappings);
    if wish.may_trace {
        builder.may_trace();
    }
    let is_cut = builder.is_cut || builder.is_full();
    let graph = builder.finish(&sockets, wanted);
    if is_cut {
        let message = format!(
            "there are {MAX_EDGES} edges or more, or too many processes to try which may trace which; some edges are \
             left out"
        );
        case.diagnostics.push(Diagnostic::loss("too-many", "graph", message));
    }
    graph
}

struct Builder<'c, 'a> {
    case: &'c Case<'a>,
    /// Numbers of what is outside, by label.
    outside: BTreeMap<Text, usize>,
    objects: Vec<Text>,
    edges: BTreeSet<Edge>,
    is_cut: bool,
}

impl Builder<'_, '_> {
    fn edge(&mut self, kind: EdgeKind, from: String, to: String, label: impl Into<Text>) {
        self.add(joined(kind, from, to, true, label.into(), None));
    }

    fn is_full(&self) -> bool {
        self.edges.len() >= MAX_EDGES
    }

    fn add(&mut self, edge: Edge) {
        if !self.is_full() {
            self.edges.insert(edge);
        }
    }

    fn outside(&mut self, label: Text) -> String {
        let next = self.outside.len().saturating_add(1);
        format!("x{}", self.outside.entry(label).or_insert(next))
    }

    fn object(&mut self, label: Text) -> String {
        self.objects.push(label);
        format!("o{}", self.objects.len())
    }

    fn parents(&mut self) {
        for task in &self.case.tasks {
            let Some(ppid) = task.process.ppid.filter(|ppid| self.case.task(*ppid).is_some()) else {
                continue;
            };
            self.edge(EdgeKind::Parent, process(ppid), process(task.process.pid), "");
        }
    }

    /// Pipes by the inode in their link, named pipes by path.
    fn pipes(&mut self, files: &[OpenFile]) {
        let mut ends: BTreeMap<(EdgeKind, &Text), (Ends, Option<u64>)> = BTreeMap::new();
        for file in files.iter().filter(|file| file.role == Role::Fd) {
            let (kind, name) = match file.kind {
                Some(file::Kind::Pipe) => (EdgeKind::Pipe, file.link.as_ref()),
                Some(file::Kind::Fifo) => (EdgeKind::Fifo, file.path.as_ref()),
                _ => continue,
            };
            let Some(name) = name else { continue };
            let (ends, unread) = ends.entry((kind, name)).or_default();
            ends.add(file);
            if let Some(Details::Pipe { unread_bytes, .. }) = &file.details {
                *unread = (*unread).max(Some(*unread_bytes));
            }
        }
        for ((kind, name), (ends, unread)) in ends {
            self.join(kind, name, &ends, unread);
        }
    }

    /// Joins writers with readers.
    fn join(&mut self, kind: EdgeKind, name: &Text, ends: &Ends, unread_bytes: Option<u64>) {
        let edge = |from: String, to: String, label: String| {
            let label = Text([name.0.as_slice(), b" ", label.as_bytes()].concat());
            joined(kind, from, to, true, label, unread_bytes)
        };
        if ends.writers.len().saturating_mul(ends.readers.len()) > MAX_DIRECT {
            let object = self.object(name.clone());
            for (pid, fds) in &ends.writers {
                self.add(edge(process(*pid), object.clone(), fds.join(",")));
            }
            for (pid, fds) in &ends.readers {
                self.add(edge(object.clone(), process(*pid), fds.join(",")));
            }
            return;
        }
        for (writer, from) in &ends.writers {
            for (reader, to) in ends.readers.iter().filter(|(reader, _)| *reader != writer) {
                let label = format!("{} to {}", from.join(","), to.join(","));
                self.add(edge(process(*writer), process(*reader), label));
            }
        }
    }

    /// The two sides of a pseudoterminal.
    fn terminals(&mut self, files: &[OpenFile]) {
        let mut sides: BTreeMap<u32, (BTreeSet<u32>, BTreeSet<u32>)> = BTreeMap::new();
        for file in files.iter().filter(|file| file.role == Role::Fd) {
            let Some(Details::Tty { index: Some(index), side, .. }) = &file.details else { continue };
            let (masters, slaves) = sides.entry(*index).or_default();
            let set = if *side == Some("master") { masters } else { slaves };
            set.extend(file.pid);
        }
        for (index, (masters, slaves)) in sides {
            for master in &masters {
                if self.is_full() {
                    return;
                }
                for slave in slaves.iter().filter(|slave| *slave != master) {
                    let label = format!("/dev/pts/{index}");
                    self.edge(EdgeKind::Terminal, process(*master), process(*slave), label.into_bytes());
                }
            }
        }
    }

    fn proc_mem(&mut self, files: &[OpenFile]) {
        for file in files.iter().filter(|file| file.role == Role::Fd) {
            let (Some(pid), Some(path)) = (file.pid, &file.path) else { continue };
            let target = path.0.strip_prefix(b"/proc/").and_then(|rest| rest.strip_suffix(b"/mem"));
            let target = target.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u32>().ok());
            if let Some(target) = target.filter(|target| *target != pid && self.case.task(*target).is_some())
            {
                self.edge(EdgeKind::ProcMem, process(pid), process(target), path.clone());
            }
        }
    }

    fn sockets(&mut self, sockets: &[Socket]) {
        let listening = sockets.iter().filter(|socket| socket.state == Some("LISTEN"));
        let ports: BTreeSet<Port<'_>> =
            listening.filter_map(|socket| Some(port(socket, socket.local.as_ref()?))).collect();
        for socket in sockets {
            if self.is_full() {
                return;
            }
            match socket.family {
                Some("unix") => self.unix(socket),
                Some("inet" | "inet6") => self.inet(socket, &ports),
                _ => {}
            }
        }
    }

    fn unix(&mut self, socket: &Socket) {
        let Some(peer) = socket.peer_inode else { return };
        let name = socket.path.clone().or_else(|| socket.peer_path.clone()).unwrap_or_default();
        let unread_bytes = socket.receive_queue.map(|queue| queue.bytes);
        for pid in pids(socket) {
            if socket.peer_pids.is_empty() {
                let label = Text([b"unix ", name.0.as_slice()].concat());
                let label =
                    if name.0.is_empty() { format!("unix socket {peer}").as_str().into() } else { label };
                let to = self.outside(label);
                self.add(undirected(EdgeKind::Unix, process(pid), to, name.clone(), unread_bytes));
            }
            for other in socket.peer_pids.iter().filter(|other| **other != pid) {
                // Both ends lead to one edge.
                let (one, two) = (pid.min(*other), pid.max(*other));
                let inodes = socket.inode.map_or((peer, peer), |inode| (inode.min(peer), inode.max(peer)));
                let label = format!("{}-{} ", inodes.0, inodes.1);
                let label = Text([label.as_bytes(), name.0.as_slice()].concat().trim_ascii().to_vec());
                self.add(undirected(EdgeKind::Unix, process(one), process(two), label, None));
            }
        }
    }

    fn inet(&mut self, socket: &Socket, listening: &BTreeSet<Port<'_>>) {
        let Some((local, remote)) = socket.local.as_ref().zip(socket.remote.as_ref()) else { return };
        let kind = match socket.protocol.as_deref() {
            Some("tcp") => EdgeKind::Tcp,
            Some("udp") => EdgeKind::Udp,
            _ => return,
        };
        let is_server = |end: &Endpoint| listening.contains(&port(socket, end));
        let (here, there) = (is_server(local), is_server(remote));
        let label = format!("{} to {}", socket::shown(local), socket::shown(remote));
        let reversed = format!("{} to {}", socket::shown(remote), socket::shown(local));
        let holders = pids(socket);
        if socket.peer_pids.is_empty() {
            let outside = self.outside(socket::shown(remote).into_bytes().into());
            for pid in holders {
                let (from, to, label) = if here {
                    (outside.clone(), process(pid), &reversed)
                } else {
                    (process(pid), outside.clone(), &label)
                };
                self.edge(kind, from, to, label.as_bytes());
            }
            return;
        }
        // The other end is a socket of its own: the client's gives the edge, or the lower address if none is known.
        let is_client = there && !here || (there == here && label <= reversed);
        if is_client {
            for pid in holders {
                for other in &socket.peer_pids {
                    self.edge(kind, process(pid), process(*other), label.as_bytes());
                }
            }
        }
    }

    fn shared_memory(&mut self, mappings: &[mapping::Mapping]) {
        let mut users: BTreeMap<u64, (BTreeSet<u32>, &Text)> = BTreeMap::new();
        for mapping in mappings {
            if let Some(object) = mapping.shared_object {
                users.entry(object).or_insert_with(|| (BTreeSet::new(), &mapping.path)).0.insert(mapping.pid);
            }
        }
        for (users, name) in users.into_values().filter(|(users, _)| users.len() > 1) {
            let list: Vec<u32> = users.into_iter().collect();
            if let [one, other] = list.as_slice() {
                let (from, to) = (process(*one), process(*other));
                self.add(undirected(EdgeKind::SharedMemory, from, to, name.clone(), None));
                continue;
            }
            let object = self.object(name.clone());
            for pid in list {
                let to = object.clone();
                self.add(undirected(EdgeKind::SharedMemory, process(pid), to, name.clone(), None));
            }
        }
    }

    fn may_trace(&mut self) {
        let case = self.case;
        let living = || case.tasks.iter().filter(|task| !is_zombie(task));
        if living().count() > MAX_TRACED {
            self.is_cut = true;
            return;
        }
        for tracer in living() {
            for target in living().filter(|target| target.process.pid != tracer.process.pid) {
                if self.is_full() {
                    return;
                }
                if may_trace(tracer, target) == Some(true) {
                    let (from, to) = (process(tracer.process.pid), process(target.process.pid));
                    self.edge(EdgeKind::MayTrace, from, to, "");
                }
            }
        }
    }

    fn finish(self, sockets: &[Socket], wanted: &dyn Fn(&Task<'_>) -> bool) -> Graph {
        let all = self.case.tasks.iter().all(wanted);
        let chosen: BTreeSet<String> = self
            .case
            .tasks
            .iter()
            .filter(|task| wanted(task))
            .map(|task| process(task.process.pid))
            .collect();
        let mut edges: Vec<Edge> = self
            .edges
            .into_iter()
            .filter(|edge| all || chosen.contains(&edge.from) || chosen.contains(&edge.to))
            .collect();
        let used: BTreeSet<String> =
            edges.iter().flat_map(|edge| [edge.from.clone(), edge.to.clone()]).collect();
        let mut listens: BTreeMap<u32, BTreeSet<Text>> = BTreeMap::new();
        for socket in sockets.iter().filter(|socket| socket.state == Some("LISTEN")) {
            for pid in pids(socket) {
                listens.entry(pid).or_default().extend(listener(socket));
            }
        }
        let mut nodes = Vec::new();
        for task in &self.case.tasks {
            let (own, id) = (&task.process, process(task.process.pid));
            if chosen.contains(&id) || used.contains(&id) {
                nodes.push(Node {
                    id,
                    kind: NodeKind::Process,
                    label: own.comm.clone().unwrap_or_default(),
                    pid: Some(own.pid),
                    exe: own.exe.clone(),
                    uid: own.uid.and_then(|uid| uid.effective),
                    listens: listens.remove(&own.pid).into_iter().flatten().collect(),
                });
            }
        }
        let mut outside: Vec<(usize, Text)> =
            self.outside.into_iter().map(|(label, number)| (number, label)).collect();
        outside.sort();
        let outside =
            outside.into_iter().map(|(number, label)| (format!("x{number}"), NodeKind::Outside, label));
        let objects = (1_usize..)
            .zip(self.objects)
            .map(|(number, label)| (format!("o{number}"), NodeKind::Object, label));
        for (id, kind, label) in outside.chain(objects).filter(|(id, ..)| used.contains(id)) {
            nodes.push(Node { id, kind, label, pid: None, exe: None, uid: None, listens: Vec::new() });
        }
        let names: BTreeMap<&str, Text> = nodes.iter().map(|node| (node.id.as_str(), node.name())).collect();
        for edge in &mut edges {
            edge.from_name = names.get(edge.from.as_str()).cloned().unwrap_or_default();
            edge.to_name = names.get(edge.to.as_str()).cloned().unwrap_or_default();
        }
        drop(names);
        Graph { nodes, edges }
    }
}

/// Processes at the ends of a pipe, with their descriptors.
#[derive(Default)]
struct Ends {
    writers: BTreeMap<u32, Vec<String>>,
    readers: BTreeMap<u32, Vec<String>>,
}

impl Ends {
    fn add(&mut self, file: &OpenFile) {
        let (Some(pid), Some(fd)) = (file.pid, file.fd) else { return };
        let has = |name: &str| file.flags.iter().flatten().any(|flag| flag == name);
        let fd = format!("fd {fd}");
        if !has("O_RDONLY") {
            self.writers.entry(pid).or_default().push(fd.clone());
        }
        if !has("O_WRONLY") {
            self.readers.entry(pid).or_default().push(fd);
        }
    }
}

fn process(pid: u32) -> String {
    format!("p{pid}")
}

/// Network namespace, protocol and port.
type Port<'s> = (Option<u32>, Option<&'s str>, Option<u32>);

fn port<'s>(socket: &'s Socket, end: &Endpoint) -> Port<'s> {
    (socket.net_ns, socket.protocol.as_deref(), end.port)
}

/// The processes that hold a socket, each once.
fn pids(socket: &Socket) -> BTreeSet<u32> {
    socket.holders.iter().map(|holder| holder.pid).collect()
}

fn undirected(kind: EdgeKind, from: String, to: String, label: Text, unread_bytes: Option<u64>) -> Edge {
    joined(kind, from, to, false, label, unread_bytes)
}

/// An edge; the names of its ends are filled in at last.
fn joined(
    kind: EdgeKind,
    from: String,
    to: String,
    directed: bool,
    label: Text,
    unread_bytes: Option<u64>,
) -> Edge {
    let none = Text::default();
    Edge { kind, from, from_name: none.clone(), to, to_name: none, directed, label, unread_bytes }
}

fn listener(socket: &Socket) -> Option<Text> {
    match (&socket.path, &socket.local) {
        (Some(path), _) => Some(Text([b"unix ", path.0.as_slice()].concat())),
        (None, Some(local)) => {
            let protocol = socket.protocol.as_deref().unwrap_or("?");
            Some(format!("{protocol} {}", socket::shown(local)).into_bytes().into())
        }
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests;
