//! How much compressed evidence has given.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::Limits;

/// So many bytes may come out of ever so few, of all compressed files of one evidence together.
const RATIO_FREE: u64 = 1 << 30;

/// What the compressed files of one evidence have given, so that many small ones give no more than a big one.
#[derive(Debug, Default)]
pub struct Given {
    bytes: AtomicU64,
    beyond_ratio: AtomicU64,
}

impl Given {
    /// Forgets what was counted: other evidence follows.
    pub fn reset(&self) {
        self.bytes.store(0, Ordering::Relaxed);
        self.beyond_ratio.store(0, Ordering::Relaxed);
    }

    /// Bytes that all of them have given.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes other than pages of zeros that a compressed file of a length may give.
    pub fn room(&self, length: u64, limits: &Limits) -> u64 {
        let free = RATIO_FREE.saturating_sub(self.beyond_ratio.load(Ordering::Relaxed));
        limits.decompressed_ratio.saturating_mul(length).saturating_add(free)
    }

    /// Counts what a compressed file of a length gave, and how much of that was no page of zeros.
    pub fn add(&self, length: u64, given: u64, dense: u64, limits: &Limits) {
        let beyond = dense.saturating_sub(limits.decompressed_ratio.saturating_mul(length));
        self.bytes.fetch_add(given, Ordering::Relaxed);
        self.beyond_ratio.fetch_add(beyond, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_files_share_what_they_may_give() {
        let limits = Limits { decompressed_ratio: 10, ..Limits::DEFAULT };
        let given = Given::default();
        assert_eq!(given.room(1000, &limits), RATIO_FREE + 10_000);
        // What stays below the ratio, and zeros, take nothing of what is free.
        given.add(1000, 9000, 9000, &limits);
        given.add(1000, 50 << 30, 9000, &limits);
        assert_eq!(given.room(1000, &limits), RATIO_FREE + 10_000);
        given.add(1000, RATIO_FREE + 10_000, RATIO_FREE + 10_000, &limits);
        assert_eq!(given.room(1000, &limits), 10_000);
        assert_eq!(given.bytes(), (51 << 30) + 19_000);
        given.reset();
        assert_eq!((given.bytes(), given.room(1, &limits)), (0, RATIO_FREE + 10));
    }
}
