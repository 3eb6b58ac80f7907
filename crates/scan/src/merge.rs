//! Puts the chunks' results together, in order, on the calling thread.
//!
//! A chunk was scanned as if the scan resumed at its first byte. Where a match of an earlier chunk extends into
//! it, the lane of that match is scanned again from the match's end until it falls in step with what the worker
//! found: from the first match on that both scans have, they are the same.

use std::ops::ControlFlow;

use crate::chunk::{Part, Scanned, Task};
use crate::hit::{Hit, Outcome, Summary};
use crate::lane::{Lane, Matcher};
use crate::piece::{Piece, count};
use crate::regex::Ahead;
use crate::sweep::{Found, Full, Sweep};

pub(crate) struct Merger<'t, 's> {
    task: &'t Task<'t>,
    sink: &'s mut dyn FnMut(Hit) -> ControlFlow<()>,
    /// Where each lane's next match in the current region may start.
    sweep: Sweep,
    /// What is known of each lane beyond that.
    ahead: Vec<Ahead>,
    /// Bytes to scan at a time when the worker's buffer was too small.
    step: usize,
    summary: Summary,
}

/// The reason to end a scan early.
type Flow = ControlFlow<Outcome>;

impl<'t, 's> Merger<'t, 's> {
    pub(crate) fn new(task: &'t Task<'t>, sink: &'s mut dyn FnMut(Hit) -> ControlFlow<()>) -> Self {
        let lanes = task.lanes.len();
        Self {
            task,
            sink,
            sweep: Sweep { next: vec![0; lanes], most: task.most.max(lanes), ..Sweep::default() },
            ahead: vec![Ahead::default(); lanes],
            step: task.tile,
            summary: Summary { bytes_scanned: 0, hits: 0, outcome: Outcome::Complete },
        }
    }

    pub(crate) fn finish(self) -> Summary {
        self.summary
    }

    /// Delivers the hits of the next chunk.
    pub(crate) fn accept(&mut self, scanned: &Scanned) -> ControlFlow<()> {
        let mut done = 0;
        let mut parts = scanned.parts.iter();
        for piece in &scanned.pieces {
            if piece.from == 0 {
                self.sweep.next.fill(0);
                self.ahead.fill(Ahead::default());
            }
            let flow = match parts.next() {
                Some(part) => {
                    let found = scanned.found.get(done..part.found).unwrap_or(&[]);
                    done = part.found;
                    self.part(part, found)
                }
                None => self.stream(*piece, true),
            };
            if let ControlFlow::Break(outcome) = flow {
                self.summary.outcome = outcome;
                return ControlFlow::Break(());
            }
            self.summary.bytes_scanned += count(piece.border - piece.from);
        }
        ControlFlow::Continue(())
    }

    fn part(&mut self, part: &Part, found: &[Found]) -> Flow {
        let Piece { region, from, border } = part.piece;
        let overrun = from > 0 && self.sweep.next.iter().any(|next| *next > from);
        if overrun || !part.open.is_empty() {
            match self.repair(part, found) {
                Ok(repaired) => self.deliver(region, &repaired)?,
                Err(Full) => self.stream(Piece { region, from, border: part.until }, false)?,
            }
        } else {
            self.deliver(region, found)?;
        }
        if part.until < border {
            self.stream(Piece { region, from: part.until, border }, true)?;
        }
        Flow::Continue(())
    }

    /// The matches of a part, given where those before it end.
    fn repair(&mut self, part: &Part, found: &[Found]) -> Result<Vec<Found>, Full> {
        let bytes = self.task.bytes(part.piece.region);
        let mut repaired = Vec::with_capacity(found.len());
        let mut open = part.open.iter().peekable();
        let mut touched = vec![false; self.task.lanes.len()];
        for (lane, touched) in touched.iter_mut().enumerate() {
            let known = open.next_if(|(open, _)| *open == lane).map(|(_, until)| *until);
            let next = self.sweep.next_of(lane);
            if next <= part.piece.from && known.is_none() {
                continue;
            }
            *touched = true;
            let own: Vec<Found> = found.iter().copied().filter(|it| it.lane == lane).collect();
            let next = self.resume(bytes, lane, &own, known.unwrap_or(part.until), &mut repaired)?;
            if let Some(known) = known {
                self.search(bytes, lane, next.max(known), part.until, &mut repaired)?;
            }
        }
        repaired.extend(found.iter().filter(|it| touched.get(it.lane) == Some(&false)));
        repaired.sort();
        Ok(repaired)
    }

    /// Brings one lane in step with what the worker `found` up to `border`; returns where it can go on.
    fn resume(
        &mut self,
        bytes: &[u8],
        lane: usize,
        found: &[Found],
        border: usize,
        repaired: &mut Vec<Found>,
    ) -> Result<usize, Full> {
        let mut next = self.sweep.next_of(lane);
        loop {
            let split = found.partition_point(|it| it.start < next);
            let (past, rest) = found.split_at_checked(split).unwrap_or((found, &[]));
            if past.last().is_none_or(|it| it.end <= next) {
                repaired.extend_from_slice(rest);
                return Ok(rest.last().map_or(next, |it| it.end));
            }
            let Some((start, end)) = self.next(bytes, lane, next, border) else { return Ok(next) };
            self.push(repaired, Found { start, lane, end })?;
            next = end;
        }
    }

    /// Adds every match of one lane that starts in `from..border`.
    fn search(
        &mut self,
        bytes: &[u8],
        lane: usize,
        from: usize,
        border: usize,
        repaired: &mut Vec<Found>,
    ) -> Result<(), Full> {
        let mut next = from;
        while let Some((start, end)) = self.next(bytes, lane, next, border) {
            self.push(repaired, Found { start, lane, end })?;
            next = end;
        }
        Ok(())
    }

    fn push(&self, repaired: &mut Vec<Found>, found: Found) -> Result<(), Full> {
        if repaired.len() >= self.sweep.most.saturating_mul(2) {
            return Err(Full);
        }
        repaired.push(found);
        Ok(())
    }

    /// The next match of a lane that starts in `from..border`.
    fn next(&mut self, bytes: &[u8], lane: usize, from: usize, border: usize) -> Option<(usize, usize)> {
        if from >= border {
            return None;
        }
        let task = self.task;
        match &task.lanes.get(lane)?.matcher {
            Matcher::Literal(literal) => literal.next(bytes, from, border),
            Matcher::Expression(expression) => {
                self.ahead
                    .get_mut(lane)?
                    .next(expression, bytes, from, border, task.tile, &|| task.proceeds())
            }
        }
    }

    /// Scans a piece here and now, in steps so short that the matches of each fit the buffer.
    /// `fresh`: the piece does not count as progress yet.
    fn stream(&mut self, piece: Piece, fresh: bool) -> Flow {
        let bytes = self.task.bytes(piece.region);
        let mut from = piece.from;
        while from < piece.border {
            if !self.task.proceeds() {
                return Flow::Break(Outcome::Cancelled);
            }
            let border = piece.border.min(from.saturating_add(self.step));
            let saved = self.sweep.next.clone();
            self.sweep.found.clear();
            if self.take(bytes, from, border).is_err() {
                // One byte starts at most one match per lane, for which there is room.
                self.sweep.next = saved;
                self.step = ((border - from) / 2).max(1);
                continue;
            }
            let mut found = std::mem::take(&mut self.sweep.found);
            found.sort();
            if found.len() < self.sweep.most / 4 {
                self.step = self.step.saturating_mul(2).min(self.task.tile);
            }
            self.deliver(piece.region, &found)?;
            self.sweep.found = found;
            if fresh {
                self.task.advance(border - from);
            }
            from = border;
        }
        Flow::Continue(())
    }

    fn take(&mut self, bytes: &[u8], from: usize, border: usize) -> Result<(), Full> {
        let task = self.task;
        task.literals.sweep(task.lanes, bytes, from, border, &mut self.sweep)?;
        let expressions = task.lanes.iter().enumerate().filter(|(_, lane)| Lane::expression(lane).is_some());
        for (lane, _) in expressions {
            loop {
                let next = self.sweep.next_of(lane).max(from);
                let Some((start, end)) = self.next(bytes, lane, next, border) else { break };
                self.sweep.add(lane, start, end)?;
            }
        }
        Ok(())
    }

    fn deliver(&mut self, region: usize, found: &[Found]) -> Flow {
        if !self.task.proceeds() {
            return Flow::Break(Outcome::Cancelled);
        }
        for it in found {
            self.sweep.set_next(it.lane, it.end);
            let Some(lane) = self.task.lanes.get(it.lane) else { continue };
            self.summary.hits += 1;
            let hit = Hit {
                region,
                offset: it.start,
                length: it.end - it.start,
                pattern: lane.pattern,
                encoding: lane.encoding,
            };
            if (self.sink)(hit).is_break() {
                return Flow::Break(Outcome::Stopped);
            }
        }
        Flow::Continue(())
    }
}
