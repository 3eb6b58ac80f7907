//! One member of an archive.

use std::{borrow::Cow, ops::Range, path::PathBuf, sync::OnceLock};

use bytes::Bytes;

use crate::{
    source::{Blocks, map_regular},
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
    Slice(Bytes),
    File {
        path: PathBuf,
        bytes: OnceLock<Bytes>,
    },
    /// The pieces of a file with holes, and whether some are cut or do not fit.
    Sparse {
        pieces: Vec<(u64, Bytes)>,
        is_damaged: bool,
    },
}

/// What [`Member::bytes`] gives of a file with holes.
static NOTHING: Bytes = Bytes::new();

impl Member {
    /// The content, mapped at first use when it is a file of a directory. A file that cannot be read
    /// gives no bytes; [`Member::is_cut`] tells. Of a file with holes there is no slice: see
    /// [`Member::pieces`].
    pub fn bytes(&self) -> &Bytes {
        match &self.data {
            Data::Slice(bytes) => bytes,
            Data::Sparse { .. } => &NOTHING,
            Data::File { path, bytes } => bytes.get_or_init(|| map_regular(path).unwrap_or_default()),
        }
    }

    /// Whether there are fewer bytes than the archive states.
    pub fn is_cut(&self) -> bool {
        match &self.data {
            Data::Sparse { is_damaged, .. } => *is_damaged,
            _ => self.kind == MemberKind::File && (self.bytes().len() as u64) < self.size,
        }
    }

    /// Whether another member has the same kind and content.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.kind == other.kind && self.size == other.size && self.pieces() == other.pieces()
    }

    /// Whether it is stored without its holes.
    pub fn is_sparse(&self) -> bool {
        matches!(self.data, Data::Sparse { .. })
    }

    /// The content as pieces at their offsets in the file; what lies between them is zero.
    pub fn pieces(&self) -> Vec<(u64, Bytes)> {
        match &self.data {
            Data::Sparse { pieces, .. } => pieces.clone(),
            _ => vec![(0, self.bytes().clone())],
        }
    }

    /// The modification time that the archive recorded. A file of a directory has none: its time may be
    /// that of unpacking or copying.
    pub fn archived_mtime(&self) -> Option<i64> {
        match self.data {
            Data::Slice(_) | Data::Sparse { .. } => self.mtime,
            Data::File { .. } => None,
        }
    }

    /// The path as text, for messages.
    pub fn name(&self) -> Cow<'_, str> {
        text::escape_invalid(&self.path)
    }
}
