//! Where things are in the lists of facts, by what detections ask for: a look-up takes as long for many as for few.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{StringHit, known};
use crate::{
    Text,
    files::{
        file::{Details, Kind, OpenFile, Role},
        rootfs::{Change, ChangeKind},
    },
    finding::dropped::DroppedFile,
    memory::mapping::Mapping,
    network::socket::Socket,
    process::{Process, State, thread::ThreadFacts},
};

/// Positions in a list, in its order, by what is asked for.
type Places<K> = HashMap<K, Vec<usize>>;

/// The positions.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub processes: HashMap<u32, usize>,
    /// Living processes by executable; the first of each.
    pub running: HashMap<Vec<u8>, usize>,
    pub descriptors: Places<u32>,
    pub executables: HashMap<u32, usize>,
    /// Descriptors of pipes by their link.
    pub pipes: Places<Text>,
    /// Descriptors of the master sides of terminals by number.
    pub masters: Places<u32>,
    pub sockets: Places<u32>,
    /// Ports on which something listens.
    pub listening: HashSet<u32>,
    pub mappings: Places<u32>,
    pub threads: Places<u32>,
    pub dropped: HashMap<Vec<u8>, usize>,
    pub changes: Places<Vec<u8>>,
    /// The first change in a data base of packages.
    pub packages: Option<usize>,
    /// Families of miners whose strings are in the memory of a process.
    pub miners: HashMap<u32, BTreeSet<&'static str>>,
}

fn places<T, K: Eq + std::hash::Hash>(list: &[T], keys: impl Fn(&T) -> Option<K>) -> Places<K> {
    let mut places = Places::new();
    for (place, item) in list.iter().enumerate() {
        if let Some(key) = keys(item) {
            places.entry(key).or_default().push(place);
        }
    }
    places
}

/// The first of each.
fn firsts<T, K: Eq + std::hash::Hash>(list: &[T], keys: impl Fn(&T) -> Option<K>) -> HashMap<K, usize> {
    let mut places = HashMap::new();
    for (place, item) in list.iter().enumerate() {
        if let Some(key) = keys(item) {
            places.entry(key).or_insert(place);
        }
    }
    places
}

impl Index {
    pub fn of_processes(&mut self, processes: &[Process]) {
        self.processes = firsts(processes, |process| Some(process.pid));
        self.running = firsts(processes, |process| {
            let exe = process.exe.as_ref().filter(|_| process.state != Some(State::Zombie))?;
            Some(exe.0.clone())
        });
    }

    pub fn of_files(&mut self, files: &[OpenFile]) {
        self.descriptors = places(files, |file| file.pid.filter(|_| file.role == Role::Fd));
        self.executables = firsts(files, |file| file.pid.filter(|_| file.role == Role::Exe));
        self.pipes = places(files, |file| {
            let is_pipe = matches!(file.kind, Some(Kind::Pipe | Kind::Fifo)) && file.fd.is_some();
            file.link.clone().filter(|_| is_pipe)
        });
        self.masters = places(files, |file| match &file.details {
            Some(Details::Tty { index, side: Some("master"), .. }) if file.fd.is_some() => *index,
            _ => None,
        });
    }

    pub fn of_sockets(&mut self, sockets: &[Socket]) {
        self.sockets = Places::new();
        for (place, socket) in sockets.iter().enumerate() {
            for holder in socket.holders.iter() {
                let of_process = self.sockets.entry(holder.pid).or_default();
                // A process may hold it by several descriptors.
                if of_process.last() != Some(&place) {
                    of_process.push(place);
                }
            }
        }
        let listening = sockets.iter().filter(|socket| socket.state == Some("LISTEN"));
        self.listening = listening.filter_map(|socket| socket.local.as_ref()?.port).collect();
    }

    pub fn of_memory(&mut self, mappings: &[Mapping], threads: &[ThreadFacts], miners: &[StringHit]) {
        self.mappings = places(mappings, |mapping| Some(mapping.pid));
        self.threads = places(threads, |thread| Some(thread.pid));
        for hit in miners {
            for pid in &hit.pids {
                self.miners.entry(*pid).or_default().insert(hit.family);
            }
        }
    }

    pub fn of_changes(&mut self, changes: &[Change], dropped: &[DroppedFile]) {
        self.dropped = firsts(dropped, |file| Some(file.path.0.clone()));
        self.changes = places(changes, |change| Some(change.path.0.clone()));
        self.packages = changes.iter().position(|change| {
            known::PACKAGE_DATABASES.iter().any(|known| known::is_below(&change.path.0, known))
        });
    }
}

/// Whether a change leaves something in its place.
pub(super) fn is_present(change: &Change) -> bool {
    !matches!(change.change, ChangeKind::Deleted | ChangeKind::Unchanged)
}

/// What is at some places of a list.
pub(super) fn at<'l, T, K, Q>(
    list: &'l [T],
    places: &'l Places<K>,
    key: &Q,
) -> impl Iterator<Item = &'l T> + use<'l, T, K, Q>
where
    K: Eq + std::hash::Hash + std::borrow::Borrow<Q>,
    Q: Eq + std::hash::Hash + ?Sized,
{
    places.get(key).into_iter().flatten().filter_map(|place| list.get(*place))
}
