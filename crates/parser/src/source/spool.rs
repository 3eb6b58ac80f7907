//! Anonymous storage: memory while there is enough, then an unlinked file.

use std::{
    fs::File,
    io::{self, Write},
    ops::Range,
    os::unix::fs::FileExt as _,
    sync::Arc,
};

use bytes::Bytes;
use rustix::fs::{MemfdFlags, memfd_create};

use super::{Budget, budget::Share, map_file};

/// Up to this many bytes stay in the program's own memory.
const IN_MEMORY: usize = 64 << 20;
/// Bytes of zeros that a file need not store, at a multiple of as many.
const PAGE: usize = 4096;
/// Bytes that are moved at a time.
const BLOCK: usize = 1 << 20;

/// Takes bytes in order and gives them back as one slice. What does not fit in 64 MiB goes to a memfd as long as the
/// budget allows, and then to a file that never has a name: both are gone however the program ends. Zeros take no room in
/// a file.
pub struct Spool {
    place: Place,
    /// What of the budget it takes.
    share: Share,
    length: u64,
    holes: Vec<Range<u64>>,
    /// Bytes in all holes.
    skipped: u64,
    /// Bytes written but for pages of zeros.
    dense: u64,
}

enum Place {
    Memory(Vec<u8>),
    Memfd(File),
    File(File),
}

/// Bytes in memory with the part of the budget that they take.
struct Held<B> {
    bytes: B,
    _share: Share,
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Held<B> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

impl Spool {
    /// One that takes of a budget.
    pub fn new(budget: &Arc<Budget>) -> Self {
        Self::at(Place::Memory(Vec::new()), budget)
    }

    /// One that goes to a file at once, where many are kept beside each other.
    ///
    /// # Errors
    /// When there can be no such file.
    pub fn in_file(budget: &Arc<Budget>) -> io::Result<Self> {
        Ok(Self::at(Place::File(budget.file()?), budget))
    }

    fn at(place: Place, budget: &Arc<Budget>) -> Self {
        Self { place, share: Share::new(budget), length: 0, holes: Vec::new(), skipped: 0, dense: 0 }
    }

    /// Bytes taken or skipped so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// What was skipped, in order.
    pub fn holes(&self) -> &[Range<u64>] {
        &self.holes
    }

    /// Bytes taken so far that take room wherever they are stored: all but pages of zeros, and what was skipped.
    pub fn dense(&self) -> u64 {
        self.dense
    }

    /// What was written so far, perhaps without zeros at the end.
    ///
    /// # Errors
    /// When the storage cannot be mapped.
    pub fn so_far(&self) -> io::Result<Bytes> {
        match &self.place {
            Place::Memory(memory) => Ok(Bytes::copy_from_slice(memory)),
            Place::Memfd(file) | Place::File(file) => map_file(file),
        }
    }

    /// Leaves out bytes; there will be zeros, which take no room where there is much of them.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn skip(&mut self, count: u64) -> io::Result<()> {
        let end = self.length.saturating_add(count);
        self.make_room(count, 0)?;
        if let Place::Memory(memory) = &mut self.place {
            memory.resize(usize::try_from(end).unwrap_or(usize::MAX), 0);
        }
        match self.holes.last_mut() {
            Some(last) if last.end == self.length => last.end = end,
            _ => self.holes.push(self.length..end),
        }
        self.skipped += count;
        self.length = end;
        Ok(())
    }

    /// Gives back what was written.
    ///
    /// # Errors
    /// When the storage cannot be mapped.
    pub fn finish(self) -> io::Result<Bytes> {
        let is_file = matches!(self.place, Place::File(_));
        match self.place {
            Place::Memory(memory) if memory.is_empty() => Ok(Bytes::new()),
            Place::Memory(bytes) => Ok(Bytes::from_owner(Held { bytes, _share: self.share })),
            Place::Memfd(file) | Place::File(file) => {
                // A hole at the end.
                if file.metadata()?.len() < self.length {
                    file.set_len(self.length)?;
                }
                let bytes = map_file(&file)?;
                Ok(if is_file { bytes } else { Bytes::from_owner(Held { bytes, _share: self.share }) })
            }
        }
    }

    /// Moves what is there to where there is room for `more` bytes, of which `stored` are no hole.
    fn make_room(&mut self, more: u64, stored: u64) -> io::Result<()> {
        let length = self.length.saturating_add(more);
        let stored = (self.length - self.skipped).saturating_add(stored);
        let has_room = match &self.place {
            Place::Memory(_) => length <= IN_MEMORY as u64 && self.share.set(length),
            Place::Memfd(_) => self.share.set(stored),
            Place::File(_) => true,
        };
        if has_room {
            return Ok(());
        }
        let is_memory = matches!(self.place, Place::Memory(_));
        let memfd = (is_memory && self.share.set(stored))
            .then(|| memfd_create("ckptfx", MemfdFlags::CLOEXEC).ok())
            .flatten();
        let place = match memfd {
            Some(memfd) => Place::Memfd(File::from(memfd)),
            None => Place::File(self.share.budget.file()?),
        };
        self.move_to(place)?;
        if matches!(self.place, Place::File(_)) {
            self.share.set(0);
        }
        Ok(())
    }

    /// Moves what is there to another place.
    fn move_to(&mut self, place: Place) -> io::Result<()> {
        let before = std::mem::replace(&mut self.place, place);
        let (Place::Memfd(file) | Place::File(file)) = &self.place else { return Ok(()) };
        let put = |position, bytes: &[u8]| {
            put(file, position, bytes).map_err(|error| self.share.budget.explain(error))
        };
        let starts = std::iter::once(0).chain(self.holes.iter().map(|hole| hole.end));
        let ends = self.holes.iter().map(|hole| hole.start).chain(std::iter::once(self.length));
        let mut block = Vec::new();
        for (start, end) in starts.zip(ends) {
            match &before {
                Place::Memory(memory) => {
                    let range = || Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?);
                    put(start, range().and_then(|range| memory.get(range)).unwrap_or_default())?;
                }
                Place::Memfd(memfd) | Place::File(memfd) => {
                    let mut position = start;
                    while position < end {
                        block.resize(BLOCK, 0);
                        let count = memfd.read_at(&mut block, position)?;
                        block.truncate(count.min(usize::try_from(end - position).unwrap_or(usize::MAX)));
                        if block.is_empty() {
                            // A hole at the end.
                            break;
                        }
                        put(position, &block)?;
                        position += block.len() as u64;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Runs of bytes that are to be stored at a position, and of pages of zeros (`true`).
fn runs(bytes: &[u8], position: u64) -> impl Iterator<Item = (bool, &[u8])> {
    let to_border = PAGE - usize::try_from(position % PAGE as u64).unwrap_or(0);
    let mut rest = bytes;
    let mut next = to_border;
    std::iter::from_fn(move || {
        let kind = |rest: &[u8], next: usize| is_zero(rest.get(..next).unwrap_or(rest));
        let is_hole = kind(rest, next);
        let mut length = 0;
        while length < rest.len() && kind(rest.get(length..).unwrap_or_default(), next) == is_hole {
            length = length.saturating_add(next).min(rest.len());
            next = PAGE;
        }
        let (run, after) = rest.split_at_checked(length)?;
        rest = after;
        (!run.is_empty()).then_some((is_hole, run))
    })
}

/// Whether all bytes are zero; it looks no further than the first that is not.
fn is_zero(bytes: &[u8]) -> bool {
    let (Some(first), Some(head), Some(tail)) =
        (bytes.first(), bytes.get(..bytes.len().saturating_sub(1)), bytes.get(1..))
    else {
        return true;
    };
    *first == 0 && head == tail
}

/// Writes at a position, leaving out pages of zeros; gives the number of bytes that are none. What is left out at the
/// end is missing.
fn put(file: &File, position: u64, bytes: &[u8]) -> io::Result<u64> {
    let (mut at, mut dense) = (position, 0);
    for (is_hole, run) in runs(bytes, position) {
        if !is_hole {
            file.write_all_at(run, at)?;
            dense += run.len() as u64;
        }
        at += run.len() as u64;
    }
    Ok(dense)
}

impl Write for Spool {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let more = buffer.len() as u64;
        self.make_room(more, more)?;
        self.dense += match &mut self.place {
            Place::Memory(memory) => {
                memory.extend_from_slice(buffer);
                let dense = runs(buffer, self.length).filter(|(is_hole, _)| !is_hole);
                dense.map(|(_, run)| run.len() as u64).sum()
            }
            Place::Memfd(file) | Place::File(file) => {
                put(file, self.length, buffer).map_err(|error| self.share.budget.explain(error))?
            }
        };
        self.length += more;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_was_written_in_memory_and_in_a_file() {
        for size in [0, 10, IN_MEMORY, IN_MEMORY + 1] {
            let data: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            let mut spool = Spool::new(&Arc::default());
            for part in data.chunks(1 << 20) {
                spool.write_all(part).unwrap();
            }
            assert_eq!(spool.length(), size as u64);
            assert!(spool.finish().unwrap() == data, "{size}");
        }
    }

    #[test]
    fn what_is_skipped_is_zero_wherever_it_is_stored() {
        for size in [1 << 10, IN_MEMORY / 3, IN_MEMORY] {
            let part: Vec<u8> = (0..size).map(|i| (i % 251) as u8 | 1).collect();
            let mut spool = Spool::new(&Arc::default());
            spool.write_all(&part).unwrap();
            spool.skip(size as u64).unwrap();
            spool.write_all(&part).unwrap();
            spool.skip(1).unwrap();
            spool.skip(size as u64).unwrap();
            let size = size as u64;
            assert_eq!(spool.length(), 4 * size + 1);
            assert_eq!(spool.holes(), [size..2 * size, 3 * size..4 * size + 1]);
            let zeros = vec![0; part.len()];
            let expected = [part.as_slice(), &zeros, &part, &zeros, &[0]].concat();
            assert!(spool.finish().unwrap() == expected, "{size}");
        }
    }

    #[test]
    fn zeros_take_no_room_and_are_given_back() {
        for block in [1 << 20, 100_003] {
            let mut data = vec![0; 2 * IN_MEMORY];
            for at in [0, PAGE * 3 + 7, IN_MEMORY + 5, IN_MEMORY + PAGE * 9] {
                data[at] = 1;
            }
            let mut spool = Spool::new(&Arc::default());
            for part in data.chunks(block) {
                spool.write_all(part).unwrap();
            }
            assert!(spool.dense() <= 64 * PAGE as u64, "{}", spool.dense());
            let (Place::Memfd(file) | Place::File(file)) = &spool.place else { panic!("in memory") };
            use std::os::unix::fs::MetadataExt as _;
            let stored = file.metadata().unwrap().blocks() * 512;
            assert!(stored < 4 << 20, "{stored}");
            assert!(spool.finish().unwrap() == data);
        }
    }

    #[test]
    fn runs_are_cut_at_pages_of_the_storage() {
        let mut bytes = vec![0; 3 * PAGE];
        bytes[PAGE + 1] = 1;
        let of = |position| runs(&bytes, position).map(|(hole, run)| (hole, run.len())).collect::<Vec<_>>();
        assert_eq!(of(0), [(true, PAGE), (false, PAGE), (true, PAGE)]);
        assert_eq!(of(PAGE as u64 - 1), [(true, PAGE + 1), (false, PAGE), (true, PAGE - 1)]);
        assert_eq!(runs(b"", 5).count(), 0);
    }

    #[test]
    fn moves_to_a_file_when_memory_gets_scarce() {
        let budget = Arc::new(Budget::new(Some(10), None));
        let mut spool = Spool::new(&budget);
        spool.place = Place::Memfd(File::from(memfd_create("test", MemfdFlags::CLOEXEC).unwrap()));
        spool.write_all(b"01234").unwrap();
        spool.skip(100).unwrap();
        spool.write_all(b"56789").unwrap();
        assert!(matches!(spool.place, Place::Memfd(..)) && budget.taken() == 10);
        spool.write_all(b"x").unwrap();
        assert!(matches!(spool.place, Place::File(_)) && budget.taken() == 0);
        let expected = [b"01234".as_slice(), &[0; 100], b"56789x"].concat();
        assert_eq!(spool.finish().unwrap(), expected);
    }

    #[test]
    fn all_spools_draw_on_one_budget() {
        let budget = Arc::new(Budget::new(Some(10), None));
        let (mut one, mut other) = (Spool::new(&budget), Spool::new(&budget));
        one.write_all(b"0123456").unwrap();
        other.write_all(b"0123456").unwrap();
        assert!(matches!(one.place, Place::Memory(_)) && matches!(other.place, Place::File(_)));
        let (one, other) = (one.finish().unwrap(), other.finish().unwrap());
        assert_eq!((&one, budget.taken()), (&other, 7));
        drop(one);
        assert_eq!(budget.taken(), 0);
    }

    #[test]
    fn a_full_scratch_directory_is_an_error_that_says_so() {
        let mut spool = Spool::new(&Arc::new(Budget::new(Some(0), Some("/x".into()))));
        let full = File::options().write(true).open("/dev/full").unwrap();
        spool.place = Place::File(full);
        // A device cannot be written at a place either.
        let said = spool.write_all(b"x").unwrap_err().to_string();
        assert!(said.contains("/x is full") && said.contains("--scratch DIR"), "{said}");
    }
}
