//! Why a call has no answer.

use std::io;

/// Why a call has no answer. What could not be read of evidence is no error but a [`Diagnostic`](crate::Diagnostic).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The evidence cannot be opened, or no checkpoint is in it.
    #[error(transparent)]
    Open(#[from] ckptfx_parser::Error),
    /// Scattered pages could not be put together in temporary storage.
    #[error("temporary storage is needed and cannot be used")]
    Storage(#[source] io::Error),
    /// A pattern is not understood.
    #[error(transparent)]
    Pattern(#[from] ckptfx_scan::PatternError),
    /// There are no records of that name.
    #[error("there are no records of {0:?}")]
    NoSuchRecords(String),
}

/// An answer, or why there is none.
pub type Result<T, E = Error> = std::result::Result<T, E>;
