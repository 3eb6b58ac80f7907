//! One member of an archive.

use std::{borrow::Cow, io, ops::Range, path::PathBuf, sync::OnceLock};

use bytes::Bytes;

use crate::{
    Diagnostic,
    source::{Blocks, Extent, View, map_regular},
    text,
};

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link with its target as written; never followed on the analyst's file system.
    Symlink(Vec<u8>),
    /// A hard link to another member.
    Hardlink(Vec<u8>),
    /// A device, FIFO or anything else, by its tar type byte.
    Other(u8),
}

/// One member of an archive.
#[derive(Debug)]
pub struct Member {
    /// Path without leading `./` or `/` and without a trailing `/`; otherwise as written.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: MemberKind,
    /// Size in bytes as the archive states it.
    pub size: u64,
    /// Permission bits as stored.
    pub mode: u32,
    /// Modification time in seconds since the epoch, if stored.
    pub mtime: Option<i64>,
    /// Owner as stored; none in an unpacked directory, where it may be the analyst's.
    pub uid: Option<u64>,
    /// Group as stored, as for the owner.
    pub gid: Option<u64>,
    /// Major and minor number of a device.
    pub device: Option<(u32, u32)>,
    /// Extended attributes by name (PAX `SCHILY.xattr.*`).
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Offset of the first byte of content in the archive file (after decompression), if it has one.
    pub offset: Option<u64>,
    /// What of the content was searched while it was decompressed and not stored, in order; [`Member::bytes`] has zeros
    /// there, which are not the content. Only pages images have any.
    pub holes: Vec<Range<u64>>,
    /// Of a pagemap whose pages are stored in compressed blocks: these.
    pub(crate) blocks: OnceLock<Blocks>,
    pub(super) data: Data,
}

/// Where the content is.
#[derive(Debug)]
pub(super) enum Data {
    /// A range of the evidence, and its bytes if they were asked for and had to be read.
    Range(Extent, OnceLock<Bytes>),
    /// A file of a directory: its bytes, or why it cannot be read.
    File { path: PathBuf, bytes: OnceLock<Result<Bytes, String>> },
    /// The pieces of a file with holes, and whether some are cut or do not fit.
    Sparse { pieces: Vec<(u64, Extent)>, is_damaged: bool },
}

impl From<Extent> for Data {
    fn from(extent: Extent) -> Self {
        Self::Range(extent, OnceLock::new())
    }
}

impl From<Bytes> for Data {
    fn from(bytes: Bytes) -> Self {
        Extent::from(bytes).into()
    }
}

/// What [`Member::bytes`] gives of a file with holes.
static NOTHING: Bytes = Bytes::new();

impl Member {
    /// The content, read or mapped at first use. What cannot be read gives no bytes; [`Archive::unread`](super::Archive)
    /// tells. Of a file with holes there is no slice: see [`Member::pieces`].
    pub fn bytes(&self) -> &Bytes {
        match &self.data {
            Data::Range(extent, read) => match extent.held() {
                Some(bytes) => bytes,
                None => read.get_or_init(|| extent.read().unwrap_or_default()),
            },
            Data::Sparse { .. } => &NOTHING,
            Data::File { .. } => self.mapped().unwrap_or(&NOTHING),
        }
    }

    /// The bytes of a file of a directory.
    fn mapped(&self) -> io::Result<&Bytes> {
        let Data::File { path, bytes } = &self.data else { return Ok(&NOTHING) };
        let mapped = bytes.get_or_init(|| map_regular(path).map_err(|error| error.to_string()));
        mapped.as_ref().map_err(|why| io::Error::other(why.clone()))
    }

    /// Number of bytes that are there, which are not read to tell it.
    pub fn stored(&self) -> u64 {
        match &self.data {
            Data::Range(extent, _) => extent.len(),
            _ => self.bytes().len() as u64,
        }
    }

    /// The content, not read yet; as [`Member::bytes`].
    pub fn view(&self) -> View<'_> {
        match &self.data {
            Data::Range(extent, _) => extent.view(),
            _ => View::from(self.bytes().as_ref()),
        }
    }

    /// The content, to be read by who takes it.
    pub fn extent(&self) -> Extent {
        match &self.data {
            Data::Range(extent, _) => extent.clone(),
            _ => self.bytes().clone().into(),
        }
    }

    /// The reads of it that failed.
    pub(super) fn unread(&self) -> Vec<Diagnostic> {
        let lost = |message: String| Diagnostic::loss("unreadable", self.name(), message);
        let of = |extent: &Extent| -> Vec<Diagnostic> {
            let tell = |fault: crate::source::Fault| {
                let length = fault.range.end.saturating_sub(fault.range.start);
                lost(format!("{length} bytes cannot be read: {}", fault.why)).at(fault.range.start)
            };
            extent.faults().into_iter().map(tell).collect()
        };
        match &self.data {
            Data::Range(extent, _) => of(extent),
            Data::Sparse { pieces, .. } => pieces.iter().flat_map(|(_, piece)| of(piece)).collect(),
            Data::File { bytes, .. } => {
                let why = bytes.get().and_then(|mapped| mapped.as_ref().err());
                why.map(|why| lost(why.clone())).into_iter().collect()
            }
        }
    }

    /// Whether there are fewer bytes than the archive states.
    pub fn is_cut(&self) -> bool {
        match &self.data {
            Data::Sparse { is_damaged, .. } => *is_damaged,
            _ => self.kind == MemberKind::File && self.stored() < self.size,
        }
    }

    /// Whether another member has the same kind and content.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let same = |(one, other)| one == other;
        self.kind == other.kind
            && self.size == other.size
            && self.pieces().ok().zip(other.pieces().ok()).is_some_and(same)
    }

    /// Whether it is stored without its holes.
    pub fn is_sparse(&self) -> bool {
        matches!(self.data, Data::Sparse { .. })
    }

    /// The content as pieces at their offsets in the file; what lies between them is zero.
    ///
    /// # Errors
    /// When reading fails.
    pub fn pieces(&self) -> io::Result<Vec<(u64, Bytes)>> {
        match &self.data {
            Data::Sparse { pieces, .. } => {
                pieces.iter().map(|(offset, piece)| Ok((*offset, piece.read()?))).collect()
            }
            Data::Range(extent, _) => Ok(vec![(0, extent.read()?)]),
            Data::File { .. } => Ok(vec![(0, self.mapped()?.clone())]),
        }
    }

    /// The modification time that the archive recorded. A file of a directory has none: its time may be
    /// that of unpacking or copying.
    pub fn archived_mtime(&self) -> Option<i64> {
        match self.data {
            Data::Range(..) | Data::Sparse { .. } => self.mtime,
            Data::File { .. } => None,
        }
    }

    /// The path as text, for messages.
    pub fn name(&self) -> Cow<'_, str> {
        text::escape_invalid(&self.path)
    }
}
