//! Runs chunks on the ambient thread pool and hands their results, in order, to the calling thread.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use crate::lock::lock;
use crate::piece::{Chunks, Piece};

/// Chunks per thread that may be waiting, running or done but not accepted.
const AHEAD: usize = 4;

/// Results that wait for their turn. A chunk whose worker panicked has `None`.
struct Board<T> {
    done: Mutex<BTreeMap<usize, Option<T>>>,
    change: Condvar,
}

impl<T> Board<T> {
    fn put(&self, index: usize, result: Option<T>) {
        lock(&self.done).insert(index, result);
        self.change.notify_all();
    }

    /// The result of chunk `index`. A thread of the pool works on other chunks while it waits: it must not block,
    /// since it may be the only one.
    fn take(&self, index: usize) -> Option<T> {
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
}

/// Tells the calling thread about a chunk even when its worker panics.
struct Post<'b, T> {
    board: &'b Board<T>,
    index: usize,
    result: Option<T>,
}

impl<T> Drop for Post<'_, T> {
    fn drop(&mut self) {
        self.board.put(self.index, self.result.take());
    }
}

/// Does `work` on every chunk, on any thread, and has the results accepted in order, on this one. `stop` is called
/// when no further result is wanted.
pub(crate) fn run<T: Send>(
    chunks: Chunks<'_>,
    work: &(dyn Fn(Vec<Piece>) -> T + Sync),
    accept: &mut dyn FnMut(T) -> ControlFlow<()>,
    stop: &dyn Fn(),
) {
    let mut chunks = chunks.enumerate();
    let threads = rayon::current_num_threads();
    if threads < 2 {
        for (_, pieces) in chunks {
            if accept(work(pieces)).is_break() {
                break;
            }
        }
        return;
    }
    let board = Board { done: Mutex::default(), change: Condvar::new() };
    let board = &board;
    rayon::in_place_scope_fifo(|scope| {
        let mut queued = 0_usize;
        let mut accepted = 0_usize;
        loop {
            while queued - accepted < threads.saturating_mul(AHEAD) {
                let Some((index, pieces)) = chunks.next() else { break };
                scope.spawn_fifo(move |_| {
                    let mut post = Post { board, index, result: None };
                    post.result = Some(work(pieces));
                });
                queued += 1;
            }
            if accepted == queued {
                break;
            }
            let Some(result) = board.take(accepted) else { break };
            if accept(result).is_break() {
                break;
            }
            accepted += 1;
        }
        stop();
    });
}
