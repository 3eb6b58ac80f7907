//! What every form is.

use std::io::{self, Write};

use crate::dossier::Dossier;

/// Why a result cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no room for it, or nobody reads it.
    #[error(transparent)]
    Write(#[from] io::Error),
    /// It has something that the form cannot hold.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// Whether something could be written.
pub type Result<T> = std::result::Result<T, Error>;

/// Writes what is known of checkpoints in one form. A value writes one document.
pub trait Export {
    /// Writes what comes before the first checkpoint; `name` is that of the evidence.
    ///
    /// # Errors
    /// When it cannot be written.
    fn begin(&mut self, name: &str, out: &mut dyn Write) -> Result<()> {
        let _ = (name, out);
        Ok(())
    }

    /// Writes what is known of one checkpoint.
    ///
    /// # Errors
    /// When it cannot be written.
    fn checkpoint(&mut self, dossier: &Dossier<'_>, out: &mut dyn Write) -> Result<()>;

    /// Writes what comes after the last checkpoint.
    ///
    /// # Errors
    /// When it cannot be written.
    fn finish(&mut self, out: &mut dyn Write) -> Result<()> {
        let _ = out;
        Ok(())
    }
}
