//! What differs between two checkpoints. Things are matched by what they are (path, addresses, name, place in the
//! process tree), never by the numbers that CRIU gives them, which change from dump to dump.

mod container;
mod file;
mod item;
mod mapping;
mod memory;
mod mount;
mod pages;
mod pair;
mod process;
mod rootfs;
mod socket;
mod strings;

use ckptfx_parser::Diagnostic;
use schemars::JsonSchema;
use serde::Serialize;

use self::item::{Facts, Item, Key};
pub use self::memory::MemoryChange;
use self::pair::{Pairs, Side, Which};
use crate::{Case, Task, Text, files::nested::Source};

/// What kind of thing differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// What the engine says of the container.
    Container,
    /// A process.
    Process,
    /// Ids, capabilities, filters and labels of a process or thread.
    Credential,
    /// An environment variable.
    Environment,
    /// A file that a process refers to.
    File,
    /// A socket.
    Socket,
    /// A mount.
    Mount,
    /// A mapping of a process.
    Mapping,
    /// Bytes of memory.
    Memory,
    /// Text in memory that appeared or disappeared.
    String,
    /// A path in the changes of the file systems.
    Rootfs,
}

impl Kind {
    /// All of them, in the order of the result.
    pub const ALL: [Self; 11] = [
        Self::Container,
        Self::Process,
        Self::Credential,
        Self::Environment,
        Self::File,
        Self::Socket,
        Self::Mount,
        Self::Mapping,
        Self::Memory,
        Self::String,
        Self::Rootfs,
    ];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Process => "process",
            Self::Credential => "credential",
            Self::Environment => "environment",
            Self::File => "file",
            Self::Socket => "socket",
            Self::Mount => "mount",
            Self::Mapping => "mapping",
            Self::Memory => "memory",
            Self::String => "string",
            Self::Rootfs => "rootfs",
        }
    }
}

/// How it differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Difference {
    /// Only the later checkpoint has it.
    Added,
    /// Only the earlier checkpoint has it.
    Removed,
    /// Both have it, with other facts.
    Changed,
}

/// What a difference is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Subject {
    /// The process in the later checkpoint; null if it is not there, or the thing belongs to no process.
    pub pid: Option<u32>,
    /// The same process in the earlier checkpoint, where its pid may have been another one.
    pub pid_before: Option<u32>,
    /// Its name, in the later checkpoint if it is there.
    pub comm: Option<Text>,
    /// Path, name of a variable, addresses, … as the kind has it.
    pub name: Text,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Change {
    /// What kind of thing differs.
    pub kind: Kind,
    /// How it differs.
    pub change: Difference,
    /// What it is.
    pub subject: Subject,
    /// Facts in the earlier checkpoint: those that differ; of something removed all; null for something added.
    pub before: Option<Facts>,
    /// Facts in the later checkpoint, in the same way; null for something removed.
    pub after: Option<Facts>,
    /// Counts of pages; the key is missing for other kinds than memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryChange>,
    /// The earlier checkpoint: file name of the archive, with the part if it holds several checkpoints.
    pub from: String,
    /// The later checkpoint.
    pub to: String,
}

/// A checkpoint that is compared.
pub struct Input<'i, 'a> {
    /// What was read of it.
    pub case: &'i mut Case<'a>,
    /// The tars inside it, for changes of the file systems.
    pub sources: &'i [Source],
    /// What it is called in the result.
    pub name: &'i str,
    /// The processes that are asked for.
    pub wanted: &'i dyn Fn(&Task<'_>) -> bool,
}

/// What to compare.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Kinds.
    pub kinds: Vec<Kind>,
    /// Whether the files, mappings and so on of processes that only one checkpoint has are listed too.
    pub all: bool,
    /// Whether the filter of processes leaves any out: what belongs to no process is then left out.
    pub filtered: bool,
    /// Text in changed memory: null if it is not asked for.
    pub strings: Option<StringWish>,
    /// Zeros of holes of files that are hashed in all, in bytes.
    pub zeros: u64,
}

/// Which text to show.
#[derive(Debug, Clone, Copy)]
pub struct StringWish {
    /// Shortest, in bytes.
    pub min: usize,
    /// Most of a region and direction.
    pub max: usize,
}

/// The differences, in order of kind, process and name. What is noticed on the way goes to the diagnostics of the
/// cases.
pub fn changes(before: &mut Input<'_, '_>, after: &mut Input<'_, '_>, wish: &Wish) -> Vec<Change> {
    let pairs = Pairs::of(before, after, wish.all);
    let mut list: Vec<Change> = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| wish.kinds.contains(kind)) {
        let of_no_process = matches!(kind, Kind::Container | Kind::Mount | Kind::Rootfs);
        if wish.filtered && of_no_process {
            continue;
        }
        let mut sides = |read: Read| {
            let old = read(before, &pairs.side(Which::Before), wish);
            let new = read(after, &pairs.side(Which::After), wish);
            item::compare(kind, old, new, &pairs)
        };
        let found = match kind {
            Kind::Container => sides(container::items),
            Kind::Process => sides(process::items),
            Kind::Credential => sides(process::credentials),
            Kind::Environment => sides(process::environment),
            Kind::File => sides(file::items),
            Kind::Socket => sides(socket::items),
            Kind::Mount => sides(mount::items),
            Kind::Mapping => sides(mapping::items),
            Kind::Rootfs => sides(rootfs::items),
            Kind::Memory => memory::changes(before, after, &pairs, wish.strings),
            // Found with the memory that it is in.
            Kind::String => Vec::new(),
        };
        list.extend(found.into_iter().filter(|change| wish.kinds.contains(&change.kind)));
    }
    for change in &mut list {
        change.from = before.name.to_owned();
        change.to = after.name.to_owned();
    }
    list.sort_by_key(|change| change.kind);
    list
}

/// Reads the things of one kind out of one checkpoint.
type Read = fn(&mut Input<'_, '_>, &Side<'_>, &Wish) -> Vec<Item>;

impl Input<'_, '_> {
    fn note(&mut self, code: &'static str, subject: impl Into<String>, message: impl Into<String>) {
        self.case.diagnostics.push(Diagnostic::note(code, subject, message));
    }
}

#[cfg(test)]
mod tests;
