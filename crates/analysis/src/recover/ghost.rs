//! Contents of deleted files that the checkpoint holds, by offset (`format.md §8.3`).

use std::ops::Range;

use ckptfx_parser::{
    Diagnostic, ImageDirectory,
    files::{FileTable, Remap},
    image::{self, GhostContent},
};

/// A deleted regular file with its content.
#[derive(Debug)]
pub struct GhostFile<'a> {
    /// Size of the file in bytes.
    pub size: u64,
    /// Pieces by offset, without overlap; zeros between them.
    pieces: Vec<Piece<'a>>,
}

#[derive(Debug)]
struct Piece<'a> {
    offset: u64,
    /// Length that the image claims.
    length: u64,
    /// What is there of it.
    bytes: &'a [u8],
}

/// Consecutive bytes of a deleted file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stretch<'a> {
    /// Bytes of the image.
    Bytes(&'a [u8]),
    /// So many zeros.
    Zeros(u64),
    /// So many bytes that the image should hold and does not.
    Lost(u64),
}

impl<'a> GhostFile<'a> {
    /// The content of the file with an id, when it was deleted and its content saved.
    pub fn find(
        images: &'a ImageDirectory,
        files: &FileTable,
        id: u32,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let Some(Remap::Ghost(ghost)) = files.remap(id) else { return None };
        let name = format!("ghost-file-{ghost:x}.img");
        let bytes = images.member(&name)?.bytes();
        let ghost = image::read_ghost(&images.file(&name)?, diagnostics)?;
        let slice = |range: &Range<u64>| -> &'a [u8] {
            let range = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
            range.and_then(|(start, end)| bytes.get(start..end)).unwrap_or_default()
        };
        match ghost.content {
            GhostContent::None => None,
            GhostContent::Inline(range) => {
                let bytes = slice(&range);
                let length = bytes.len() as u64;
                Some(Self { size: length, pieces: vec![Piece { offset: 0, length, bytes }] })
            }
            GhostContent::Chunks(chunks) => {
                let size = ghost.entry.value.size?;
                let mut chunks = chunks;
                chunks.sort_by_key(|chunk| chunk.offset);
                let mut pieces: Vec<Piece<'a>> = Vec::new();
                for chunk in chunks {
                    let before = pieces.last().map_or(0, |piece| piece.offset.saturating_add(piece.length));
                    // Chunks that overlap are damage; the first one stands.
                    if chunk.offset >= before {
                        let bytes = slice(&chunk.range);
                        pieces.push(Piece { offset: chunk.offset, length: chunk.length, bytes });
                    }
                }
                Some(Self { size, pieces })
            }
        }
    }

    /// The bytes from one offset to another, in order and without gaps, up to the end of the file.
    pub fn stretches(&self, from: u64, to: u64) -> Vec<Stretch<'a>> {
        let to = to.min(self.size);
        let mut found = Vec::new();
        let mut position = from;
        let first = self.pieces.partition_point(|piece| piece.offset.saturating_add(piece.length) <= from);
        for piece in self.pieces.get(first..).unwrap_or_default() {
            let end = piece.offset.saturating_add(piece.length).min(to);
            let start = piece.offset.max(position);
            if start >= end {
                continue;
            }
            if start > position {
                found.push(Stretch::Zeros(start - position));
            }
            let (skip, length) = (start - piece.offset, end - start);
            let there =
                usize::try_from(skip).ok().and_then(|skip| piece.bytes.get(skip..)).unwrap_or_default();
            let there = there.get(..usize::try_from(length).unwrap_or(usize::MAX)).unwrap_or(there);
            if !there.is_empty() {
                found.push(Stretch::Bytes(there));
            }
            if (there.len() as u64) < length {
                found.push(Stretch::Lost(length - there.len() as u64));
            }
            position = end;
        }
        if position < to {
            found.push(Stretch::Zeros(to - position));
        }
        found
    }

    /// Whether the file holds these bytes at an offset, zeros after its end. None when it is not known.
    pub fn holds(&self, offset: u64, bytes: &[u8]) -> Option<bool> {
        let mut rest = bytes;
        for stretch in self.stretches(offset, offset.saturating_add(bytes.len() as u64)) {
            let length = match stretch {
                Stretch::Bytes(bytes) => bytes.len(),
                Stretch::Zeros(length) => usize::try_from(length).ok()?,
                Stretch::Lost(_) => return None,
            };
            let (head, tail) = rest.split_at_checked(length)?;
            let same = match stretch {
                Stretch::Bytes(bytes) => bytes == head,
                _ => head.iter().all(|byte| *byte == 0),
            };
            if !same {
                return Some(false);
            }
            rest = tail;
        }
        Some(rest.iter().all(|byte| *byte == 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_zeros_and_cut_pieces_are_lost() {
        let file = GhostFile {
            size: 20,
            pieces: vec![
                Piece { offset: 2, length: 3, bytes: b"abc" },
                Piece { offset: 8, length: 4, bytes: b"de" },
            ],
        };
        assert_eq!(
            file.stretches(0, 30),
            [
                Stretch::Zeros(2),
                Stretch::Bytes(b"abc"),
                Stretch::Zeros(3),
                Stretch::Bytes(b"de"),
                Stretch::Lost(2),
                Stretch::Zeros(8),
            ]
        );
        assert_eq!(file.stretches(3, 4), [Stretch::Bytes(b"b")]);
        assert_eq!(file.stretches(11, 12), [Stretch::Lost(1)]);
        assert_eq!(file.stretches(25, 30), []);
        assert_eq!(file.holds(1, b"\0abc\0"), Some(true));
        assert_eq!(file.holds(1, b"\0abx\0"), Some(false));
        assert_eq!(file.holds(8, b"defg"), None);
        assert_eq!(file.holds(14, b"\0\0\0\0\0\0\0\0"), Some(true));
    }
}
