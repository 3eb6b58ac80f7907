//! A thread as the images have it.

use ckptfx_parser::{Diagnostic, ImageDirectory, proto};

use super::registers::{self, Cpu};
use crate::{Task, Text};

/// A thread as the images have it.
pub(crate) struct ThreadImage {
    pub tid: u32,
    pub comm: Option<Text>,
    pub core: proto::CoreEntry,
    pub cpu: Option<Cpu>,
}

impl ThreadImage {
    /// Blocked signals as a mask.
    pub fn blocked(&self) -> Option<u64> {
        // The leader's was in its task entry before threads had their own.
        let own = self.core.thread_core.as_ref().and_then(|thread| thread.blk_sigset);
        own.or_else(|| self.core.tc.as_ref()?.blk_sigset)
    }
}

/// The threads of a process, the leader first. Threads whose image is lost are left out; the loss was
/// reported when the process was read.
pub(crate) fn images_of(
    images: &ImageDirectory,
    task: &Task<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<ThreadImage> {
    let threads = task.process.threads.iter();
    let mut found: Vec<ThreadImage> = threads
        .filter_map(|thread| {
            let core = if thread.tid == task.process.pid {
                task.core.clone()
            } else {
                images.read_one(&format!("core-{}.img", thread.tid), diagnostics)
            };
            let core: proto::CoreEntry = core?;
            let cpu = registers::read(&core);
            Some(ThreadImage { tid: thread.tid, comm: thread.comm.clone(), core, cpu })
        })
        .collect();
    found.sort_by_key(|thread| thread.tid != task.process.pid);
    found
}
