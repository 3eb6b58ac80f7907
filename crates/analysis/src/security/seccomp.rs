//! Seccomp filters and who is under them (`format.md §3.4`).

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
    sync::Arc,
};

use ckptfx_parser::{
    Diagnostic, ImageDirectory,
    dynamic::lookup,
    limits::reached,
    proto::{self, core_entry::March},
};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::{container::clues::CriuVersion, security::bpf};

/// Longest program that the kernel takes (`BPF_MAXINSNS`).
const MAX_INSTRUCTIONS: usize = 4096;
/// `SECCOMP_FILTER_FLAG_TSYNC`.
const TSYNC: u32 = 1;

/// A filter of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Filter {
    /// Its position in `seccomp.img`: threads under the same filter have the same position.
    pub position: u32,
    /// Flags. TSYNC here means only that CRIU lets the leader's filters stand for those of all threads.
    pub flags: Vec<String>,
    /// Number of instructions.
    pub instructions: usize,
    /// The program as text, one line an instruction; only when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disassembly: Option<Listing>,
}

/// A program as text, shared by all that run it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing(pub Arc<Vec<String>>);

impl Serialize for Listing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().serialize(serializer)
    }
}

impl JsonSchema for Listing {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Listing".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        generator.subschema_for::<Vec<String>>()
    }
}

/// Whose filters hold for a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The image of the thread names them.
    Thread,
    /// The image of the process names them: before CRIU 3.10.
    Process,
    /// The image of the thread names none, but the leader's filters are marked to be put on all threads.
    Leader,
}

/// How system calls of a thread are restricted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Restriction {
    /// None where releases of the time did not look at it.
    pub mode: Option<&'static str>,
    pub source: Option<Source>,
    pub filters: Vec<Filter>,
}

/// `seccomp.img`, or nothing.
pub(crate) struct Filters<'a> {
    images: &'a ImageDirectory,
    filters: Vec<proto::SeccompFilter>,
    criu: CriuVersion,
    disassemble: bool,
    listings: RefCell<HashMap<(u32, March), Listing>>,
    /// How many more filters of chains may be followed; none when that was exceeded.
    room: Cell<Option<u64>>,
    is_told: Cell<bool>,
}

impl<'a> Filters<'a> {
    pub fn read(
        images: &'a ImageDirectory,
        criu: CriuVersion,
        disassemble: bool,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        let entry: Option<proto::SeccompEntry> = images.read_one("seccomp.img", diagnostics);
        let filters = entry.map(|entry| entry.seccomp_filters).unwrap_or_default();
        let room = Cell::new(Some(images.limits().chained_filters));
        Self {
            images,
            filters,
            criu,
            disassemble,
            listings: RefCell::default(),
            room,
            is_told: Cell::default(),
        }
    }

    /// Whether two chains are the same programs with the same flags. CRIU writes the filters of each thread anew.
    pub fn are_equal(&self, one: &[Filter], other: &[Filter]) -> bool {
        let content = |filter: &Filter| {
            let filter = self.get(filter.position)?;
            Some((filter.filter.as_deref(), filter.flags))
        };
        one.len() == other.len()
            && one
                .iter()
                .zip(other)
                .all(|(one, other)| one.position == other.position || content(one) == content(other))
    }

    /// What holds for a thread, given its image and that of its leader.
    pub fn of(
        &self,
        core: &proto::CoreEntry,
        leader: &proto::CoreEntry,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Restriction {
        let machine = core.mtype.and_then(|machine| March::try_from(machine).ok()).unwrap_or(March::Unknown);
        let (mode, first, mut source) = recorded(core);
        let (mode, first) = match (mode.unwrap_or(0), recorded(leader)) {
            (0, (Some(2), Some(first), Some(Source::Process))) => {
                source = Some(Source::Process);
                (2, Some(first))
            }
            (0, (Some(2), Some(first), _)) if self.is_synchronised(first) => {
                source = Some(Source::Leader);
                (2, Some(first))
            }
            (mode, _) => (mode, first),
        };
        let filters = match first {
            Some(first) if mode == 2 => self.chain(first, machine, diagnostics),
            _ => Vec::new(),
        };
        if self.room.get().is_none() && !self.is_told.replace(true) {
            let most = self.images.limits().chained_filters;
            let what = format!("of the chains of all threads the first {most} filters are followed");
            diagnostics.push(reached("bad-filter-chain", "seccomp.img", "chained-filters", what));
        }
        let mode = match mode {
            // Releases that wrote the first image format did not look at it.
            0 => (self.criu >= CriuVersion(1, 6)).then_some("disabled"),
            1 => Some("strict"),
            2 => Some("filter"),
            _ => Some("unknown"),
        };
        Restriction { mode, source, filters }
    }

    fn get(&self, position: u32) -> Option<&proto::SeccompFilter> {
        self.filters.get(usize::try_from(position).ok()?)
    }

    fn is_synchronised(&self, first: u32) -> bool {
        self.positions(first)
            .into_iter()
            .any(|position| self.get(position).is_some_and(|filter| filter.flags.unwrap_or(0) & TSYNC != 0))
    }

    /// Positions of a chain, as far as they lead to filters and not in a circle.
    fn positions(&self, first: u32) -> Vec<u32> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        let mut next = Some(first);
        while let Some(filter) = next.and_then(|position| self.get(position))
            && let Some(position) = next
            && seen.insert(position)
            && self.room.get().is_some()
        {
            self.room.set(self.room.get().and_then(|room| room.checked_sub(1)));
            found.push(position);
            next = filter.prev;
        }
        found
    }

    /// The filters of a chain, the oldest first.
    fn chain(&self, first: u32, machine: March, diagnostics: &mut Vec<Diagnostic>) -> Vec<Filter> {
        let positions = self.positions(first);
        if self.room.get().is_none() {
            return Vec::new();
        }
        let dangling = match positions.last() {
            None => Some(first),
            Some(last) => self.get(*last).and_then(|filter| filter.prev),
        };
        if let Some(position) = dangling {
            let message =
                format!("a chain of filters leads to filter {position}, which is not there or in it already");
            diagnostics.push(Diagnostic::loss("bad-filter-chain", "seccomp.img", message));
        }
        let filters = positions.into_iter().filter_map(|position| {
            let filter = self.get(position)?;
            let bytes = filter.filter.as_deref().unwrap_or_default();
            if bytes.len() % bpf::INSTRUCTION != 0 {
                let message = format!("filter {position} ends inside an instruction");
                diagnostics.push(Diagnostic::loss("bad-filter", "seccomp.img", message));
            }
            let instructions = bytes.len() / bpf::INSTRUCTION;
            if instructions > MAX_INSTRUCTIONS {
                let message = format!(
                    "filter {position} has {instructions} instructions; the kernel takes {MAX_INSTRUCTIONS}, and as many are read"
                );
                diagnostics.push(Diagnostic::loss("bad-filter", "seccomp.img", message));
            }
            Some(Filter {
                position,
                flags: lookup::seccomp_flags(filter.flags.unwrap_or(0)),
                instructions,
                disassembly: self.disassemble.then(|| self.listing(position, bytes, machine)),
            })
        });
        filters.collect()
    }

    fn listing(&self, position: u32, bytes: &[u8], machine: March) -> Listing {
        let make = || {
            let mut program = bpf::read(bytes, self.images.order);
            program.truncate(MAX_INSTRUCTIONS);
            Listing(Arc::new(bpf::seccomp(&program, machine)))
        };
        self.listings.borrow_mut().entry((position, machine)).or_insert_with(make).clone()
    }
}

/// Mode, first filter and where they stand in an image.
fn recorded(core: &proto::CoreEntry) -> (Option<i32>, Option<u32>, Option<Source>) {
    let thread = core.thread_core.as_ref();
    if let Some(mode) = thread.and_then(|thread| thread.seccomp_mode) {
        return (Some(mode), thread.and_then(|thread| thread.seccomp_filter), Some(Source::Thread));
    }
    let task = core.tc.as_ref();
    match task.and_then(|task| task.old_seccomp_mode) {
        Some(mode) => (Some(mode), task.and_then(|task| task.old_seccomp_filter), Some(Source::Process)),
        None => (None, None, None),
    }
}
