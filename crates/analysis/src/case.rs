//! Everything known of one checkpoint, joined once and then only read.

use ckptfx_parser::{
    Checkpoint, Diagnostic, ImageDirectory,
    files::FileTable,
    memory::{self, AddressSpace, SharedObjects},
    proto::{self, core_entry::March},
};

use std::collections::BTreeSet;

use crate::{
    container::absent,
    memory::ledger::Ledger,
    process::{self, Process},
};

/// Page size assumed for shared memory when no process tells one.
const USUAL_PAGE_SIZE: u64 = 4 << 10;

/// A process with its memory.
#[derive(Debug)]
pub struct Task<'a> {
    /// What is reported of it.
    pub process: Process,
    /// Its address space; none for zombies and where the images are lost.
    pub space: Option<AddressSpace<'a>>,
    /// `core-PID.img`.
    pub core: Option<proto::CoreEntry>,
    /// `mm-PID.img`.
    pub mm: Option<proto::MmEntry>,
    /// `ids-PID.img`, or the ids in the core image of old releases.
    pub ids: Option<proto::TaskKobjIdsEntry>,
}

impl Task<'_> {
    /// The number in the name of the image of its descriptors; none when nothing tells, or it has none.
    pub fn descriptor_table(&self, images: &ImageDirectory, per_id: Option<bool>) -> Option<u32> {
        if self.process.state == Some(process::State::Zombie) {
            return None;
        }
        let pid = self.process.pid;
        // Tables have been named by the id of the table, not of the process, since CRIU 1.0.
        match (self.ids.and_then(|ids| ids.files_id), per_id) {
            (Some(table), Some(true)) => Some(table),
            (Some(table), _) if images.member(&format!("fdinfo-{pid}.img")).is_none() => Some(table),
            (None, Some(true)) => None,
            _ => Some(pid),
        }
    }
}

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

/// One checkpoint, joined.
#[derive(Debug)]
pub struct Case<'a> {
    /// The checkpoint it was made of.
    pub checkpoint: &'a Checkpoint,
    /// Its inventory.
    pub inventory: Option<proto::InventoryEntry>,
    /// Its open files.
    pub files: FileTable,
    /// Its shared memory.
    pub shared: SharedObjects<'a>,
    /// Its processes in the order of the process tree image: parents first.
    pub tasks: Vec<Task<'a>>,
    /// What of the images belongs to none of these.
    pub ledger: Ledger<'a>,
    /// What was noticed while reading.
    pub diagnostics: Vec<Diagnostic>,
}

impl<'a> Case<'a> {
    /// Undoes the compression of all pages, and tells what of them is damaged.
    pub fn unpack(&mut self) {
        let spaces = self.tasks.iter().filter_map(|task| task.space.as_ref());
        spaces.for_each(|space| space.pages.unpack(&mut self.diagnostics));
        self.shared.objects.values().for_each(|object| object.pages.unpack(&mut self.diagnostics));
    }

    /// The same for the pages that one process sees.
    pub fn unpack_of(&mut self, pid: u32) {
        let task = self.tasks.iter().find(|task| task.process.pid == pid);
        if let Some(space) = task.and_then(|task| task.space.as_ref()) {
            space.pages.unpack(&mut self.diagnostics);
        }
        self.shared.objects.values().for_each(|object| object.pages.unpack(&mut self.diagnostics));
    }

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
        let mut case = Self { checkpoint, inventory, files, shared, tasks, ledger, diagnostics };
        absent::check_lazy(&mut case);
        case
    }

    /// The task with a pid.
    pub fn task(&self, pid: u32) -> Option<&Task<'a>> {
        self.tasks.iter().find(|task| task.process.pid == pid)
    }

    /// Number of threads of all living processes.
    pub fn thread_count(&self) -> usize {
        self.tasks.iter().map(|task| task.process.threads.len()).sum()
    }
}
