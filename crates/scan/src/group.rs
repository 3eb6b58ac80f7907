//! Groups of literals: alone with memmem or by two of their bytes, together with the vector search of aho-corasick.
//!
//! A group finds candidates by the first bytes of its members. What a candidate is worth is decided by each
//! member on its own, so that all patterns are found, also those that overlap or are equal.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use aho_corasick::packed;
use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind, Span, StartKind};
use memchr::memmem;

use crate::pair::Pair;
use crate::piece::count;
use crate::sweep::Full;

/// Up to this many literals are searched one by one.
pub(crate) const FEW: usize = 3;
/// Most members of a group for the vector search. With more it sorts them into sixteen buckets instead of eight, and takes
/// half as many bytes at a time: two small groups are faster than one large.
const GROUP: usize = 32;
/// What memory holds most of, text and other, with capitals made small: the commonest first.
const COMMON: &[u8] = b"\0 etaoinsrhldcu\xff\x01mpfg.bvwyk0/1\x02";
/// How often each byte is met, in proportion; none is a capital.
static OFTEN: LazyLock<[u64; 256]> = LazyLock::new(|| {
    std::array::from_fn(|byte| {
        let rarest_first = COMMON.iter().rev().position(|it| usize::from(*it) == byte);
        match (rarest_first, u8::try_from(byte)) {
            (Some(rank), _) => 4 * (count(rank) + 3),
            (None, Ok(b'A'..=b'Z')) => 0,
            (None, Ok(b'!'..=b'~')) => 8,
            (None, _) => 2,
        }
    })
});

/// Buckets of the vector search for a group of that size.
const BUCKETS: usize = 8;
/// Rounds in which stems trade their buckets.
const ROUNDS: usize = 8;
/// Bytes of each member that the vector search looks at, if they are there.
const LOOKED_AT: usize = 4;
/// Beyond this many literals one automaton is faster than many groups.
pub(crate) const MANY: usize = 12 * GROUP;
/// Up to this many literals the automaton is a full table: twice as fast, for some MiB of memory.
const TABLE: usize = 4000;

enum Search {
    /// The prefix of a single lane.
    One(memmem::Finder<'static>, usize),
    /// The literal of a single lane, in either case.
    Pair(Pair, usize),
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
    pub(crate) reach: usize,
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
        // Members with the same stem are one to the vector search.
        let (mut brief, mut long) = (stems(brief), stems(long));
        relieve(&mut long, &mut brief);
        for stems in [brief, long] {
            let size = stems.len().div_ceil(stems.len().div_ceil(GROUP).max(1)).max(1);
            for part in stems.chunks(size) {
                match part {
                    [(_, members)] if members.len() == 1 => {
                        groups.extend(members.iter().map(|it| Self::alone(&(it.lane, it.prefix.clone()))));
                    }
                    _ => groups.extend(Self::packed(&arranged(part))),
                }
            }
        }
        groups
    }

    /// The group that searches the literal of a single lane, in either case.
    pub(crate) fn pair(needle: &[u8], lane: usize) -> Self {
        Self { search: Search::Pair(Pair::new(needle), lane), reach: needle.len() }
    }

    fn alone((lane, prefix): &(usize, Vec<u8>)) -> Self {
        Self { search: Search::One(memmem::Finder::new(prefix).into_owned(), *lane), reach: prefix.len() }
    }

    fn packed(stems: &[Stem]) -> Vec<Self> {
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
            Search::Pair(pair, lane) => {
                pair.candidates(text, &mut |start| report(*lane, start).map(|_| ()))?;
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

/// Bytes that the vector search looks for, and the members that have them.
type Stem = (Vec<u8>, Vec<Member>);

/// How often bytes are met one after the other, in proportion.
fn chance(stem: &[u8]) -> u64 {
    stem.iter().filter_map(|byte| OFTEN.get(usize::from(*byte))).product()
}

/// Members by the bytes that the vector search looks at: of each prefix those that it shares with most others, of several
/// the rarest, so that there is less to look for and less is found in vain.
fn stems(members: Vec<(usize, Vec<u8>)>) -> Vec<Stem> {
    let mut shared: BTreeMap<&[u8], BTreeSet<&[u8]>> = BTreeMap::new();
    let length = members.iter().map(|(_, prefix)| prefix.len()).min().unwrap_or(0).min(LOOKED_AT);
    for (_, prefix) in &members {
        for stem in prefix.windows(length.max(1)) {
            shared.entry(stem).or_default().insert(prefix);
        }
    }
    let worth = |stem: &[u8]| (shared.get(stem).map_or(0, BTreeSet::len), Reverse(chance(stem)));
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

/// Moves members from the longer stems to shorter ones, which are searched anyway, where that saves a search of the longer:
/// those of rare bytes, and those first of which several have the same.
fn relieve(long: &mut Vec<Stem>, brief: &mut Vec<Stem>) {
    let Some(length) = brief.iter().map(|(stem, _)| stem.len()).min() else { return };
    let enough = long.len() / GROUP * GROUP;
    let most = brief.len().next_multiple_of(GROUP);
    let (mut fewer, mut more) = (long.clone(), brief.clone());
    while fewer.len() > enough {
        // Which stems can do with which bytes.
        let mut sharers: BTreeMap<&[u8], BTreeSet<usize>> = BTreeMap::new();
        for (at, (_, members)) in fewer.iter().enumerate() {
            let Some((first, others)) = members.split_first() else { continue };
            let shared = |window: &&[u8]| others.iter().all(|other| place(other, window).is_some());
            for window in first.prefix.windows(length).filter(shared) {
                sharers.entry(window).or_default().insert(at);
            }
        }
        let is_known = |window: &[u8]| more.iter().any(|(stem, _)| stem == window);
        let cost =
            |window: &[u8], of: &BTreeSet<usize>| (!is_known(window), chance(window) / count(of.len()));
        let best = sharers.iter().min_by_key(|(window, of)| cost(window, of));
        let Some((window, of)) = best.map(|(window, of)| (window.to_vec(), of.clone())) else { return };
        let (gone, rest): (Vec<_>, Vec<_>) =
            fewer.into_iter().enumerate().partition(|(at, _)| of.contains(at));
        let moved = gone.into_iter().flat_map(|(_, (_, members))| members).map(|member| {
            let offset = place(&member, &window).unwrap_or(member.offset);
            Member { offset, ..member }
        });
        match more.iter_mut().find(|(stem, _)| *stem == window) {
            Some((_, members)) => members.extend(moved),
            None => more.push((window.clone(), moved.collect())),
        }
        fewer = rest.into_iter().map(|(_, stem)| stem).collect();
        if more.len() > most {
            return;
        }
    }
    more.sort_by(|one, other| one.0.cmp(&other.0));
    (*long, *brief) = (fewer, more);
}

/// Where in a member some bytes are.
fn place(member: &Member, bytes: &[u8]) -> Option<usize> {
    member.prefix.windows(bytes.len()).position(|window| window == bytes)
}

/// In an order in which the vector search, which deals them out to its buckets in turn, takes few other bytes for a stem: it
/// looks at the halves of each byte apart, so that members of a bucket had better be alike.
fn arranged(stems: &[Stem]) -> Vec<Stem> {
    let (least, more) = (stems.len() / BUCKETS, stems.len() % BUCKETS);
    let mut rest = stems.iter();
    let mut buckets: Vec<Vec<&Stem>> =
        (0..BUCKETS).map(|at| rest.by_ref().take(least + usize::from(at < more)).collect()).collect();
    for _ in 0..ROUNDS {
        let mut better = false;
        for pair in (0..BUCKETS).flat_map(|one| (0..one).map(move |other| [other, one])) {
            if let Ok([one, other]) = buckets.get_disjoint_mut(pair) {
                better |= trade(one, other);
            }
        }
        if !better {
            break;
        }
    }
    let row = |row: usize| buckets.iter().filter_map(move |bucket| bucket.get(row).copied().cloned());
    (0..=least).flat_map(row).collect()
}

/// Swaps members of two buckets as long as that lets fewer other bytes through; whether it did.
fn trade<'s>(one: &mut [&'s Stem], other: &mut [&'s Stem]) -> bool {
    let mut least = passed(one) + passed(other);
    let mut better = false;
    for mine in 0..one.len() {
        for theirs in 0..other.len() {
            swap(one, other, mine, theirs);
            let now = passed(one) + passed(other);
            if now < least {
                (least, better) = (now, true);
            } else {
                swap(one, other, mine, theirs);
            }
        }
    }
    better
}

fn swap<'s>(one: &mut [&'s Stem], other: &mut [&'s Stem], mine: usize, theirs: usize) {
    if let (Some(mine), Some(theirs)) = (one.get_mut(mine), other.get_mut(theirs)) {
        std::mem::swap(mine, theirs);
    }
}

/// How often the bytes of memory have, at each place, a low and a high half of some member of a bucket, in proportion.
fn passed(bucket: &[&Stem]) -> u64 {
    let length = bucket.iter().map(|(stem, _)| stem.len()).min().unwrap_or(0);
    let at = |place: usize| -> u64 {
        let (mut low, mut high) = (0_u16, 0_u16);
        for byte in bucket.iter().filter_map(|(stem, _)| stem.get(place)) {
            low |= 1 << (byte & 0xf);
            high |= 1 << (byte >> 4);
        }
        let bits = |mask: u16| (0..16_usize).filter(move |bit| mask >> bit & 1 == 1);
        bits(high).flat_map(|high| bits(low).filter_map(move |low| OFTEN.get(high << 4 | low))).sum()
    };
    (0..length).map(at).product()
}

fn reach(wanted: &[(usize, Vec<u8>)]) -> usize {
    wanted.iter().map(|(_, prefix)| prefix.len()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_stems_too_many_join_the_shorter_ones() {
        let members = |literals: &[String]| -> Vec<(usize, Vec<u8>)> {
            literals.iter().enumerate().map(|(lane, it)| (lane, it.clone().into_bytes())).collect()
        };
        let count = |stems: &[Stem]| stems.iter().map(|(_, members)| members.len()).sum::<usize>();
        let letters = ["e", "t", "a", "o", "i", "n", "s", "r"];
        let common = (0..GROUP).map(|at| [letters[at / 8], letters[at % 8]].concat().repeat(2));
        let mut literals: Vec<String> = common.collect();
        literals.extend(["xoxa", "xoxb", "xoxc", "ab://", "cd://"].map(str::to_owned));
        let (mut long, mut brief) = (stems(members(&literals)), stems(members(&["://".to_owned()])));
        relieve(&mut long, &mut brief);
        assert_eq!(long.len(), GROUP);
        let shorter: Vec<&[u8]> = brief.iter().map(|(stem, _)| stem.as_slice()).collect();
        assert_eq!(shorter, [&b"://"[..], b"xox"]);
        assert_eq!(count(&long) + count(&brief), literals.len() + 1);
        for (stem, members) in long.iter().chain(&brief) {
            assert!(members.iter().all(|it| it.prefix[it.offset..].starts_with(stem)));
        }
        // Where it saves nothing, they stay as selective as they are.
        let (mut long, mut brief) = (stems(members(&literals)), Vec::new());
        relieve(&mut long, &mut brief);
        assert_eq!((count(&long), count(&brief)), (literals.len(), 0));
    }

    #[test]
    fn what_is_alike_shares_a_bucket() {
        let sorted = stems(
            ["0q~", "1q~", "2q~", "aws", "eyj", "://", ":aa", "$5$", "$6$", "$y$", "xox", "sg."]
                .iter()
                .enumerate()
                .map(|(lane, it)| (lane, it.as_bytes().to_vec()))
                .collect(),
        );
        for length in 0..=sorted.len() {
            let arranged = arranged(&sorted[..length]);
            let mut all: Vec<&Vec<u8>> = arranged.iter().map(|(stem, _)| stem).collect();
            let bucket = |at: usize| arranged.iter().skip(at).step_by(BUCKETS).collect::<Vec<_>>();
            let total = (0..BUCKETS.min(length)).map(|at| passed(&bucket(at))).sum::<u64>();
            let plain = |at: usize| sorted[..length].iter().skip(at).step_by(BUCKETS).collect::<Vec<_>>();
            assert!(total <= (0..BUCKETS.min(length)).map(|at| passed(&plain(at))).sum::<u64>());
            all.sort();
            assert!(all.into_iter().eq(sorted[..length].iter().map(|(stem, _)| stem)));
        }
        let together = arranged(&sorted);
        let place = |stem: &[u8]| together.iter().position(|it| it.0 == stem).unwrap() % BUCKETS;
        assert!(
            place(b"0q~") == place(b"1q~")
                || place(b"1q~") == place(b"2q~")
                || place(b"0q~") == place(b"2q~")
        );
    }
}
