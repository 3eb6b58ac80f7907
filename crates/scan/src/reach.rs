//! How far past a border a match that starts before it can run.
//!
//! Every byte of a match comes from one leaf of the expression: a literal or a class. A leaf outside every
//! unbounded repetition is used a bounded number of times, `fixed` in all. A leaf inside one is used any number
//! of times, but only for bytes of a known set, `open`. So a match holds at most `fixed` bytes that are not in
//! `open`, and a match that starts before a border ends no later than the `fixed + 1`-th byte at or after the
//! border that is not in `open`. Searching up to there gives what searching the whole region would.

use regex_syntax::hir::{Class, Hir, HirKind};
use regex_syntax::utf8::Utf8Sequences;

/// A set of byte values.
#[derive(Clone, Copy, PartialEq, Eq)]
struct ByteSet([bool; 256]);

impl ByteSet {
    const EMPTY: Self = Self([false; 256]);

    fn insert(&mut self, first: u8, last: u8) {
        for byte in first..=last {
            if let Some(slot) = self.0.get_mut(usize::from(byte)) {
                *slot = true;
            }
        }
    }

    fn union(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0.iter()) {
            *mine |= *theirs;
        }
    }

    fn contains(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte)).copied().unwrap_or(true)
    }

    fn complement(&self) -> Vec<u8> {
        (0..=u8::MAX).filter(|byte| !self.contains(*byte)).collect()
    }
}

/// How the bytes that end a run are looked for.
enum Stop {
    /// No unbounded repetition: any byte counts.
    Bounded,
    /// An unbounded repetition of anything: only the end of the region stops it.
    Never,
    One(u8),
    Two(u8, u8),
    Three(u8, u8, u8),
    Table(Box<ByteSet>),
}

/// The reach of one expression.
pub(crate) struct Reach {
    fixed: usize,
    stop: Stop,
}

impl Reach {
    pub(crate) fn of(hir: &Hir) -> Self {
        let (fixed, open) = measure(hir);
        let stops = open.complement();
        let stop = match *stops.as_slice() {
            [] => Stop::Never,
            [a] => Stop::One(a),
            [a, b] => Stop::Two(a, b),
            [a, b, c] => Stop::Three(a, b, c),
            _ if stops.len() == 256 => Stop::Bounded,
            _ => Stop::Table(Box::new(open)),
        };
        Self { fixed, stop }
    }

    /// Whether nothing but the end of the region stops a match.
    pub(crate) fn is_endless(&self) -> bool {
        matches!(self.stop, Stop::Never)
    }

    /// The end of the search window for matches that start before `border`, or `None` when it lies more than
    /// `limit` bytes past it.
    pub(crate) fn window(&self, bytes: &[u8], border: usize, limit: usize) -> Option<usize> {
        let end = bytes.len();
        let room = end.saturating_sub(border);
        let near = room.min(limit);
        let all = (room <= limit).then_some(end);
        if self.fixed > near {
            return all;
        }
        let tail = bytes.get(border..border.saturating_add(near)).unwrap_or(&[]);
        let nth = self.fixed;
        let found = match &self.stop {
            Stop::Bounded => return Some(border.saturating_add(self.fixed)),
            Stop::Never => None,
            Stop::One(a) => memchr::memchr_iter(*a, tail).nth(nth),
            Stop::Two(a, b) => memchr::memchr2_iter(*a, *b, tail).nth(nth),
            Stop::Three(a, b, c) => memchr::memchr3_iter(*a, *b, *c, tail).nth(nth),
            Stop::Table(open) => {
                tail.iter().enumerate().filter(|(_, byte)| !open.contains(**byte)).map(|(at, _)| at).nth(nth)
            }
        };
        found.map(|at| border.saturating_add(at)).or(all)
    }
}

fn measure(hir: &Hir) -> (usize, ByteSet) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => (0, ByteSet::EMPTY),
        HirKind::Literal(literal) => (literal.0.len(), ByteSet::EMPTY),
        HirKind::Class(Class::Bytes(_)) => (1, ByteSet::EMPTY),
        HirKind::Class(Class::Unicode(class)) => {
            (class.ranges().iter().map(|range| range.end().len_utf8()).max().unwrap_or(0), ByteSet::EMPTY)
        }
        HirKind::Repetition(repetition) => {
            if let Some(max) = repetition.max {
                let (fixed, open) = measure(&repetition.sub);
                (fixed.saturating_mul(usize::try_from(max).unwrap_or(usize::MAX)), open)
            } else {
                let mut open = ByteSet::EMPTY;
                collect(&repetition.sub, &mut open);
                (0, open)
            }
        }
        HirKind::Capture(capture) => measure(&capture.sub),
        HirKind::Concat(parts) => parts.iter().map(measure).fold((0, ByteSet::EMPTY), |mut sum, part| {
            sum.1.union(&part.1);
            (sum.0.saturating_add(part.0), sum.1)
        }),
        HirKind::Alternation(parts) => {
            parts.iter().map(measure).fold((0, ByteSet::EMPTY), |mut most, part| {
                most.1.union(&part.1);
                (most.0.max(part.0), most.1)
            })
        }
    }
}

/// Adds every byte that a match of `hir` can contain.
fn collect(hir: &Hir, set: &mut ByteSet) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => literal.0.iter().for_each(|byte| set.insert(*byte, *byte)),
        HirKind::Class(Class::Bytes(class)) => {
            class.ranges().iter().for_each(|range| set.insert(range.start(), range.end()));
        }
        HirKind::Class(Class::Unicode(class)) => {
            for range in class.ranges() {
                for sequence in Utf8Sequences::new(range.start(), range.end()) {
                    sequence.as_slice().iter().for_each(|bytes| set.insert(bytes.start, bytes.end));
                }
            }
        }
        HirKind::Repetition(repetition) => collect(&repetition.sub, set),
        HirKind::Capture(capture) => collect(&capture.sub, set),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().for_each(|part| collect(part, set));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(pattern: &str) -> Reach {
        let hir =
            regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).unwrap();
        Reach::of(&hir)
    }

    #[test]
    fn bounded_expression_reaches_its_longest_match() {
        assert_eq!(reach("ab{2,5}c|x").window(&[0; 100], 10, 50), Some(17));
        assert_eq!(reach("ab{2,5}c|x").window(&[0; 12], 10, 50), Some(12));
        assert_eq!(reach("a{60}").window(&[0; 100], 10, 50), None);
    }

    #[test]
    fn open_repetition_stops_after_the_bytes_it_cannot_hold() {
        assert_eq!(reach("a.*b").window(b"xx......\n...\n...\n..", 2, 50), Some(16));
        assert_eq!(reach("(?:a+b)+c").window(b"ababababcabacx", 1, 50), Some(12));
    }

    #[test]
    fn dot_all_reaches_the_end_of_the_region() {
        assert_eq!(reach("(?s)a.*").window(&[0; 100], 10, 50), None);
        assert_eq!(reach("(?s)a.*").window(&[0; 60], 10, 50), Some(60));
    }
}
