//! Two stretches of memory side by side, page by page.

use ckptfx_parser::memory::{AddressSpace, Captured, PageRun, Pages, SharedObjects, Unavailable};

/// What is known of consecutive bytes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Known<'a> {
    /// Captured bytes.
    Bytes(&'a [u8]),
    /// Memory that was never written, or is not there at all.
    Nothing,
    /// Memory whose bytes are not in the evidence.
    Unknown,
}

/// Consecutive bytes: length, and what is known of them.
pub(super) type Stretch<'a> = (u64, Known<'a>);

/// How one page differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Same,
    Added,
    Removed,
    Changed { bytes: u64 },
    NotCompared,
}

/// What is known of captured pages.
fn of_run<'a>(run: &PageRun<'a>) -> Known<'a> {
    run.slice().map_or(Known::Unknown, Known::Bytes)
}

/// The process's own memory between two addresses. A page of a file that was never written counts as nothing: it is
/// not the process's.
pub(super) fn of_space<'a>(
    space: &AddressSpace<'a>,
    from: u64,
    to: u64,
    shared: &SharedObjects<'a>,
) -> Vec<Stretch<'a>> {
    let known = |content| match content {
        Ok(Captured::Page(run)) => of_run(&run),
        Ok(Captured::Zero) => Known::Nothing,
        Err(
            Unavailable::Unmapped | Unavailable::OnlyInFile | Unavailable::NeverDumped | Unavailable::PastEnd,
        ) => Known::Nothing,
        Err(_) => Known::Unknown,
    };
    space.runs(from, to, shared).into_iter().map(|run| (run.length, known(run.content))).collect()
}

/// The pages of a shared object up to an end.
pub(super) fn of_object<'a>(pages: &Pages<'a>, end: u64) -> Vec<Stretch<'a>> {
    let mut stretches = Vec::new();
    let mut position = 0;
    let lost_from = pages.lost_from.unwrap_or(u64::MAX);
    let gap = |from: u64, to: u64, stretches: &mut Vec<Stretch<'a>>| {
        let middle = lost_from.clamp(from, to);
        stretches.push((middle - from, Known::Nothing));
        stretches.push((to - middle, Known::Unknown));
    };
    for run in pages.within(0, end) {
        let start = run.start.max(position);
        gap(position, start, &mut stretches);
        if let Some(run) = run.clip(start, run.end()) {
            stretches.push((run.length, of_run(&run)));
            position = run.end();
        }
    }
    gap(position, end.max(position), &mut stretches);
    stretches.retain(|(length, _)| *length > 0);
    stretches
}

/// Walks two lists of one total length and gives each run of pages with one verdict: its offset and length. A
/// shorter list is filled up with nothing.
pub(super) fn compare(
    before: &[Stretch<'_>],
    after: &[Stretch<'_>],
    page: u64,
    take: &mut dyn FnMut(u64, u64, Verdict),
) {
    let (mut old, mut new) = (Cursor::new(before), Cursor::new(after));
    let mut offset: u64 = 0;
    loop {
        let length = match (old.left(), new.left()) {
            (None, None) => break,
            (Some(length), None) | (None, Some(length)) => length,
            (Some(one), Some(other)) => one.min(other),
        };
        // Where neither list has bytes, nothing is looked at: a page at a time would take as long as a number says.
        let plain = match (old.known(), new.known()) {
            (Known::Nothing, Known::Nothing) => Some(Verdict::Same),
            (Known::Unknown, _) | (_, Known::Unknown) => Some(Verdict::NotCompared),
            _ => None,
        };
        let length = if plain.is_some() { length } else { length.min(page) };
        let verdict = plain.unwrap_or_else(|| one_page(old.known(), new.known(), length));
        take(offset, length, verdict);
        offset = offset.saturating_add(length);
        old.advance(length);
        new.advance(length);
    }
}

fn one_page(old: Known<'_>, new: Known<'_>, length: u64) -> Verdict {
    let is_zero = |bytes: &[u8]| head(bytes, length).iter().all(|byte| *byte == 0);
    match (old, new) {
        (Known::Bytes(one), Known::Bytes(other)) => {
            let (one, other) = (head(one, length), head(other, length));
            if one == other {
                return Verdict::Same;
            }
            let bytes = one.iter().zip(other).filter(|(one, other)| one != other).count() as u64;
            Verdict::Changed { bytes }
        }
        (Known::Bytes(bytes), Known::Nothing) if !is_zero(bytes) => Verdict::Removed,
        (Known::Nothing, Known::Bytes(bytes)) if !is_zero(bytes) => Verdict::Added,
        (Known::Unknown, _) | (_, Known::Unknown) => Verdict::NotCompared,
        _ => Verdict::Same,
    }
}

fn head(bytes: &[u8], length: u64) -> &[u8] {
    usize::try_from(length).ok().and_then(|length| bytes.get(..length)).unwrap_or(bytes)
}

/// A place in a list of stretches.
struct Cursor<'s, 'a> {
    rest: std::slice::Iter<'s, Stretch<'a>>,
    current: Option<Stretch<'a>>,
}

impl<'s, 'a> Cursor<'s, 'a> {
    fn new(list: &'s [Stretch<'a>]) -> Self {
        let mut rest = list.iter();
        let current = rest.next().copied();
        Self { rest, current }
    }

    fn left(&self) -> Option<u64> {
        self.current.map(|(length, _)| length)
    }

    fn known(&self) -> Known<'a> {
        self.current.map_or(Known::Nothing, |(_, known)| known)
    }

    fn advance(&mut self, length: u64) {
        let Some((left, known)) = self.current else { return };
        let left = left.saturating_sub(length);
        self.current = if left == 0 {
            self.rest.next().copied()
        } else {
            let known = match known {
                Known::Bytes(bytes) => {
                    let skip = usize::try_from(length).unwrap_or(usize::MAX);
                    Known::Bytes(bytes.get(skip..).unwrap_or_default())
                }
                other => other,
            };
            Some((left, known))
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(before: &[Stretch<'_>], after: &[Stretch<'_>]) -> Vec<(u64, u64, Verdict)> {
        let mut found = Vec::new();
        compare(before, after, 4, &mut |offset, length, verdict| found.push((offset, length, verdict)));
        found
    }

    #[test]
    fn each_page_has_a_verdict() {
        use Known::{Bytes, Nothing, Unknown};
        let before = [(12, Bytes(b"aaaabbbbcccc")), (8, Nothing), (4, Bytes(b"dddd")), (4, Unknown)];
        let after =
            [(4, Bytes(b"aaaa")), (8, Bytes(b"bbxxcccc")), (4, Bytes(b"\0\0\0\0")), (4, Bytes(b"new!"))];
        assert_eq!(
            verdicts(&before, &after),
            [
                (0, 4, Verdict::Same),
                (4, 4, Verdict::Changed { bytes: 2 }),
                (8, 4, Verdict::Same),
                (12, 4, Verdict::Same),
                (16, 4, Verdict::Added),
                (20, 4, Verdict::Removed),
                (24, 4, Verdict::NotCompared),
            ]
        );
        assert!(
            verdicts(&before, &before)
                .iter()
                .all(|(.., verdict)| { matches!(verdict, Verdict::Same | Verdict::NotCompared) })
        );
    }

    /// A length that only a number claims costs no time.
    #[test]
    fn nothing_is_not_walked() {
        assert_eq!(verdicts(&[(u64::MAX, Known::Nothing)], &[]).len(), 1);
        assert_eq!(verdicts(&[(u64::MAX, Known::Unknown)], &[]), [(0, u64::MAX, Verdict::NotCompared)]);
    }
}
