//! Ranges of a source, made bytes when they are needed.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    io::{self, Write as _},
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;

use super::{Source, Spool};

/// Bytes that are read at a time where a long range is gathered.
const TILE: u64 = 8 << 20;
/// Most failed reads that are remembered of one source.
const FAULTS: usize = 10_000;

/// A source with the reads of it that failed.
struct Reader {
    source: Arc<dyn Source>,
    faults: Mutex<BTreeMap<(u64, u64), String>>,
}

impl Reader {
    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let wanted = range.end.saturating_sub(range.start);
        let read = self.source.read(range.clone()).and_then(|bytes| {
            // The length of what is read is relied on.
            if bytes.len() as u64 == wanted { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
        });
        if let Err(error) = &read {
            let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
            if faults.len() < FAULTS {
                faults.entry((range.start, range.end)).or_insert_with(|| error.to_string());
            }
        }
        read
    }
}

/// A read that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The bytes that were wanted, by their place in the source.
    pub range: Range<u64>,
    /// What the system said.
    pub why: String,
}

/// A range of a source. What is mapped or in memory is a slice of it and cannot fail.
#[derive(Clone)]
pub struct Extent(Inner);

#[derive(Clone)]
enum Inner {
    Held(Bytes),
    Part(Arc<Reader>, Range<u64>),
}

impl fmt::Debug for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Held(bytes) => write!(f, "Extent({} bytes)", bytes.len()),
            Inner::Part(_, range) => write!(f, "Extent({range:?})"),
        }
    }
}

impl From<Bytes> for Extent {
    fn from(bytes: Bytes) -> Self {
        Self(Inner::Held(bytes))
    }
}

impl Default for Extent {
    fn default() -> Self {
        Bytes::new().into()
    }
}

impl Extent {
    /// All of a source.
    pub fn of(source: Arc<dyn Source>) -> Self {
        match source.whole() {
            Some(bytes) => bytes.into(),
            None => {
                let length = source.len();
                Self(Inner::Part(Arc::new(Reader { source, faults: Mutex::default() }), 0..length))
            }
        }
    }

    /// Number of bytes.
    pub fn len(&self) -> u64 {
        match &self.0 {
            Inner::Held(bytes) => bytes.len() as u64,
            Inner::Part(_, range) => range.end - range.start,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The part of a range that is there.
    #[must_use]
    pub fn slice(&self, range: Range<u64>) -> Self {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        match &self.0 {
            Inner::Held(bytes) => {
                let place = |position: u64| usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
                bytes.slice(place(start)..place(end)).into()
            }
            Inner::Part(reader, own) => {
                Self(Inner::Part(Arc::clone(reader), own.start + start..own.start + end))
            }
        }
    }

    /// The bytes, where to have them costs nothing.
    pub fn held(&self) -> Option<&Bytes> {
        match &self.0 {
            Inner::Held(bytes) => Some(bytes),
            Inner::Part(..) => None,
        }
    }

    /// Says that it will be read soon.
    pub fn prefetch(&self) {
        if let Inner::Part(reader, range) = &self.0 {
            reader.source.prefetch(range.clone());
        }
    }

    /// All bytes: of a source that must be read, in memory if there are few of them, and else in anonymous storage.
    ///
    /// # Errors
    /// When reading or storing fails.
    pub fn read(&self) -> io::Result<Bytes> {
        let (reader, range) = match &self.0 {
            Inner::Held(bytes) => return Ok(bytes.clone()),
            Inner::Part(_, range) if range.is_empty() => return Ok(Bytes::new()),
            Inner::Part(reader, range) => (reader, range),
        };
        if range.end - range.start <= TILE {
            return reader.read(range.clone());
        }
        let mut spool = Spool::default();
        let mut position = range.start;
        while position < range.end {
            let end = position.saturating_add(TILE).min(range.end);
            spool.write_all(&reader.read(position..end)?)?;
            position = end;
        }
        spool.finish()
    }

    /// The bytes of a range as far as they are there: fewer than wanted at the end.
    ///
    /// # Errors
    /// When reading fails.
    pub fn read_at(&self, position: u64, count: u64) -> io::Result<Bytes> {
        self.slice(position..position.saturating_add(count)).read()
    }

    /// All of it, to be read later.
    pub fn view(&self) -> View<'_> {
        match &self.0 {
            Inner::Held(bytes) => View(Place::Here(bytes)),
            Inner::Part(..) => View(Place::There { extent: self, start: 0, end: self.len() }),
        }
    }

    /// The reads of any of it that failed.
    pub fn faults(&self) -> Vec<Fault> {
        let Inner::Part(reader, own) = &self.0 else { return Vec::new() };
        let faults = reader.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = faults.iter().filter(|((start, end), _)| *start < own.end && own.start < *end);
        mine.map(|((start, end), why)| Fault { range: *start..*end, why: why.clone() }).collect()
    }
}

/// Bytes that are at hand, or are read when they are needed.
#[derive(Debug, Clone, Copy)]
pub struct View<'a>(Place<'a>);

#[derive(Debug, Clone, Copy)]
enum Place<'a> {
    Here(&'a [u8]),
    There { extent: &'a Extent, start: u64, end: u64 },
}

impl<'a> From<&'a [u8]> for View<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(Place::Here(bytes))
    }
}

impl<'a> View<'a> {
    /// Number of bytes.
    pub fn len(&self) -> u64 {
        match self.0 {
            Place::Here(bytes) => bytes.len() as u64,
            Place::There { start, end, .. } => end - start,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A range of it, if all of that is there.
    pub fn get(&self, range: Range<u64>) -> Option<Self> {
        if range.start > range.end || range.end > self.len() {
            return None;
        }
        Some(Self(match self.0 {
            Place::Here(bytes) => {
                let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
                Place::Here(bytes.get(range)?)
            }
            Place::There { extent, start, .. } => {
                Place::There { extent, start: start + range.start, end: start + range.end }
            }
        }))
    }

    /// The bytes, where to have them costs nothing.
    pub fn held(&self) -> Option<&'a [u8]> {
        match self.0 {
            Place::Here(bytes) => Some(bytes),
            Place::There { .. } => None,
        }
    }

    /// The bytes.
    ///
    /// # Errors
    /// When reading fails.
    pub fn read(&self) -> io::Result<Cow<'a, [u8]>> {
        match self.0 {
            Place::Here(bytes) => Ok(Cow::Borrowed(bytes)),
            Place::There { .. } => self.to_bytes().map(|bytes| Cow::Owned(bytes.to_vec())),
        }
    }

    /// The bytes, however many there are: in anonymous storage where they must be read.
    ///
    /// # Errors
    /// When reading or storing fails.
    pub fn to_bytes(&self) -> io::Result<Bytes> {
        match self.0 {
            Place::Here(bytes) => Ok(Bytes::copy_from_slice(bytes)),
            Place::There { extent, start, end } => extent.slice(start..end).read(),
        }
    }

    /// The bytes in tiles, in order.
    pub fn tiles(&self) -> impl Iterator<Item = io::Result<Cow<'a, [u8]>>> + use<'a> {
        let view = *self;
        let size = if view.held().is_some() { view.len().max(1) } else { TILE };
        let mut position = 0_u64;
        std::iter::from_fn(move || {
            let end = position.saturating_add(size).min(view.len());
            let tile = view.get(position..end).filter(|tile| !tile.is_empty())?;
            position = end;
            Some(tile.read())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails where a byte is 0xff.
    struct Spotted(Bytes);

    impl Source for Spotted {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }

        fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
            let bytes = Source::read(&self.0, range)?;
            if bytes.contains(&0xff) { Err(io::Error::other("a bad spot")) } else { Ok(bytes) }
        }
    }

    #[test]
    fn what_is_held_is_a_slice_and_no_copy() {
        let bytes = Bytes::from_static(b"0123456789");
        let extent = Extent::of(Arc::new(bytes.clone()));
        let part = extent.slice(2..5);
        assert_eq!(part.held().unwrap().as_ptr(), bytes[2..].as_ptr());
        assert_eq!(extent.slice(8..99).read().unwrap(), "89");
        assert_eq!(extent.slice(99..100).len(), 0);
        assert!(matches!(part.view().read().unwrap(), Cow::Borrowed(b"234")));
        assert!(part.view().get(1..4).is_none());
        assert!(Source::read(&bytes, 5..11).is_err());
    }

    #[test]
    fn a_read_that_fails_is_remembered_where_it_was() {
        let mut bytes = vec![7; 100];
        bytes[50] = 0xff;
        let extent = Extent::of(Arc::new(Spotted(Bytes::from(bytes))));
        let (good, bad) = (extent.slice(0..50), extent.slice(40..60));
        assert_eq!(good.read().unwrap(), vec![7; 50]);
        assert!(bad.read().is_err() && bad.read().is_err());
        let view = bad.view().get(0..10).unwrap();
        assert_eq!(view.read().unwrap().as_ref(), [7; 10]);
        assert!(bad.view().get(5..20).unwrap().tiles().all(|tile| tile.is_err()));
        let faults: Vec<_> = bad.faults().into_iter().map(|fault| (fault.range, fault.why)).collect();
        assert_eq!(faults, [(40..60, "a bad spot".to_owned()), (45..60, "a bad spot".to_owned())]);
        assert!(extent.slice(0..40).faults().is_empty());
    }
}
