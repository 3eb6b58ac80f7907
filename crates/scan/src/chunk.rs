//! The work of one thread: a chunk, tile by tile.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::gate::Gates;
use crate::lane::Lane;
use crate::literals::Literals;
use crate::piece::{Piece, count};
use crate::region::Region;
use crate::repeat::Repeats;
use crate::sweep::{Found, Full, Sweep};

/// What both the workers and the merger need to know.
pub(crate) struct Task<'a> {
    pub(crate) lanes: &'a [Lane],
    pub(crate) literals: &'a Literals,
    pub(crate) gates: &'a Gates,
    /// What need not be searched for clues; none where comparing costs as much as searching.
    pub(crate) repeats: Option<Repeats<'a>>,
    pub(crate) regions: &'a [Region<'a>],
    pub(crate) chunk: usize,
    pub(crate) tile: usize,
    pub(crate) most: usize,
    pub(crate) progress: Option<&'a AtomicU64>,
    pub(crate) cancel: Option<&'a AtomicBool>,
    /// Raised when the scan is over, or cancelled.
    pub(crate) stop: AtomicBool,
}

impl<'a> Task<'a> {
    pub(crate) fn bytes(&self, region: usize) -> &'a [u8] {
        self.regions.get(region).map_or(&[], |region| region.bytes)
    }

    /// Whether the scan goes on. Once it does not, it never does again.
    pub(crate) fn proceeds(&self) -> bool {
        if self.cancel.is_some_and(|flag| flag.load(Ordering::Relaxed)) {
            self.stop.store(true, Ordering::Relaxed);
        }
        !self.stop.load(Ordering::Relaxed)
    }

    pub(crate) fn advance(&self, bytes: usize) {
        if let Some(progress) = self.progress {
            progress.fetch_add(count(bytes), Ordering::Relaxed);
        }
    }
}

/// What a worker found in one piece, as if the scan of its region resumed at the piece's first byte.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) piece: Piece,
    /// How far the scan came: the piece's border, or less when the buffer was full.
    pub(crate) until: usize,
    /// The matches are those up to here in the chunk's list.
    pub(crate) found: usize,
    /// Lanes whose matches are known only up to an offset, because the search window is too long.
    pub(crate) open: Vec<(usize, usize)>,
}

/// What a worker found in one chunk. Pieces without a part are still to be scanned.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) parts: Vec<Part>,
    /// Matches of all parts; those of one part are sorted.
    pub(crate) found: Vec<Found>,
}

/// Scans a chunk. Stops early when the buffer is full or the scan is stopped, even within a tile.
pub(crate) fn scan(task: &Task<'_>, pieces: Vec<Piece>, folded: Vec<u8>) -> (Scanned, Vec<u8>) {
    let mut sweep = Sweep {
        next: vec![0; task.lanes.len()],
        found: Vec::new(),
        most: task.most,
        folded,
        ..Sweep::default()
    };
    let mut parts = Vec::with_capacity(pieces.len());
    for piece in &pieces {
        if !task.proceeds() {
            break;
        }
        let before = sweep.found.len();
        sweep.next.fill(piece.from);
        let until = scan_piece(task, *piece, &mut sweep);
        if let Some(found) = sweep.found.get_mut(before..) {
            // Each lane's matches are in order already.
            found.sort();
        }
        let expressions = task.lanes.iter().enumerate().filter(|(_, lane)| lane.expression().is_some());
        let open = expressions
            .map(|(lane, _)| (lane, sweep.next_of(lane)))
            .filter(|(_, next)| *next < until)
            .collect();
        parts.push(Part { piece: *piece, until, found: sweep.found.len(), open });
        if until < piece.border {
            break;
        }
    }
    (Scanned { pieces, parts, found: sweep.found }, sweep.folded)
}

/// Scans as many tiles as there is room for; returns the border of the last.
fn scan_piece(task: &Task<'_>, piece: Piece, sweep: &mut Sweep) -> usize {
    let bytes = task.bytes(piece.region);
    let mut from = piece.from;
    let mut saved = Vec::new();
    while from < piece.border && task.proceeds() {
        let border = piece.border.min(from.saturating_add(task.tile));
        let length = sweep.found.len();
        saved.clone_from(&sweep.next);
        // A window may reach far only where no later tile of the piece can take the matches in.
        let limit = if border == piece.border { task.chunk } else { task.tile / 4 };
        if scan_tile(task, bytes, Piece { from, border, ..piece }, limit, sweep).is_err() {
            sweep.found.truncate(length);
            sweep.next.clone_from(&saved);
            break;
        }
        task.advance(border - from);
        from = border;
    }
    from
}

fn scan_tile(
    task: &Task<'_>,
    bytes: &[u8],
    piece: Piece,
    limit: usize,
    sweep: &mut Sweep,
) -> Result<(), Full> {
    let Piece { from, border, .. } = piece;
    task.literals.sweep(task.lanes, bytes, from, border, sweep)?;
    let proceed = || task.proceeds();
    task.gates.sweep(task.lanes, bytes, piece, task.repeats.as_ref(), limit, &proceed, sweep)?;
    for (at, lane) in task.lanes.iter().enumerate() {
        if let Some(expression) = lane.expression().filter(|expression| expression.clue().is_none()) {
            expression.sweep(at, bytes, border, limit, &proceed, sweep)?;
        }
    }
    Ok(())
}
