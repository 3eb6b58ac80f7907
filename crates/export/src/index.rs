//! Processes and sockets by what is asked of them, so that a checkpoint with very many is no problem.

use std::collections::{BTreeMap, BTreeSet};

use ckptfx_analysis::{network::socket::Socket, process::Process};

use crate::dossier::Dossier;

/// Protocol, network namespace and port.
type Port<'d> = (Option<&'d str>, Option<u32>, u32);

/// Processes and sockets of one checkpoint.
pub struct Index<'d> {
    processes: BTreeMap<u32, &'d Process>,
    sockets: BTreeMap<u32, Vec<&'d Socket>>,
    listening: BTreeSet<Port<'d>>,
}

impl<'d> Index<'d> {
    /// Goes through the facts once.
    pub fn new(dossier: &Dossier<'d>) -> Self {
        let mut index =
            Self { processes: BTreeMap::new(), sockets: BTreeMap::new(), listening: BTreeSet::new() };
        for process in dossier.processes {
            // Of a doubled pid the first counts, as everywhere.
            index.processes.entry(process.pid).or_insert(process);
        }
        for socket in dossier.sockets {
            let holders: BTreeSet<u32> = socket.holders.iter().map(|holder| holder.pid).collect();
            for pid in holders {
                index.sockets.entry(pid).or_default().push(socket);
            }
            if let (Some("LISTEN"), Some(port)) =
                (socket.state, socket.local.as_ref().and_then(|local| local.port))
            {
                index.listening.insert((socket.protocol.as_deref(), socket.net_ns, port));
            }
        }
        index
    }

    /// The process with a pid.
    pub fn process(&self, pid: u32) -> Option<&'d Process> {
        self.processes.get(&pid).copied()
    }

    /// The parent of a process, if it is in the checkpoint.
    pub fn parent(&self, process: &Process) -> Option<&'d Process> {
        self.process(process.ppid?).filter(|parent| parent.pid != process.pid)
    }

    /// The sockets that a process holds.
    pub fn sockets(&self, pid: u32) -> impl Iterator<Item = &'d Socket> {
        self.sockets.get(&pid).into_iter().flatten().copied()
    }

    /// Whether a socket of the protocol and namespace of another listens on a port.
    pub fn listens(&self, like: &Socket, port: Option<u32>) -> bool {
        port.is_some_and(|port| self.listening.contains(&(like.protocol.as_deref(), like.net_ns, port)))
    }
}
