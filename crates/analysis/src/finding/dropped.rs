//! Files of the root file system that come with their content.

use crate::{Text, recover::contents::Contents};

/// A file of the root file system's changes, of a volume or of a tmpfs, with its content.
#[derive(Debug, Clone)]
pub struct DroppedFile {
    /// Path in the container.
    pub path: Text,
    /// Where the archive has it.
    pub origin: Text,
    /// Its bytes; none for what is no regular file.
    pub contents: Contents,
}
