//! Memory that need not be searched again: pages of zeros, and pages that another process has at the same address.
//!
//! A fork shares its pages with its parent until one of them writes, but a checkpoint has them once for each. Where a page
//! equals the one at its address in an earlier region, the clues are those found there. Comparing stops at the first
//! byte that differs, so that memory with nothing in common costs next to nothing.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::lock::lock;
use crate::region::Region;

/// Bytes that are compared as one.
const PAGE: usize = 4096;
/// Most clues that are remembered, in all regions together: 32 MiB.
const ROOM: usize = 1 << 22;
/// What a span takes besides its clues, as so many clues.
const SPAN: usize = 8;
/// Bytes of a page that are looked at before the rest.
const GLANCE: usize = 16;

/// A clue: whose it is, and where.
pub(crate) type Clued = (usize, usize);

/// What is known of the regions of a scan.
pub(crate) struct Repeats<'a> {
    regions: &'a [Region<'a>],
    /// Of each region, what lies at the same addresses in earlier ones, in order.
    elders: Vec<Vec<Elder>>,
    /// Of the regions that are an elder of another, what was found in them.
    known: Vec<Option<Mutex<Vec<Span>>>>,
    room: AtomicUsize,
}

/// A part of a region, and the earlier region that has the same addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Elder {
    part: Range<usize>,
    region: usize,
    /// Where the part begins in that region.
    at: usize,
}

/// The clues of a part of a region that was searched.
#[derive(Debug)]
struct Span {
    part: Range<usize>,
    /// Relative to the part.
    clues: Box<[(u32, u32)]>,
}

impl<'a> Repeats<'a> {
    pub(crate) fn of(regions: &'a [Region<'a>]) -> Self {
        let mut latest = Latest::new();
        let all = regions.iter().enumerate();
        let elders: Vec<_> =
            all.map(|(index, region)| supersede(&mut latest, index, region, regions)).collect();
        let mut known: Vec<_> = regions.iter().map(|_| None).collect();
        for elder in elders.iter().flatten() {
            if let Some(slot) = known.get_mut(elder.region) {
                *slot = Some(Mutex::default());
            }
        }
        Self { regions, elders, known, room: AtomicUsize::new(ROOM) }
    }

    /// Remembers the clues that begin in `part` of a region: those of `clues` are all there are.
    pub(crate) fn learn(&self, region: usize, part: Range<usize>, clues: &[Clued]) {
        let Some(Some(known)) = self.known.get(region) else { return };
        let relative = |(lane, at): &Clued| {
            let offset = at.checked_sub(part.start).filter(|offset| *offset < part.len())?;
            Some((u32::try_from(offset).ok()?, u32::try_from(*lane).ok()?))
        };
        let clues: Box<[_]> = clues.iter().filter_map(relative).collect();
        let taken = |room: usize| room.checked_sub(clues.len().saturating_add(SPAN));
        if self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_err() {
            return;
        }
        let mut known = lock(known);
        let place = known.partition_point(|span| span.part.start < part.start);
        known.insert(place, Span { part, clues });
    }

    /// The stretches of `part` of a region whose clues may be known without a search, in order: whole pages.
    /// `zeros`: no clue consists of zeros alone.
    pub(crate) fn stretches(&self, region: usize, part: Range<usize>, zeros: bool) -> Vec<Stretch> {
        let mut stretches: Vec<Stretch> = Vec::new();
        let Some(own) = self.regions.get(region) else { return stretches };
        let elders = self.elders.get(region).map(Vec::as_slice).unwrap_or_default();
        let border = usize::try_from(own.base.wrapping_neg() % PAGE as u64).unwrap_or(0);
        let first = border.saturating_add(part.start.saturating_sub(border).next_multiple_of(PAGE));
        for start in (first..part.end).step_by(PAGE) {
            let end = start.saturating_add(PAGE);
            let Some(page) = own.bytes.get(start..end).filter(|_| end <= part.end) else { break };
            let source =
                if zeros && is_zero(page) { Some(Source::Zeros) } else { self.twin(elders, start, page) };
            let Some(source) = source else { continue };
            match stretches.last_mut() {
                Some(last) if last.part.end == start && last.source.after(last.part.len()) == source => {
                    last.part.end = end;
                }
                _ => stretches.push(Stretch { part: start..end, source }),
            }
        }
        stretches
    }

    /// The earlier page with the address of the one at `start`, if they are the same.
    fn twin(&self, elders: &[Elder], start: usize, page: &[u8]) -> Option<Source> {
        let elder = elders.get(elders.partition_point(|elder| elder.part.end <= start))?;
        let at = start.checked_sub(elder.part.start)?.checked_add(elder.at)?;
        let other = self.regions.get(elder.region)?.bytes.get(at..at.checked_add(PAGE)?)?;
        (other.first_chunk::<GLANCE>() == page.first_chunk() && other == page)
            .then_some(Source::Elder { region: elder.region, at })
    }

    /// Adds the clues that begin in a part of a stretch. `false`, and nothing added, if they are not known.
    pub(crate) fn recall(&self, stretch: &Stretch, part: &Range<usize>, clues: &mut Vec<Clued>) -> bool {
        let Source::Elder { region, at } = stretch.source else { return true };
        let Some(Some(known)) = self.known.get(region) else { return false };
        let from = at.saturating_add(part.start.saturating_sub(stretch.part.start));
        let until = from.saturating_add(part.len());
        let known = lock(known);
        let before = clues.len();
        let mut next = from;
        for span in known.get(known.partition_point(|span| span.part.end <= from)..).unwrap_or_default() {
            if span.part.start > next || next >= until {
                break;
            }
            for (offset, lane) in span.clues.iter() {
                let place = span.part.start.saturating_add(*offset as usize);
                if (next..until).contains(&place) {
                    clues.push((*lane as usize, part.start.saturating_add(place - from)));
                }
            }
            next = next.max(span.part.end);
        }
        if next < until {
            clues.truncate(before);
        }
        next >= until
    }
}

/// Bytes of a region whose clues may be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) part: Range<usize>,
    source: Source,
}

/// Why the clues of a stretch may be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Zeros,
    /// It is what the region has from there on.
    Elder {
        region: usize,
        at: usize,
    },
}

impl Source {
    /// The source of what comes so many bytes later in the same stretch.
    const fn after(self, bytes: usize) -> Self {
        match self {
            Self::Zeros => Self::Zeros,
            Self::Elder { region, at } => Self::Elder { region, at: at.saturating_add(bytes) },
        }
    }
}

/// Where a region begins and ends in memory, and which one it is.
type Latest = BTreeMap<u64, (u64, usize)>;

/// What lies at the addresses of a region in those before it, of several the last; the region then takes their place.
fn supersede(latest: &mut Latest, index: usize, region: &Region<'_>, regions: &[Region<'_>]) -> Vec<Elder> {
    let (start, length) = (region.base, region.bytes.len() as u64);
    let Some(end) = start.checked_add(length).filter(|_| length > 0) else { return Vec::new() };
    let before = latest.range(..start).next_back().filter(|(_, (until, _))| *until > start);
    let overlapping: Vec<(u64, u64, usize)> = before
        .into_iter()
        .chain(latest.range(start..end))
        .map(|(from, (until, of))| (*from, *until, *of))
        .collect();
    let mut elders = Vec::with_capacity(overlapping.len());
    for (from, until, of) in overlapping {
        latest.remove(&from);
        if from < start {
            latest.insert(from, (start, of));
        }
        if until > end {
            latest.insert(end, (until, of));
        }
        let (first, last) = (from.max(start), until.min(end));
        let base = regions.get(of).map_or(first, |region| region.base);
        // Both lie within a region, whose length is a usize.
        let within =
            |address: u64, base: u64| usize::try_from(address.saturating_sub(base)).unwrap_or(usize::MAX);
        elders.push(Elder {
            part: within(first, start)..within(last, start),
            region: of,
            at: within(first, base),
        });
    }
    latest.insert(start, (end, index));
    elders
}

fn is_zero(page: &[u8]) -> bool {
    page.first_chunk() == Some(&[0; GLANCE])
        && page.chunks(64).all(|line| line.iter().fold(0, |all, byte| all | byte) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(contents: &[u8]) -> Vec<u8> {
        contents.iter().flat_map(|byte| [*byte; PAGE]).collect()
    }

    fn elder(part: Range<usize>, region: usize, at: usize) -> Elder {
        Elder { part: part.start * PAGE..part.end * PAGE, region, at: at * PAGE }
    }

    #[test]
    fn the_elder_is_the_last_region_before_that_has_the_address() {
        let bytes = pages(&[1; 8]);
        let region = |first: usize, count: usize| Region::new((first * PAGE) as u64, &bytes[..count * PAGE]);
        let regions =
            [region(0, 8), region(2, 2), region(1, 4), Region::new(0, &[]), region(9, 1), region(0, 8)];
        let repeats = Repeats::of(&regions);
        assert_eq!(repeats.elders[0], []);
        assert_eq!(repeats.elders[1], [elder(0..2, 0, 2)]);
        assert_eq!(repeats.elders[2], [elder(0..1, 0, 1), elder(1..3, 1, 0), elder(3..4, 0, 4)]);
        assert_eq!(repeats.elders[3], []);
        assert_eq!(repeats.elders[4], []);
        assert_eq!(repeats.elders[5], [elder(0..1, 0, 0), elder(1..5, 2, 0), elder(5..8, 0, 5)]);
        let known: Vec<bool> = repeats.known.iter().map(Option::is_some).collect();
        assert_eq!(known, [true, true, true, false, false, false]);
    }

    #[test]
    fn a_region_at_the_end_of_the_address_space_has_no_elder() {
        let bytes = pages(&[1]);
        let regions = [Region::new(u64::MAX - 10, &bytes), Region::new(u64::MAX - 10, &bytes)];
        assert!(Repeats::of(&regions).elders.iter().all(Vec::is_empty));
    }

    #[test]
    fn stretches_are_whole_pages_that_are_zero_or_the_same() {
        let (old, new) = (pages(&[1, 2, 0, 0, 5, 6]), pages(&[1, 2, 0, 0, 7, 6]));
        let regions = [Region::new(0x5000, &old), Region::new(0x5000, &new)];
        let repeats = Repeats::of(&regions);
        let of = |region, part: Range<usize>, zeros| -> Vec<(Range<usize>, bool)> {
            let all = repeats.stretches(region, part, zeros);
            let page = |at: usize| at / PAGE;
            all.iter()
                .map(|it| (page(it.part.start)..page(it.part.end), it.source == Source::Zeros))
                .collect()
        };
        let all = 0..6 * PAGE;
        assert_eq!(of(0, all.clone(), true), [(2..4, true)]);
        assert_eq!(of(0, all.clone(), false), []);
        assert_eq!(of(1, all.clone(), true), [(0..2, false), (2..4, true), (5..6, false)]);
        assert_eq!(of(1, all, false), [(0..4, false), (5..6, false)]);
        assert_eq!(of(1, 1..3 * PAGE - 1, true), [(1..2, false)]);
    }

    #[test]
    fn what_was_learnt_is_recalled_where_all_of_it_was_searched() {
        let bytes = pages(&[1, 2, 3]);
        let regions = [Region::new(0x5000, &bytes), Region::new(0x6000, &bytes[PAGE..])];
        let repeats = Repeats::of(&regions);
        let stretches = repeats.stretches(1, 0..2 * PAGE, true);
        let [stretch] = stretches.as_slice() else { panic!("{stretches:?}") };
        let recall = |part: Range<usize>| {
            let mut clues = vec![(9, 9)];
            let known = repeats.recall(stretch, &part, &mut clues);
            (known, clues[1..].to_vec())
        };
        // A clue past the part is another's to tell.
        repeats.learn(0, 0..PAGE + 100, &[(3, 10), (3, PAGE + 5), (1, PAGE + 50), (1, PAGE + 200)]);
        assert_eq!(recall(0..100), (true, vec![(3, 5), (1, 50)]));
        assert_eq!(recall(6..100), (true, vec![(1, 50)]));
        assert_eq!(recall(0..101), (false, vec![]), "not searched yet");
        repeats.learn(0, PAGE + 100..2 * PAGE + 300, &[(4, PAGE + 100)]);
        assert_eq!(recall(0..PAGE), (true, vec![(3, 5), (1, 50), (4, 100)]));
        // What no later region has is not kept.
        repeats.learn(1, 0..PAGE, &[(1, 1)]);
        assert!(repeats.known[1].is_none());
    }
}
