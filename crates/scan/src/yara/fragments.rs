//! The regions of a process as the engine asks for them.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Instant,
};

use boreal::memory::{FragmentedMemory, MemoryParams, Region as Fetched, RegionDescription};

/// A region whose address this machine can count to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fragment<'a> {
    pub(super) start: usize,
    pub(super) bytes: &'a [u8],
}

/// When a scan is to end early.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stop<'a> {
    pub(super) cancel: Option<&'a AtomicBool>,
    pub(super) deadline: Option<Instant>,
}

impl Stop<'_> {
    pub(super) fn is_due(&self) -> bool {
        self.cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed))
            || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// Hands fragments out one by one, and no more when it is time to stop.
#[derive(Debug)]
pub(super) struct Fragments<'a> {
    pub(super) fragments: &'a [Fragment<'a>],
    pub(super) stop: Stop<'a>,
    /// Set when fragments were held back.
    pub(super) stopped: &'a AtomicBool,
    pub(super) progress: Option<&'a AtomicU64>,
    /// Number of fragments handed out since the beginning or the last reset.
    pub(super) handed: usize,
    /// The most that were ever handed out: conditions may make the engine pass again.
    pub(super) furthest: usize,
}

impl Fragments<'_> {
    fn current(&self) -> Option<Fragment<'_>> {
        self.fragments.get(self.handed.checked_sub(1)?).copied()
    }
}

impl FragmentedMemory for Fragments<'_> {
    fn next(&mut self, _: &MemoryParams) -> Option<RegionDescription> {
        let fragment = self.fragments.get(self.handed)?;
        if self.handed >= self.furthest && self.stop.is_due() {
            self.stopped.store(true, Ordering::Relaxed);
            return None;
        }
        self.handed += 1;
        if self.handed > self.furthest {
            if let Some((progress, before)) = self.progress.zip(self.furthest.checked_sub(1)) {
                let done = self.fragments.get(before).map_or(0, |fragment| fragment.bytes.len());
                progress.fetch_add(done as u64, Ordering::Relaxed);
            }
            self.furthest = self.handed;
        }
        Some(RegionDescription { start: fragment.start, length: fragment.bytes.len() })
    }

    fn fetch(&mut self, _: &MemoryParams) -> Option<Fetched<'_>> {
        self.current().map(|fragment| Fetched { start: fragment.start, mem: fragment.bytes })
    }

    fn reset(&mut self) {
        self.handed = 0;
    }
}
