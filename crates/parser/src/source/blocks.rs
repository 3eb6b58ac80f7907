//! Bytes that are stored in compressed blocks, each of which can be undone by itself.

use std::{
    fmt,
    io::{self, Write as _},
    ops::Range,
    sync::OnceLock,
};

use bytes::Bytes;

use super::{Extent, Spool};

/// What all blocks give stays in the program's own memory up to so many bytes.
const IN_MEMORY: u64 = 256 << 10;

/// One block: how long it is and where it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Bytes that it gives.
    pub length: u32,
    /// Bytes that it is stored in: none when all are zero, as many as it gives when they are stored as they are, and
    /// otherwise an LZ4 block.
    pub stored: u32,
}

/// A block with its places in what all give together and in what they are stored in.
#[derive(Clone, Copy)]
struct Placed {
    start: u64,
    at: u64,
    block: Block,
}

/// Blocks that follow one another.
pub struct Blocks {
    stored: Extent,
    blocks: Vec<Placed>,
    length: u64,
    undone: OnceLock<Undone>,
}

/// What all blocks give.
#[derive(Debug)]
pub struct Undone {
    /// All bytes; zeros where a block is damaged.
    pub bytes: Bytes,
    /// Where blocks are damaged, in order.
    pub damaged: Vec<Range<u64>>,
    /// Why nothing could be stored.
    pub failed: Option<String>,
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocks").field("blocks", &self.blocks.len()).field("length", &self.length).finish()
    }
}

impl Blocks {
    /// Blocks that are stored one behind the other; `None` when they are too much to be counted.
    pub fn new(stored: Extent, blocks: impl IntoIterator<Item = Block>) -> Option<Self> {
        let (mut start, mut at) = (0_u64, 0_u64);
        let mut placed = Vec::new();
        for block in blocks {
            placed.push(Placed { start, at, block });
            start = start.checked_add(block.length.into())?;
            at = at.checked_add(block.stored.into())?;
        }
        Some(Self { stored, blocks: placed, length: start, undone: OnceLock::new() })
    }

    /// Bytes that all blocks give.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The blocks that a range of bytes is in.
    fn of(&self, range: &Range<u64>) -> &[Placed] {
        let first = self.blocks.partition_point(|one| one.start + u64::from(one.block.length) <= range.start);
        let last = self.blocks.partition_point(|one| one.start < range.end);
        self.blocks.get(first..last).unwrap_or_default()
    }

    /// Where the blocks of a range of bytes are stored.
    pub fn place(&self, range: &Range<u64>) -> Range<u64> {
        let blocks = self.of(range);
        let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else { return 0..0 };
        first.at..last.at + u64::from(last.block.stored)
    }

    /// Undoes one block into a buffer of its length; false when it is cut or damaged.
    fn undo(&self, one: &Placed, into: &mut [u8]) -> bool {
        let wanted = u64::from(one.block.stored);
        let Ok(stored) = self.stored.read_at(one.at, wanted) else { return false };
        let stored = stored.as_ref();
        if (stored.len() as u64) < wanted {
            false
        } else if stored.is_empty() {
            into.fill(0);
            true
        } else if stored.len() == into.len() {
            into.copy_from_slice(stored);
            true
        } else {
            lz4_flex::block::decompress_into(stored, into).is_ok_and(|length| length == into.len())
        }
    }

    /// The bytes of a range; `None` when one of its blocks is damaged. Only these blocks are undone.
    pub fn read(&self, range: &Range<u64>) -> Option<Vec<u8>> {
        if let Some(undone) = self.undone.get() {
            return undone.get(range).map(<[u8]>::to_vec);
        }
        let mut bytes = Vec::new();
        let mut buffer = Vec::new();
        for one in self.of(range) {
            buffer.clear();
            buffer.resize(usize::try_from(one.block.length).ok()?, 0);
            if !self.undo(one, &mut buffer) {
                return None;
            }
            let within =
                |position: u64| usize::try_from(position.saturating_sub(one.start)).unwrap_or(usize::MAX);
            let part = within(range.start)..within(range.end).min(buffer.len());
            bytes.extend_from_slice(buffer.get(part)?);
        }
        Some(bytes)
    }

    /// What all blocks give, undone when it is first asked for; it is stored as what was decompressed is.
    pub fn all(&self) -> &Undone {
        self.undone.get_or_init(|| {
            let mut damaged: Vec<Range<u64>> = Vec::new();
            match self.store(&mut damaged) {
                Ok(bytes) => Undone { bytes, damaged, failed: None },
                Err(error) => {
                    let everything = std::iter::once(0..self.length).collect();
                    Undone { bytes: Bytes::new(), damaged: everything, failed: Some(error.to_string()) }
                }
            }
        })
    }

    /// The same, if it was asked for before.
    pub fn undone(&self) -> Option<&Undone> {
        self.undone.get()
    }

    fn store(&self, damaged: &mut Vec<Range<u64>>) -> io::Result<Bytes> {
        // Each process has blocks of its own.
        let mut spool = if self.length > IN_MEMORY { Spool::in_file()? } else { Spool::default() };
        let mut buffer = Vec::new();
        for one in &self.blocks {
            let length = u64::from(one.block.length);
            buffer.clear();
            if one.block.stored > 0 {
                buffer.resize(usize::try_from(length).unwrap_or(0), 0);
                if self.undo(one, &mut buffer) {
                    spool.write_all(&buffer)?;
                    continue;
                }
                damaged.push(one.start..one.start + length);
            }
            spool.skip(length)?;
        }
        spool.finish()
    }
}

impl Undone {
    /// The bytes of a range without damage.
    pub fn get(&self, range: &Range<u64>) -> Option<&[u8]> {
        let next = self.damaged.partition_point(|damaged| damaged.end <= range.start);
        if self.damaged.get(next).is_some_and(|damaged| damaged.start < range.end) {
            return None;
        }
        self.bytes.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
    }

    /// The parts of a range, in order, and whether each is without damage.
    pub fn parts(&self, range: &Range<u64>) -> Vec<(Range<u64>, bool)> {
        let mut parts = Vec::new();
        let mut position = range.start;
        let first = self.damaged.partition_point(|damaged| damaged.end <= range.start);
        for damaged in self.damaged.iter().skip(first).take_while(|damaged| damaged.start < range.end) {
            let start = damaged.start.max(position);
            let end = damaged.end.min(range.end);
            parts.extend([(position..start, true), (start..end, false)]);
            position = end;
        }
        parts.push((position..range.end, true));
        parts.retain(|(part, _)| !part.is_empty());
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block of text, one of zeros, one stored as it is, one damaged, one of text.
    fn sample() -> (Blocks, Vec<u8>) {
        let text = b"all work and no play ".repeat(40);
        let packed = lz4_flex::block::compress(&text);
        let plain: Vec<u8> = (0..=255).collect();
        let stored = [packed.as_slice(), &plain, &[0xff; 7], &packed].concat();
        let block = |length: usize, stored: usize| Block { length: length as u32, stored: stored as u32 };
        let blocks = [
            block(text.len(), packed.len()),
            block(300, 0),
            block(256, 256),
            block(100, 7),
            block(text.len(), packed.len()),
        ];
        let all = [text.as_slice(), &[0; 300], &plain, &[0; 100], &text].concat();
        (Blocks::new(Bytes::from(stored).into(), blocks).unwrap(), all)
    }

    #[test]
    fn blocks_are_undone_alone_and_together() {
        let (blocks, all) = sample();
        let damaged = 840 + 300 + 256..840 + 300 + 256 + 100;
        assert_eq!(blocks.length(), all.len() as u64);
        for is_whole in [false, true] {
            for (start, end) in
                [(0, 840), (5, 1396), (800, 900), (1200, 1300), (1496, all.len()), (1500, 1501)]
            {
                let read = blocks.read(&(start as u64..end as u64));
                assert_eq!(read.as_deref(), all.get(start..end), "{start} {end}");
            }
            for range in [1300..1400, 1395..1397, 1495..1500, 0..all.len() as u64] {
                assert_eq!(blocks.read(&range), None, "{range:?}");
            }
            if !is_whole {
                assert!(blocks.undone().is_none());
                assert_eq!(blocks.all().damaged, std::slice::from_ref(&damaged));
            }
        }
        assert!(blocks.all().bytes == all);
        assert_eq!(
            blocks.all().parts(&(1390..1500)),
            [(1390..1396, true), (1396..1496, false), (1496..1500, true)]
        );
        assert_eq!(blocks.place(&(850..900)), blocks.place(&(840..841)));
        let end = blocks.place(&(0..1)).end;
        assert_eq!(blocks.place(&(1139..1141)), end..end + 256);
    }

    #[test]
    fn a_block_that_gives_less_or_more_is_damaged() {
        let packed = lz4_flex::block::compress(&[7; 100]);
        for length in [99, 101, 4096] {
            let block = Block { length, stored: packed.len() as u32 };
            let blocks = Blocks::new(Bytes::from(packed.clone()).into(), [block]).unwrap();
            assert_eq!(blocks.all().damaged.len(), 1, "{length}");
        }
        let cut = Blocks::new(Bytes::from_static(b"x").into(), [Block { length: 9, stored: 5 }]).unwrap();
        assert_eq!(cut.read(&(0..9)), None);
    }
}
