//! Evidence: the checkpoints in what was given.

use std::sync::Arc;

use super::{
    bare,
    decompress::head,
    found::{Archives, Found},
    kind::{Kind, Subject},
    layout,
    options::OpenOptions,
    source::{Input, Loaded, load, load_bytes},
    table::kinds_of,
};
use crate::{
    Checkpoint, Diagnostic, Error, Result, Severity,
    archive::{Archive, not_read},
    source::{Extent, Source},
};

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
    let loaded = load(input, &name, options, &mut diagnostics)?;
    let mut evidence = open_loaded(loaded, name, options, diagnostics)?;
    evidence.raw_name = Some(input.raw_name()).filter(|raw| std::str::from_utf8(raw).is_err());
    Ok(evidence)
}

/// Opens evidence that is read by ranges, from wherever it is. A read that fails costs what was to be read:
/// [`Evidence::unread`] tells.
///
/// # Errors
/// When so much of it cannot be read that it is not known what it is, or nothing in it is a checkpoint.
pub fn open_source(source: Arc<dyn Source>, name: &str, options: &OpenOptions<'_>) -> Result<Evidence> {
    let mut diagnostics = Vec::new();
    let loaded = load_bytes(&Extent::of(source), name, options, &mut diagnostics)?;
    open_loaded(loaded, name.to_owned(), options, diagnostics)
}

impl Evidence {
    /// What could not be read so far, by those who asked for it.
    pub fn unread(&self) -> Vec<Diagnostic> {
        let mut all: Vec<Diagnostic> = Vec::new();
        for unread in self.checkpoints.iter().flat_map(|checkpoint| checkpoint.archive().unread()) {
            if !all.contains(&unread) {
                all.push(unread);
            }
        }
        all
    }
}

fn open_loaded(
    loaded: Loaded,
    name: String,
    options: &OpenOptions<'_>,
    mut diagnostics: Vec<Diagnostic>,
) -> Result<Evidence> {
    let unpacked = unpack(loaded, &name, options, &mut diagnostics)?;
    let parent = match options.parent {
        Some(path) => {
            let input = Input::Path(path.to_path_buf());
            let name = input.name();
            let loaded = load(&input, &name, options, &mut diagnostics)?;
            let unpacked = unpack(loaded, &name, options, &mut diagnostics)?;
            Some(unpacked.archives.into_iter().map(|found| found.archive).collect::<Vec<_>>())
        }
        None => None,
    };
    let mut checkpoints = Vec::new();
    for Found { label, index, archive } in unpacked.archives {
        diagnostics.extend(archive.diagnostics.iter().cloned());
        report_sparse(&archive, &mut diagnostics);
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
    Ok(Evidence { name, raw_name: None, path: None, shown: None, format, bytes, checkpoints, diagnostics })
}

struct Unpacked {
    format: String,
    bytes: u64,
    archives: Archives,
}

fn unpack(
    loaded: Loaded,
    name: &str,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Unpacked> {
    let Loaded { subject, behind, bytes, suffix } = loaded;
    if let Subject::Bytes(bytes) = &subject
        && kinds_of(&subject).next().is_none()
    {
        return Err(unknown(&head(bytes, name)?, name));
    }
    let (format, mut archives) = contents(subject, name, options, diagnostics)?;
    for archive in behind {
        archives.extend(from_behind(archive, name, options, diagnostics));
    }
    Ok(Unpacked { format: format!("{format}{suffix}"), bytes, archives })
}

/// What is said of bytes that are of no kind.
fn unknown(bytes: &[u8], name: &str) -> Error {
    let reason = match bytes.len() {
        0 => "it is empty".to_owned(),
        _ => format!(
            "it is neither a tar, plain or compressed with gzip, zstd, xz, bzip2 or lz4, nor an image stream \
             (it begins with {})",
            first_bytes(bytes)
        ),
    };
    // A header of a tar that is cut, or whose sum is wrong, has its magic word all the same.
    let is_damaged = bytes.is_empty() || bytes.get(257..262) == Some(b"ustar".as_slice());
    Error::NotACheckpoint { name: name.to_owned(), reason, is_damaged }
}

fn first_bytes(bytes: &[u8]) -> String {
    bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// The archives in one that lies behind the end of another.
fn from_behind(
    archive: Archive,
    name: &str,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Archives {
    let start = archive.start;
    let subject = Subject::Tar(archive);
    let is_image = kinds_of(&subject).any(|kind| kind.images.is_some());
    if let Some(archive) = subject.archive().filter(|archive| !is_image && layout::find(archive).is_empty()) {
        diagnostics.push(not_read(archive, name));
        return Archives::new();
    }
    let message =
        "another archive follows the end of the one before; what it holds is shown as a part of its own";
    diagnostics.push(Diagnostic::note("second-archive", name, message).at(start));
    match contents(subject, name, options, diagnostics) {
        Ok((_, parts)) => {
            let labelled = |part: Found| {
                let place = format!("archive at byte {start}");
                let label = part.label.map_or(place.clone(), |label| format!("{place}: {label}"));
                Found { label: Some(label), ..part }
            };
            parts.into_iter().map(labelled).collect()
        }
        Err(error) => {
            diagnostics.push(Diagnostic::loss("unreadable-archive", name, error.to_string()).at(start));
            Archives::new()
        }
    }
}

/// Looks for the archives in a subject, and tells its format. Images of CRIU that lie beside these are a checkpoint as
/// well: a file that is put there hides none.
fn contents(
    subject: Subject,
    name: &str,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<(&'static str, Archives)> {
    let is_bare = subject.archive().is_some_and(|archive| layout::find_any(archive).is_some());
    let mut found: Option<(&Kind, Archives)> = None;
    for kind in kinds_of(&subject) {
        let archives = match (kind.open)(&subject, name, options, diagnostics) {
            Err(error) if is_bare => {
                diagnostics.push(Diagnostic::loss("unreadable-archive", name, error.to_string()));
                Some(Archives::new())
            }
            opened => opened?,
        };
        if let Some(archives) = archives {
            found = Some((kind, archives));
            break;
        }
    }
    let (kind, mut archives) = found.unwrap_or((&bare::KIND, Archives::new()));
    let kind = if is_bare && archives.is_empty() { &bare::KIND } else { kind };
    let format = kind.format(&subject);
    match subject {
        Subject::Directory(archive) | Subject::Tar(archive) if is_bare || archives.is_empty() => {
            archives.push(Found::whole(archive));
        }
        Subject::Directory(archive) | Subject::Tar(archive) => diagnostics.extend(archive.diagnostics),
        Subject::Bytes(_) => {}
    }
    Ok((format, archives))
}

/// Tells about members whose holes were left out: they have no one slice of bytes, so that an image
/// among them cannot be read.
fn report_sparse(archive: &Arc<Archive>, diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.extend(archive.members().iter().filter(|member| member.is_sparse()).map(|member| {
        Diagnostic::loss(
            "sparse-member",
            member.name(),
            "the member is stored sparse, which is not read here; unpack the archive and give the directory",
        )
    }));
}
