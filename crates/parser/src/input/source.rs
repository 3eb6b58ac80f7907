//! Where evidence comes from: reading it, and undoing the compression around it.

use std::{
    fs::File,
    io::{self, Write as _},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::{
    decompress::{decompress_sifted, head},
    kind::Subject,
    options::OpenOptions,
};
use crate::{
    Diagnostic, Error, Result,
    archive::{Archive, index_directory},
    source::{Compression, Extent, Spool, map_file},
    text,
};

/// Where the evidence is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file or directory.
    Path(PathBuf),
    /// Standard input, read to its end.
    Stdin,
    /// Bytes that are at hand.
    Bytes(Bytes),
}

impl Input {
    /// The name shown in output: the last part of the path, so that no path of the analyst's machine
    /// gets into a report. Bytes that are not UTF-8 are escaped.
    pub fn name(&self) -> String {
        text::escape_invalid(&self.raw_name()).into_owned()
    }

    /// The same as it is.
    pub(super) fn raw_name(&self) -> Vec<u8> {
        match self {
            Self::Path(path) => path
                .canonicalize()
                .unwrap_or_else(|_| path.clone())
                .file_name()
                .unwrap_or(path.as_os_str())
                .as_bytes()
                .to_vec(),
            Self::Stdin => b"stdin".to_vec(),
            Self::Bytes(_) => b"bytes".to_vec(),
        }
    }
}

/// What was read.
pub(super) struct Loaded {
    pub subject: Subject,
    /// Of a tar: those behind its end.
    pub behind: Vec<Archive>,
    /// Size of what was given, in bytes.
    pub bytes: u64,
    /// The compressions that were undone, as they are told behind the format.
    pub suffix: String,
}

/// Reads the input and indexes the archive it is.
pub(super) fn load(
    input: &Input,
    name: &str,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Loaded> {
    let at = |path: &Path, source| Error::Read { path: path.to_path_buf(), source };
    let bytes: Bytes = match input {
        Input::Path(path) if path.is_dir() => {
            let archive = index_directory(path, &options.limits).map_err(|source| at(path, source))?;
            let bytes = archive.members().iter().map(|member| member.size).sum();
            return Ok(Loaded {
                subject: Subject::Directory(archive),
                behind: Vec::new(),
                bytes,
                suffix: String::new(),
            });
        }
        Input::Path(path) => {
            let file = File::open(path).map_err(|source| at(path, source))?;
            let metadata = file.metadata().map_err(|source| at(path, source))?;
            if metadata.is_file() {
                map_file(&file).map_err(|source| at(path, source))?
            } else {
                read_all(file).map_err(|source| at(path, source))?
            }
        }
        Input::Bytes(bytes) => bytes.clone(),
        Input::Stdin => read_all(io::stdin().lock()).map_err(|source| at(Path::new("-"), source))?,
    };
    load_bytes(&bytes.into(), name, options, diagnostics)
}

/// Undoes the compression around bytes, and indexes the archive that they are.
pub(super) fn load_bytes(
    bytes: &Extent,
    name: &str,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Loaded> {
    let mut sieve = options.sieve;
    loop {
        let mut noticed = Vec::new();
        let plain = decompress_sifted(bytes.clone(), name, sieve, options, &mut noticed)?;
        let archives = plain.index(name, options)?;
        let is_understood = plain.searched.is_empty()
            || Compression::detect(&head(&plain.bytes, name)?).is_none()
                && archives.as_ref().is_some_and(|(_, is_understood)| *is_understood);
        if !is_understood {
            sieve = None;
            // What was decompressed in vain counts for nothing.
            options.given.reset();
            continue;
        }
        diagnostics.append(&mut noticed);
        let suffix = plain.formats.iter().map(|format| format!("+{}", format.name())).collect();
        let (subject, behind) = match archives {
            Some((archives, _)) => {
                let mut archives = archives.into_iter();
                (Subject::Tar(archives.next().unwrap_or_default()), archives.collect())
            }
            None => (Subject::Bytes(plain.bytes), Vec::new()),
        };
        return Ok(Loaded { subject, behind, bytes: bytes.len(), suffix });
    }
}

fn read_all(mut reader: impl io::Read) -> io::Result<Bytes> {
    let mut spool = Spool::default();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return spool.finish(),
            Ok(count) => spool.write_all(buffer.get(..count).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
