//! Captured memory as maximal contiguous regions, ready to be searched.

use std::{
    io::{self, Write as _},
    sync::OnceLock,
};

use bytes::Bytes;

use super::{Content, Pages};
use crate::{
    archive::Member,
    source::{Spool, View},
};

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
    /// The bytes, where they lie in several places or must be read; none when they cannot be.
    joined: OnceLock<Option<Bytes>>,
}

#[derive(Debug)]
struct Piece<'a> {
    start: u64,
    bytes: View<'a>,
    member: &'a Member,
    /// None when the bytes are compressed in the member.
    offset: Option<u64>,
}

impl<'a> Region<'a> {
    /// The bytes, read when they are first asked for; none when that fails: see [`Region::is_lost`].
    pub fn bytes(&self) -> &[u8] {
        if let [piece] = self.pieces.as_slice()
            && let Some(bytes) = piece.bytes.held()
        {
            return bytes;
        }
        let joined = self.joined.get_or_init(|| self.join().ok());
        joined.as_ref().map(Bytes::as_ref).unwrap_or_default()
    }

    /// Whether its bytes are in the evidence and cannot be read.
    pub fn is_lost(&self) -> bool {
        !self.pieces.is_empty() && self.bytes().is_empty()
    }

    /// The bytes of all pieces.
    fn join(&self) -> io::Result<Bytes> {
        let mut spool = Spool::default();
        for tile in self.pieces.iter().flat_map(|piece| piece.bytes.tiles()) {
            spool.write_all(&tile?)?;
        }
        spool.finish()
    }

    /// Whether it lies in several places that are at hand.
    fn is_scattered(&self) -> bool {
        self.pieces.len() > 1 && self.pieces.iter().all(|piece| piece.bytes.held().is_some())
    }

    /// The member that holds the byte at an address, and the byte's offset in it unless it is compressed there.
    pub fn place(&self, address: u64) -> Option<(&'a Member, Option<u64>)> {
        let index = self.pieces.partition_point(|piece| piece.start <= address).checked_sub(1)?;
        let piece = self.pieces.get(index)?;
        let within = address - piece.start;
        (within < piece.bytes.len()).then_some((piece.member, piece.offset.map(|offset| offset + within)))
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
                regions.push(Region { start, length, goes_on, pieces, joined: OnceLock::new() });
            }
        }
    }
    let mut spool = Spool::default();
    for piece in regions.iter().filter(|region| region.is_scattered()).flat_map(|region| &region.pieces) {
        spool.write_all(piece.bytes.held().unwrap_or_default())?;
    }
    let all = spool.finish()?;
    let mut position = 0;
    for region in regions.iter_mut().filter(|region| region.is_scattered()) {
        let length: usize =
            region.pieces.iter().filter_map(|piece| piece.bytes.held()).map(<[u8]>::len).sum();
        region.joined = OnceLock::from(Some(all.slice(position..position + length)));
        position += length;
    }
    Ok(regions)
}
