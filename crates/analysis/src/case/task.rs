//! A process with what the images say of it.

use ckptfx_parser::{ImageDirectory, memory::AddressSpace, proto};

use crate::process::{self, Process};

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
