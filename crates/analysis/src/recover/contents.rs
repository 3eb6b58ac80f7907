//! The content of a file, put together from pieces of the evidence without filling its holes.

use std::collections::BTreeMap;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

/// Zeros are hashed this many at a time.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// A file's content: pieces at their offsets, zeros between them, and how much is known to be missing.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    size: u64,
    pieces: BTreeMap<u64, Bytes>,
    lost: u64,
}

impl Contents {
    /// A file of a size, all of it a hole until pieces are put in. The size is a claim of the evidence.
    pub fn new(size: u64) -> Self {
        Self { size, ..Self::default() }
    }

    /// A file that is one piece.
    pub fn whole(bytes: Bytes) -> Self {
        let mut contents = Self::new(bytes.len() as u64);
        contents.put(0, bytes);
        contents
    }

    /// Puts bytes at an offset, over what was there, as writing them would. What would lie beyond the end
    /// of the file is cut off.
    pub fn put(&mut self, offset: u64, mut bytes: Bytes) {
        let room = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        bytes.truncate(room);
        if bytes.is_empty() {
            return;
        }
        let end = offset.saturating_add(bytes.len() as u64);
        // The piece that begins before and reaches in is cut; it may go on behind.
        if let Some((start, before)) =
            self.pieces.range(..offset).next_back().map(|(at, piece)| (*at, piece.clone()))
            && start.saturating_add(before.len() as u64) > offset
        {
            self.split(start, &before, offset, end);
        }
        let covered: Vec<u64> = self.pieces.range(offset..end).map(|(at, _)| *at).collect();
        for start in covered {
            if let Some(piece) = self.pieces.remove(&start) {
                self.keep_after(start, &piece, end);
            }
        }
        self.pieces.insert(offset, bytes);
    }

    fn split(&mut self, start: u64, piece: &Bytes, from: u64, to: u64) {
        let head = usize::try_from(from - start).unwrap_or(usize::MAX).min(piece.len());
        self.pieces.insert(start, piece.slice(..head));
        self.keep_after(start, piece, to);
    }

    fn keep_after(&mut self, start: u64, piece: &Bytes, to: u64) {
        let skip = usize::try_from(to.saturating_sub(start)).unwrap_or(usize::MAX);
        if skip < piece.len() {
            self.pieces.insert(to, piece.slice(skip..));
        }
    }

    /// Says that bytes which belong to the file are not in the evidence.
    pub fn lose(&mut self, bytes: u64) {
        self.lost = self.lost.saturating_add(bytes);
    }

    /// Size of the file in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that are in the evidence; the rest is holes, or lost.
    pub fn captured(&self) -> u64 {
        self.pieces.values().map(|piece| piece.len() as u64).sum()
    }

    /// Bytes known to be missing.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The pieces in order of offset.
    pub fn pieces(&self) -> impl Iterator<Item = (u64, &Bytes)> {
        self.pieces.iter().map(|(offset, bytes)| (*offset, bytes))
    }

    /// The first bytes, at most `limit`, holes as zeros.
    pub fn head(&self, limit: usize) -> Vec<u8> {
        let length = usize::try_from(self.size).unwrap_or(usize::MAX).min(limit);
        let mut head = vec![0; length];
        for (offset, piece) in self.pieces() {
            let Some(space) = usize::try_from(offset).ok().and_then(|offset| head.get_mut(offset..)) else {
                break;
            };
            for (to, from) in space.iter_mut().zip(piece.iter()) {
                *to = *from;
            }
        }
        head
    }

    /// All bytes, if there are no more than `limit`.
    pub fn to_vec(&self, limit: usize) -> Option<Vec<u8>> {
        (self.lost == 0 && self.size <= limit as u64).then(|| self.head(limit))
    }

    /// The SHA-256 of the whole file, in hexadecimal. Each zero of a hole costs one of `zeros`; none is
    /// given when they do not suffice, nor when bytes are missing.
    pub fn sha256(&self, zeros: &mut u64) -> Option<String> {
        if self.lost > 0 {
            return None;
        }
        *zeros = zeros.checked_sub(self.size.saturating_sub(self.captured()))?;
        let mut hasher = Sha256::new();
        let mut position = 0;
        for (offset, piece) in self.pieces() {
            hash_zeros(&mut hasher, offset.saturating_sub(position));
            hasher.update(piece);
            position = offset.saturating_add(piece.len() as u64);
        }
        hash_zeros(&mut hasher, self.size.saturating_sub(position));
        Some(hex::encode(hasher.finalize()))
    }

    /// Whether both have the same bytes, told without filling holes: two files that differ only in what is
    /// a hole and what is written zeros are told apart.
    pub fn is_same(&self, other: &Self) -> bool {
        self.size == other.size && self.lost == 0 && other.lost == 0 && self.pieces == other.pieces
    }
}

fn hash_zeros(hasher: &mut Sha256, mut count: u64) {
    while count > 0 {
        let block = usize::try_from(count).unwrap_or(usize::MAX).min(ZEROS.len());
        hasher.update(ZEROS.get(..block).unwrap_or_default());
        count -= block as u64;
    }
}

/// What a file is, told by its first bytes.
pub fn file_type(head: &[u8]) -> &'static str {
    let is_at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    let magics: [(&[u8], &str); 22] = [
        (b"\x7fELF", "elf"),
        (b"#!", "script"),
        (b"\x1f\x8b", "gzip"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\xfd7zXZ\0", "xz"),
        (b"BZh", "bzip2"),
        (b"PK\x03\x04", "zip"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"Rar!\x1a\x07", "rar"),
        (b"!<arch>\n", "ar"),
        (b"MZ", "pe"),
        (b"\xca\xfe\xba\xbe", "java-class"),
        (b"\0asm", "wasm"),
        (b"dex\n", "dex"),
        (b"SQLite format 3\0", "sqlite"),
        (b"%PDF-", "pdf"),
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"\xff\xd8\xff", "jpeg"),
        (b"GIF8", "gif"),
        (b"-----BEGIN ", "pem"),
        (b"\xd4\xc3\xb2\xa1", "pcap"),
        (b"\x0a\x0d\x0d\x0a", "pcapng"),
    ];
    if head.is_empty() {
        return "empty";
    }
    if let Some((_, name)) = magics.iter().find(|(magic, _)| is_at(0, magic)) {
        return name;
    }
    if is_at(257, b"ustar") {
        return "tar";
    }
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The last character may be cut by the end of the head.
        Err(error) if error.error_len().is_none() && error.valid_up_to() + 4 > head.len() => head
            .get(..error.valid_up_to())
            .and_then(|valid| std::str::from_utf8(valid).ok())
            .unwrap_or_default(),
        Err(_) => return "data",
    };
    let is_text = !text.is_empty()
        && text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\x1b' | '\x0c'));
    if is_text { "text" } else { "data" }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the pieces would be in a flat file.
    fn flat(contents: &Contents) -> Vec<u8> {
        contents.head(usize::MAX)
    }

    #[test]
    fn later_pieces_cover_earlier_ones_in_every_order() {
        let pieces: [(u64, &[u8]); 6] =
            [(2, b"AAAA"), (0, b"bbbb"), (5, b"cc"), (3, b"D"), (8, b"EEEEEE"), (1, b"ffffffffff")];
        for start in 0..pieces.len() {
            let mut contents = Contents::new(10);
            let mut expected = vec![0; 10];
            for (offset, bytes) in pieces.iter().cycle().skip(start).take(pieces.len()) {
                contents.put(*offset, Bytes::copy_from_slice(bytes));
                for (index, byte) in bytes.iter().enumerate() {
                    if let Some(to) = expected.get_mut(*offset as usize + index) {
                        *to = *byte;
                    }
                }
            }
            assert_eq!(flat(&contents), expected);
            let mut zeros = u64::MAX;
            let whole = Contents::whole(Bytes::from(expected));
            assert_eq!(contents.sha256(&mut zeros), whole.sha256(&mut zeros));
        }
    }

    #[test]
    fn a_huge_hole_is_not_hashed() {
        let mut contents = Contents::new(8 << 60);
        contents.put(4 << 60, Bytes::from_static(b"x"));
        let mut zeros = 1 << 20;
        assert_eq!(contents.sha256(&mut zeros), None);
        assert_eq!(zeros, 1 << 20);
        assert_eq!(contents.captured(), 1);
    }

    #[test]
    fn holes_hash_as_zeros() {
        let mut contents = Contents::new(3 << 16);
        contents.put(1 << 16, Bytes::from_static(b"x"));
        let mut flat = vec![0; 3 << 16];
        flat[1 << 16] = b'x';
        let mut zeros = u64::MAX;
        assert_eq!(contents.sha256(&mut zeros), Contents::whole(flat.into()).sha256(&mut zeros));
    }

    #[test]
    fn what_is_lost_has_no_hash() {
        let mut contents = Contents::new(4);
        contents.lose(1);
        assert_eq!(contents.sha256(&mut 100), None);
        assert_eq!(contents.to_vec(100), None);
    }

    #[test]
    fn tells_types() {
        for (head, expected) in [
            (b"\x7fELF\x02\x01".as_slice(), "elf"),
            (b"#!/bin/sh\n", "script"),
            (b"", "empty"),
            (b"hello\n", "text"),
            ("grün".as_bytes(), "text"),
            (&"grü".as_bytes()[..3], "text"),
            (b"a\0b", "data"),
            (b"\xff\xfe\x00\x01", "data"),
        ] {
            assert_eq!(file_type(head), expected, "{head:?}");
        }
    }
}
