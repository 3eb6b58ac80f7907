//! Memory as it is searched: every captured byte once, and whose it is.

use std::io;

use ckptfx_parser::{
    archive::Member,
    memory::{ObjectKind, Region, Vma, VmaKind, captured_regions},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Case, Text, case::Task};

/// What kind of memory a hit is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A process's own memory.
    Memory,
    /// Shared anonymous or System V memory.
    SharedMemory,
    /// A memfd.
    Memfd,
}

/// A contiguous run of captured bytes that belongs to one process or to one shared object.
#[derive(Debug)]
pub struct SearchRegion<'a> {
    /// The bytes; their start is an address in a process, or an offset in a shared object.
    pub region: Region<'a>,
    /// What kind of memory it is.
    pub source: Source,
    owner: Owner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// Index into the case's tasks.
    Task(usize),
    /// Key of the shared object.
    Object(u64),
}

/// The mapping that a hit is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RegionFacts {
    /// First address.
    pub start: String,
    /// First address after it.
    pub end: String,
    /// As in `/proc/PID/maps`.
    pub perms: String,
    /// Name of the mapping or of the shared object, empty for none.
    pub path: Text,
    /// What backs it.
    pub kind: &'static str,
}

/// Where a byte of a search region is, for one of the processes that see it.
#[derive(Debug)]
pub struct Place<'c> {
    /// The process; none when no process maps the object.
    pub task: Option<&'c Task<'c>>,
    /// Address in the process.
    pub address: Option<u64>,
    /// Offset in the shared object.
    pub offset: Option<u64>,
    /// The mapping.
    pub vma: Option<&'c Vma>,
    /// Name of the shared object.
    object_name: Option<&'c [u8]>,
    /// Other processes that see the same byte.
    pub shared_with: Vec<u32>,
    /// The member that holds the byte, and its offset there.
    pub member: Option<(&'c Member, u64)>,
}

/// The word for what backs a mapping.
pub fn kind_name(kind: VmaKind) -> &'static str {
    match kind {
        VmaKind::Anonymous => "anonymous",
        VmaKind::Heap => "heap",
        VmaKind::Stack => "stack",
        VmaKind::Vdso => "vdso",
        VmaKind::Vvar => "vvar",
        VmaKind::Vsyscall => "vsyscall",
        VmaKind::FilePrivate(_) => "file-private",
        VmaKind::FileShared(_) => "file-shared",
        VmaKind::Shared(_) => "shared",
        VmaKind::MemfdPrivate(_) => "memfd-private",
        VmaKind::SocketRing => "socket-ring",
        VmaKind::Droppable => "droppable",
        VmaKind::Unknown => "unknown",
    }
}

impl Place<'_> {
    /// The mapping as it is reported.
    pub fn facts(&self) -> Option<RegionFacts> {
        match (self.vma, self.object_name) {
            (Some(vma), _) => Some(RegionFacts {
                start: format!("{:#x}", vma.start),
                end: format!("{:#x}", vma.end),
                perms: vma.permissions(),
                path: Text(vma.name.clone()),
                kind: kind_name(vma.kind),
            }),
            (None, Some(name)) => Some(RegionFacts {
                start: "0x0".to_owned(),
                end: String::new(),
                perms: String::new(),
                path: Text(name.to_vec()),
                kind: "shared",
            }),
            (None, None) => None,
        }
    }
}

/// All captured memory: the processes in the order of the tree, then the shared objects by key. A run ends
/// where captured bytes end, and where private memory and a shared object meet: an object is one run of
/// its own, searched once whoever maps it.
///
/// # Errors
/// When pages of a parent dump cannot be put together in anonymous storage.
pub fn regions<'a>(case: &Case<'a>) -> io::Result<Vec<SearchRegion<'a>>> {
    let mut regions = Vec::new();
    for (index, task) in case.tasks.iter().enumerate() {
        let Some(space) = &task.space else { continue };
        regions.extend(captured_regions(&space.pages)?.into_iter().map(|region| SearchRegion {
            region,
            source: Source::Memory,
            owner: Owner::Task(index),
        }));
    }
    for (key, object) in &case.shared.objects {
        let source = match object.kind {
            ObjectKind::Memfd(_) => Source::Memfd,
            ObjectKind::Anonymous | ObjectKind::SystemV => Source::SharedMemory,
        };
        regions.extend(captured_regions(&object.pages)?.into_iter().map(|region| SearchRegion {
            region,
            source,
            owner: Owner::Object(*key),
        }));
    }
    Ok(regions)
}

impl<'a> SearchRegion<'a> {
    /// Whether both belong to the same process or the same shared object.
    pub fn has_owner_of(&self, other: &Self) -> bool {
        self.owner == other.owner
    }

    /// The processes that see any byte of the region.
    pub fn tasks<'c>(&self, case: &'c Case<'a>) -> Vec<&'c Task<'a>> {
        match self.owner {
            Owner::Task(index) => case.tasks.get(index).into_iter().collect(),
            Owner::Object(key) => case.tasks.iter().filter(|task| maps_object(task, key)).collect(),
        }
    }

    /// Where the byte at `position` (an address or object offset) is. Of several
    /// processes that map it, the first that `wanted` accepts (process, mapping, address) is named if there is one.
    pub fn place<'c>(
        &self,
        case: &'c Case<'a>,
        position: u64,
        wanted: &dyn Fn(&Task<'a>, &Vma, u64) -> bool,
    ) -> Place<'c>
    where
        'a: 'c,
    {
        let member = self.region.place(position);
        match self.owner {
            Owner::Task(index) => {
                let task = case.tasks.get(index);
                let vma = task.and_then(|task| task.space.as_ref()?.vma_at(position));
                Place {
                    task,
                    address: Some(position),
                    offset: None,
                    vma,
                    object_name: None,
                    shared_with: Vec::new(),
                    member,
                }
            }
            Owner::Object(key) => {
                let mut seen: Vec<(&Task<'a>, &Vma)> = Vec::new();
                for task in &case.tasks {
                    let vmas = task.space.iter().flat_map(|space| &space.vmas);
                    let holds = |vma: &&Vma| {
                        object_of(vma.kind) == Some(key)
                            && position >= vma.offset
                            && position - vma.offset < vma.length()
                    };
                    seen.extend(vmas.filter(holds).map(|vma| (task, vma)));
                }
                let address = |vma: &Vma| vma.start + (position - vma.offset);
                let first = seen.iter().position(|(task, vma)| wanted(task, vma, address(vma))).unwrap_or(0);
                let chosen = seen.get(first).copied();
                let mut shared_with: Vec<u32> = seen.iter().map(|(task, _)| task.process.pid).collect();
                shared_with.dedup();
                shared_with.retain(|pid| Some(*pid) != chosen.map(|(task, _)| task.process.pid));
                Place {
                    task: chosen.map(|(task, _)| task),
                    address: chosen.map(|(_, vma)| address(vma)),
                    offset: Some(position),
                    vma: chosen.map(|(_, vma)| vma),
                    object_name: case.shared.objects.get(&key).map(|object| object.name.as_slice()),
                    shared_with,
                    member,
                }
            }
        }
    }
}

fn object_of(kind: VmaKind) -> Option<u64> {
    match kind {
        VmaKind::Shared(key) | VmaKind::MemfdPrivate(key) => Some(key),
        _ => None,
    }
}

fn maps_object(task: &Task<'_>, key: u64) -> bool {
    task.space.iter().flat_map(|space| &space.vmas).any(|vma| object_of(vma.kind) == Some(key))
}
