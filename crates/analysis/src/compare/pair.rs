//! Which process of one checkpoint is which of the other.

use std::collections::{BTreeMap, VecDeque};

use super::{Input, Subject};
use crate::{Case, Task, Text};

/// Rounds of going down the tree; deeper processes are matched without regard to their parents.
const MAX_DEPTH: usize = 64;

/// A process in one or both checkpoints, by index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub before: Option<usize>,
    pub after: Option<usize>,
    /// Both have the address layout of one execve: equal addresses mean the same place.
    pub same_layout: bool,
    is_wanted: bool,
    pid: Option<u32>,
    pid_before: Option<u32>,
    comm: Option<Text>,
}

/// All processes of both checkpoints.
#[derive(Debug)]
pub(super) struct Pairs {
    pub list: Vec<Pair>,
    /// Whether both are of one container: pids, inodes and parents then mean the same.
    pub same_container: bool,
    /// Whether things of processes that only one checkpoint has are looked at.
    all: bool,
}

/// One of the two checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Before,
    After,
}

/// The view of the pairs from one of the checkpoints.
#[derive(Debug)]
pub(super) struct Side<'p> {
    pub pairs: &'p Pairs,
    owners: BTreeMap<u32, usize>,
}

impl Pairs {
    pub fn of(before: &Input<'_, '_>, after: &Input<'_, '_>, all: bool) -> Self {
        let (old, new) = (&*before.case, &*after.case);
        let id = old.checkpoint.container.id.as_ref();
        let same_container = id.is_some() && id == new.checkpoint.container.id.as_ref();
        let matches = matched(old, new, same_container);
        let partner = |list: &[Option<usize>], index: usize| list.get(index).copied().flatten();
        let mut list: Vec<Pair> = Vec::new();
        for (index, task) in new.tasks.iter().enumerate() {
            let earlier = partner(&matches.after, index);
            let other = earlier.and_then(|earlier| old.tasks.get(earlier));
            list.push(Pair {
                before: earlier,
                after: Some(index),
                same_layout: other.is_some_and(|other| same_layout(other, task)),
                is_wanted: (after.wanted)(task) || other.is_some_and(|other| (before.wanted)(other)),
                pid: Some(task.process.pid),
                pid_before: other.map(|other| other.process.pid),
                comm: task.process.comm.clone(),
            });
        }
        for (index, task) in old.tasks.iter().enumerate() {
            if partner(&matches.before, index).is_none() {
                list.push(Pair {
                    before: Some(index),
                    after: None,
                    same_layout: false,
                    is_wanted: (before.wanted)(task),
                    pid: None,
                    pid_before: Some(task.process.pid),
                    comm: task.process.comm.clone(),
                });
            }
        }
        Self { list, same_container, all }
    }

    pub fn subject(&self, owner: Option<usize>, name: Text) -> Subject {
        let pair = owner.and_then(|owner| self.list.get(owner));
        Subject {
            pid: pair.and_then(|pair| pair.pid),
            pid_before: pair.and_then(|pair| pair.pid_before),
            comm: pair.and_then(|pair| pair.comm.clone()),
            name,
        }
    }

    pub fn side(&self, which: Which) -> Side<'_> {
        let pid = |pair: &Pair| match which {
            Which::Before => pair.pid_before,
            Which::After => pair.pid,
        };
        let owners =
            self.list.iter().enumerate().filter_map(|(index, pair)| Some((pid(pair)?, index))).collect();
        Side { pairs: self, owners }
    }

    /// Whether all processes are asked for.
    pub fn all_wanted(&self) -> bool {
        self.list.iter().all(|pair| pair.is_wanted)
    }

    /// The processes that are asked for and that both checkpoints have.
    pub fn both(&self) -> impl Iterator<Item = (usize, &Pair)> {
        self.list
            .iter()
            .enumerate()
            .filter(|(_, pair)| pair.is_wanted && pair.before.is_some() && pair.after.is_some())
    }
}

impl Side<'_> {
    /// Number of the pair that a process belongs to.
    pub fn owner(&self, pid: u32) -> Option<usize> {
        self.owners.get(&pid).copied()
    }

    pub fn pair(&self, pid: u32) -> Option<&Pair> {
        self.pairs.list.get(self.owner(pid)?)
    }

    /// Whether the process itself is asked for.
    pub fn wants(&self, task: &Task<'_>) -> bool {
        self.pair(task.process.pid).is_some_and(|pair| pair.is_wanted)
    }

    /// Whether what belongs to the process is asked for: of one that was added or removed not always.
    pub fn wants_details(&self, task: &Task<'_>) -> bool {
        self.pair(task.process.pid).is_some_and(|pair| {
            pair.is_wanted && (self.pairs.all || (pair.before.is_some() && pair.after.is_some()))
        })
    }
}

/// The matching in the making: for each process of one checkpoint that of the other.
struct Matching {
    before: Vec<Option<usize>>,
    after: Vec<Option<usize>>,
}

impl Matching {
    /// Pairs the processes without a match that have equal keys, in order. Whether there were any.
    fn pass<K: Ord>(
        &mut self,
        old: impl Fn(usize, &Self) -> Option<K>,
        new: impl Fn(usize, &Self) -> Option<K>,
    ) -> bool {
        let mut waiting: BTreeMap<K, VecDeque<usize>> = BTreeMap::new();
        for index in (0..self.before.len()).filter(|index| self.before.get(*index) == Some(&None)) {
            if let Some(key) = old(index, self) {
                waiting.entry(key).or_default().push_back(index);
            }
        }
        let mut found = Vec::new();
        for index in (0..self.after.len()).filter(|index| self.after.get(*index) == Some(&None)) {
            let partner = new(index, self).and_then(|key| waiting.get_mut(&key)?.pop_front());
            found.extend(partner.map(|partner| (partner, index)));
        }
        for (one, other) in &found {
            if let (Some(old), Some(new)) = (self.before.get_mut(*one), self.after.get_mut(*other)) {
                (*old, *new) = (Some(*other), Some(*one));
            }
        }
        !found.is_empty()
    }
}

/// Program and arguments.
type Identity<'c> = (&'c [u8], Vec<&'c [u8]>);

/// Matches by program, arguments and place in the tree; by pid only where pids mean the same.
fn matched(old: &Case<'_>, new: &Case<'_>, same_container: bool) -> Matching {
    let mut matching = Matching { before: vec![None; old.tasks.len()], after: vec![None; new.tasks.len()] };
    let identity = |case: &'_ Case<'_>, index: usize| -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
        let (exe, arguments) = identity(case.tasks.get(index)?);
        Some((exe.to_vec(), arguments.into_iter().map(<[u8]>::to_vec).collect()))
    };
    let (old_ids, new_ids) = (
        (0..old.tasks.len()).map(|index| identity(old, index)).collect::<Vec<_>>(),
        (0..new.tasks.len()).map(|index| identity(new, index)).collect::<Vec<_>>(),
    );
    let pid = |case: &Case<'_>, index: usize| case.tasks.get(index).map(|task| task.process.pid);
    let parents = [parents(old), parents(new)];
    let [old_parents, new_parents] = &parents;
    // Where the parent is in the later checkpoint: 0 for none, else its index and one more.
    let old_parent = |index: usize, matching: &Matching| match old_parents.get(index)? {
        None => Some(0),
        Some(parent) => Some(matching.before.get(*parent)?.as_ref()?.saturating_add(1)),
    };
    let new_parent = |index: usize| {
        new_parents.get(index)?.map_or(Some(0), |parent: usize| Some(parent.saturating_add(1)))
    };
    let old_id = |index: usize| old_ids.get(index)?.as_ref();
    let new_id = |index: usize| new_ids.get(index)?.as_ref();
    if same_container {
        matching.pass(
            |index, _| Some((pid(old, index)?, old_id(index)?)),
            |index, _| Some((pid(new, index)?, new_id(index)?)),
        );
    }
    for _ in 0..MAX_DEPTH {
        let found = matching.pass(
            |index, matching| Some((old_parent(index, matching)?, old_id(index)?)),
            |index, _| Some((new_parent(index)?, new_id(index)?)),
        );
        if !found {
            break;
        }
    }
    matching.pass(|index, _| old_id(index), |index, _| new_id(index));
    if same_container {
        // A process that changed its title or executed another program.
        matching.pass(
            |index, matching| Some((pid(old, index)?, old_parent(index, matching)?)),
            |index, _| Some((pid(new, index)?, new_parent(index)?)),
        );
    }
    for _ in 0..MAX_DEPTH {
        let found = matching.pass(
            |index, matching| Some((old_parent(index, matching)?, &old_id(index)?.0)),
            |index, _| Some((new_parent(index)?, &new_id(index)?.0)),
        );
        if !found {
            break;
        }
    }
    matching
}

/// Program and arguments; the name where they are not known.
fn identity<'c>(task: &'c Task<'_>) -> Identity<'c> {
    let process = &task.process;
    let program = process.exe.as_ref().or(process.comm.as_ref()).map_or(&[][..], |text| text.0.as_slice());
    let arguments = process.cmdline.iter().flatten().map(|argument| argument.0.as_slice());
    (program, arguments.collect())
}

/// For each process the index of its parent.
fn parents(case: &Case<'_>) -> Vec<Option<usize>> {
    let tasks = case.tasks.iter().enumerate();
    let by_pid: BTreeMap<u32, usize> = tasks.map(|(index, task)| (task.process.pid, index)).collect();
    case.tasks.iter().map(|task| by_pid.get(&task.process.ppid?).copied()).collect()
}

/// Whether two processes have the layout of one execve: its random addresses are equal.
fn same_layout(one: &Task<'_>, other: &Task<'_>) -> bool {
    let layout = |task: &Task<'_>| {
        let mm = task.mm.as_ref()?;
        Some((mm.mm_start_code?, mm.mm_end_code?, mm.mm_start_data?, mm.mm_start_stack?, mm.mm_arg_start?))
    };
    one.process.exe == other.process.exe && layout(one).is_some() && layout(one) == layout(other)
}
