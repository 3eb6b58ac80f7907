//! Everything that detections look at, read once.

use std::{collections::BTreeSet, io};

use ckptfx_parser::{Diagnostic, container::Container, proto};

use crate::{
    Case, Task, Text,
    container::mount::{self, Mount},
    files::{
        file::{self, OpenFile},
        nested::Source,
        rootfs::{self, Change, Wish},
    },
    finding::{
        MemorySignals,
        asked::Conduct,
        contradiction,
        dropped::DroppedFile,
        index::{self, Index},
        known, memory,
    },
    memory::mapping::{self, Mapping},
    network::{
        queue::{self, Queue},
        socket::{self, Socket},
    },
    process::{
        Process, State,
        thread::{self, ThreadFacts},
    },
    security::credential::{self, Credentials},
};

/// `AT_EXECFN`: where the kernel put the path that was given to execve.
const AT_EXECFN: u64 = 31;
/// Longest path of Linux.
const PATH_MAX: u64 = 4096;

/// What only findings ask of a process.
#[derive(Debug, Clone)]
pub struct Start {
    /// The process.
    pub pid: u32,
    /// The path that was given to execve; null when it is not captured.
    pub execfn: Option<Text>,
    /// Whether its addresses are not randomised.
    pub no_randomize: bool,
    /// A control group of it that is neither one of the first process nor below one.
    pub foreign_cgroup: Option<Text>,
}

/// The facts about one checkpoint.
#[derive(Debug)]
pub struct Facts<'c> {
    /// What the engine says of the container.
    pub container: &'c Container,
    /// Processes, in the order of the tree.
    pub processes: Vec<Process>,
    /// How each was started.
    pub starts: Vec<Start>,
    /// What they asked of the kernel about themselves.
    pub conduct: Vec<Conduct>,
    /// Their files, roles included.
    pub files: Vec<OpenFile>,
    /// Sockets with who holds them.
    pub sockets: Vec<Socket>,
    /// Mappings with what is odd about them.
    pub mappings: Vec<Mapping>,
    /// Threads with what is odd about where they were.
    pub threads: Vec<ThreadFacts>,
    /// What nobody had read.
    pub queues: Vec<Queue>,
    /// Changes of the root file system, and files of volumes and tmpfs mounts.
    pub changes: Vec<Change>,
    /// The regular files among them, with content.
    pub dropped: Vec<DroppedFile>,
    /// Mounts.
    pub mounts: Vec<Mount>,
    /// Credentials of processes, and of threads that have others.
    pub credentials: Vec<Credentials>,
    /// What searches of memory and files found.
    pub memory: MemorySignals,
    /// What the images say that contradicts what else they say.
    pub contradictions: Vec<Diagnostic>,
    /// Where they are in these lists.
    index: Index,
}

impl<'c> Facts<'c> {
    /// Reads them. What cannot be read is in the case's diagnostics.
    ///
    /// # Errors
    /// When pages of a parent dump cannot be put together to be searched.
    pub fn read(case: &mut Case<'c>, sources: &[Source]) -> io::Result<Self> {
        let all = |_: &Task<'_>| true;
        let wish = Wish { hash: false, diff: false, zeros: 0, base: None };
        let changes = rootfs::changes(case, sources, &wish, &all, true);
        let dropped = dropped(sources);
        let mut facts = Self {
            container: &case.checkpoint.container,
            processes: case.tasks.iter().map(|task| task.process.clone()).collect(),
            starts: starts(case),
            conduct: Conduct::read(case),
            files: file::files(case, &all),
            sockets: socket::sockets(case, &all),
            mappings: mapping::mappings(case, &all),
            threads: thread::threads(case, &all),
            queues: queue::queues(case, &all),
            changes,
            mounts: mount::mounts(case, &all),
            credentials: credential::credentials(case, false, &all),
            memory: memory::search(case, sources)?,
            dropped,
            contradictions: contradiction::contradictions(case),
            index: Index::default(),
        };
        facts.index.of_processes(&facts.processes);
        facts.index.of_files(&facts.files);
        facts.index.of_sockets(&facts.sockets);
        facts.index.of_memory(&facts.mappings, &facts.threads, &facts.memory.miner);
        facts.index.of_changes(&facts.changes, &facts.dropped);
        Ok(facts)
    }

    /// The process with a pid.
    pub fn process(&self, pid: u32) -> Option<&Process> {
        self.processes.get(*self.index.processes.get(&pid)?)
    }

    /// The first living process that runs the program with a path.
    pub fn running(&self, path: &[u8]) -> Option<&Process> {
        self.processes.get(*self.index.running.get(path)?)
    }

    /// Processes that run: no zombies.
    pub fn living(&self) -> impl Iterator<Item = &Process> {
        self.processes.iter().filter(|process| process.state != Some(State::Zombie))
    }

    /// The first process: what the container was started for.
    pub fn first(&self) -> Option<&Process> {
        self.processes.first()
    }

    /// The parent, if it is in the checkpoint.
    pub fn parent(&self, process: &Process) -> Option<&Process> {
        self.process(process.ppid?).filter(|parent| parent.pid != process.pid)
    }

    /// Open descriptors of a process, without the other roles.
    pub fn descriptors(&self, pid: u32) -> impl Iterator<Item = &OpenFile> {
        index::at(&self.files, &self.index.descriptors, &pid)
    }

    /// The executable of a process as an open file.
    pub fn executable(&self, pid: u32) -> Option<&OpenFile> {
        self.files.get(*self.index.executables.get(&pid)?)
    }

    /// Descriptors of the pipe with a link.
    pub fn pipe_ends(&self, link: &Text) -> impl Iterator<Item = &OpenFile> {
        index::at(&self.files, &self.index.pipes, link)
    }

    /// Descriptors of the master side of a pseudoterminal.
    pub fn masters(&self, terminal: u32) -> impl Iterator<Item = &OpenFile> {
        index::at(&self.files, &self.index.masters, &terminal)
    }

    /// The sockets that a process holds.
    pub fn sockets_of(&self, pid: u32) -> impl Iterator<Item = &Socket> {
        index::at(&self.sockets, &self.index.sockets, &pid)
    }

    /// Whether something listens on a port.
    pub fn listens(&self, port: u32) -> bool {
        self.index.listening.contains(&port)
    }

    /// The mappings of a process.
    pub fn mappings_of(&self, pid: u32) -> impl Iterator<Item = &Mapping> {
        index::at(&self.mappings, &self.index.mappings, &pid)
    }

    /// The threads of a process.
    pub fn threads_of(&self, pid: u32) -> impl Iterator<Item = &ThreadFacts> {
        index::at(&self.threads, &self.index.threads, &pid)
    }

    /// How many families of miners have strings in the memory of a process.
    pub fn miners_in(&self, pid: u32) -> usize {
        self.index.miners.get(&pid).map_or(0, BTreeSet::len)
    }

    /// The environment of a process as name and value.
    pub fn environment<'p>(&self, process: &'p Process) -> impl Iterator<Item = (&'p [u8], &'p [u8])> {
        process.environ.iter().flatten().filter_map(|entry| {
            let equals = entry.0.iter().position(|byte| *byte == b'=')?;
            Some((entry.0.get(..equals)?, entry.0.get(equals + 1..)?))
        })
    }

    /// The file of the root file system's changes with a path.
    pub fn dropped_at(&self, path: &[u8]) -> Option<&DroppedFile> {
        self.dropped.get(*self.index.dropped.get(path)?)
    }

    /// What changed at a path.
    pub fn changes_at(&self, path: &[u8]) -> impl Iterator<Item = &Change> {
        index::at(&self.changes, &self.index.changes, path)
    }

    /// Whether a path was added or modified since the container was created.
    pub fn was_changed(&self, path: &[u8]) -> bool {
        self.changes_at(path).any(index::is_present)
    }

    /// Whether packages were installed in the container: their data base changed, and so did everything that
    /// they brought.
    pub fn packages_changed(&self) -> Option<&Text> {
        self.changes.get(self.index.packages?).map(|change| &change.path)
    }
}

fn dropped(sources: &[Source]) -> Vec<DroppedFile> {
    let files = sources.iter().flat_map(|source| {
        source.members().filter_map(|member| {
            Some(DroppedFile {
                path: Text(source.path_of(&member.path)),
                origin: source.name.clone(),
                contents: source.contents(member)?,
            })
        })
    });
    files.collect()
}

fn starts(case: &Case<'_>) -> Vec<Start> {
    let root = case.tasks.first().map(|task| task.process.cgroups.as_slice()).unwrap_or_default();
    case.tasks
        .iter()
        .map(|task| Start {
            pid: task.process.pid,
            execfn: task.mm.as_ref().and_then(|mm| execfn(case, task, mm)),
            no_randomize: task
                .core
                .as_ref()
                .and_then(|core| core.tc.as_ref()?.personality)
                .is_some_and(|personality| (personality / NO_RANDOMIZE_DIGIT % 10) & NO_RANDOMIZE != 0),
            foreign_cgroup: task.process.cgroups.iter().find(|line| is_foreign(line, root)).cloned(),
        })
        .collect()
}

/// The digit of the personality that holds `ADDR_NO_RANDOMIZE` (0x40000): CRIU reads hexadecimal digits as decimal
/// ones (`format.md §3.1`).
const NO_RANDOMIZE_DIGIT: u32 = 10_000;
const NO_RANDOMIZE: u32 = 4;

/// Whether a control group is neither one of the first process's nor below one.
fn is_foreign(line: &Text, root: &[Text]) -> bool {
    let split = |line: &Text| {
        let colon = line.0.iter().position(|byte| *byte == b':')?;
        Some((line.0.get(..colon)?.to_vec(), line.0.get(colon + 1..)?.to_vec()))
    };
    let Some((controller, path)) = split(line) else { return false };
    let mut same = root.iter().filter_map(split).filter(|(other, _)| *other == controller).peekable();
    same.peek().is_some() && !same.any(|(_, base)| known::is_below(&path, &base))
}

/// The path that was given to execve, which the kernel leaves on the stack.
fn execfn(case: &Case<'_>, task: &Task<'_>, mm: &proto::MmEntry) -> Option<Text> {
    let pairs = mm.mm_saved_auxv.chunks_exact(2);
    let address =
        pairs.filter_map(|pair| pair.first().zip(pair.get(1))).find(|(key, _)| **key == AT_EXECFN)?.1;
    let space = task.space.as_ref()?;
    let end = space.vma_at(*address)?.end.min(address.saturating_add(PATH_MAX));
    let bytes = space.bytes(*address, end, PATH_MAX, &case.shared).ok()?;
    let length = bytes.iter().position(|byte| *byte == 0)?;
    Some(Text(bytes.get(..length)?.to_vec()))
}
