//! Collects what can be searched.

use std::{collections::HashSet, io};

use ckptfx_parser::{
    Diagnostic,
    memory::{ObjectKind, Pages, captured_regions},
};

use super::{
    content,
    region::{Content, Owner, SearchRegion, mappers},
    source::Source,
};
use crate::{
    Case,
    files::nested::{self, OpenNested},
};

/// What can be searched of the wanted sources, in the order of [`Source::ALL`]: the processes in the order of the
/// tree, then the shared objects by key, then queues, files and members. A run ends where captured bytes end, and
/// where private memory and a shared object meet: an object is one run of its own, searched once whoever maps it.
/// `open` opens a tar inside the evidence.
///
/// # Errors
/// When pages of a parent dump or chunks of a file cannot be put together in anonymous storage.
pub fn regions<'a>(
    case: &mut Case<'a>,
    wanted: &[Source],
    open: &OpenNested<'_>,
) -> io::Result<Vec<SearchRegion<'a>>> {
    let file_systems = content::open_file_systems(case, wanted, open);
    regions_with(case, wanted, &file_systems)
}

/// The same, with the tars inside the evidence opened already.
///
/// # Errors
/// As [`regions`].
pub fn regions_with<'a>(
    case: &mut Case<'a>,
    wanted: &[Source],
    file_systems: &[nested::Source],
) -> io::Result<Vec<SearchRegion<'a>>> {
    let wants = |is_meant: fn(Source) -> bool| wanted.iter().any(|source| is_meant(*source));
    let mut regions = Vec::new();
    if wanted.contains(&Source::Memory) {
        for (index, task) in case.tasks.iter().enumerate() {
            let Some(space) = &task.space else { continue };
            space.pages.unpack(&mut case.diagnostics);
            regions.extend(captured_regions(&space.pages)?.into_iter().map(|region| SearchRegion {
                content: Content::Pages(region),
                source: Source::Memory,
                owner: Owner::Task(index),
            }));
        }
    }
    let mappers = mappers(case);
    for (key, object) in &case.shared.objects {
        let source = source_of(&object.kind);
        if wanted.contains(&source) {
            object.pages.unpack(&mut case.diagnostics);
            regions.extend(captured_regions(&object.pages)?.into_iter().map(|region| SearchRegion {
                content: Content::Pages(region),
                source,
                owner: Owner::Object(*key, mappers.get(key).cloned().unwrap_or_default()),
            }));
        }
    }
    if wanted.contains(&Source::Unclaimed) {
        content::add_unclaimed(case, &mut regions);
    }
    if wanted.contains(&Source::GpuMemory) {
        content::add_gpu_memory(case, &mut regions);
    }
    if wants(Source::is_queue) {
        content::add_queues(case, wanted, &mut regions);
    }
    if wanted.contains(&Source::GhostFile) {
        content::add_ghosts(case, &mut regions)?;
    }
    if wants(Source::is_file_system) {
        content::add_file_systems(case, wanted, file_systems, &mut regions)?;
    }
    if wants(|source| matches!(source, Source::Log | Source::Metadata)) {
        content::add_members(case, wanted, &mut regions);
    }
    regions.sort_by_key(|region| region.source);
    Ok(regions)
}

/// All content, for those who read the facts about it as well: what is wrong with it is said once.
///
/// # Errors
/// As [`regions`].
pub fn all_content<'a>(
    case: &mut Case<'a>,
    file_systems: &[nested::Source],
) -> io::Result<Vec<SearchRegion<'a>>> {
    let before = case.diagnostics.len();
    let regions = regions_with(case, Source::CONTENT, file_systems);
    let said = case.diagnostics.split_off(before);
    let known: HashSet<&Diagnostic> = case.diagnostics.iter().collect();
    let new: Vec<Diagnostic> = said.into_iter().filter(|diagnostic| !known.contains(diagnostic)).collect();
    case.diagnostics.extend(new);
    regions
}

/// Whether a search finds all there is although bytes were left out that were searched while they were decompressed:
/// no match may run from one such stretch to another that only memory puts side by side.
pub fn finds_all_in_what_is_stored(case: &Case<'_>) -> bool {
    let own = case.tasks.iter().flat_map(|task| &task.space).map(|space| &space.pages);
    let shared = case.shared.objects.values().map(|object| &object.pages);
    own.chain(shared).all(Pages::lie_in_order)
}

const fn source_of(kind: &ObjectKind) -> Source {
    match kind {
        ObjectKind::Memfd(_) => Source::Memfd,
        ObjectKind::Anonymous | ObjectKind::SystemV => Source::SharedMemory,
    }
}
