//! From what the user named to the files that may be evidence: patterns that the shell left alone, and directories
//! that hold archives.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context as _, Error, Result, anyhow, bail};
use ckptfx_analysis::{
    Text,
    report::{Head, Status},
};
use ckptfx_capture::manifest::SUFFIX;
use ckptfx_parser::{
    Diagnostic,
    evidence::{Look, look, survey},
};

use crate::{args::Common, evidence, evidence::Opened, progress::Bars, untrusted::show};

/// Something that may be evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Where it is.
    pub path: PathBuf,
    /// Its path below what was named, as far as that tells it from the others; none when its name does.
    pub below: Option<Text>,
    /// Whether it was named itself, and not found in a directory.
    is_given: bool,
    /// Why it cannot be read, when that is known before it is opened.
    problem: Option<String>,
}

/// What is told of a candidate that was not read.
#[derive(Debug)]
pub struct NotRead {
    /// Where it is.
    candidate: Candidate,
    /// Whether it could not be read, or holds no checkpoint.
    pub status: Status,
    /// Why.
    pub reason: String,
}

/// What the user named.
pub struct Named {
    /// What may be evidence, in the order of the command line and of names in directories.
    pub candidates: Vec<Candidate>,
    /// Files that are none, and belong to none.
    others: Vec<PathBuf>,
    /// Number of candidates that turned out to hold no checkpoint.
    without: usize,
}

impl Candidate {
    /// Opens it.
    pub fn open(&self, open: &dyn Fn(&Path) -> Result<Opened>) -> Result<Opened> {
        if let Some(problem) = &self.problem {
            return Err(anyhow!("it cannot be read: {problem}"));
        }
        let mut opened = open(&self.path)?;
        opened.evidence.path = self.below.as_ref().map(|below| below.0.clone());
        Ok(opened)
    }

    /// As [`Candidate::open`], in the usual way.
    pub fn open_plainly(&self, common: &Common, bars: &Bars) -> Result<Opened> {
        self.open(&|path| evidence::open(path, common, bars))
    }

    /// Whether it was named itself, and not found in a directory.
    pub fn is_given(&self) -> bool {
        self.is_given
    }

    /// Its name, without a path.
    fn name(&self) -> &[u8] {
        self.path.file_name().unwrap_or(self.path.as_os_str()).as_bytes()
    }
}

impl NotRead {
    /// The head of a result about it.
    pub fn head(&self, command: &str) -> Head {
        let candidate = &self.candidate;
        let metadata = candidate.path.metadata().ok().filter(std::fs::Metadata::is_file);
        let bytes = metadata.map(|metadata| metadata.len());
        Head::not_read(command, candidate.name(), candidate.below.clone(), self.status, bytes)
    }

    /// What it is called in messages.
    pub fn label(&self) -> Text {
        self.candidate.below.clone().unwrap_or_else(|| self.candidate.name().into())
    }

    /// The same as a warning: a loss when it could not be read.
    pub fn diagnostic(&self) -> Diagnostic {
        let subject = self.label().escaped().into_owned();
        match self.status {
            Status::Unreadable => Diagnostic::loss("unreadable-evidence", subject, &*self.reason),
            _ => Diagnostic::note("no-checkpoint", subject, &*self.reason),
        }
    }
}

impl Named {
    /// Resolves patterns, and looks for evidence in directories.
    ///
    /// # Errors
    /// When nothing matches a pattern.
    pub fn find(words: &[PathBuf], common: &Common) -> Result<Self> {
        let mut given = Vec::new();
        for word in words {
            match word.to_str().filter(|text| text.contains(['*', '?', '[']) && !word.exists()) {
                Some(pattern) => given.extend(matches(pattern)?),
                None => given.push(word.clone()),
            }
        }
        let mut named = Self { candidates: Vec::new(), others: Vec::new(), without: 0 };
        // Of each candidate how many of the last parts of its path are told at least.
        let mut parts = Vec::new();
        for path in &given {
            named.add(path, common, &mut parts);
        }
        named.tell_apart(&parts, given.len() > 1);
        Ok(named)
    }

    fn add(&mut self, path: &Path, common: &Common, parts: &mut Vec<usize>) {
        let mut push = |path: PathBuf, is_given: bool, below: usize, problem: Option<String>| {
            self.candidates.push(Candidate { path, below: None, is_given, problem });
            parts.push(below);
        };
        // One that cannot be listed is told of when it is opened.
        let found = path.is_dir().then(|| survey(path, &common.limits()).ok()).flatten();
        let Some(mut found) = found else { return push(path.to_path_buf(), true, 0, None) };
        // A manifest seals an archive that is there itself.
        found.others.retain(|other| !other.as_os_str().as_bytes().ends_with(SUFFIX.as_bytes()));
        let is_empty = found.candidates.is_empty() && found.unreadable.is_empty() && found.others.is_empty();
        if found.is_evidence || is_empty {
            push(path.to_path_buf(), true, 0, None);
        }
        let mut below: Vec<(PathBuf, Option<String>)> =
            found.candidates.into_iter().map(|path| (path, None)).collect();
        below.extend(found.unreadable.into_iter().map(|(path, why)| (path, Some(why))));
        below.sort();
        for (inside, problem) in below {
            push(path.join(&inside), false, inside.components().count(), problem);
        }
        self.others.extend(found.others.into_iter().map(|other| path.join(other)));
    }

    /// Gives each candidate as much of its path as tells it from the others, and no less than what lies below what was
    /// named.
    fn tell_apart(&mut self, parts: &[usize], are_several: bool) {
        let paths: Vec<Vec<Vec<u8>>> =
            self.candidates.iter().map(|candidate| components(&candidate.path)).collect();
        let mut counts: Vec<usize> = parts.iter().map(|below| (*below).max(1)).collect();
        let label = |index: usize, count: usize| -> Vec<u8> {
            let path = paths.get(index).map(Vec::as_slice).unwrap_or_default();
            path.get(path.len().saturating_sub(count)..).unwrap_or_default().join(&b'/')
        };
        loop {
            let mut holders: BTreeMap<Vec<u8>, BTreeSet<usize>> = BTreeMap::new();
            for (index, count) in counts.iter().enumerate() {
                holders.entry(label(index, *count)).or_default().insert(index);
            }
            let mut grew = false;
            for index in holders.into_values().filter(|same| same.len() > 1).flatten() {
                let longest = paths.get(index).map_or(0, Vec::len);
                if let Some(count) = counts.get_mut(index).filter(|count| **count < longest) {
                    *count += 1;
                    grew = true;
                }
            }
            if !grew {
                break;
            }
        }
        for (index, (candidate, count)) in self.candidates.iter_mut().zip(counts).enumerate() {
            let is_directory = candidate.is_given && are_several && candidate.path.is_dir();
            if !candidate.is_given || count > 1 || is_directory {
                candidate.below = Some(Text(label(index, count)));
            }
        }
    }

    /// Takes note of what cannot be opened: whether that is a loss, and what is to be told with the result, if it looks
    /// like evidence. What was named must be evidence.
    ///
    /// # Errors
    /// When nothing else was named.
    pub fn not_read(
        &mut self,
        candidate: &Candidate,
        error: Error,
        common: &Common,
    ) -> Result<(bool, Option<NotRead>)> {
        if candidate.is_given && self.candidates.len() == 1 {
            return Err(error);
        }
        let damage = error.downcast_ref::<ckptfx_parser::Error>().is_none_or(ckptfx_parser::Error::is_damage);
        let reason = format!("{error:#}");
        let looks_like_it =
            candidate.problem.is_some() || candidate.path.is_dir() || look(&candidate.path) != Look::Nothing;
        let status = if damage && looks_like_it { Status::Unreadable } else { Status::NoCheckpoint };
        self.without += usize::from(status == Status::NoCheckpoint);
        // What looks like evidence is told of with the result.
        if candidate.is_given && (common.quiet || !looks_like_it) {
            eprintln!("ckptfx: {}", show(reason.as_bytes()));
        }
        if !looks_like_it {
            self.others.extend((!candidate.is_given).then(|| candidate.path.clone()));
            return Ok((candidate.is_given, None));
        }
        // No path of the analyst's machine gets into a result.
        let name = String::from_utf8_lossy(candidate.name()).into_owned();
        let reason = reason.replace(&candidate.path.display().to_string(), &name);
        let is_loss = candidate.is_given || damage;
        Ok((is_loss, Some(NotRead { candidate: candidate.clone(), status, reason })))
    }

    /// Tells which files of directories were no evidence; fails when nothing was.
    ///
    /// # Errors
    /// When no file of the directories is evidence.
    pub fn finish(&self, common: &Common) -> Result<()> {
        let name = |path: &PathBuf| show(path.file_name().unwrap_or(path.as_os_str()).as_bytes());
        let names = self.others.iter().map(name).collect::<Vec<_>>().join(", ");
        if self.candidates.len() == self.without {
            if names.is_empty() {
                bail!("no checkpoint is there");
            }
            bail!("no checkpoint is there; these are none: {names}");
        }
        if !names.is_empty() && !common.quiet {
            eprintln!("ckptfx: note: no checkpoints ({}): {names}", self.others.len());
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

/// The names on the way to a path, from the root.
fn components(path: &Path) -> Vec<Vec<u8>> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let names = absolute.components().filter_map(|part| match part {
        Component::Normal(name) => Some(OsStr::as_bytes(name).to_vec()),
        _ => None,
    });
    names.collect()
}
