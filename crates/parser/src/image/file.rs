//! An image file, and what is read of it with its place.

use std::{ops::Range, sync::atomic::AtomicU64};

use super::order::ByteOrder;
use crate::Limits;

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
