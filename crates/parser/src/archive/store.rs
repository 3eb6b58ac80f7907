//! Storing a tar that is decompressed, when there is more in it than is believed.
//!
//! Room is taken by what is dense: pages of zeros are not stored. Where the room ends, the content of large files is left
//! out from there to the end of the file, and the archive goes on: what stands behind such a file is not lost with it.

use std::{
    collections::VecDeque,
    io::{self, Write as _},
    ops::Range,
    sync::Arc,
};

use bytes::Bytes;

use super::walk::{Bodies, Walk, part_of};
use crate::{
    Limits,
    source::{Budget, Spool},
};

/// A file that is no longer is stored where large ones are not.
const SMALL: u64 = 1 << 20;
/// So much of headers and small files is stored beyond the room there is.
const BEYOND: u64 = 1 << 30;

/// Where a decompressed tar goes.
pub struct Store {
    spool: Spool,
    /// Where the room ended, what the bytes are part of.
    walk: Option<Walk>,
    limits: Limits,
    /// Contents of files that are not stored to their end yet.
    files: VecDeque<Range<u64>>,
    /// Dense bytes that there is room for.
    room: u64,
    searched: Vec<Range<u64>>,
    lost: Vec<Range<u64>>,
    is_full: bool,
}

/// What was stored.
pub struct Stored {
    /// All bytes; where some were left out there are zeros.
    pub bytes: Bytes,
    /// What was left out because it was searched already.
    pub searched: Vec<Range<u64>>,
    /// What was left out because there was no room for it; each runs to the end of a file.
    pub lost: Vec<Range<u64>>,
}

impl Store {
    /// Gets ready for the first byte of a tar, or of anything else.
    pub fn new(room: u64, limits: &Limits, budget: &Arc<Budget>) -> Self {
        Self {
            spool: Spool::new(budget),
            walk: None,
            limits: *limits,
            files: VecDeque::new(),
            room,
            searched: Vec::new(),
            lost: Vec::new(),
            is_full: false,
        }
    }

    /// Bytes taken or left out so far.
    pub fn length(&self) -> u64 {
        self.spool.length()
    }

    /// Bytes taken that need room.
    pub fn dense(&self) -> u64 {
        self.spool.dense()
    }

    /// Whether it failed because nothing more is believed.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Follows the tar up to and over the next bytes.
    fn follow(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = self.spool.length();
        let walk = match &mut self.walk {
            Some(walk) => walk,
            None => {
                let walk = self.walk.insert(Walk::new(Bodies::AllFiles, &self.limits));
                let before = self.spool.so_far()?;
                walk.advance(&before, 0, &mut self.files);
                let rest = length.saturating_sub(before.len() as u64);
                if rest > 0 {
                    walk.pass(rest);
                }
                walk
            }
        };
        walk.advance(bytes, length, &mut self.files);
        Ok(())
    }

    /// Leaves out what was searched already.
    ///
    /// # Errors
    /// When storing fails.
    pub fn skip(&mut self, count: u64) -> io::Result<()> {
        let start = self.spool.length();
        self.spool.skip(count)?;
        if let Some(walk) = &mut self.walk {
            walk.pass(count);
        }
        add(&mut self.searched, start..self.spool.length());
        Ok(())
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// When storing fails, and when there is no room even for small files: see [`Store::is_full`].
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let start = self.spool.length();
        let end = start + bytes.len() as u64;
        if self.walk.is_none() && self.spool.dense() + bytes.len() as u64 <= self.room {
            return self.spool.write_all(bytes);
        }
        self.follow(bytes)?;
        let mut position = start;
        while position < end {
            while self.files.front().is_some_and(|file| file.end <= position) {
                self.files.pop_front();
            }
            let (until, is_kept) = match self.files.front() {
                Some(file) if file.start <= position => (file.end, self.keeps(file)),
                Some(file) => (file.start, true),
                None => (end, true),
            };
            let until = until.min(end);
            if !is_kept {
                self.spool.skip(until - position)?;
                add(&mut self.lost, position..until);
            } else if self.spool.dense() > self.room.saturating_add(BEYOND) {
                self.is_full = true;
                return Err(io::Error::other("it gives more than is believed"));
            } else {
                self.spool.write_all(part_of(bytes, start, &(position..until)).unwrap_or_default())?;
            }
            position = until;
        }
        Ok(())
    }

    /// Whether the next bytes of a file are stored.
    fn keeps(&self, file: &Range<u64>) -> bool {
        let is_cut = self.lost.last().is_some_and(|lost| file.contains(&lost.start));
        !is_cut && (file.end - file.start <= SMALL || self.spool.dense() < self.room)
    }

    /// Gives back what was stored.
    ///
    /// # Errors
    /// When the storage cannot be mapped.
    pub fn finish(self) -> io::Result<Stored> {
        Ok(Stored { bytes: self.spool.finish()?, searched: self.searched, lost: self.lost })
    }
}

fn add(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        _ => ranges.push(range),
    }
}

#[cfg(test)]
mod tests {
    use tar::Header;

    use super::*;

    fn tar_of(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = Header::new_gnu();
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, path, content.as_slice()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn store(tar: &[u8], room: u64) -> Stored {
        let mut store = Store::new(room, &Limits::DEFAULT, &Arc::default());
        for block in tar.chunks(100_000) {
            store.write(block).unwrap();
        }
        store.finish().unwrap()
    }

    #[test]
    fn a_large_file_is_cut_where_the_room_ends_and_what_follows_is_kept() {
        let tar = tar_of(&[
            ("a", vec![1; 5000]),
            ("large", vec![2; 4 << 20]),
            ("small", vec![3; 1 << 20]),
            ("huge", vec![4; 3 << 20]),
            ("z", vec![5; 5000]),
        ]);
        let stored = store(&tar, 2 << 20);
        assert_eq!(stored.bytes.len(), tar.len());
        let large = 512 + 5120 + 512_u64;
        let [first, second] = stored.lost.as_slice() else { panic!("{:?}", stored.lost) };
        assert!((2 << 20) - 200_000 < first.start && first.start < (2 << 20) + 200_000, "{first:?}");
        assert_eq!(first.end, large + (4 << 20));
        assert_eq!(second.end - second.start, 3 << 20);
        for (at, byte) in stored.bytes.iter().enumerate() {
            let is_lost = stored.lost.iter().any(|lost| lost.contains(&(at as u64)));
            assert_eq!(*byte, if is_lost { 0 } else { tar[at] }, "{at}");
        }
    }

    #[test]
    fn zeros_need_no_room() {
        let tar = tar_of(&[("zeros", vec![0; 4 << 20]), ("ones", vec![1; 1 << 20])]);
        let stored = store(&tar, 2 << 20);
        assert!(stored.lost.is_empty());
        assert!(stored.bytes == tar);
    }
}
