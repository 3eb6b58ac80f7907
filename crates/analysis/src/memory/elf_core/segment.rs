//! Addresses that a core describes, and their bytes.

use schemars::JsonSchema;
use serde::Serialize;

use crate::Text;

/// Consecutive bytes of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes of the evidence.
    Bytes(&'a [u8]),
    /// So many zeros.
    Zeros(u64),
    /// Bytes of a file that was checked to be the mapped one.
    File {
        /// Id of the file in the checkpoint.
        id: u32,
        /// Offset of the first byte.
        offset: u64,
        /// Number of bytes.
        length: u64,
    },
}

impl Piece<'_> {
    /// Number of bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Zeros(length) | Self::File { length, .. } => *length,
        }
    }
}

/// Addresses that the core describes in one program header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment<'a> {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// Offset of its bytes in the core.
    pub file_offset: u64,
    /// Its bytes: none, or as many as it has addresses.
    pub pieces: Vec<Piece<'a>>,
    /// Why it has no bytes.
    pub missing: Option<&'static str>,
    /// `PROT_*` bits.
    pub(super) prot: u32,
    pub(super) perms: String,
    pub(super) path: Text,
    pub(super) ghost_bytes: u64,
}

/// A segment as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SegmentFacts {
    /// First address.
    pub start: String,
    /// First address after it.
    pub end: String,
    /// Permissions of the mapping.
    pub perms: String,
    /// Name of the mapping, empty for none.
    pub path: Text,
    /// Offset of its bytes in the core; null when it has none.
    pub file_offset: Option<u64>,
    /// Bytes in the core.
    pub file_bytes: u64,
    /// Of these, bytes of the process's pages and of shared objects.
    pub captured_bytes: u64,
    /// Of these, bytes of a deleted file that the checkpoint holds.
    pub ghost_bytes: u64,
    /// Of these, bytes from files of the directory given with `--sysroot`.
    pub sysroot_bytes: u64,
    /// Of these, zeros of memory that was never touched, and after the end of files.
    pub zero_bytes: u64,
    /// Why it has no bytes; null when it has all.
    pub missing: Option<&'static str>,
}

impl Segment<'_> {
    /// The segment as it is listed.
    pub fn facts(&self) -> SegmentFacts {
        let sum = |wanted: fn(&Piece<'_>) -> bool| -> u64 {
            self.pieces.iter().filter(|piece| wanted(piece)).map(Piece::length).sum()
        };
        let bytes = sum(|piece| matches!(piece, Piece::Bytes(_)));
        SegmentFacts {
            start: format!("{:#x}", self.start),
            end: format!("{:#x}", self.end),
            perms: self.perms.clone(),
            path: self.path.clone(),
            file_offset: (!self.pieces.is_empty()).then_some(self.file_offset),
            file_bytes: sum(|_| true),
            captured_bytes: bytes.saturating_sub(self.ghost_bytes),
            ghost_bytes: self.ghost_bytes,
            sysroot_bytes: sum(|piece| matches!(piece, Piece::File { .. })),
            zero_bytes: sum(|piece| matches!(piece, Piece::Zeros(_))),
            missing: self.missing,
        }
    }

    pub(super) fn file_size(&self) -> u64 {
        self.pieces.iter().map(Piece::length).sum()
    }
}
