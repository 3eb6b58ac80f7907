//! Undoing compression around what was given, and around archives inside it.

use std::{
    io::{self, Write as _},
    ops::Range,
    path::PathBuf,
};

use bytes::Bytes;

use super::options::OpenOptions;
use crate::{
    Diagnostic, Error, Limits, Result,
    archive::{
        Archive, Sieve, Sifter, Store, Stored, UNIT, index_tars, looks_like_damaged_tar, looks_like_stream,
        looks_like_tar, not_read,
    },
    limits::{count, reached},
    source::{Compression, Extent, map_file},
};

/// What was decompressed and is no longer than this is in the program's own memory.
const SMALL: u64 = 64 << 20;
/// After so many bytes of one evidence, however many files they are in, no more is kept there.
const IN_MEMORY: u64 = 256 << 20;

/// Moves bytes to a file without a name.
fn into_file(bytes: &[u8]) -> io::Result<Bytes> {
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    map_file(&file)
}

/// Bytes of the evidence that tell what they are.
const HEAD: u64 = 64 << 10;

/// Bytes whose compression was undone.
pub(super) struct Plain {
    /// All bytes; where some were left out there are zeros.
    pub bytes: Extent,
    /// What was left out because it was searched already.
    pub searched: Vec<Range<u64>>,
    /// What was left out because there was no room for it; each runs to the end of a file.
    lost: Vec<Range<u64>>,
    /// The compressions, the outermost first.
    pub formats: Vec<Compression>,
}

/// That bytes of the evidence cannot be read.
pub(super) fn unreadable(name: &str, source: io::Error) -> Error {
    Error::Read { path: PathBuf::from(name), source }
}

/// The first bytes, which tell what the rest is.
pub(super) fn head(bytes: &Extent, name: &str) -> Result<Bytes> {
    let length = if bytes.held().is_some() { bytes.len() } else { HEAD };
    bytes.read_at(0, length).map_err(|source| unreadable(name, source))
}

impl Plain {
    /// Bytes that were never compressed.
    fn of(bytes: Extent) -> Self {
        Self { bytes, searched: Vec::new(), lost: Vec::new(), formats: Vec::new() }
    }

    /// The archives that they are, if they are any, and whether these explain what was not stored.
    pub fn index(&self, name: &str, options: &OpenOptions<'_>) -> Result<Option<(Vec<Archive>, bool)>> {
        let head = head(&self.bytes, name)?;
        let is_damaged_tar =
            || looks_like_damaged_tar(&self.bytes).map_err(|source| unreadable(name, source));
        if !looks_like_tar(&head) && (looks_like_stream(&head) || !is_damaged_tar()?) {
            return Ok(None);
        }
        let mut archives = index_tars(&self.bytes, name, &options.limits);
        let Some(first) = archives.first_mut() else { return Ok(None) };
        let is_understood = first.set_holes(&self.searched);
        if !first.set_lost(&self.lost) {
            // Zeros that are no content must not be taken for it.
            let start = self.lost.first().map_or(0, |lost| lost.start);
            archives = index_tars(&self.bytes.slice(0..start), name, &options.limits);
        }
        Ok(Some((archives, is_understood)))
    }

    /// The archive that they are, if they are one; that others follow it is reported.
    pub fn index_one(self, name: &str, options: &OpenOptions<'_>) -> Result<Option<Archive>> {
        let Some((archives, _)) = self.index(name, options)? else { return Ok(None) };
        let mut archives = archives.into_iter();
        let Some(mut first) = archives.next() else { return Ok(None) };
        first.diagnostics.extend(archives.map(|other| not_read(&other, name)));
        Ok(Some(first))
    }
}

/// Undoes compression as often as there is any. Damage keeps what came out before it.
pub(super) fn decompress(
    bytes: Extent,
    name: &str,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Plain> {
    decompress_sifted(bytes, name, None, options, diagnostics)
}

/// The same, leaving out what a sieve lets through. What has such holes is not decompressed further.
pub(super) fn decompress_sifted(
    bytes: Extent,
    name: &str,
    sieve: Option<&Sieve<'_>>,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Plain> {
    let mut plain = Plain::of(bytes);
    while plain.searched.is_empty()
        && plain.lost.is_empty()
        && let Some(format) = Compression::detect(&head(&plain.bytes, name)?)
    {
        if plain.formats.len() >= count(options.limits.compressions) {
            let what = format!(
                "{} compressions were undone, and the content is compressed again",
                plain.formats.len()
            );
            diagnostics.push(reached("too-deep", name, "compressions", what));
            break;
        }
        let formats = std::mem::take(&mut plain.formats);
        let bytes = plain.bytes.read().map_err(|source| unreadable(name, source))?;
        plain = undo(format, &bytes, name, sieve, options, diagnostics)?;
        plain.formats = formats;
        plain.formats.push(format);
    }
    Ok(plain)
}

/// Undoes one compression.
fn undo(
    format: Compression,
    bytes: &[u8],
    name: &str,
    sieve: Option<&Sieve<'_>>,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Plain> {
    let failed = |produced, source| Error::Decompress {
        name: name.to_owned(),
        format: format.name(),
        produced,
        source,
    };
    let (given, length) = (&options.given, bytes.len() as u64);
    let most = options.limits.decompressed_bytes.saturating_sub(given.bytes());
    if most == 0 {
        let source = io::Error::other(
            "the compressed files of the evidence give more than is believed (limit decompressed-bytes; --limit \
             decompressed-bytes=N raises it)",
        );
        return Err(failed(0, source));
    }
    let limits = Limits { decompressed_bytes: most, ..options.limits };
    let mut store = Store::new(given.room(length, &options.limits), &options.limits);
    let mut sifter = sieve.map(|sieve| Sifter::new(sieve, UNIT, &options.limits));
    let mut take = |block: Vec<u8>| match &mut sifter {
        Some(sifter) => sifter.take(block, &mut store),
        None => store.write(&block).map(|()| block),
    };
    let mut ended = format.decompress(bytes, &limits, options.progress, &mut take);
    if let (true, Some(sifter)) = (ended.is_ok(), sifter)
        && let Err(error) = sifter.finish(&mut store)
    {
        ended = Err(error);
    }
    let produced = store.length();
    given.add(length, produced, store.dense(), &options.limits);
    let cut_short = match ended {
        Ok(cut_short) => cut_short,
        Err(_) if store.is_full() => Some(io::Error::other(
            "it gives more than is believed (limit decompressed-ratio; --limit decompressed-ratio=N raises it)",
        )),
        Err(error) => return Err(failed(0, error)),
    };
    if let Some(error) = cut_short {
        if produced == 0 {
            return Err(failed(0, error));
        }
        let message = format!("{} data ends after {produced} bytes: {error}", format.name());
        diagnostics.push(Diagnostic::loss("truncated-compression", name, message));
    }
    let mut stored = store.finish().map_err(|source| failed(0, source))?;
    if produced <= SMALL && given.bytes() > IN_MEMORY {
        stored.bytes = into_file(&stored.bytes).map_err(|source| failed(0, source))?;
    }
    let Stored { bytes, searched, lost } = stored;
    Ok(Plain { bytes: bytes.into(), searched, lost, formats: Vec::new() })
}
