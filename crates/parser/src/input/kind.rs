//! What a kind of input is.

use super::{found::Archives, options::OpenOptions};
use crate::{Diagnostic, Result, archive::Archive, source::Extent};

/// What was given, before anybody asks what is in it.
pub(super) enum Subject {
    /// A directory.
    Directory(Archive),
    /// A tar, whose compression was undone.
    Tar(Archive),
    /// Anything else.
    Bytes(Extent),
}

impl Subject {
    /// The members, if it has any.
    pub fn archive(&self) -> Option<&Archive> {
        match self {
            Self::Directory(archive) | Self::Tar(archive) => Some(archive),
            Self::Bytes(_) => None,
        }
    }
}

/// The archives that a subject of one kind consists of. None when it is not of that kind after all; nothing in it when
/// none of it can be an archive.
type Open = fn(&Subject, &str, &OpenOptions<'_>, &mut Vec<Diagnostic>) -> Result<Option<Archives>>;

/// The images whose layers are in an archive.
type Images = fn(&Archive, &str, &mut Vec<Diagnostic>) -> Result<Vec<ImageManifest>>;

/// One kind of input: told by its content, never by a name on the analyst's machine.
pub(super) struct Kind {
    /// Name of the format of a directory.
    pub of_directory: &'static str,
    /// Name of the format of a file.
    pub of_file: &'static str,
    /// Whether a subject is of this kind, if it is of none that was asked for before.
    pub detect: fn(&Subject) -> bool,
    /// Finds the archives in it.
    pub open: Open,
    /// Of a kind that holds images of containers.
    pub images: Option<Images>,
}

impl Kind {
    /// Name of the format of a subject.
    pub fn format(&self, subject: &Subject) -> &'static str {
        if matches!(subject, Subject::Directory(_)) { self.of_directory } else { self.of_file }
    }
}

/// An image as its manifest describes it.
pub(super) struct ImageManifest {
    /// Digest of the manifest.
    pub digest: Option<String>,
    /// Digest of the configuration.
    pub config: Option<String>,
    /// Architecture as Go names it, if the index tells.
    pub architecture: Option<String>,
    /// Bytes and path of each layer; none where a blob is missing.
    pub layers: Vec<(Option<Extent>, String)>,
}
