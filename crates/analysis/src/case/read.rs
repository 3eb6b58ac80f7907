//! Reads a checkpoint.

use std::collections::BTreeSet;

use ckptfx_parser::{
    Checkpoint, Diagnostic, ImageDirectory,
    files::FileTable,
    memory::{self, AddressSpace, SharedObjects},
    proto::{self, core_entry::March},
};

use super::{record::Case, task::Task};
use crate::{container::absent, memory::ledger::Ledger, process};

/// Page size assumed for shared memory when no process tells one.
const USUAL_PAGE_SIZE: u64 = 4 << 10;

fn read_ids(
    images: &ImageDirectory,
    pid: u32,
    core: Option<&proto::CoreEntry>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<proto::TaskKobjIdsEntry> {
    let name = format!("ids-{pid}.img");
    let ids = images.read_one(&name, diagnostics).or_else(|| core?.ids);
    if ids.is_none() {
        let message = format!("namespaces and descriptors of process {pid} are lost");
        diagnostics.push(Diagnostic::loss("missing-image", name, message));
    }
    ids
}

impl<'a> Case<'a> {
    /// Reads processes, files and memory of a checkpoint.
    pub fn read(checkpoint: &'a Checkpoint) -> Self {
        let images = &checkpoint.images;
        let mut diagnostics = checkpoint.diagnostics.clone();
        if checkpoint.is_pre_dump {
            diagnostics.push(Diagnostic::loss(
                "pre-dump",
                "checkpoint",
                "this is a pre-dump: it holds memory pages only, no processes; give it as --parent of the \
                 checkpoint that followed",
            ));
        }
        if let Some(failure) = &checkpoint.failure {
            let message = format!("this dump failed: {failure}; what was written until then is shown");
            diagnostics.push(Diagnostic::loss("failed-dump", "dump.log", message));
        }
        let inventory: Option<proto::InventoryEntry> = images.read_one("inventory.img", &mut diagnostics);
        if inventory.is_none() {
            diagnostics.push(Diagnostic::loss(
                "missing-image",
                "inventory.img",
                "the inventory is missing: which namespaces are the host's is not known",
            ));
        }
        let files = FileTable::read(images, &mut diagnostics);
        // Whose memory the pages of a pre-dump are the checkpoint tells that follows it.
        let seeds =
            if checkpoint.is_pre_dump { Vec::new() } else { process::read_tree(images, &mut diagnostics) };
        if !seeds.is_empty() && files.is_empty() {
            diagnostics.push(Diagnostic::loss(
                "missing-image",
                "files.img",
                "the open files are missing: executables, directories and mapped files have no name",
            ));
        }
        let read: Vec<_> = seeds
            .iter()
            .map(|seed| {
                let core = seed.read_core(images, &mut diagnostics);
                let mm = (!seed.is_zombie(core.as_ref()))
                    .then(|| memory::mm_of(checkpoint, seed.pid, &mut diagnostics))
                    .flatten();
                (core, mm)
            })
            .collect();
        let page_size_of = |core: &Option<proto::CoreEntry>, mm: &Option<proto::MmEntry>| {
            let machine = core.as_ref().and_then(|core| March::try_from(core.mtype?).ok());
            memory::page_size(mm.as_ref(), machine)
        };
        let common = read.iter().find_map(|(core, mm)| page_size_of(core, mm));
        let shared =
            SharedObjects::read(checkpoint, &files, common.unwrap_or(USUAL_PAGE_SIZE), &mut diagnostics);
        let context = process::Context::read(images, inventory.as_ref(), &files, &mut diagnostics);
        let mut tasks = Vec::with_capacity(seeds.len());
        for (seed, (core, mm)) in seeds.iter().zip(read) {
            // What pages there are is told by the pagemap, whose mappings may be lost or not written yet.
            let has_pages = images.member(&format!("pagemap-{}.img", seed.pid)).is_some();
            let no_mappings = proto::MmEntry::default();
            let space = mm.as_ref().or_else(|| has_pages.then_some(&no_mappings)).map(|mm| {
                let page_size = page_size_of(&core, &Some(mm.clone())).or(common).unwrap_or_else(|| {
                    diagnostics.push(Diagnostic::loss(
                        "unknown-page-size",
                        format!("pid {}", seed.pid),
                        "nothing tells the page size; 4 KiB is assumed",
                    ));
                    USUAL_PAGE_SIZE
                });
                AddressSpace::read(images, seed.pid, mm, page_size, &files, &shared, &mut diagnostics)
            });
            if mm.is_none() && !seed.is_zombie(core.as_ref()) {
                diagnostics.push(Diagnostic::loss(
                    "missing-image",
                    format!("mm-{}.img", seed.pid),
                    format!("the memory map of process {} is missing", seed.pid),
                ));
            }
            let ids = (!seed.is_zombie(core.as_ref()))
                .then(|| read_ids(images, seed.pid, core.as_ref(), &mut diagnostics))
                .flatten();
            let process = context.process(
                seed,
                (core.as_ref(), ids.as_ref()),
                mm.as_ref().zip(space.as_ref()),
                &shared,
                images,
                &mut diagnostics,
            );
            tasks.push(Task { process, space, core, mm, ids });
        }
        let per_id = inventory.as_ref().map_or(Some(true), |inventory| inventory.fdinfo_per_id);
        let tables: BTreeSet<u32> =
            tasks.iter().filter_map(|task| task.descriptor_table(images, per_id)).collect();
        let ledger = Ledger::read(images, &tasks, &shared, &tables);
        if !checkpoint.is_pre_dump {
            ledger.report(images.limits(), &mut diagnostics);
        }
        let places = tasks.iter().enumerate().map(|(place, task)| (task.process.pid, place)).collect();
        let mut case = Self { checkpoint, inventory, files, shared, tasks, places, ledger, diagnostics };
        absent::check_lazy(&mut case);
        case.diagnostics.extend(checkpoint.archive().unread());
        case
    }
}
