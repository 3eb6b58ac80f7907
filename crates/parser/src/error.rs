//! Why reading had to stop.

use std::{io, path::PathBuf};

/// Reading cannot continue. What could be read in spite of damage is not an error but a
/// [`Diagnostic`](crate::Diagnostic).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory given by the user could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The path as the user gave it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The input is no form of evidence that ckptfx knows.
    #[error("{name} is not a checkpoint: {reason}")]
    NotACheckpoint {
        /// The name of the evidence.
        name: String,
        /// What was found instead, and what to do.
        reason: String,
        /// Whether something of it could not be read, so that a checkpoint may have been in it.
        is_damaged: bool,
    },
    /// Compressed input could not be decompressed.
    #[error("cannot decompress {name} ({format}) after {produced} bytes")]
    Decompress {
        /// The name of the evidence or member.
        name: String,
        /// The compression format.
        format: &'static str,
        /// Bytes that came out before the failure.
        produced: u64,
        /// What the decompressor said.
        source: io::Error,
    },
}

impl Error {
    /// Whether a checkpoint may be there that could not be read; otherwise there is none.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Read { .. } | Self::Decompress { .. } => true,
            Self::NotACheckpoint { is_damaged, .. } => *is_damaged,
        }
    }
}

/// The result of an operation that can fail as a whole.
pub type Result<T, E = Error> = std::result::Result<T, E>;
