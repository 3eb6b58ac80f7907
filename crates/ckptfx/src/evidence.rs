//! What was opened.

use std::path::Path;

use bytes::Bytes;
use ckptfx_parser::input::{self, Input, OpenOptions};

use crate::{Checkpoint, Diagnostic, Process, Result};

/// Opens a file or directory with the usual limits.
///
/// # Errors
/// When it cannot be read, or no checkpoint is in it.
pub fn open(path: impl AsRef<Path>) -> Result<Evidence> {
    open_with(&Input::Path(path.as_ref().to_path_buf()), &OpenOptions::default())
}

/// Opens bytes that are at hand.
///
/// # Errors
/// When no checkpoint is in them.
///
/// ```
/// use ckptfx_testkit::{Container, PodmanVersion};
///
/// let archive = Container::sample().podman(PodmanVersion::V5).to_tar();
/// let pids: Vec<u32> = ckptfx::read(archive)?.processes().iter().map(|process| process.pid).collect();
/// assert_eq!(pids, [1, 7]);
/// assert!(ckptfx::read("no checkpoint").is_err());
/// # Ok::<(), ckptfx::Error>(())
/// ```
pub fn read(bytes: impl Into<Bytes>) -> Result<Evidence> {
    open_with(&Input::Bytes(bytes.into()), &OpenOptions::default())
}

/// Opens with limits, a parent dump or a bar of progress of your own.
///
/// # Errors
/// When it cannot be read, or no checkpoint is in it.
pub fn open_with(input: &Input, options: &OpenOptions<'_>) -> Result<Evidence> {
    let read = input::open(input, options)?;
    // What tars inside may take counts with what was taken already.
    let mut nested = OpenOptions::default();
    nested.limits = options.limits;
    nested.given = std::sync::Arc::clone(&options.given);
    Ok(Evidence { read, nested })
}

/// Opened evidence: one checkpoint or several.
pub struct Evidence {
    read: input::Evidence,
    nested: OpenOptions<'static>,
}

impl Evidence {
    /// Its checkpoints, in the order of the archive. Their processes are read now, their memory when it is asked for.
    pub fn checkpoints(&self) -> impl Iterator<Item = Checkpoint<'_>> {
        self.read.checkpoints.iter().map(|checkpoint| Checkpoint::new(&self.read, checkpoint, &self.nested))
    }

    /// The processes of all checkpoints.
    pub fn processes(&self) -> Vec<Process> {
        self.checkpoints().flat_map(|checkpoint| checkpoint.processes()).collect()
    }

    /// What was noticed while opening.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.read.diagnostics
    }

    /// The evidence as the parser gives it.
    pub const fn parsed(&self) -> &input::Evidence {
        &self.read
    }
}

impl std::fmt::Debug for Evidence {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Evidence").field("read", &self.read).finish_non_exhaustive()
    }
}
