//! The memory map of a process, whatever CRIU wrote it.

use crate::{Checkpoint, Diagnostic, proto};

/// Everything needed to read the memory of one process.
pub fn mm_of(checkpoint: &Checkpoint, pid: u32, diagnostics: &mut Vec<Diagnostic>) -> Option<proto::MmEntry> {
    let images = &checkpoint.images;
    let mut mm: proto::MmEntry = images.read_one(&format!("mm-{pid}.img"), diagnostics)?;
    if mm.vmas.is_empty() {
        // Before CRIU 1.2 the mappings had an image of their own.
        let vmas = images.read::<proto::VmaEntry>(&format!("vmas-{pid}.img"), diagnostics);
        mm.vmas = vmas.into_iter().map(|entry| entry.value).collect();
    }
    Some(mm)
}
