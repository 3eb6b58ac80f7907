//! Headers of a tar: finding them, and telling good ones from others.

use std::{io, ops::Range};

use bytes::Bytes;
use tar::{EntryType, Header};

use crate::{limits::count, source::Extent};

/// Length of a header, and what contents are padded to.
pub(super) const BLOCK: usize = 512;
/// A file in whose first bytes there is no header is no damaged tar.
const NEAR: u64 = 4 << 20;

/// Bytes that are looked through at a time.
const TILE: u64 = 1 << 20;
/// Bytes that are read together where a header is wanted: the content of a small member, and the next header.
const AHEAD: u64 = 4 << 10;

/// A tar that is read by its headers.
pub(super) struct Tar<'a> {
    extent: &'a Extent,
    /// What was read last, and where it begins.
    ahead: (u64, Bytes),
}

impl<'a> Tar<'a> {
    pub fn new(extent: &'a Extent) -> Self {
        Self { extent, ahead: (0, Bytes::new()) }
    }

    /// Bytes of the whole.
    pub fn len(&self) -> u64 {
        self.extent.len()
    }

    /// The part of a range that is there, not read yet.
    pub fn extent(&self, range: Range<u64>) -> Extent {
        self.extent.slice(range)
    }

    /// The bytes at a place, fewer than wanted at the end.
    pub fn read(&mut self, position: u64, wanted: u64) -> io::Result<Bytes> {
        if self.extent.held().is_some() || wanted > AHEAD {
            return self.extent.read_at(position, wanted);
        }
        let end = position.saturating_add(wanted).min(self.len());
        let (start, bytes) = &self.ahead;
        if position < *start || end > start + bytes.len() as u64 {
            self.ahead = (position, self.extent.read_at(position, AHEAD)?);
        }
        let (start, bytes) = &self.ahead;
        let place = |position: u64| count(position.saturating_sub(*start)).min(bytes.len());
        Ok(bytes.slice(place(position.min(end))..place(end)))
    }

    /// The header at a place, whatever is in it.
    pub fn header(&mut self, position: u64) -> io::Result<Option<Header>> {
        Ok(header_at(&self.read(position, BLOCK as u64)?, 0).cloned())
    }

    /// The place of the first good header at or after a block.
    pub fn next_header(&mut self, from: u64) -> io::Result<Option<u64>> {
        let mut position = from;
        loop {
            let tile = self.read(position, TILE)?;
            if tile.is_empty() {
                return Ok(None);
            }
            if let Some(found) = next_header(&tile) {
                return Ok(Some(position + found as u64));
            }
            position += tile.len() as u64;
        }
    }

    /// The place of the first byte at or after a place that is not zero.
    pub fn next_content(&mut self, from: u64) -> io::Result<Option<u64>> {
        let mut position = from;
        loop {
            let tile = self.read(position, TILE)?;
            if tile.is_empty() {
                return Ok(None);
            }
            if let Some(found) = tile.iter().position(|byte| *byte != 0) {
                return Ok(Some(position + found as u64));
            }
            position += tile.len() as u64;
        }
    }

    /// The place of the header behind the content of a member, if there is a good one.
    pub fn after_content(&mut self, position: u64) -> io::Result<Option<u64>> {
        let Some(size) = self.header(position)?.and_then(|header| header.entry_size().ok()) else {
            return Ok(None);
        };
        let padded = size.checked_next_multiple_of(BLOCK as u64);
        let next = padded.and_then(|padded| position.checked_add(BLOCK as u64)?.checked_add(padded));
        let Some(next) = next else { return Ok(None) };
        let is_good = self.header(next)?.is_some_and(|header| is_good(header.as_bytes(), 0));
        Ok(is_good.then_some(next))
    }
}

/// Whether the bytes begin with a tar header whose checksum holds.
pub fn looks_like_tar(bytes: &[u8]) -> bool {
    header_at(bytes, 0).is_some_and(checksum_holds)
}

/// Whether the bytes are a tar whose first header is damaged: near the beginning there is a good one.
///
/// # Errors
/// When reading fails.
pub fn looks_like_damaged_tar(bytes: &Extent) -> io::Result<bool> {
    if Tar::new(bytes).after_content(0)?.is_some() {
        return Ok(true);
    }
    let near = bytes.slice(BLOCK as u64..NEAR);
    Ok(Tar::new(&near).next_header(0)?.is_some())
}

/// The place of the first good header in some blocks.
fn next_header(bytes: &[u8]) -> Option<usize> {
    (0..bytes.len()).step_by(BLOCK).find(|position| is_good(bytes, *position))
}

/// Whether there is a header that says that it is one, and whose checksum holds.
fn is_good(bytes: &[u8], position: usize) -> bool {
    header_at(bytes, position).is_some_and(|header| {
        (header.as_ustar().is_some() || header.as_gnu().is_some()) && checksum_holds(header)
    })
}

/// The header at a place, whatever is in it.
fn header_at(bytes: &[u8], position: usize) -> Option<&Header> {
    let block = bytes.get(position..)?.get(..BLOCK)?;
    Some(Header::from_byte_slice(block))
}

/// Whether a header is as it was written.
pub(super) fn checksum_holds(header: &Header) -> bool {
    let bytes = header.as_bytes();
    let sum: u32 = bytes
        .iter()
        .enumerate()
        .map(|(i, byte)| if (148..156).contains(&i) { u32::from(b' ') } else { u32::from(*byte) })
        .sum();
    header.cksum().is_ok_and(|stored| stored == sum)
}

/// Whether a member of a type has content.
pub(super) fn is_file(kind: EntryType) -> bool {
    matches!(kind, EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse)
}
