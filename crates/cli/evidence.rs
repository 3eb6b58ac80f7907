//! From what the user named to opened evidence.

use std::{os::unix::fs::MetadataExt as _, path::Path, time::Instant};

use anyhow::{Result, bail};
use ckptfx_analysis::{Case, search};
use ckptfx_parser::{
    Checkpoint,
    input::{self, Evidence, Input, Sieve},
};

use crate::{args::Common, hash, progress::Bars, sealed::Sealed};

/// Opened evidence with what was asked to be known about its file.
pub struct Opened {
    /// The evidence.
    pub evidence: Evidence,
    /// SHA-256 of the file, when asked for.
    pub sha256: Option<String>,
}

/// Opens one archive; in the place of a manifest the archive that it seals, which is held against the seal.
pub fn open(path: &Path, common: &Common, bars: &Bars) -> Result<Opened> {
    open_sifted(path, common, bars, None)
}

/// Opens one archive of which only certain matches are wanted. What is stored of memory that comes compressed is enough
/// to find these; where it might not be, all is stored.
pub fn open_to_search(
    path: &Path,
    common: &Common,
    bars: &Bars,
    sieve: Option<&Sieve<'_>>,
) -> Result<Opened> {
    // What can be read once only must be stored.
    let sieve = sieve.filter(|_| path.is_file());
    let opened = open_sifted(path, common, bars, sieve)?;
    let has_holes = |checkpoint: &&Checkpoint| {
        checkpoint.archive().members().iter().any(|member| !member.holes.is_empty())
    };
    let mut sifted = opened.evidence.checkpoints.iter().filter(has_holes);
    if sifted.all(|checkpoint| search::finds_all_in_what_is_stored(&Case::read(checkpoint))) {
        return Ok(opened);
    }
    drop(opened);
    open(path, common, bars)
}

fn open_sifted(path: &Path, common: &Common, bars: &Bars, sieve: Option<&Sieve<'_>>) -> Result<Opened> {
    refuse_to_overwrite(&[path], common)?;
    if let Some(sealed) = Sealed::read(path)? {
        let broken = sealed.check()?;
        let mut opened = open_archive(&sealed.archive()?, common, bars, sieve)?;
        opened.evidence.diagnostics.extend(broken);
        return Ok(opened);
    }
    open_archive(path, common, bars, sieve)
}

fn open_archive(path: &Path, common: &Common, bars: &Bars, sieve: Option<&Sieve<'_>>) -> Result<Opened> {
    refuse_to_overwrite(&[path], common)?;
    let input = if path == Path::new("-") { Input::Stdin } else { Input::Path(path.to_path_buf()) };
    let started = Instant::now();
    common.given.reset();
    let mut options = common.options(common.parent.as_deref(), bars);
    options.sieve = sieve;
    let evidence = input::open(&input, &options)?;
    if common.verbose > 0 {
        eprintln!(
            "ckptfx: opened {} ({}, {} checkpoints) in {:.1?}",
            ckptfx_report::untrusted::show(evidence.name.as_bytes()),
            evidence.format,
            evidence.checkpoints.len(),
            started.elapsed()
        );
    }
    let sha256 = (common.hash && path.is_file()).then(|| hash::hash_file(path)).transpose()?;
    Ok(Opened { evidence, sha256 })
}

/// Fails when the result would be written over the evidence, or into a directory that is evidence.
pub fn refuse_to_overwrite<P: AsRef<Path>>(archives: &[P], common: &Common) -> Result<()> {
    let Some(target) = &common.out_file else { return Ok(()) };
    // A file that is not there yet is told by its directory.
    let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let resolved =
        target.canonicalize().ok().or_else(|| Some(directory.canonicalize().ok()?.join(target.file_name()?)));
    let identity = |path: &Path| path.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()));
    for archive in archives.iter().map(AsRef::as_ref) {
        let is_same = identity(target).is_some_and(|target| identity(archive) == Some(target));
        let is_inside = archive
            .canonicalize()
            .ok()
            .zip(resolved.as_ref())
            .is_some_and(|(archive, target)| archive.is_dir() && target.starts_with(&archive));
        if is_same || is_inside {
            bail!("{} is evidence, or in it: the result must be written elsewhere", target.display());
        }
    }
    Ok(())
}
