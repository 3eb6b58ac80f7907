//! Leaving out what a search has seen already: storing the memory of processes costs more than decompressing it.
//!
//! While a tar is decompressed its headers are followed. The bytes of pages images are searched then and there, and
//! what holds no part of a match is not stored. All else is stored, and so is everything from the first header on that
//! is not understood: the index that is made afterwards decides what is what.

use std::{
    collections::{BTreeSet, VecDeque},
    io,
    ops::Range,
};

use super::{
    store::Store,
    walk::{Bodies, Walk, part_of},
};
use crate::{Limits, limits::count};

/// Bytes of a pages image that are stored or left out together; so many that the list of them stays short.
pub const UNIT: u64 = 64 << 10;

/// What a search looks for in pages images, each place of which is reported to the function that it is given.
type Find<'s> = dyn Fn(&[u8], &mut dyn FnMut(Range<usize>)) + 's;

/// What is looked for in the memory of processes.
pub struct Sieve<'s> {
    /// Length of the longest match in bytes.
    pub longest: usize,
    /// Bytes that are wanted on either side of a match, at least `longest`.
    pub margin: usize,
    /// Reports where in some bytes there is a match. Of matches that overlap one is enough.
    pub find: &'s Find<'s>,
}

/// Takes a tar in order and stores of it what the sieve holds back.
pub struct Sifter<'s> {
    sieve: &'s Sieve<'s>,
    unit: u64,
    walk: Walk,
    /// Bytes taken so far.
    taken: u64,
    /// The end of what was taken, as far as a match may begin there and go on in what comes.
    tail: Vec<u8>,
    /// Pages images that are not stored to their end yet.
    bodies: VecDeque<Range<u64>>,
    /// Where units begin that are to be stored.
    wanted: BTreeSet<u64>,
    /// Blocks that were searched and are not stored yet, with their places.
    held: VecDeque<(u64, Vec<u8>)>,
}

impl<'s> Sifter<'s> {
    /// Gets ready for the first byte of a tar. `unit`: as [`UNIT`], which is what it should be.
    pub fn new(sieve: &'s Sieve<'s>, unit: u64, limits: &Limits) -> Self {
        Self {
            sieve,
            unit,
            walk: Walk::new(Bodies::Pages, limits),
            taken: 0,
            tail: Vec::new(),
            bodies: VecDeque::new(),
            wanted: BTreeSet::new(),
            held: VecDeque::new(),
        }
    }

    /// Takes the next bytes; gives back a block that is stored and done with, or an empty one.
    ///
    /// # Errors
    /// When storing fails.
    pub fn take(&mut self, block: Vec<u8>, store: &mut Store) -> io::Result<Vec<u8>> {
        self.walk.advance(&block, self.taken, &mut self.bodies);
        self.search(&block);
        let start = self.taken;
        self.taken += block.len() as u64;
        self.held.push_back((start, block));
        // Whatever comes later wants nothing before this.
        let ahead = self.unit + (self.sieve.margin + self.sieve.longest) as u64;
        let taken = self.taken;
        let settled = |(start, block): &(u64, Vec<u8>)| start + block.len() as u64 + ahead <= taken;
        let mut done = Vec::new();
        while self.held.front().is_some_and(&settled) {
            if let Some((start, block)) = self.held.pop_front() {
                self.store(start, &block, store)?;
                done = block;
            }
        }
        Ok(done)
    }

    /// Stores what was held back.
    ///
    /// # Errors
    /// When storing fails.
    pub fn finish(mut self, store: &mut Store) -> io::Result<()> {
        while let Some((start, block)) = self.held.pop_front() {
            self.store(start, &block, store)?;
        }
        Ok(())
    }

    /// Looks for matches in the parts of a block that are pages.
    fn search(&mut self, block: &[u8]) {
        let (from, to) = (self.taken, self.taken + block.len() as u64);
        let overlap = self.sieve.longest.saturating_sub(1);
        for body in &self.bodies {
            let Some(part) = part_of(block, from, body) else { continue };
            let start = from.max(body.start);
            let want = |at: u64, found: Range<usize>, wanted: &mut BTreeSet<u64>| {
                let margin = self.sieve.margin as u64;
                let first = (at + found.start as u64).saturating_sub(margin).max(body.start) - body.start;
                let last = (at + found.end as u64).saturating_add(margin).min(body.end) - body.start;
                for unit in first / self.unit..last.div_ceil(self.unit) {
                    wanted.insert(body.start + unit * self.unit);
                }
            };
            if body.start < from && !self.tail.is_empty() {
                let tail = self.tail.get(self.tail.len().saturating_sub(count(from - body.start))..);
                let tail = tail.unwrap_or_default();
                let seam = [tail, part.get(..overlap).unwrap_or(part)].concat();
                let at = from - tail.len() as u64;
                (self.sieve.find)(&seam, &mut |found| want(at, found, &mut self.wanted));
            }
            (self.sieve.find)(part, &mut |found| want(start, found, &mut self.wanted));
        }
        if self.bodies.back().is_some_and(|body| body.end > to) {
            self.tail.extend_from_slice(block.get(block.len().saturating_sub(overlap)..).unwrap_or_default());
            self.tail.drain(..self.tail.len().saturating_sub(overlap));
        } else {
            self.tail.clear();
        }
    }

    /// Stores a block but for the units of pages images that are not wanted.
    fn store(&mut self, start: u64, block: &[u8], store: &mut Store) -> io::Result<()> {
        let end = start + block.len() as u64;
        let mut position = start;
        while position < end {
            while self.bodies.front().is_some_and(|body| body.end <= position) {
                self.bodies.pop_front();
            }
            let (until, is_kept) = match self.bodies.front() {
                None => (end, true),
                Some(body) if position < body.start => (body.start, true),
                Some(body) => {
                    let unit = position - (position - body.start) % self.unit;
                    (unit.saturating_add(self.unit).min(body.end), self.wanted.contains(&unit))
                }
            };
            let until = until.min(end);
            let bytes = part_of(block, start, &(position..until)).unwrap_or_default();
            if is_kept {
                store.write(bytes)?;
            } else {
                store.skip(until - position)?;
            }
            position = until;
        }
        // The unit that the next block begins in is still asked for.
        self.wanted = self.wanted.split_off(&end.saturating_sub(self.unit));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use tar::Header;

    use super::*;
    use crate::archive::{index_tar, walk::is_pages_image};

    const NEEDLE: &[u8] = b"aba";

    fn places(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
        bytes.windows(NEEDLE.len()).enumerate().filter(|(_, window)| *window == NEEDLE).map(|(at, _)| at)
    }

    /// One of matches that overlap, as a search does that is in a hurry.
    fn find(bytes: &[u8], report: &mut dyn FnMut(Range<usize>)) {
        let mut next = 0;
        for at in places(bytes) {
            if at >= next {
                next = at + NEEDLE.len();
                report(at..next);
            }
        }
    }

    fn tar_of(files: &[(String, Vec<u8>)], with_pax: bool) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content) in files {
            if with_pax {
                builder.append_pax_extensions([("SCHILY.xattr.user.x", &b"y"[..])]).unwrap();
            }
            let mut header = Header::new_gnu();
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, path, content.as_slice()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn sift(tar: &[u8], block: usize, unit: u64, margin: usize) -> (Bytes, Vec<Range<u64>>) {
        let sieve = Sieve { longest: NEEDLE.len(), margin, find: &find };
        let mut sifter = Sifter::new(&sieve, unit, &Limits::DEFAULT);
        let mut store = Store::new(u64::MAX, &Limits::DEFAULT, &std::sync::Arc::default());
        for part in tar.chunks(block) {
            sifter.take(part.to_vec(), &mut store).unwrap();
        }
        sifter.finish(&mut store).unwrap();
        let stored = store.finish().unwrap();
        (stored.bytes, stored.searched)
    }

    proptest! {
        #[test]
        fn what_is_wanted_is_kept_and_the_rest_of_pages_is_not(
            files in proptest::collection::vec(
                (r"(checkpoint/)?(pages-[0-9]{1,2}\.img|core-1\.img|[a-z]{101,130})", proptest::collection::vec(prop_oneof![20 => Just(b'c'), 1 => Just(b'a'), 1 => Just(b'b')], 0..3000)),
                1..6,
            ),
            with_pax: bool,
            block in 1_usize..3000,
            unit in 1_u64..300,
            margin in 3_usize..90,
        ) {
            let tar = tar_of(&files, with_pax);
            let (bytes, holes) = sift(&tar, block, unit, margin);
            prop_assert_eq!(bytes.len(), tar.len());
            let mut kept = vec![true; tar.len()];
            for hole in &holes {
                kept[hole.start as usize..hole.end as usize].fill(false);
            }
            for (at, is_kept) in kept.iter().enumerate() {
                prop_assert_eq!(bytes[at], if *is_kept { tar[at] } else { 0 });
            }
            let archive = index_tar(&Bytes::from(tar.clone()), "x.tar", &Limits::DEFAULT);
            let mut missing: usize = holes.iter().map(|hole| (hole.end - hole.start) as usize).sum();
            for member in archive.members() {
                let (start, length) = (member.offset.unwrap() as usize, member.size as usize);
                let content = &tar[start..start + length];
                let own = &kept[start..start + length];
                if !is_pages_image(&member.path) {
                    prop_assert!(own.iter().all(|kept| *kept));
                    continue;
                }
                missing -= own.iter().filter(|kept| !**kept).count();
                let mut wanted = vec![false; length];
                for at in places(content) {
                    wanted[at.saturating_sub(margin)..(at + NEEDLE.len() + margin).min(length)].fill(true);
                }
                for (at, wanted) in wanted.iter().enumerate() {
                    prop_assert!(own[at] || !wanted, "{} at {}", member.name(), at);
                }
                let slack = margin + NEEDLE.len() + unit as usize;
                for (at, is_kept) in own.iter().enumerate().filter(|(_, kept)| **kept) {
                    let near = &wanted[at.saturating_sub(slack)..(at + slack).min(length)];
                    prop_assert!(*is_kept && near.contains(&true), "{} at {}", member.name(), at);
                }
            }
            prop_assert_eq!(missing, 0);
        }

        #[test]
        fn what_is_no_tar_is_kept(bytes: Vec<u8>) {
            prop_assert_eq!(sift(&bytes, 7, 8, 3), (Bytes::from(bytes), Vec::new()));
        }
    }
}
