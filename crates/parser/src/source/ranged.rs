//! What bytes of the evidence are read from.

use std::{io, ops::Range};

use bytes::Bytes;

/// Bytes that are read by ranges, each of which may fail: a file, anonymous storage, something at the other end of a
/// network.
pub trait Source: Send + Sync {
    /// Number of bytes.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads a range: all of it, or it is an error.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::UnexpectedEof`] for a range that is not there.
    fn read(&self, range: Range<u64>) -> io::Result<Bytes>;

    /// Says that a range will be read soon.
    fn prefetch(&self, _range: Range<u64>) {}

    /// All bytes, where to have them costs nothing and cannot fail: these are then never read by ranges.
    fn whole(&self) -> Option<Bytes> {
        None
    }
}

/// What is mapped, or in memory: a range of it is a slice.
impl Source for Bytes {
    fn len(&self) -> u64 {
        self.as_ref().len() as u64
    }

    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let range = || Some(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?);
        let range = range().filter(|range| self.get(range.clone()).is_some());
        range.map(|range| self.slice(range)).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn whole(&self) -> Option<Bytes> {
        Some(self.clone())
    }
}
