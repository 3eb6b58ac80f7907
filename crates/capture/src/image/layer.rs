//! The layer: the archive's files and directories as a gzip-compressed tar.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::File,
    io::{self, BufWriter, Read, Seek as _, SeekFrom, Write},
    os::unix::ffi::OsStrExt as _,
    path::Path,
};

use bytes::Bytes;
use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};

use super::parts::{Entry, Kind};

/// A layer in a file without a name.
pub struct Layer {
    pub file: File,
    /// `sha256:…` of the compressed bytes.
    pub digest: String,
    /// Compressed size.
    pub size: u64,
    /// `sha256:…` of the tar.
    pub diff_id: String,
    /// Paths of members that are neither files nor directories.
    pub left_out: Vec<Vec<u8>>,
}

impl Layer {
    /// Writes the layer beside `place`. Members are in order of path, so that a directory comes before what is
    /// in it; of two with one path the last counts, as when an engine extracts the archive.
    pub fn write(entries: &[Entry], place: &Path) -> io::Result<Self> {
        let mut members: BTreeMap<&[u8], &Entry> = BTreeMap::new();
        let mut left_out = Vec::new();
        for entry in entries {
            match entry.kind {
                Kind::Other => left_out.push(entry.path.clone()),
                // A path that leads elsewhere is in no archive that an engine wrote.
                _ if !is_plain(&entry.path) => left_out.push(entry.path.clone()),
                _ => drop(members.insert(&entry.path, entry)),
            }
        }
        left_out.retain(|path| !members.contains_key(path.as_slice()));
        let directory = place.parent().filter(|parent| !parent.as_os_str().is_empty());
        let file = tempfile::tempfile_in(directory.unwrap_or(Path::new(".")))?;
        let compressed = Hashing::new(BufWriter::with_capacity(1 << 16, file));
        let gzip = GzBuilder::new().write(compressed, Compression::default());
        let mut tar = tar::Builder::new(Hashing::new(gzip));
        for entry in members.values() {
            append(&mut tar, entry)?;
        }
        let (gzip, diff_id, _) = tar.into_inner()?.finish();
        let (out, digest, size) = gzip.finish()?.finish();
        let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(Self { file, digest, size, diff_id, left_out })
    }
}

/// Whether every part of a path is an ordinary name.
fn is_plain(path: &[u8]) -> bool {
    !path.is_empty()
        && !path.contains(&0)
        && path.split(|byte| *byte == b'/').all(|part| !matches!(part, b"" | b"." | b".."))
}

fn append<W: Write>(tar: &mut tar::Builder<W>, entry: &Entry) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(entry.mtime);
    let path = OsStr::from_bytes(&entry.path);
    match &entry.kind {
        Kind::Directory => {
            header.set_entry_type(tar::EntryType::Directory);
            // runc makes its image directory with mode 0600, which nobody but root can enter.
            header.set_mode((entry.mode & 0o7777) | 0o700);
            header.set_size(0);
            tar.append_data(&mut header, Path::new(path).join(""), io::empty())
        }
        Kind::File(size, pieces) => {
            header.set_entry_type(tar::EntryType::Regular);
            header.set_mode((entry.mode & 0o7777) | 0o600);
            header.set_size(*size);
            tar.append_data(&mut header, path, Pieces::new(*size, pieces))
        }
        Kind::Other => Ok(()),
    }
}

/// Reads the pieces of a file with zeros between them, and exactly as many bytes as its size.
struct Pieces<'a> {
    pieces: &'a [(u64, Bytes)],
    position: u64,
    size: u64,
}

impl<'a> Pieces<'a> {
    fn new(size: u64, pieces: &'a [(u64, Bytes)]) -> Self {
        Self { pieces, position: 0, size }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.size.saturating_sub(self.position);
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        while let Some(((offset, bytes), rest)) = self.pieces.split_first() {
            let skipped = self.position.saturating_sub(*offset);
            let here =
                usize::try_from(skipped).ok().and_then(|skipped| bytes.get(skipped..)).unwrap_or_default();
            let count = if *offset > self.position {
                // Zeros up to the next piece.
                let gap = usize::try_from(offset - self.position).unwrap_or(usize::MAX).min(wanted);
                buffer.get_mut(..gap).unwrap_or_default().fill(0);
                gap
            } else if here.is_empty() {
                self.pieces = rest;
                continue;
            } else {
                let count = here.len().min(wanted);
                for (to, from) in buffer.iter_mut().zip(here.iter().take(count)) {
                    *to = *from;
                }
                count
            };
            self.position = self.position.saturating_add(count as u64);
            return Ok(count);
        }
        buffer.get_mut(..wanted).unwrap_or_default().fill(0);
        self.position = self.position.saturating_add(wanted as u64);
        Ok(wanted)
    }
}

/// Hashes and counts what is written through it.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
    count: u64,
}

impl<W> Hashing<W> {
    fn new(inner: W) -> Self {
        Self { inner, hash: Sha256::new(), count: 0 }
    }

    fn finish(self) -> (W, String, u64) {
        (self.inner, format!("sha256:{}", hex::encode(self.hash.finalize())), self.count)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(buffer)?;
        self.hash.update(buffer.get(..count).unwrap_or_default());
        self.count = self.count.saturating_add(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_zeros_and_the_size_is_kept() {
        let pieces = [(2, Bytes::from_static(b"ab")), (6, Bytes::from_static(b"cdef"))];
        for (size, expected) in [(8, &b"\0\0ab\0\0cd"[..]), (12, b"\0\0ab\0\0cdef\0\0"), (0, b"")] {
            let mut read = Vec::new();
            Pieces::new(size, &pieces).read_to_end(&mut read).unwrap();
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn only_plain_paths_are_members() {
        for (path, plain) in [
            (&b"checkpoint/a.img"[..], true),
            (b"../a", false),
            (b"a//b", false),
            (b"/a", false),
            (b"", false),
            (b"a/./b", false),
        ] {
            assert_eq!(is_plain(path), plain);
        }
    }
}
