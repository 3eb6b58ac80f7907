//! Opening evidence: whatever the responder has, told by its content, becomes checkpoints.

mod folder;
mod image;
mod layout;
mod nested;

pub use folder::{Look, Survey, look, survey};
pub(crate) use image::IndexFacts;
pub(crate) use layout::{Place, find as find_places};
pub use nested::{BaseImage, open_base_image, open_nested};

pub use crate::archive::Sieve;

use std::{
    fs::File,
    io::{self, Write as _},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use crate::{
    Checkpoint, Diagnostic, Error, Limits, Result, Severity,
    archive::{
        Archive, MemberKind, Sifter, Store, Stored, UNIT, index_directory, index_stream, index_tars,
        looks_like_damaged_tar, looks_like_stream, looks_like_tar, not_read,
    },
    limits::{Given, count, reached},
    source::{Compression, Progress, Spool, map_file},
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
    fn raw_name(&self) -> Vec<u8> {
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

/// How to open.
pub struct OpenOptions<'a> {
    /// The parent of an incremental dump, when it is not in the same evidence.
    pub parent: Option<&'a Path>,
    /// How much of it is read at most.
    pub limits: Limits,
    /// What compressed files of the evidence have given already.
    pub given: &'a Given,
    /// Told about long steps.
    pub progress: &'a dyn Progress,
    /// When nothing but certain matches is wanted of the memory of processes: what they are. Of memory that comes
    /// compressed, the rest need not be stored, and is [`Content::Searched`](crate::memory::Content::Searched).
    pub sieve: Option<&'a Sieve<'a>>,
}

/// Opened evidence: one checkpoint or several.
#[derive(Debug)]
pub struct Evidence {
    /// Name of the file or directory, without its path; bytes that are not UTF-8 are escaped.
    pub name: String,
    /// The exact name, where it is not UTF-8.
    pub raw_name: Option<Vec<u8>>,
    /// Where it lies below what was named, as far as that tells it from other evidence. Known to who looked for it.
    pub path: Option<Vec<u8>>,
    /// As much of the path as a line needs to tell it from other evidence.
    pub shown: Option<Vec<u8>>,
    /// `tar`, `tar+gzip`, `directory`, `oci-layout`, `oci-archive`, `docker-archive`, `criu-stream`, …
    pub format: String,
    /// Size in bytes of what was given: of the file, or of all files of the directory.
    pub bytes: u64,
    /// The checkpoints, in the order of the archive.
    pub checkpoints: Vec<Checkpoint>,
    /// What was noticed while opening.
    pub diagnostics: Vec<Diagnostic>,
}

/// Opens evidence of any form.
///
/// # Errors
/// When the input cannot be read, or nothing in it is a checkpoint.
pub fn open(input: &Input, options: &OpenOptions<'_>) -> Result<Evidence> {
    let name = input.name();
    let mut diagnostics = Vec::new();
    let raw_name = Some(input.raw_name()).filter(|raw| std::str::from_utf8(raw).is_err());
    let unpacked = unpack(input, &name, options, &mut diagnostics)?;
    let parent = match options.parent {
        Some(path) => {
            let input = Input::Path(path.to_path_buf());
            let name = input.name();
            let unpacked = unpack(&input, &name, options, &mut diagnostics)?;
            Some(unpacked.archives.into_iter().map(|found| found.archive).collect::<Vec<_>>())
        }
        None => None,
    };
    let mut checkpoints = Vec::new();
    for Found { label, index, archive } in unpacked.archives {
        diagnostics.extend(archive.diagnostics.iter().cloned());
        nested::report_sparse(&archive, &mut diagnostics);
        for place in layout::find(&archive) {
            let (label, index) = (label.clone(), index.clone());
            checkpoints.push(Checkpoint::new(label, index, &archive, place, parent.as_deref()));
        }
    }
    if checkpoints.is_empty() {
        let reason = "it holds no pstree.img, inventory.img or spec.dump; give the archive that the engine \
                      wrote, an unpacked one, or a directory of CRIU images";
        // What was lost may be why there is none.
        let lost = diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Loss);
        let is_damaged = lost.is_some();
        let reason = lost.map_or(reason.to_owned(), |lost| format!("{reason}; {}", lost.message));
        return Err(Error::NotACheckpoint { name, reason, is_damaged });
    }
    let (format, bytes) = (unpacked.format, unpacked.bytes);
    Ok(Evidence { name, raw_name, path: None, shown: None, format, bytes, checkpoints, diagnostics })
}

struct Unpacked {
    format: String,
    bytes: u64,
    archives: Archives,
}

/// Archives that may each hold checkpoints.
type Archives = Vec<Found>;

struct Found {
    /// What tells it from others of the same evidence.
    label: Option<String>,
    /// What the index that lists it says of it.
    index: Option<IndexFacts>,
    archive: Arc<Archive>,
}

impl Found {
    fn whole(archive: Archive) -> Self {
        Self { label: None, index: None, archive: Arc::new(archive) }
    }
}

/// An archive, and those behind its end, with what they came in, or bytes that are no archive.
type Loaded = std::result::Result<(Vec<Archive>, u64, String), (Bytes, u64, String)>;

/// Reads the input and indexes the archive it is.
fn load(
    input: &Input,
    name: &str,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Loaded> {
    let at = |path: &Path, source| Error::Read { path: path.to_path_buf(), source };
    let bytes = match input {
        Input::Path(path) if path.is_dir() => {
            let archive = index_directory(path, &options.limits).map_err(|source| at(path, source))?;
            let bytes = archive.members().iter().map(|member| member.size).sum();
            return Ok(Ok((vec![archive], bytes, String::new())));
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
    let size = bytes.len() as u64;
    let mut sieve = options.sieve;
    loop {
        let mut noticed = Vec::new();
        let plain = decompress_sifted(bytes.clone(), name, sieve, options, &mut noticed)?;
        let archives = plain.index(name, options);
        let is_understood = plain.stored.searched.is_empty()
            || Compression::detect(&plain.stored.bytes).is_none()
                && archives.as_ref().is_some_and(|(_, is_understood)| *is_understood);
        if !is_understood {
            sieve = None;
            // What was decompressed in vain counts for nothing.
            options.given.reset();
            continue;
        }
        diagnostics.append(&mut noticed);
        let suffix = plain.formats.iter().map(|format| format!("+{}", format.name())).collect();
        return Ok(match archives {
            Some((archives, _)) => Ok((archives, size, suffix)),
            None => Err((plain.stored.bytes, size, suffix)),
        });
    }
}

fn unpack(
    input: &Input,
    name: &str,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Unpacked> {
    let is_directory = matches!(input, Input::Path(path) if path.is_dir());
    let (bytes, size, suffix) = match load(input, name, options, diagnostics)? {
        Ok((archives, ..)) if is_directory => {
            let archive = archives.into_iter().next().unwrap_or_default();
            return unpack_directory(archive, name, options, diagnostics);
        }
        Ok((archives, size, suffix)) => {
            let (format, archives) = all_contents(archives, name, options, diagnostics)?;
            let format = match format {
                Contents::Plain => "tar",
                Contents::Oci => "oci-archive",
                Contents::Docker => "docker-archive",
            };
            return Ok(Unpacked { format: format!("{format}{suffix}"), bytes: size, archives });
        }
        Err(no_archive) => no_archive,
    };
    if looks_like_stream(&bytes) {
        let archive = index_stream(&[bytes], name, &options.limits)
            .map_err(|source| Error::Read { path: PathBuf::from(name), source })?;
        let archives = vec![Found::whole(archive)];
        return Ok(Unpacked { format: format!("criu-stream{suffix}"), bytes: size, archives });
    }
    let reason = match bytes.len() {
        0 => "it is empty".to_owned(),
        _ => format!(
            "it is neither a tar, plain or compressed with gzip, zstd, xz, bzip2 or lz4, nor an image stream \
             (it begins with {})",
            first_bytes(&bytes)
        ),
    };
    // A header of a tar that is cut, or whose sum is wrong, has its magic word all the same.
    let is_damaged = bytes.is_empty() || bytes.get(257..262) == Some(b"ustar".as_slice());
    Err(Error::NotACheckpoint { name: name.to_owned(), reason, is_damaged })
}

fn first_bytes(bytes: &[u8]) -> String {
    bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
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

/// Bytes whose compression was undone.
struct Plain {
    stored: Stored,
    formats: Vec<Compression>,
}

impl Plain {
    /// The archives that they are, if they are any, and whether these explain what was not stored.
    fn index(&self, name: &str, options: &OpenOptions<'_>) -> Option<(Vec<Archive>, bool)> {
        let Stored { bytes, searched, lost } = &self.stored;
        let is_tar = looks_like_tar(bytes) || !looks_like_stream(bytes) && looks_like_damaged_tar(bytes);
        if !is_tar {
            return None;
        }
        let mut archives = index_tars(bytes, name, &options.limits);
        let first = archives.first_mut()?;
        let is_understood = first.set_holes(searched);
        if !first.set_lost(lost) {
            // Zeros that are no content must not be taken for it.
            let start = lost.first().map_or(0, |lost| lost.start);
            archives = index_tars(&bytes.slice(..count(start).min(bytes.len())), name, &options.limits);
        }
        Some((archives, is_understood))
    }

    /// The archive that they are, if they are one; that others follow it is reported.
    fn index_one(self, name: &str, options: &OpenOptions<'_>) -> Option<Archive> {
        let mut archives = self.index(name, options)?.0.into_iter();
        let mut first = archives.next()?;
        first.diagnostics.extend(archives.map(|other| not_read(&other, name)));
        Some(first)
    }
}

/// Undoes compression as often as there is any. Damage keeps what came out before it.
fn decompress(
    bytes: Bytes,
    name: &str,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Plain> {
    decompress_sifted(bytes, name, None, options, diagnostics)
}

/// The same, leaving out what a sieve lets through. What has such holes is not decompressed further.
fn decompress_sifted(
    bytes: Bytes,
    name: &str,
    sieve: Option<&Sieve<'_>>,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Plain> {
    let stored = Stored { bytes, searched: Vec::new(), lost: Vec::new() };
    let mut plain = Plain { stored, formats: Vec::new() };
    while plain.stored.searched.is_empty()
        && plain.stored.lost.is_empty()
        && let Some(format) = Compression::detect(&plain.stored.bytes)
    {
        if plain.formats.len() >= count(options.limits.compressions) {
            let what = format!(
                "{} compressions were undone, and the content is compressed again",
                plain.formats.len()
            );
            diagnostics.push(reached("too-deep", name, "compressions", what));
            break;
        }
        plain.stored = undo(format, &plain.stored.bytes, name, sieve, options, diagnostics)?;
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
) -> Result<Stored> {
    let failed = |produced, source| Error::Decompress {
        name: name.to_owned(),
        format: format.name(),
        produced,
        source,
    };
    let (given, length) = (options.given, bytes.len() as u64);
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
    Ok(stored)
}

fn unpack_directory(
    archive: Archive,
    name: &str,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Unpacked> {
    let bytes = archive.members().iter().map(|member| member.size).sum();
    if layout::find_any(&archive).is_none() && !is_oci(&archive) && !is_docker(&archive) {
        // The shards of one stream have no names that tell.
        let mut shards = Vec::new();
        for member in archive.members().iter().filter(|member| folder::may_be_shard(member)) {
            let plain = decompress(member.bytes().clone(), &member.name(), options, diagnostics)?;
            if looks_like_stream(&plain.stored.bytes) {
                shards.push(plain.stored.bytes);
            }
        }
        if !shards.is_empty() {
            let archive = index_stream(&shards, name, &options.limits)
                .map_err(|source| Error::Read { path: PathBuf::from(name), source })?;
            let archives = vec![Found::whole(archive)];
            return Ok(Unpacked { format: "criu-stream".to_owned(), bytes, archives });
        }
    }
    let (format, archives) = contents(archive, name, options, diagnostics)?;
    let format = match format {
        Contents::Plain => "directory",
        Contents::Oci => "oci-layout",
        Contents::Docker => "docker-archive",
    };
    Ok(Unpacked { format: format.to_owned(), bytes, archives })
}

enum Contents {
    Plain,
    Oci,
    Docker,
}

fn is_oci(archive: &Archive) -> bool {
    archive.find(b"index.json").is_some() && archive.find(b"oci-layout").is_some()
}

fn is_docker(archive: &Archive) -> bool {
    archive.find(b"manifest.json").is_some() && archive.find(b"spec.dump").is_none()
}

fn is_pod(archive: &Archive) -> bool {
    archive.find(b"pod.dump").is_some() || archive.find(b"pod.options").is_some()
}

fn kind_of(archive: &Archive) -> Contents {
    if is_oci(archive) {
        Contents::Oci
    } else if is_docker(archive) {
        Contents::Docker
    } else {
        Contents::Plain
    }
}

/// Looks through an archive and through those behind its end; the kind is that of the first.
fn all_contents(
    archives: Vec<Archive>,
    name: &str,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<(Contents, Archives)> {
    let mut archives = archives.into_iter();
    let (kind, mut found) = contents(archives.next().unwrap_or_default(), name, options, diagnostics)?;
    for archive in archives {
        let start = archive.start;
        if matches!(kind_of(&archive), Contents::Plain) && layout::find(&archive).is_empty() {
            diagnostics.push(not_read(&archive, name));
            continue;
        }
        let message =
            "another archive follows the end of the one before; what it holds is shown as a part of its own";
        diagnostics.push(Diagnostic::note("second-archive", name, message).at(start));
        match contents(archive, name, options, diagnostics) {
            Ok((_, parts)) => found.extend(parts.into_iter().map(|part| {
                let place = format!("archive at byte {start}");
                let label = part.label.map_or(place.clone(), |label| format!("{place}: {label}"));
                Found { label: Some(label), ..part }
            })),
            Err(error) => {
                diagnostics.push(Diagnostic::loss("unreadable-archive", name, error.to_string()).at(start));
            }
        }
    }
    Ok((kind, found))
}

/// Looks through images and pod archives for the archives inside them. Images of CRIU that lie beside these are
/// a checkpoint as well: a file that is put there hides none.
fn contents(
    archive: Archive,
    name: &str,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<(Contents, Archives)> {
    let kind = kind_of(&archive);
    let is_plain = layout::find_any(&archive).is_some();
    let inside = match kind {
        Contents::Oci => image::open_oci(&archive, name, options, diagnostics),
        Contents::Docker => image::open_docker(&archive, name, options, diagnostics),
        Contents::Plain => open_pod(&archive, name, options, diagnostics),
    };
    let mut archives = match inside {
        Err(error) if is_plain => {
            diagnostics.push(Diagnostic::loss("unreadable-archive", name, error.to_string()));
            Archives::new()
        }
        inside => inside?,
    };
    let kind = if is_plain && archives.is_empty() { Contents::Plain } else { kind };
    if is_plain || archives.is_empty() {
        archives.push(Found::whole(archive));
    } else {
        diagnostics.extend(archive.diagnostics);
    }
    Ok((kind, archives))
}

/// CRI-O 1.25 and 1.26 wrote one complete archive per container of a pod (archives.md §1.3).
fn open_pod(
    archive: &Archive,
    name: &str,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Archives> {
    let mut archives = Archives::new();
    if !is_pod(archive) {
        return Ok(archives);
    }
    let mut nested = archive
        .members()
        .iter()
        .filter(|member| member.kind == MemberKind::File && member.path.ends_with(b".tar"));
    for member in nested.by_ref().take(count(options.limits.archives)) {
        let plain = decompress(member.bytes().clone(), &member.name(), options, diagnostics)?;
        let label = text::escape_invalid(member.path.strip_suffix(b".tar").unwrap_or(&member.path));
        let archive = plain.index_one(&member.name(), options).unwrap_or_else(|| {
            let mut none = Archive::default();
            none.diagnostics.push(Diagnostic::loss("unreadable-archive", member.name(), "it is no tar"));
            none
        });
        archives.push(Found { label: Some(label.into_owned()), index: None, archive: Arc::new(archive) });
    }
    let more = nested.count();
    if more > 0 {
        let what = format!("{more} archives of the pod are not read");
        diagnostics.push(reached("too-many-members", name, "archives", what));
    }
    Ok(archives)
}
