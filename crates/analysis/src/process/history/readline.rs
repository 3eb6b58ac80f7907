//! GNU history, which bash and programs with GNU readline have: `HIST_ENTRY { char *line; char *timestamp; histdata_t
//! data }`, a list of pointers to entries, and a time that is a string: the program's comment character, NUL unless it
//! set one (bash has `#`), and the seconds in decimal.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry as Slot};

use ckptfx_parser::memory::Region;
use jiff::Timestamp;

use super::words::Words;

/// Digits of a time between 2001 and 2286: all that history lines of containers can have.
pub(super) const DIGITS: usize = 10;
/// Most times that are kept of a process.
pub(super) const MAX_STAMPS: usize = 1 << 20;

/// A time in memory.
pub(super) struct Stamp {
    pub time: Timestamp,
    /// Address of the byte after the digits.
    pub end: u64,
    /// The byte after the digits: NUL (an entry's time) or a line feed (a line of a history file).
    pub ends_with: u8,
}

/// An entry of a list.
pub(super) struct Entry {
    pub address: u64,
    pub line: u64,
    pub stamp: u64,
    /// Place in the longest list of the process; the highest number for entries of other lists.
    pub place: usize,
}

/// The times in a region, by address. Those with `#` may be anywhere; one after NUL is looked for only where an
/// allocation can begin, since numbers after NUL are nothing special.
pub(super) fn find_stamps(region: &Region<'_>, words: &Words, stamps: &mut BTreeMap<u64, Stamp>) {
    let bytes = region.bytes();
    for at in memchr::memchr_iter(b'#', bytes) {
        if stamps.len() >= MAX_STAMPS {
            return;
        }
        stamps.extend(stamp(region, at).filter(|(_, stamp)| matches!(stamp.ends_with, 0 | b'\n')));
    }
    for (index, word) in bytes.chunks_exact(words.size).enumerate() {
        if !matches!(word, [first, second, ..] if is_comment(*first) && matches!(second, b'1'..=b'9')) {
            continue;
        }
        if stamps.len() >= MAX_STAMPS {
            return;
        }
        let found = index.checked_mul(words.size).and_then(|at| stamp(region, at));
        stamps.extend(found.filter(|(_, stamp)| stamp.ends_with == 0));
    }
}

/// Whether a program may mark the times in its history file with it.
fn is_comment(byte: u8) -> bool {
    byte == 0 || (byte != b'#' && byte.is_ascii_punctuation())
}

/// The time behind a comment character.
fn stamp(region: &Region<'_>, at: usize) -> Option<(u64, Stamp)> {
    let (digits, rest) = region.bytes().get(at.checked_add(1)?..)?.split_at_checked(DIGITS)?;
    let ends_with = *rest.first()?;
    if !digits.iter().all(u8::is_ascii_digit) || digits.first() == Some(&b'0') {
        return None;
    }
    let seconds = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let time = Timestamp::from_second(seconds).ok()?;
    let start = region.start.checked_add(at as u64)?;
    Some((start, Stamp { time, end: start.checked_add(1 + DIGITS as u64)?, ends_with }))
}

/// The entries of the lists, one for each time. What only looks like an entry (registers on a stack, memory that was
/// freed) is in no list.
pub(super) fn entries(regions: &[Region<'_>], stamps: &BTreeMap<u64, Stamp>, words: &Words) -> Vec<Entry> {
    let mut pairs: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for region in regions {
        pairs.extend(pairs_in(region, stamps, words));
    }
    if pairs.is_empty() {
        return Vec::new();
    }
    let (listed, places) = lists(regions, &pairs, words);
    let mut of_stamps: BTreeMap<u64, Entry> = BTreeMap::new();
    for (address, (line, stamp)) in pairs.into_iter().filter(|(address, _)| listed.contains(address)) {
        let place = places.get(&address).copied().unwrap_or(usize::MAX);
        let entry = Entry { address, line, stamp, place };
        match of_stamps.entry(stamp) {
            Slot::Vacant(slot) => {
                slot.insert(entry);
            }
            Slot::Occupied(mut slot) if place < slot.get().place => {
                slot.insert(entry);
            }
            Slot::Occupied(_) => {}
        }
    }
    of_stamps.into_values().collect()
}

/// Pairs of pointers of which the second leads to a time, by address.
fn pairs_in(region: &Region<'_>, stamps: &BTreeMap<u64, Stamp>, words: &Words) -> Vec<(u64, (u64, u64))> {
    let mut found = Vec::new();
    let mut before = None;
    for (address, word) in words.of(region) {
        if let Some((start, line)) = before.filter(|(_, line)| *line != 0)
            && stamps.get(&word).is_some_and(|stamp| stamp.ends_with == 0)
        {
            found.push((start, (line, word)));
        }
        before = Some((address, word));
    }
    found
}

/// The entries that something points at, and the place of each in the longest run of such pointers. A list that grew may
/// have left shorter copies behind.
fn lists(
    regions: &[Region<'_>],
    entries: &BTreeMap<u64, (u64, u64)>,
    words: &Words,
) -> (BTreeSet<u64>, BTreeMap<u64, usize>) {
    let mut listed = BTreeSet::new();
    let mut longest: Vec<u64> = Vec::new();
    for region in regions {
        let mut run: Vec<u64> = Vec::new();
        // One more word ends the last run.
        for word in words.of(region).map(|(_, word)| word).chain([0]) {
            if entries.contains_key(&word) {
                listed.insert(word);
                run.push(word);
            } else if run.len() > longest.len() {
                longest = std::mem::take(&mut run);
            } else {
                run.clear();
            }
        }
    }
    (listed, longest.into_iter().zip(0..).collect())
}
