//! Many regular expressions at the cost of a literal search.
//!
//! Most expressions that are worth searching memory for hold some literal: a prefix such as `ghp_`, an `@`, the object
//! identifier of a key. From each expression a *clue* is taken: a few literals, one of which every match has no more
//! than `before` bytes after its start. All clues are searched together, with capitals made small, while a tile is in
//! the cache; only where one is found does the expression itself run, over the whole region from `before` bytes
//! ahead of the clue. A clue is a necessary condition, so the result is exactly that of the expression alone.
//!
//! Clues that lie close together must not make the expression read the same bytes again and again. Where a match starts
//! with its clue, it is tried there and nowhere else, and ends where it fails. Otherwise each vain search of one stretch
//! is twice as long as the one before, however many clues lie in what it reads.

use std::ops::Range;

use crate::clue::LENGTH;
use crate::group::Group;
use crate::lane::Lane;
use crate::patient::Proceed;
use crate::piece::Piece;
use crate::regex::Expression;
use crate::repeat::{Clued, Repeats};
use crate::sweep::{Full, Sweep};
use crate::tile::fold_into;

/// The search for the clues of every gated expression of a plan.
pub(crate) struct Gates {
    groups: Vec<Group>,
    /// No clue consists of zeros alone.
    zeros: bool,
    /// The lanes that are gated, in order, and how far before a clue their matches may begin.
    lanes: Vec<(usize, usize)>,
    /// The greatest of these distances.
    before: usize,
}

impl Gates {
    pub(crate) fn new(lanes: &[Lane]) -> Self {
        let mut wanted = Vec::new();
        let mut gated = Vec::new();
        for (at, lane) in lanes.iter().enumerate() {
            if let Some(clue) = lane.expression().and_then(Expression::clue) {
                wanted.extend(clue.literals.iter().map(|literal| (at, literal.clone())));
                gated.push((at, clue.before));
            }
        }
        let before = gated.iter().map(|(_, before)| *before).max().unwrap_or(0);
        wanted.sort();
        wanted.dedup();
        let zeros = wanted.iter().all(|(_, literal)| literal.iter().any(|byte| *byte != 0));
        Self { groups: Group::build(&wanted), zeros, lanes: gated, before }
    }

    /// Whether there is nothing to search for.
    pub(crate) const fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Adds the hits of gated expressions that start before `border`, as [`Expression::sweep`] would.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn sweep(
        &self,
        lanes: &[Lane],
        bytes: &[u8],
        piece: Piece,
        repeats: Option<&Repeats<'_>>,
        limit: usize,
        proceed: Proceed<'_>,
        sweep: &mut Sweep,
    ) -> Result<(), Full> {
        if self.is_empty() {
            return Ok(());
        }
        let Piece { from, border, .. } = piece;
        let mut clues = std::mem::take(&mut sweep.clues);
        self.collect(bytes, piece, repeats, &mut sweep.folded, &mut clues)?;
        let mut rest = clues.as_slice();
        for (lane, before) in &self.lanes {
            let own = rest.partition_point(|(of, _)| of <= lane);
            let (own, others) = rest.split_at_checked(own).unwrap_or((rest, &[]));
            rest = others;
            if let Some(expression) = lanes.get(*lane).and_then(Lane::expression) {
                let (lane, before) = (*lane, *before);
                let stretch = Stretch { expression, lane, before, bytes, from, border, limit, proceed };
                stretch.sweep(own, sweep)?;
            }
        }
        sweep.clues = clues;
        Ok(())
    }

    /// Where which lane has a clue, in order, for all matches that may start in a piece.
    fn collect(
        &self,
        bytes: &[u8],
        Piece { region, from, border }: Piece,
        repeats: Option<&Repeats<'_>>,
        folded: &mut Vec<u8>,
        clues: &mut Vec<Clued>,
    ) -> Result<(), Full> {
        clues.clear();
        let last = border.saturating_add(self.before).min(bytes.len());
        let mut next = from;
        if let Some(repeats) = repeats {
            for stretch in repeats.stretches(region, from..last, self.zeros) {
                // A clue that runs out of the stretch is not known.
                let known = stretch.part.start..stretch.part.end.saturating_sub(LENGTH);
                if repeats.recall(&stretch, &known, clues) {
                    self.search(bytes, next..known.start, folded, clues)?;
                    next = known.end;
                }
            }
        }
        self.search(bytes, next..last, folded, clues)?;
        clues.sort_unstable();
        clues.dedup();
        if let Some(repeats) = repeats {
            repeats.learn(region, from..border, clues);
        }
        Ok(())
    }

    /// Adds the clues that begin in a part of the bytes.
    fn search(
        &self,
        bytes: &[u8],
        part: Range<usize>,
        folded: &mut Vec<u8>,
        clues: &mut Vec<Clued>,
    ) -> Result<(), Full> {
        let end = part.end.saturating_add(LENGTH).min(bytes.len());
        fold_into(bytes.get(part.start..end).unwrap_or_default(), folded);
        for group in &self.groups {
            group.candidates(folded, part.len(), &mut |lane, at| {
                clues.push((lane, part.start.saturating_add(at)));
                Ok(0)
            })?;
        }
        Ok(())
    }
}

/// One expression in one tile.
struct Stretch<'t> {
    expression: &'t Expression,
    lane: usize,
    before: usize,
    bytes: &'t [u8],
    from: usize,
    border: usize,
    limit: usize,
    proceed: Proceed<'t>,
}

impl Stretch<'_> {
    fn sweep(&self, clues: &[(usize, usize)], sweep: &mut Sweep) -> Result<(), Full> {
        let mut next = sweep.next_of(self.lane);
        if next < self.from {
            // A window was too long in the tile before: its clues are gone.
            let Self { expression, lane, bytes, border, limit, proceed, .. } = *self;
            return expression.sweep(lane, bytes, border, limit, proceed, sweep);
        }
        if self.before == 0 {
            return self.starts(clues, sweep);
        }
        // How far it was searched, and how far the next search may go.
        let mut searched = next;
        let mut step = 1_usize;
        for (_, clue) in clues {
            let earliest = clue.saturating_sub(self.before);
            if earliest >= self.border {
                break;
            }
            next = next.max(earliest);
            if next >= searched {
                step = 1;
            }
            while next <= *clue && next < self.border {
                let edge = next.saturating_add(step).max(clue.saturating_add(1)).min(self.border);
                let Some(window) = self.expression.window(self.bytes, edge, self.limit) else {
                    sweep.set_next(self.lane, next);
                    return Ok(());
                };
                match self.expression.find(self.bytes, next, window, self.proceed)? {
                    Some((start, end)) if start < edge => {
                        sweep.add(self.lane, start, end)?;
                        next = end;
                        searched = end;
                        step = 1;
                    }
                    _ => {
                        step = window.saturating_sub(next).saturating_mul(2);
                        next = edge;
                        searched = window;
                    }
                }
            }
        }
        sweep.set_next(self.lane, next.max(self.border));
        Ok(())
    }

    /// Where a match starts with its clue, nothing else than the clues need be tried.
    fn starts(&self, clues: &[(usize, usize)], sweep: &mut Sweep) -> Result<(), Full> {
        let mut next = sweep.next_of(self.lane);
        for (_, clue) in clues.iter().filter(|(_, clue)| *clue < self.border) {
            if *clue < next {
                continue;
            }
            let Some(window) = self.expression.window(self.bytes, clue.saturating_add(1), self.limit) else {
                sweep.set_next(self.lane, *clue);
                return Ok(());
            };
            if let Some(end) = self.expression.end(self.bytes, *clue, window, self.proceed)? {
                sweep.add(self.lane, *clue, end)?;
                next = end;
            }
        }
        sweep.set_next(self.lane, next.max(self.border));
        Ok(())
    }
}
