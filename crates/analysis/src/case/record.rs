//! One checkpoint, joined.

use std::collections::HashMap;

use ckptfx_parser::{Checkpoint, Diagnostic, files::FileTable, memory::SharedObjects, proto};

use super::task::Task;
use crate::memory::ledger::Ledger;

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
    /// Where each process is among them, by pid.
    pub(super) places: HashMap<u32, usize>,
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
        let task = self.places.get(&pid).and_then(|place| self.tasks.get(*place));
        if let Some(space) = task.and_then(|task| task.space.as_ref()) {
            space.pages.unpack(&mut self.diagnostics);
        }
        self.shared.objects.values().for_each(|object| object.pages.unpack(&mut self.diagnostics));
    }

    /// The index of the task with a pid.
    pub(crate) fn place(&self, pid: u32) -> Option<usize> {
        self.places.get(&pid).copied()
    }

    /// The task with a pid.
    pub fn task(&self, pid: u32) -> Option<&Task<'a>> {
        self.tasks.get(self.place(pid)?)
    }

    /// Number of threads of all living processes.
    pub fn thread_count(&self) -> usize {
        self.tasks.iter().map(|task| task.process.threads.len()).sum()
    }
}
