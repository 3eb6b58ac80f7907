//! Captured memory as maximal contiguous regions, ready to be searched.

use std::io::{self, Write as _};

use bytes::Bytes;

use super::{Content, Pages};
use crate::{archive::Member, source::Spool};

/// Consecutive captured bytes; nothing captured touches either end, but for what was searched already.
#[derive(Debug)]
pub struct Region<'a> {
    /// Address of the first byte (for shared memory: offset in the object).
    pub start: u64,
    /// Length in bytes.
    pub length: u64,
    /// Whether it goes on where the region before it ends, because one of the two was searched while it was
    /// decompressed and has no bytes here.
    pub goes_on: bool,
    pieces: Vec<Piece<'a>>,
    joined: Option<Bytes>,
}

#[derive(Debug)]
struct Piece<'a> {
    start: u64,
    bytes: &'a [u8],
    member: &'a Member,
    /// None when the bytes are compressed in the member.
    offset: Option<u64>,
}

impl<'a> Region<'a> {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match (&self.joined, self.pieces.as_slice()) {
            (Some(joined), _) => joined,
            (None, [piece]) => piece.bytes,
            _ => &[],
        }
    }

    /// The member that holds the byte at an address, and the byte's offset in it unless it is compressed there.
    pub fn place(&self, address: u64) -> Option<(&'a Member, Option<u64>)> {
        let index = self.pieces.partition_point(|piece| piece.start <= address).checked_sub(1)?;
        let piece = self.pieces.get(index)?;
        let within = address - piece.start;
        (within < piece.bytes.len() as u64)
            .then_some((piece.member, piece.offset.map(|offset| offset + within)))
    }
}

/// Joins captured pages to maximal contiguous regions. Pages of one file that follow one another are a
/// slice of the evidence; a region that lies in several places (pages of a parent dump) is copied
/// together into anonymous storage. Compressed pages are not there unless they were unpacked: see [`Pages::unpack`].
///
/// # Errors
/// When the anonymous storage fails.
pub fn captured_regions<'a>(pages: &Pages<'a>) -> io::Result<Vec<Region<'a>>> {
    let mut regions: Vec<Region<'a>> = Vec::new();
    for run in pages.runs.iter().flat_map(|run| run.unpacked()) {
        let piece = match run.content {
            Content::Captured { bytes, member, offset } => {
                Some(Piece { start: run.start, bytes, member, offset })
            }
            Content::Searched { .. } => None,
            _ => continue,
        };
        let touching = regions.last_mut().filter(|last| last.start + last.length == run.start);
        match (touching, piece) {
            (Some(region), Some(piece)) if !region.pieces.is_empty() => {
                region.pieces.push(piece);
                region.length += run.length;
            }
            (touching, piece) => {
                let goes_on = touching.is_some();
                let (start, length, pieces) = (run.start, run.length, piece.into_iter().collect());
                regions.push(Region { start, length, goes_on, pieces, joined: None });
            }
        }
    }
    let mut spool = Spool::default();
    for piece in regions.iter().filter(|region| region.pieces.len() > 1).flat_map(|region| &region.pieces) {
        spool.write_all(piece.bytes)?;
    }
    let all = spool.finish()?;
    let mut position = 0;
    for region in regions.iter_mut().filter(|region| region.pieces.len() > 1) {
        let length: usize = region.pieces.iter().map(|piece| piece.bytes.len()).sum();
        region.joined = Some(all.slice(position..position + length));
        position += length;
    }
    Ok(regions)
}
