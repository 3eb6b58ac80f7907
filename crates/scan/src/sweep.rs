//! What a scan has found so far, and where it may go on.

/// A match within the region at hand. Ordered as hits are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    pub(crate) start: usize,
    pub(crate) lane: usize,
    pub(crate) end: usize,
}

/// There is no going on here: the buffer for hits is full, or the scan is stopped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Full;

/// The state of a scan over a stretch of one region.
#[derive(Default)]
pub(crate) struct Sweep {
    /// Per lane: where its next match may start.
    pub(crate) next: Vec<usize>,
    /// Matches so far, at most `most`.
    pub(crate) found: Vec<Found>,
    pub(crate) most: usize,
    /// Room for a tile with capitals made small.
    pub(crate) folded: Vec<u8>,
    /// Room for lanes and offsets of clues.
    pub(crate) clues: Vec<(usize, usize)>,
}

impl Sweep {
    pub(crate) fn next_of(&self, lane: usize) -> usize {
        self.next.get(lane).copied().unwrap_or(0)
    }

    pub(crate) fn set_next(&mut self, lane: usize, next: usize) {
        if let Some(slot) = self.next.get_mut(lane) {
            *slot = next;
        }
    }

    /// Adds a match and moves its lane on.
    pub(crate) fn add(&mut self, lane: usize, start: usize, end: usize) -> Result<(), Full> {
        if self.found.len() >= self.most {
            return Err(Full);
        }
        self.found.push(Found { start, lane, end });
        self.set_next(lane, end);
        Ok(())
    }
}
