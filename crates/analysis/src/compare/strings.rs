//! Text in memory that appeared or disappeared.

use std::collections::BTreeSet;

use super::pages::{Known, Stretch};

/// Bytes beside a changed page that are looked at, so that text is not cut at its border.
const MARGIN: u64 = 256;
/// Longest text that is shown, in bytes.
const MAX_TEXT: usize = 512;

/// A piece of text: its offset, and the bytes.
pub(super) type Piece<'a> = (u64, &'a [u8]);

/// The runs of printable ASCII that touch `ranges`, each at least `min` long.
pub(super) fn pieces<'a>(stretches: &[Stretch<'a>], ranges: &[(u64, u64)], min: usize) -> Vec<Piece<'a>> {
    let mut found: Vec<Piece<'a>> = Vec::new();
    let mut start: u64 = 0;
    for (length, known) in stretches {
        let end = start.saturating_add(*length);
        if let Known::Bytes(bytes) = known {
            let first = ranges.partition_point(|range| range.1.saturating_add(MARGIN) <= start);
            let touching = ranges.get(first..).unwrap_or_default();
            let mut done = start;
            for (from, to) in touching.iter().take_while(|range| range.0.saturating_sub(MARGIN) < end) {
                let from = from.saturating_sub(MARGIN).max(done);
                let to = to.saturating_add(MARGIN).min(end);
                if from < to
                    && let Some(window) = slice(bytes, from - start, to - start)
                {
                    printable(window, from, min, &mut found);
                }
                done = done.max(to);
            }
        }
        start = end;
    }
    found
}

fn slice(bytes: &[u8], from: u64, to: u64) -> Option<&[u8]> {
    bytes.get(usize::try_from(from).ok()?..usize::try_from(to).ok()?)
}

fn printable<'a>(bytes: &'a [u8], base: u64, min: usize, found: &mut Vec<Piece<'a>>) {
    let is_text = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
    let mut position = 0;
    for run in bytes.split(|byte| !is_text(byte)) {
        if run.len() >= min.max(1) {
            found.push((base.saturating_add(position), run));
        }
        position = position.saturating_add(run.len() as u64).saturating_add(1);
    }
}

/// Those of `list` that `other` has nowhere, each text once, at most `max`; and how many more there are.
pub(super) fn only_in<'a>(list: &[Piece<'a>], other: &[Piece<'_>], max: usize) -> (Vec<Piece<'a>>, usize) {
    let there: BTreeSet<&[u8]> = other.iter().map(|(_, text)| *text).collect();
    let mut seen = BTreeSet::new();
    let (mut kept, mut more) = (Vec::new(), 0);
    for (offset, text) in list {
        if there.contains(text) || !seen.insert(*text) {
            continue;
        }
        if kept.len() < max {
            kept.push((*offset, text.get(..MAX_TEXT).unwrap_or(text)));
        } else {
            more += 1;
        }
    }
    (kept, more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_found_with_its_place_and_beyond_the_border() {
        let mut bytes = vec![0_u8; 1024];
        bytes[500..516].copy_from_slice(b"across the limit");
        bytes[1000..1008].copy_from_slice(b"far away");
        let stretches = [(0x1000, Known::Nothing), (1024, Known::Bytes(bytes.as_slice()))];
        let ranges = [(0x1000 + 512, 0x1000 + 600)];
        let found = pieces(&stretches, &ranges, 6);
        assert_eq!(found, [(0x1000 + 500, b"across the limit".as_slice())]);
        let (only, more) = only_in(&found, &[], 0);
        assert_eq!((only.len(), more), (0, 1));
        assert_eq!(only_in(&found, &[(0, b"across the limit")], 9), (vec![], 0));
    }
}
