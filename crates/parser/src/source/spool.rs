//! Anonymous storage: memory while there is enough, then an unlinked file.

use std::{
    fs::{self, File},
    io::{self, Seek as _, Write},
};

use bytes::Bytes;
use rustix::fs::{MemfdFlags, memfd_create};

use super::map_file;

/// Up to this many bytes stay in the program's own memory.
const IN_MEMORY: usize = 64 << 20;

/// Takes bytes in order and gives them back as one slice. What does not fit in 64 MiB goes to a memfd as long as it is
/// a small part of the memory that is free, and then to a file that never has a name: both are gone however the
/// program ends.
#[derive(Default)]
pub struct Spool {
    place: Place,
    length: u64,
}

enum Place {
    Memory(Vec<u8>),
    /// A memfd that may hold so many bytes.
    Memfd(File, u64),
    File(File),
}

impl Default for Place {
    fn default() -> Self {
        Self::Memory(Vec::new())
    }
}

impl Spool {
    /// Bytes taken so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Gives back what was written.
    ///
    /// # Errors
    /// When the storage cannot be mapped.
    pub fn finish(self) -> io::Result<Bytes> {
        match self.place {
            Place::Memory(memory) => Ok(Bytes::from(memory)),
            Place::Memfd(file, _) | Place::File(file) => map_file(&file),
        }
    }

    /// Moves what is there to where `more` bytes have room as well.
    fn make_room(&mut self, more: usize) -> io::Result<()> {
        let length = self.length.saturating_add(more as u64);
        match &mut self.place {
            Place::Memory(memory) if length > IN_MEMORY as u64 => {
                let limit = spare_memory().unwrap_or(0);
                let mut place = match memfd_create("ckptfx", MemfdFlags::CLOEXEC) {
                    Ok(memfd) if length <= limit => Place::Memfd(File::from(memfd), limit),
                    _ => Place::File(tempfile::tempfile()?),
                };
                if let Place::Memfd(file, _) | Place::File(file) = &mut place {
                    file.write_all(memory)?;
                }
                self.place = place;
            }
            Place::Memfd(memfd, limit) if length > *limit => {
                let mut file = tempfile::tempfile()?;
                memfd.rewind()?;
                io::copy(memfd, &mut file)?;
                self.place = Place::File(file);
            }
            Place::Memory(_) | Place::Memfd(..) | Place::File(_) => {}
        }
        Ok(())
    }
}

impl Write for Spool {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.make_room(buffer.len())?;
        match &mut self.place {
            Place::Memory(memory) => memory.extend_from_slice(buffer),
            Place::Memfd(file, _) | Place::File(file) => file.write_all(buffer)?,
        }
        self.length += buffer.len() as u64;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A quarter of the memory that can be had without swapping, or of the control group's limit if that is less.
fn spare_memory() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let available = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = available.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let limit = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .into_iter()
        .filter_map(|path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok())
        .min()
        .unwrap_or(u64::MAX);
    Some(kibibytes.saturating_mul(1024).min(limit) / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_was_written_in_memory_and_in_a_file() {
        for size in [0, 10, IN_MEMORY, IN_MEMORY + 1] {
            let data: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            let mut spool = Spool::default();
            for part in data.chunks(1 << 20) {
                spool.write_all(part).unwrap();
            }
            assert_eq!(spool.length(), size as u64);
            assert!(spool.finish().unwrap() == data, "{size}");
        }
    }

    #[test]
    fn moves_to_a_file_when_memory_gets_scarce() {
        let mut spool = Spool::default();
        let memfd = File::from(memfd_create("test", MemfdFlags::CLOEXEC).unwrap());
        spool.place = Place::Memfd(memfd, 10);
        spool.write_all(b"0123456789").unwrap();
        assert!(matches!(spool.place, Place::Memfd(..)));
        spool.write_all(b"x").unwrap();
        assert!(matches!(spool.place, Place::File(_)));
        assert_eq!(spool.finish().unwrap().as_ref(), b"0123456789x");
    }
}
