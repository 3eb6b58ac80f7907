//! A lane is one pattern in one encoding: the unit whose hits are a sequential scan of their own.

use crate::hit::Encoding;
use crate::literal::Literal;
use crate::regex::Expression;

pub(crate) struct Lane {
    pub(crate) pattern: usize,
    pub(crate) encoding: Encoding,
    pub(crate) matcher: Matcher,
}

pub(crate) enum Matcher {
    Literal(Box<Literal>),
    Expression(Box<Expression>),
}

impl Lane {
    pub(crate) fn literal(&self) -> Option<&Literal> {
        match &self.matcher {
            Matcher::Literal(literal) => Some(literal),
            Matcher::Expression(_) => None,
        }
    }

    pub(crate) fn expression(&self) -> Option<&Expression> {
        match &self.matcher {
            Matcher::Literal(_) => None,
            Matcher::Expression(expression) => Some(expression),
        }
    }
}

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
