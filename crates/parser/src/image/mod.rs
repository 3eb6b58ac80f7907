//! CRIU image files: framing, registry, typed entries (`format.md §1`).

pub mod framing;
mod ghost;
pub(crate) mod payload;
mod read;
pub mod registry;
#[cfg(test)]
mod tests;
mod typed;
pub(crate) mod upcoming;

use std::{ops::Range, sync::atomic::AtomicU64};

use crate::Limits;

pub use self::{
    framing::{Entries, Entry, Framing, Opened, open},
    ghost::{Ghost, GhostChunk, GhostContent, read_ghost},
    read::{read, read_message_queues, read_pagemap},
    registry::{Descriptor, Kind, identify, identify_magic},
    typed::Image,
};

/// Byte order of the dumping host (`format.md §1.1`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteOrder {
    /// Every supported architecture but s390x.
    Little,
    /// s390x and old MIPS/PowerPC builds.
    Big,
}

impl ByteOrder {
    /// A 32-bit number in this order.
    #[must_use]
    pub const fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    /// A 64-bit number in this order.
    #[must_use]
    pub const fn u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            Self::Little => u64::from_le_bytes(bytes),
            Self::Big => u64::from_be_bytes(bytes),
        }
    }

    /// The 16-bit number at `offset`, if there is one.
    #[must_use]
    pub fn half(self, bytes: &[u8], offset: usize) -> Option<u16> {
        let bytes = *bytes.get(offset..)?.first_chunk()?;
        Some(match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        })
    }

    /// The 32-bit number at `offset`, if there is one.
    #[must_use]
    pub fn word(self, bytes: &[u8], offset: usize) -> Option<u32> {
        Some(self.u32(*bytes.get(offset..)?.first_chunk()?))
    }

    /// The 64-bit number at `offset`, if there is one.
    #[must_use]
    pub fn long(self, bytes: &[u8], offset: usize) -> Option<u64> {
        Some(self.u64(*bytes.get(offset..)?.first_chunk()?))
    }
}

/// One image file, not yet decoded.
#[derive(Debug, Clone, Copy)]
pub struct ImageFile<'a> {
    /// File name without directory, such as `core-12.img`: it decides between kinds that share a magic.
    pub name: &'a str,
    /// The whole file.
    pub bytes: &'a [u8],
    /// Byte order of the host that wrote it.
    pub order: ByteOrder,
    /// How much of it is read at most.
    pub limits: &'a Limits,
    /// Bytes that the messages decoded so far may take, of all images of the archive.
    pub decoded: &'a AtomicU64,
}

impl<'a> ImageFile<'a> {
    /// The bytes of a range that a reader gave, as far as they are there.
    #[must_use]
    pub fn slice(&self, range: &Range<u64>) -> &'a [u8] {
        let length = self.bytes.len() as u64;
        let (start, end) = (range.start.min(length), range.end.min(length));
        let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        range.and_then(|(start, end)| self.bytes.get(start..end)).unwrap_or_default()
    }
}

/// A decoded entry and where its bytes are in the image file, so that every fact can be checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Located<T> {
    /// The decoded message.
    pub value: T,
    /// Bytes of the encoded message in the image file.
    pub body: Range<u64>,
    /// Raw bytes that follow the message and belong to it; empty for most images.
    pub payload: Range<u64>,
}
