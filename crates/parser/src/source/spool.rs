//! Anonymous storage: memory while small, then an unlinked file.

use std::{
    fs::File,
    io::{self, Write},
};

use bytes::Bytes;

use super::map_file;

/// Up to this many bytes stay in memory.
const IN_MEMORY: usize = 64 << 20;

/// Takes bytes in order and gives them back as one slice. What does not fit in 64 MiB goes to a file
/// that never has a name, so that nothing is left behind however the program ends.
#[derive(Default)]
pub struct Spool {
    memory: Vec<u8>,
    file: Option<File>,
    length: u64,
}

impl Spool {
    /// Bytes taken so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Gives back what was written.
    ///
    /// # Errors
    /// When the unlinked file cannot be mapped.
    pub fn finish(self) -> io::Result<Bytes> {
        match self.file {
            Some(file) => map_file(&file),
            None => Ok(Bytes::from(self.memory)),
        }
    }
}

impl Write for Spool {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if self.file.is_none() && self.memory.len() + buffer.len() > IN_MEMORY {
            let mut file = tempfile::tempfile()?;
            file.write_all(&self.memory)?;
            self.memory = Vec::new();
            self.file = Some(file);
        }
        match &mut self.file {
            Some(file) => file.write_all(buffer)?,
            None => self.memory.extend_from_slice(buffer),
        }
        self.length += buffer.len() as u64;
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
            let mut spool = Spool::default();
            for part in data.chunks(1 << 20) {
                spool.write_all(part).unwrap();
            }
            assert_eq!(spool.length(), size as u64);
            assert!(spool.finish().unwrap() == data, "{size}");
        }
    }
}
