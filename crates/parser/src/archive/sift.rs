//! Leaving out what a search has seen already: storing the memory of processes costs more than decompressing it.
//!
//! While a tar is decompressed its headers are followed. The bytes of pages images are searched then and there, and
//! what holds no part of a match is not stored. All else is stored, and so is everything from the first header on that
//! is not understood: the index that is made afterwards decides what is what.

use std::{
    collections::{BTreeSet, VecDeque},
    io::{self, Write as _},
    ops::Range,
};

use tar::{EntryType, Header};

use super::{
    normalise,
    pax::{self, Extensions},
    tar::{BLOCK, checksum_holds, is_file},
};
use crate::{Limits, limits::count, source::Spool};

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
            walk: Walk::new(limits),
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
    pub fn take(&mut self, block: Vec<u8>, spool: &mut Spool) -> io::Result<Vec<u8>> {
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
                self.store(start, &block, spool)?;
                done = block;
            }
        }
        Ok(done)
    }

    /// Stores what was held back.
    ///
    /// # Errors
    /// When storing fails.
    pub fn finish(mut self, spool: &mut Spool) -> io::Result<()> {
        while let Some((start, block)) = self.held.pop_front() {
            self.store(start, &block, spool)?;
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
    fn store(&mut self, start: u64, block: &[u8], spool: &mut Spool) -> io::Result<()> {
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
                spool.write_all(bytes)?;
            } else {
                spool.skip(until - position)?;
            }
            position = until;
        }
        // The unit that the next block begins in is still asked for.
        self.wanted = self.wanted.split_off(&end.saturating_sub(self.unit));
        Ok(())
    }
}

/// The part of a block, which begins at `start`, that lies in a range.
fn part_of<'b>(block: &'b [u8], start: u64, range: &Range<u64>) -> Option<&'b [u8]> {
    let within = |position: u64| count(position.saturating_sub(start)).min(block.len());
    let part = block.get(within(range.start)..within(range.end))?;
    (!part.is_empty()).then_some(part)
}

/// Follows the headers of a tar that comes in blocks.
struct Walk {
    state: State,
    extensions: Extensions,
    longest_header: u64,
    pieces: usize,
}

enum State {
    /// Within a header.
    Header(Vec<u8>),
    /// Within an extension header; content and padding that are still to come.
    Extension { kind: EntryType, content: Vec<u8>, rest: u64, padding: u64 },
    /// So many bytes before the next header.
    Content(u64),
    /// At the end, or where it is not understood.
    Over,
}

impl Walk {
    fn new(limits: &Limits) -> Self {
        Self {
            state: State::Header(Vec::new()),
            extensions: Extensions::default(),
            longest_header: limits.header_bytes,
            pieces: count(limits.sparse_pieces),
        }
    }

    /// Takes the next bytes, which begin at `position`, and adds the contents of pages images whose headers end in them.
    fn advance(&mut self, block: &[u8], position: u64, bodies: &mut VecDeque<Range<u64>>) {
        let end = position + block.len() as u64;
        let mut rest = block;
        let mut take = |most: u64| {
            let (taken, after) = rest.split_at(count(most).min(rest.len()));
            rest = after;
            (taken, end - after.len() as u64)
        };
        loop {
            match &mut self.state {
                State::Header(header) => {
                    let (taken, next) = take((BLOCK - header.len()) as u64);
                    header.extend_from_slice(taken);
                    if header.len() < BLOCK {
                        return;
                    }
                    let header = Header::from_byte_slice(header).clone();
                    self.state = self.after(&header, next, bodies).unwrap_or(State::Over);
                }
                State::Extension { kind, content, rest, padding } => {
                    let (taken, _) = take(*rest);
                    content.extend_from_slice(taken);
                    *rest -= taken.len() as u64;
                    if *rest > 0 {
                        return;
                    }
                    match *kind {
                        EntryType::GNULongName => {
                            let name = content.split(|byte| *byte == 0).next().unwrap_or_default();
                            self.extensions.path = Some(name.to_vec());
                        }
                        EntryType::XHeader => pax::read(content, self.pieces, &mut self.extensions),
                        _ => {}
                    }
                    self.state = State::Content(*padding);
                }
                State::Content(rest) => {
                    let (taken, _) = take(*rest);
                    *rest -= taken.len() as u64;
                    if *rest > 0 {
                        return;
                    }
                    self.state = State::Header(Vec::with_capacity(BLOCK));
                }
                State::Over => return,
            }
        }
    }

    /// What follows a header whose content is at `start`; nothing when it is not understood.
    fn after(&mut self, header: &Header, start: u64, bodies: &mut VecDeque<Range<u64>>) -> Option<State> {
        let kind = header.entry_type();
        if header.as_bytes().iter().all(|byte| *byte == 0) || !checksum_holds(header) {
            return None;
        }
        let stated = header.entry_size().ok();
        let padding = |size: u64| Some(size.checked_next_multiple_of(BLOCK as u64)? - size);
        match kind {
            EntryType::XHeader
            | EntryType::XGlobalHeader
            | EntryType::GNULongName
            | EntryType::GNULongLink => {
                let rest = stated.filter(|size| *size <= self.longest_header)?;
                return Some(State::Extension { kind, content: Vec::new(), rest, padding: padding(rest)? });
            }
            EntryType::GNUSparse => return None,
            _ => {}
        }
        let extensions = std::mem::take(&mut self.extensions);
        if !is_file(kind) {
            return Some(State::Content(0));
        }
        let size = extensions.size.or(stated)?;
        let path = normalise(extensions.path.as_deref().unwrap_or(&header.path_bytes()));
        if extensions.sparse.is_none() && is_pages_image(&path) {
            bodies.push_back(start..start.checked_add(size)?);
        }
        size.checked_add(padding(size)?).map(State::Content)
    }
}

/// Whether a path is that of a file of pages.
pub(super) fn is_pages_image(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let number = name.strip_prefix(b"pages-").and_then(|rest| rest.strip_suffix(b".img"));
    number.is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::archive::index_tar;

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
        let mut spool = Spool::default();
        for part in tar.chunks(block) {
            sifter.take(part.to_vec(), &mut spool).unwrap();
        }
        sifter.finish(&mut spool).unwrap();
        let holes = spool.holes().to_vec();
        (spool.finish().unwrap(), holes)
    }

    proptest! {
        #[test]
        fn what_is_wanted_is_kept_and_the_rest_of_pages_is_not(
            files in proptest::collection::vec(
                ("(checkpoint/)?(pages-[0-9]{1,2}.img|core-1.img|[a-z]{101,130})", proptest::collection::vec(prop_oneof![20 => Just(b'c'), 1 => Just(b'a'), 1 => Just(b'b')], 0..3000)),
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
