//! Runs chunks on the ambient thread pool and hands their results, in order, to the calling thread.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::chunk::{Chunks, Piece, Scanned, Task, scan};
use crate::merge::Merger;

/// Chunks per thread that may be waiting, running or done but not merged.
const AHEAD: usize = 4;

/// Results that wait for their turn. A chunk whose worker panicked has `None`.
#[derive(Default)]
struct Board {
    done: Mutex<BTreeMap<usize, Option<Scanned>>>,
    change: Condvar,
    /// Buffers that workers pass on to each other.
    spare: Mutex<Vec<Vec<u8>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Board {
    fn put(&self, index: usize, result: Option<Scanned>) {
        lock(&self.done).insert(index, result);
        self.change.notify_all();
    }

    /// The result of chunk `index`. A thread of the pool works on other chunks while it waits: it must not block,
    /// since it may be the only one.
    fn take(&self, index: usize) -> Option<Scanned> {
        loop {
            if let Some(result) = lock(&self.done).remove(&index) {
                return result;
            }
            let patience = match rayon::yield_now() {
                Some(rayon::Yield::Executed) => continue,
                Some(rayon::Yield::Idle) => Duration::from_millis(1),
                None => Duration::from_secs(1),
            };
            let done = lock(&self.done);
            if !done.contains_key(&index) {
                drop(self.change.wait_timeout(done, patience));
            }
        }
    }

    fn work(&self, task: &Task<'_>, index: usize, pieces: Vec<Piece>) {
        let post = Post { board: self, index, result: None };
        let spare = lock(&self.spare).pop().unwrap_or_default();
        let (scanned, spare) = scan(task, pieces, spare);
        lock(&self.spare).push(spare);
        post.deliver(scanned);
    }
}

/// Tells the merger about a chunk even when its worker panics.
struct Post<'b> {
    board: &'b Board,
    index: usize,
    result: Option<Scanned>,
}

impl Post<'_> {
    fn deliver(mut self, scanned: Scanned) {
        self.result = Some(scanned);
    }
}

impl Drop for Post<'_> {
    fn drop(&mut self) {
        self.board.put(self.index, self.result.take());
    }
}

/// Scans everything and delivers it through `merger`.
pub(crate) fn run(task: &Task<'_>, merger: &mut Merger<'_, '_>) {
    let mut chunks = Chunks::new(task.regions, task.chunk).enumerate();
    let threads = rayon::current_num_threads();
    if threads < 2 {
        let mut spare = Vec::new();
        for (_, pieces) in chunks {
            let (scanned, buffer) = scan(task, pieces, spare);
            spare = buffer;
            if merger.accept(&scanned).is_break() {
                break;
            }
        }
        return;
    }
    let board = Board::default();
    let board = &board;
    rayon::in_place_scope_fifo(|scope| {
        let mut queued = 0_usize;
        let mut merged = 0_usize;
        loop {
            while queued - merged < threads.saturating_mul(AHEAD) {
                let Some((index, pieces)) = chunks.next() else { break };
                scope.spawn_fifo(move |_| board.work(task, index, pieces));
                queued += 1;
            }
            if merged == queued {
                break;
            }
            let Some(scanned) = board.take(merged) else { break };
            if merger.accept(&scanned).is_break() {
                break;
            }
            merged += 1;
        }
        task.stop.store(true, Ordering::Relaxed);
    });
}
