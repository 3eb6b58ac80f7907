//! From what the user named to the files that may be evidence: patterns that the shell left alone, and directories
//! that hold archives.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Error, Result, bail};

use crate::{args::Common, evidence, progress::Bars, untrusted::show};

/// Directories below this many others are not looked into.
const MAX_DEPTH: usize = 8;

/// What a directory that is itself a checkpoint, or an image of one, has in it.
const MARKS: [&str; 7] =
    ["index.json", "config.dump", "spec.dump", "inventory.img", "pstree.img", "checkpoint", "pre-checkpoint"];

/// What the user named.
pub struct Named {
    /// What may be evidence, in the order of the command line and of names in directories.
    pub paths: Vec<PathBuf>,
    /// What must be evidence, since it was named itself; the rest lies in a directory.
    given: BTreeSet<PathBuf>,
    /// Names of files that are none.
    others: Vec<String>,
}

impl Named {
    /// Resolves patterns, and looks into directories that are no evidence themselves.
    ///
    /// # Errors
    /// When nothing matches a pattern, or a directory cannot be read.
    pub fn find(words: &[PathBuf], common: &Common) -> Result<Self> {
        let mut given = Vec::new();
        for word in words {
            match word.to_str().filter(|text| text.contains(['*', '?', '[']) && !word.exists()) {
                Some(pattern) => given.extend(matches(pattern)?),
                None => given.push(word.clone()),
            }
        }
        let mut paths = Vec::new();
        for path in &given {
            if is_container_of_others(path, common) {
                paths.extend(below(path, 0)?);
            } else {
                paths.push(path.clone());
            }
        }
        Ok(Self { paths, given: given.into_iter().collect(), others: Vec::new() })
    }

    /// Takes note of what cannot be opened, and tells whether that is a loss: what was named must be evidence.
    ///
    /// # Errors
    /// When nothing else was named.
    pub fn unreadable(&mut self, path: &Path, error: Error, common: &Common) -> Result<bool> {
        let was_given = self.given.contains(path);
        if was_given && self.paths.len() == 1 {
            return Err(error);
        }
        if was_given || common.verbose > 0 {
            let kind = if was_given { "" } else { "note: " };
            eprintln!("ckptfx: {kind}{}", show(format!("{error:#}").as_bytes()));
        }
        if !was_given {
            self.others.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
        Ok(was_given)
    }

    /// Tells which files of directories were no evidence; fails when nothing was.
    ///
    /// # Errors
    /// When no file of the directories is evidence.
    pub fn finish(&self, common: &Common) -> Result<()> {
        let names = show(self.others.join(", ").as_bytes());
        if !self.paths.is_empty() && self.others.len() == self.paths.len() {
            bail!("no checkpoint is there; these are none (-v says why): {names}");
        }
        if self.paths.is_empty() {
            bail!("no checkpoint is there: the directory is empty");
        }
        if !self.others.is_empty() && !common.quiet {
            eprintln!("ckptfx: note: no checkpoints ({}; -v says why): {names}", self.others.len());
        }
        Ok(())
    }
}

fn matches(pattern: &str) -> Result<Vec<PathBuf>> {
    let found = glob::glob(pattern).with_context(|| format!("{pattern} is no pattern"))?;
    let found = found.collect::<Result<Vec<PathBuf>, _>>()?;
    if found.is_empty() {
        bail!("nothing matches {pattern}");
    }
    Ok(found)
}

fn is_evidence(directory: &Path) -> bool {
    MARKS.iter().any(|name| directory.join(name).exists())
}

/// Whether it is a directory that holds evidence and is none. Shards of an image stream have no name that tells.
fn is_container_of_others(path: &Path, common: &Common) -> bool {
    path.is_dir() && !is_evidence(path) && evidence::open(path, common, &Bars::new(true)).is_err()
}

/// The files below a directory and the directories that are evidence, in order of name.
fn below(directory: &Path, depth: usize) -> Result<Vec<PathBuf>> {
    let context = || format!("cannot read {}", directory.display());
    let entries = fs::read_dir(directory).with_context(context)?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .with_context(context)?;
    // A link to a directory could lead in a circle.
    paths.retain(|path| path.is_file() || path.is_dir() && !path.is_symlink());
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() && !is_evidence(&path) && depth < MAX_DEPTH {
            found.extend(below(&path, depth + 1)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}
