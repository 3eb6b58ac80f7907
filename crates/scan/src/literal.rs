//! Literals: alone with memmem, in groups with the vector search of aho-corasick.
//!
//! A group finds candidates by the first bytes of its members. What a candidate is worth is decided by each
//! member on its own, so that all patterns are found, also those that overlap or are equal.

use std::collections::{BTreeMap, BTreeSet};

use aho_corasick::packed;
use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind, Span, StartKind};
use memchr::memmem;

use crate::hit::Encoding;
use crate::lane::{Full, Lane, Sweep};
use crate::tile::{fold_into, is_word};

/// Up to this many literals are searched one by one.
const FEW: usize = 3;
/// Most members of a group for the vector search. With more it sorts them into sixteen buckets instead of eight, and takes
/// half as many bytes at a time: two small groups are faster than one large.
const GROUP: usize = 32;
/// What memory holds most of, text and other, with capitals made small: the commonest first.
const COMMON: &[u8] = b"\0 etaoinsrhldcu\xff\x01mpfg.bvwyk0/1\x02";
/// Buckets of the vector search for a group of that size.
const BUCKETS: usize = 8;
/// Bytes of each member that the vector search looks at, if they are there.
const LOOKED_AT: usize = 4;
/// Beyond this many literals one automaton is faster than many groups.
const MANY: usize = 12 * GROUP;
/// Up to this many literals the automaton is a full table: twice as fast, for some MiB of memory.
const TABLE: usize = 4000;
/// Bytes of a member that its group looks at.
const PREFIX: usize = 16;

/// One literal in one encoding.
pub(crate) struct Literal {
    finder: memmem::Finder<'static>,
    fold: bool,
    word: bool,
    encoding: Encoding,
}

impl Literal {
    /// `needle` is already in `encoding` and not empty.
    pub(crate) fn new(needle: &[u8], fold: bool, word: bool, encoding: Encoding) -> Self {
        Self { finder: memmem::Finder::new(needle).into_owned(), fold, word, encoding }
    }

    pub(crate) fn needle(&self) -> &[u8] {
        self.finder.needle()
    }

    /// The first match that starts in `from..border`.
    pub(crate) fn next(&self, bytes: &[u8], from: usize, border: usize) -> Option<(usize, usize)> {
        let length = self.needle().len();
        let end = border.saturating_add(length - 1).min(bytes.len());
        let mut from = from;
        loop {
            let window = bytes.get(from..end)?;
            let start = from + self.candidate(window)?;
            if self.confirms(bytes, start) {
                return Some((start, start + length));
            }
            from = start + 1;
        }
    }

    fn candidate(&self, window: &[u8]) -> Option<usize> {
        if !self.fold {
            return self.finder.find(window);
        }
        let last = window.len().checked_sub(self.needle().len())?;
        let starts = window.get(..=last)?;
        let first = self.needle().first()?;
        memchr::memchr2(first.to_ascii_lowercase(), first.to_ascii_uppercase(), starts)
    }

    /// Whether there is a match at `start`.
    pub(crate) fn confirms(&self, bytes: &[u8], start: usize) -> bool {
        let needle = self.needle();
        let Some(found) = bytes.get(start..start.saturating_add(needle.len())) else { return false };
        let equal = match self.encoding {
            _ if !self.fold => found == needle,
            Encoding::Raw => found.eq_ignore_ascii_case(needle),
            Encoding::Utf16Le | Encoding::Utf16Be => {
                found.chunks_exact(2).zip(needle.chunks_exact(2)).all(|(found, needle)| {
                    found == needle
                        || matches!((self.unit(found), self.unit(needle)), (Some(found), Some(needle))
                            if found.eq_ignore_ascii_case(&needle))
                })
            }
        };
        equal && (!self.word || self.is_whole_word(bytes, start, start + needle.len()))
    }

    /// The ASCII character in a code unit.
    fn unit(&self, unit: &[u8]) -> Option<u8> {
        match (self.encoding, unit) {
            (Encoding::Utf16Le, [byte, 0]) | (Encoding::Utf16Be, [0, byte]) => {
                Some(*byte).filter(u8::is_ascii)
            }
            _ => None,
        }
    }

    fn is_whole_word(&self, bytes: &[u8], start: usize, end: usize) -> bool {
        let (before, after) = if self.encoding == Encoding::Raw {
            let before = start.checked_sub(1).and_then(|at| bytes.get(at)).copied();
            (before, bytes.get(end).copied())
        } else {
            let before =
                start.checked_sub(2).and_then(|at| bytes.get(at..start)).and_then(|unit| self.unit(unit));
            (before, bytes.get(end..end.saturating_add(2)).and_then(|unit| self.unit(unit)))
        };
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    }
}

enum Search {
    /// The prefix of a single lane.
    One(memmem::Finder<'static>, usize),
    /// Reports the leftmost start of any stem; members by stem.
    Packed(packed::Searcher, Vec<Vec<Member>>),
    /// Reports every prefix wherever it occurs; their lanes.
    Automaton(AhoCorasick, Vec<usize>),
}

#[derive(Clone)]
struct Member {
    lane: usize,
    prefix: Vec<u8>,
    /// Where in the prefix its stem is.
    offset: usize,
}

pub(crate) struct Group {
    search: Search,
    /// Longest prefix, in bytes.
    reach: usize,
}

impl Group {
    /// The groups that search `(lane, prefix)` pairs; prefixes are not empty.
    pub(crate) fn build(wanted: &[(usize, Vec<u8>)]) -> Vec<Self> {
        if wanted.len() <= FEW {
            return wanted.iter().map(Self::alone).collect();
        }
        if wanted.len() > MANY {
            return Self::automaton(wanted);
        }
        // One- and two-byte members would make a group report nearly every byte: keep them apart.
        let (short, long): (Vec<_>, Vec<_>) =
            wanted.iter().cloned().partition(|(_, prefix)| prefix.len() < 3);
        let mut groups: Vec<Self> = short.iter().map(Self::alone).collect();
        // The vector search is the more selective the more bytes it looks at.
        let (brief, long): (Vec<_>, Vec<_>) =
            long.into_iter().partition(|(_, prefix)| prefix.len() < LOOKED_AT);
        for members in [brief, long] {
            // Members with the same stem are one to the vector search.
            let stems = stems(members);
            let size = stems.len().div_ceil(stems.len().div_ceil(GROUP).max(1)).max(1);
            for part in stems.chunks(size) {
                match part {
                    [(_, members)] if members.len() == 1 => {
                        groups.extend(members.iter().map(|it| Self::alone(&(it.lane, it.prefix.clone()))));
                    }
                    _ => groups.extend(Self::packed(&dealt(part))),
                }
            }
        }
        groups
    }

    fn alone((lane, prefix): &(usize, Vec<u8>)) -> Self {
        Self { search: Search::One(memmem::Finder::new(prefix).into_owned(), *lane), reach: prefix.len() }
    }

    fn packed(stems: &[(Vec<u8>, Vec<Member>)]) -> Vec<Self> {
        let all = stems.iter().flat_map(|(_, members)| members);
        let wanted: Vec<_> = all.map(|member| (member.lane, member.prefix.clone())).collect();
        let mut config = packed::Config::new();
        config.match_kind(packed::MatchKind::LeftmostFirst).heuristic_pattern_limits(false);
        let mut builder = config.builder();
        builder.extend(stems.iter().map(|(stem, _)| stem));
        let Some(searcher) = builder.build() else { return Self::automaton(&wanted) };
        let members = stems.iter().map(|(_, members)| members.clone()).collect();
        vec![Self { search: Search::Packed(searcher, members), reach: reach(&wanted) }]
    }

    fn automaton(wanted: &[(usize, Vec<u8>)]) -> Vec<Self> {
        let built = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .start_kind(StartKind::Unanchored)
            .kind((wanted.len() <= TABLE).then_some(AhoCorasickKind::DFA))
            .build(wanted.iter().map(|(_, prefix)| prefix));
        let Ok(automaton) = built else { return wanted.iter().map(Self::alone).collect() };
        let lanes = wanted.iter().map(|(lane, _)| *lane).collect();
        vec![Self { search: Search::Automaton(automaton, lanes), reach: reach(wanted) }]
    }

    /// Reports each member and offset in `text` where the member's prefix is, if the offset is less than
    /// `border`. The offsets of one member ascend. The report answers where that member can match next.
    pub(crate) fn candidates(
        &self,
        text: &[u8],
        border: usize,
        report: &mut dyn FnMut(usize, usize) -> Result<usize, Full>,
    ) -> Result<(), Full> {
        let end = text.len().min(border.saturating_add(self.reach.saturating_sub(1)));
        let text = text.get(..end).unwrap_or(text);
        match &self.search {
            Search::One(finder, lane) => {
                let mut from = 0;
                while let Some(at) = text.get(from..).and_then(|rest| finder.find(rest)) {
                    let start = from + at;
                    from = report(*lane, start)?.max(start + 1);
                }
            }
            Search::Packed(searcher, members) => {
                let mut from = 0;
                while let Some(found) = searcher.find_in(text, Span { start: from, end }) {
                    for member in members.get(found.pattern().as_usize()).into_iter().flatten() {
                        let Some(start) = found.start().checked_sub(member.offset) else { continue };
                        if start < border
                            && text.get(start..).is_some_and(|it| it.starts_with(&member.prefix))
                        {
                            report(member.lane, start)?;
                        }
                    }
                    from = found.start() + 1;
                }
            }
            Search::Automaton(automaton, lanes) => {
                let Ok(found) = automaton.try_find_overlapping_iter(Input::new(text)) else { return Ok(()) };
                for found in found.filter(|found| found.start() < border) {
                    if let Some(lane) = lanes.get(found.pattern().as_usize()) {
                        report(*lane, found.start())?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Members by the bytes that the vector search looks at: of each prefix those that it shares with most others, of several
/// the rarest, so that there is less to look for and less is found in vain.
fn stems(members: Vec<(usize, Vec<u8>)>) -> Vec<(Vec<u8>, Vec<Member>)> {
    let mut shared: BTreeMap<&[u8], BTreeSet<&[u8]>> = BTreeMap::new();
    let length = members.iter().map(|(_, prefix)| prefix.len()).min().unwrap_or(0).min(LOOKED_AT);
    for (_, prefix) in &members {
        for stem in prefix.windows(length.max(1)) {
            shared.entry(stem).or_default().insert(prefix);
        }
    }
    let rarity = |stem: &[u8]| -> usize {
        stem.iter().map(|byte| COMMON.iter().position(|it| it == byte).unwrap_or(COMMON.len())).sum()
    };
    let worth = |stem: &[u8]| (shared.get(stem).map_or(0, BTreeSet::len), rarity(stem));
    let mut stems: BTreeMap<Vec<u8>, Vec<Member>> = BTreeMap::new();
    for (lane, prefix) in &members {
        let windows = prefix.windows(length.max(1)).enumerate();
        // Of equal ones the first.
        let Some((offset, stem)) = windows.rev().max_by_key(|(_, stem)| worth(stem)) else { continue };
        let member = Member { lane: *lane, prefix: prefix.clone(), offset };
        stems.entry(stem.to_vec()).or_default().push(member);
    }
    stems.into_iter().collect()
}

/// In an order in which neighbours share a bucket of the vector search, which deals them out in turn: that makes it more
/// selective, since the first bytes of a bucket's members are then few.
fn dealt<T: Clone>(sorted: &[T]) -> Vec<T> {
    let (least, more) = (sorted.len() / BUCKETS, sorted.len() % BUCKETS);
    let place = |at: usize| {
        let (row, bucket) = (at / BUCKETS, at % BUCKETS);
        bucket * least + bucket.min(more) + row
    };
    (0..sorted.len()).filter_map(|at| sorted.get(place(at))).cloned().collect()
}

fn reach(wanted: &[(usize, Vec<u8>)]) -> usize {
    wanted.iter().map(|(_, prefix)| prefix.len()).max().unwrap_or(0)
}

/// The search for every literal of a plan.
pub(crate) struct Literals {
    /// Groups that search the bytes as they are.
    exact: Vec<Group>,
    /// Groups that search the bytes with capitals made small.
    folded: Vec<Group>,
}

impl Literals {
    pub(crate) fn new(lanes: &[Lane]) -> Self {
        let all = lanes.iter().enumerate().filter_map(|(at, lane)| Some((at, lane.literal()?)));
        let (folded, exact): (Vec<_>, Vec<_>) = all.partition(|(_, literal)| literal.fold);
        let few = exact.len() <= FEW;
        let prefix = |needle: &[u8], most: usize| needle.iter().copied().take(most).collect::<Vec<u8>>();
        let exact: Vec<_> = exact
            .iter()
            .map(|(lane, it)| (*lane, prefix(it.needle(), if few { usize::MAX } else { PREFIX })))
            .collect();
        let folded: Vec<_> = folded
            .iter()
            .map(|(lane, it)| (*lane, prefix(it.needle(), PREFIX).to_ascii_lowercase()))
            .collect();
        Self { exact: Self::groups(lanes, exact), folded: Self::groups(lanes, folded) }
    }

    /// Groups of one encoding each: the zero bytes of UTF-16, at even places in one byte order and at odd places in
    /// the other, would together let zero pages through the vector search.
    fn groups(lanes: &[Lane], wanted: Vec<(usize, Vec<u8>)>) -> Vec<Group> {
        if wanted.len() <= FEW || wanted.len() > MANY {
            return Group::build(&wanted);
        }
        let of = |encoding| {
            let chosen = |lane: usize| lanes.get(lane).is_some_and(|lane| lane.encoding == encoding);
            wanted.iter().filter(|(lane, _)| chosen(*lane)).cloned().collect::<Vec<_>>()
        };
        Encoding::ALL.into_iter().flat_map(|encoding| Group::build(&of(encoding))).collect()
    }

    /// Adds the hits that start in `from..border`; a lane's hits start no earlier than `sweep.next` says, which
    /// moves on with them.
    pub(crate) fn sweep(
        &self,
        lanes: &[Lane],
        bytes: &[u8],
        from: usize,
        border: usize,
        sweep: &mut Sweep,
    ) -> Result<(), Full> {
        let Some(text) = bytes.get(from..) else { return Ok(()) };
        let length = border.saturating_sub(from);
        let mut fold = std::mem::take(&mut sweep.folded);
        let result = self.tile(lanes, bytes, text, from, length, &mut fold, sweep);
        sweep.folded = fold;
        result
    }

    #[allow(clippy::too_many_arguments)]
    fn tile(
        &self,
        lanes: &[Lane],
        bytes: &[u8],
        text: &[u8],
        from: usize,
        length: usize,
        folded: &mut Vec<u8>,
        sweep: &mut Sweep,
    ) -> Result<(), Full> {
        let mut report = |lane: usize, at: usize| {
            let start = from + at;
            let next = sweep.next_of(lane);
            if start < next {
                return Ok(next - from);
            }
            let Some(literal) = lanes.get(lane).and_then(Lane::literal) else { return Ok(0) };
            if literal.confirms(bytes, start) {
                let end = start + literal.needle().len();
                sweep.add(lane, start, end)?;
                return Ok(end - from);
            }
            Ok(0)
        };
        for group in &self.exact {
            group.candidates(text, length, &mut report)?;
        }
        if !self.folded.is_empty() {
            let reach = self.folded.iter().map(|group| group.reach).max().unwrap_or(0);
            let end = text.len().min(length.saturating_add(reach.saturating_sub(1)));
            fold_into(text.get(..end).unwrap_or(text), folded);
            for group in &self.folded {
                group.candidates(folded, length, &mut report)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_dealt_into_one_bucket() {
        for length in 0..40 {
            let sorted: Vec<usize> = (0..length).collect();
            let dealt = dealt(&sorted);
            let mut all = dealt.clone();
            all.sort_unstable();
            assert_eq!(all, sorted);
            for bucket in 0..BUCKETS.min(length) {
                let members: Vec<usize> = dealt.iter().copied().skip(bucket).step_by(BUCKETS).collect();
                let (first, last) = (members[0], members[members.len() - 1]);
                assert_eq!(members, (first..=last).collect::<Vec<_>>(), "{length}");
            }
        }
    }
}
