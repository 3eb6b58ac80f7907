//! A run of bytes that is searched, and whose it is.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use bytes::Bytes;
use ckptfx_parser::memory::{Region, Vma, VmaKind};
use schemars::JsonSchema;
use serde::Serialize;

use super::source::Source;
use crate::{Case, Task, Text, memory::location::kind_name};

/// A contiguous run of bytes that belongs to one process, one shared object, one queue or one file.
#[derive(Debug)]
pub struct SearchRegion<'a> {
    /// What kind of thing it is in.
    pub source: Source,
    pub(super) content: Content<'a>,
    pub(super) owner: Owner,
}

#[derive(Debug)]
pub(super) enum Content<'a> {
    /// Captured pages; their start is an address in a process, or an offset in a shared object.
    Pages(Region<'a>),
    /// A stretch of a file or queue that starts at `base`, and `at` in the member if it lies there in one piece.
    Bytes { base: u64, bytes: Bytes, at: Option<u64> },
    /// A stretch of a pages image that belongs to nothing. Where it was searched while the archive was decompressed
    /// it has no bytes, and where that parts it in two the second goes on. It has none either where they cannot be read.
    Unclaimed { base: u64, length: u64, bytes: Bytes, goes_on: bool, is_lost: bool },
}

/// Mappings of one shared object: indexes into the case's tasks, in their order, and into the mappings of each.
pub(super) type Mappers = Arc<[(usize, usize)]>;

/// The mappings of every shared object, read once.
pub(super) fn mappers(case: &Case<'_>) -> HashMap<u64, Mappers> {
    let mut found: HashMap<u64, Vec<(usize, usize)>> = HashMap::new();
    for (index, task) in case.tasks.iter().enumerate() {
        for (place, vma) in task.space.iter().flat_map(|space| &space.vmas).enumerate() {
            if let Some(key) = object_of(vma.kind) {
                found.entry(key).or_default().push((index, place));
            }
        }
    }
    found.into_iter().map(|(key, places)| (key, places.into())).collect()
}

/// The tasks and mappings at some places.
fn mapped<'c, 'a>(
    case: &'c Case<'a>,
    mappers: &'c [(usize, usize)],
) -> impl Iterator<Item = (&'c Task<'a>, &'c Vma)> {
    mappers.iter().filter_map(|(index, place)| {
        let task = case.tasks.get(*index)?;
        Some((task, task.space.as_ref()?.vmas.get(*place)?))
    })
}

#[derive(Debug, Clone)]
pub(super) enum Owner {
    /// Index into the case's tasks.
    Task(usize),
    /// A shared object: its key, and which mappings of which tasks show it.
    Object(u64, Mappers),
    /// A file or queue.
    Item(Arc<Item>),
}

/// The mapping, shared object, file or queue that a hit is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RegionFacts {
    /// First address; of a file or queue `0x0`.
    pub start: String,
    /// First address after it; of a file or queue its size.
    pub end: String,
    /// As in `/proc/PID/maps`; empty where there is no mapping.
    pub perms: String,
    /// Name of the mapping, shared object, file or queue; empty for none.
    pub path: Text,
    /// What backs it.
    pub kind: &'static str,
}

/// Where a byte of a search region is, for one of the processes that see it.
#[derive(Debug)]
pub struct Place<'c> {
    /// The process; none when no process maps, holds or uses it.
    pub task: Option<&'c Task<'c>>,
    /// Address in the process.
    pub address: Option<u64>,
    /// Offset in the shared object, file or queue.
    pub offset: Option<u64>,
    /// The mapping.
    pub vma: Option<&'c Vma>,
    /// What it is in, where that is no mapping.
    thing: Option<Thing<'c>>,
    /// Other processes that see the same byte.
    pub shared_with: Vec<u32>,
    /// The member that holds the byte.
    pub member: Option<Cow<'c, str>>,
    /// Where in the member; null where the byte does not lie there as it is.
    pub member_offset: Option<u64>,
}

/// A shared object, file or queue.
#[derive(Debug)]
struct Thing<'c> {
    name: &'c [u8],
    kind: &'static str,
    size: Option<u64>,
}

/// Whether a place is meant: process, mapping, address.
pub type Wanted<'w, 'a> = dyn Fn(&Task<'a>, Option<&Vma>, Option<u64>) -> bool + 'w;

impl Place<'_> {
    /// The mapping, file or queue as it is reported.
    pub fn facts(&self) -> Option<RegionFacts> {
        if let Some(vma) = self.vma {
            return Some(RegionFacts {
                start: format!("{:#x}", vma.start),
                end: format!("{:#x}", vma.end),
                perms: vma.permissions(),
                path: Text(vma.name.clone()),
                kind: kind_name(vma.kind),
            });
        }
        self.thing.as_ref().map(|thing| RegionFacts {
            start: "0x0".to_owned(),
            end: thing.size.map(|size| format!("{size:#x}")).unwrap_or_default(),
            perms: String::new(),
            path: Text(thing.name.to_vec()),
            kind: thing.kind,
        })
    }
}

impl<'a> SearchRegion<'a> {
    /// Address of the first byte in a process, or its offset in a shared object, file or queue.
    pub fn base(&self) -> u64 {
        match &self.content {
            Content::Pages(region) => region.start,
            Content::Bytes { base, .. } | Content::Unclaimed { base, .. } => *base,
        }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::Pages(region) => region.bytes(),
            Content::Bytes { bytes, .. } | Content::Unclaimed { bytes, .. } => bytes,
        }
    }

    /// Length in bytes, be they there or not.
    pub fn length(&self) -> u64 {
        match &self.content {
            Content::Pages(region) => region.length,
            Content::Bytes { bytes, .. } => bytes.len() as u64,
            Content::Unclaimed { length, .. } => *length,
        }
    }

    /// Whether it goes on where the region before it ends: one of the two was searched while it was decompressed, and
    /// has no bytes here.
    pub fn goes_on(&self) -> bool {
        match &self.content {
            Content::Pages(region) => region.goes_on,
            Content::Unclaimed { goes_on, .. } => *goes_on,
            Content::Bytes { .. } => false,
        }
    }

    /// Whether its bytes are in the evidence and cannot be read. They are read to tell.
    pub fn is_lost(&self) -> bool {
        match &self.content {
            Content::Pages(region) => region.is_lost(),
            Content::Unclaimed { is_lost, .. } => *is_lost,
            Content::Bytes { .. } => false,
        }
    }

    /// The processes that see any byte of the region.
    pub fn tasks<'c>(&self, case: &'c Case<'a>) -> Vec<&'c Task<'a>> {
        match &self.owner {
            Owner::Task(index) => case.tasks.get(*index).into_iter().collect(),
            Owner::Object(_, mappers) => {
                let mut tasks: Vec<usize> = mappers.iter().map(|(index, _)| *index).collect();
                tasks.dedup();
                tasks.into_iter().filter_map(|index| case.tasks.get(index)).collect()
            }
            Owner::Item(item) => {
                let mut places: Vec<usize> = item.pids.iter().filter_map(|pid| case.place(*pid)).collect();
                places.sort_unstable();
                places.dedup();
                places.into_iter().filter_map(|place| case.tasks.get(place)).collect()
            }
        }
    }

    /// The index of the process in the case, when the bytes are one process's own memory.
    pub fn owner(&self) -> Option<usize> {
        match self.owner {
            Owner::Task(index) => Some(index),
            Owner::Object(..) | Owner::Item(_) => None,
        }
    }

    /// What the region is a part of: regions of one file, queue, object or process have the same.
    pub fn is_part_of_same(&self, other: &Self) -> bool {
        match (&self.owner, &other.owner) {
            (Owner::Task(one), Owner::Task(two)) => one == two,
            (Owner::Object(one, _), Owner::Object(two, _)) => one == two,
            (Owner::Item(one), Owner::Item(two)) => Arc::ptr_eq(one, two),
            _ => false,
        }
    }

    /// The shared object, file or queue that it is a part of: its name, and its size if an image states it.
    pub fn thing<'c>(&'c self, case: &'c Case<'a>) -> Option<(&'c [u8], Option<u64>)> {
        match &self.owner {
            Owner::Task(_) => None,
            Owner::Object(key, _) => {
                case.shared.objects.get(key).map(|object| (object.name.as_slice(), object.size))
            }
            Owner::Item(item) => Some((item.name.0.as_slice(), Some(item.size))),
        }
    }

    /// The mappings of the shared object that it is a part of.
    pub fn mappings<'c>(&'c self, case: &'c Case<'a>) -> Vec<(&'c Task<'a>, &'c Vma)> {
        let Owner::Object(_, mappers) = &self.owner else { return Vec::new() };
        mapped(case, mappers).collect()
    }

    /// Where the byte at `position` (an address, or an offset in an object, file or queue) is. Of several
    /// processes that see it, the first that `wanted` accepts (process, mapping, address) is named if there is one.
    pub fn place<'c>(&'c self, case: &'c Case<'a>, position: u64, wanted: &Wanted<'_, 'a>) -> Place<'c>
    where
        'a: 'c,
    {
        let (member, member_offset) = match &self.content {
            Content::Pages(region) => match region.place(position) {
                Some((member, offset)) => (Some(member.name()), offset.filter(|_| member.offset.is_some())),
                None => (None, None),
            },
            Content::Bytes { base, at, .. } => {
                let within = position.checked_sub(*base);
                (None, at.zip(within).and_then(|(at, within)| at.checked_add(within)))
            }
            // Positions are offsets in the image itself.
            Content::Unclaimed { .. } => (None, Some(position)),
        };
        match &self.owner {
            Owner::Task(index) => {
                let task = case.tasks.get(*index);
                let vma = task.and_then(|task| task.space.as_ref()?.vma_at(position));
                let (shared_with, thing) = (Vec::new(), None);
                let address = Some(position);
                Place { task, address, offset: None, vma, thing, shared_with, member, member_offset }
            }
            Owner::Object(key, mappers) => {
                let holds = |vma: &Vma| position >= vma.offset && position - vma.offset < vma.length();
                let seen: Vec<(&Task<'a>, &Vma)> =
                    mapped(case, mappers).filter(|(_, vma)| holds(vma)).collect();
                let address = |vma: &Vma| vma.start + (position - vma.offset);
                let first = seen.iter().position(|(task, vma)| wanted(task, Some(vma), Some(address(vma))));
                let chosen = seen.get(first.unwrap_or(0)).copied();
                let pids = seen.iter().map(|(task, _)| task.process.pid);
                let object = case.shared.objects.get(key);
                Place {
                    task: chosen.map(|(task, _)| task),
                    address: chosen.map(|(_, vma)| address(vma)),
                    offset: Some(position),
                    vma: chosen.map(|(_, vma)| vma),
                    thing: object.map(|object| Thing { name: &object.name, kind: "shared", size: None }),
                    shared_with: others(pids, chosen.map(|(task, _)| task)),
                    member,
                    member_offset,
                }
            }
            Owner::Item(item) => {
                let holders: Vec<&Task<'a>> = self.tasks(case);
                let first = holders.iter().position(|task| wanted(task, None, None));
                let task = holders.get(first.unwrap_or(0)).copied();
                Place {
                    task,
                    address: None,
                    offset: Some(position),
                    vma: None,
                    thing: Some(Thing { name: &item.name.0, kind: item.kind, size: Some(item.size) }),
                    shared_with: others(item.pids.iter().copied(), task),
                    member: Some(Cow::Borrowed(item.member.as_str())),
                    member_offset,
                }
            }
        }
    }
}

impl<'a> SearchRegion<'a> {
    /// Up to which position (exclusive) the answer of [`place`](Self::place) for `position` holds, apart from
    /// address, offset and place in the member, which go on with it.
    pub fn place_end(&self, case: &Case<'a>, position: u64) -> u64 {
        let last = self.base().saturating_add(self.bytes().len() as u64);
        let end = match &self.owner {
            Owner::Task(index) => {
                let space = case.tasks.get(*index).and_then(|task| task.space.as_ref());
                let vmas = space.map(|space| space.vmas.as_slice()).unwrap_or_default();
                let next = vmas.get(vmas.partition_point(|vma| vma.end <= position));
                next.map_or(last, |vma| if vma.start > position { vma.start } else { vma.end })
            }
            Owner::Object(_, mappers) => {
                let borders = mapped(case, mappers)
                    .flat_map(|(_, vma)| [vma.offset, vma.offset.saturating_add(vma.length())]);
                borders.filter(|border| *border > position).min().unwrap_or(last)
            }
            Owner::Item(_) => last,
        };
        end.min(last).max(position.saturating_add(1))
    }
}

/// The pids without that of the chosen process; neighbours that are the same count once.
fn others(pids: impl Iterator<Item = u32>, chosen: Option<&Task<'_>>) -> Vec<u32> {
    let mut pids: Vec<u32> = pids.collect();
    pids.dedup();
    pids.retain(|pid| Some(*pid) != chosen.map(|task| task.process.pid));
    pids
}

fn object_of(kind: VmaKind) -> Option<u64> {
    match kind {
        VmaKind::Shared(key) | VmaKind::MemfdPrivate(key) => Some(key),
        _ => None,
    }
}

/// Something with a name that holds bytes: a file, or a queue.
#[derive(Debug)]
pub(super) struct Item {
    /// Path in the container, or what the queue is called.
    pub name: Text,
    /// `file`, or what kind of queue.
    pub kind: &'static str,
    /// Bytes in it, holes and what is lost included.
    pub size: u64,
    /// Processes that hold or use it, in ascending order.
    pub pids: Vec<u32>,
    /// The member of the archive that holds it.
    pub member: String,
}
