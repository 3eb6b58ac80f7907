//! From what the user named to the files that may be evidence: patterns that the shell left alone, and directories
//! that hold archives.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context as _, Error, Result, anyhow, bail};
use ckptfx_analysis::Text;
use ckptfx_capture::manifest::SUFFIX;
use ckptfx_parser::{
    Diagnostic,
    input::{Look, look, survey},
};
use ckptfx_report::{Head, Status, untrusted::show};

use crate::{
    args::Common,
    evidence::{self, Opened},
    operands::list as list_of,
    progress::Bars,
};

/// Something that may be evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Where it is.
    pub path: PathBuf,
    /// Its path below what was named, with more where that does not tell it from the others; none when it was named
    /// itself and its name does.
    below: Option<Text>,
    /// As much of its path as tells it from the others.
    shown: Text,
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
        opened.evidence.shown = Some(self.shown.0.clone()).filter(|shown| shown.contains(&b'/'));
        Ok(opened)
    }

    /// As [`Candidate::open`], in the usual way.
    pub fn open_plainly(&self, common: &Common, bars: &Bars) -> Result<Opened> {
        self.open(&|path| evidence::open(path, common, bars))
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
        let paths = (candidate.below.clone(), Some(candidate.shown.clone()));
        Head::not_read(command, candidate.name(), paths, self.status, bytes)
    }

    /// Whether it is one of many files of a directory that are no checkpoints, which are told together.
    pub fn is_other(&self) -> bool {
        self.status == Status::NoCheckpoint && !self.candidate.is_given
    }

    /// What it is called in messages.
    fn label(&self) -> &Text {
        &self.candidate.shown
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
            self.candidates.push(Candidate { path, below: None, shown: Text::default(), is_given, problem });
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

    /// Gives each candidate as much of its path as tells it from the others, and its path below what was named.
    fn tell_apart(&mut self, parts: &[usize], are_several: bool) {
        let paths: Vec<Vec<Vec<u8>>> =
            self.candidates.iter().map(|candidate| components(&candidate.path)).collect();
        let least = |from: &[usize]| distinct(&paths, from.iter().map(|count| (*count).max(1)).collect());
        let (below, shown) = (least(parts), least(&vec![1; parts.len()]));
        for (index, candidate) in self.candidates.iter_mut().enumerate() {
            let count = below.get(index).copied().unwrap_or(1);
            // What lies in the open in one of several directories is told by both.
            let is_directory = candidate.is_given && are_several && candidate.path.is_dir();
            if !candidate.is_given || count > 1 || is_directory {
                candidate.below = Some(Text(last(&paths, index, count)));
            }
            candidate.shown = Text(last(&paths, index, shown.get(index).copied().unwrap_or(1)));
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
        self.without += usize::from(status == Status::NoCheckpoint && !candidate.is_given);
        // What looks like evidence is told of with the result.
        if candidate.is_given && (common.quiet || !looks_like_it) {
            eprintln!("ckptfx: {}", show(reason.as_bytes()));
        }
        let is_other = status == Status::NoCheckpoint && !candidate.is_given;
        if looks_like_it && is_other {
            self.others.push(candidate.path.clone());
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
        let names = list_of(&self.others.iter().map(name).collect::<Vec<_>>());
        if self.candidates.len() == self.without {
            if names.is_empty() {
                bail!("no checkpoint found");
            }
            bail!("no checkpoint found; skipped {names}");
        }
        if !names.is_empty() && !common.quiet {
            eprintln!("ckptfx: note: no checkpoints ({}): {names}", self.others.len());
        }
        Ok(())
    }
}

/// Opens the evidence that a path stands for, for commands that take no more than one: of a directory what lies in it in
/// the open, or else the one archive there is. What else there is and is not looked at is told.
///
/// # Errors
/// When it cannot be read, or there are several.
pub fn open_one(path: &Path, common: &Common, bars: &Bars) -> Result<Opened> {
    if !path.is_dir() {
        return evidence::open(path, common, bars);
    }
    let named = Named::find(&[path.to_path_buf()], common)?;
    let list = |candidates: &[Candidate]| {
        list_of(&candidates.iter().map(|one| one.shown.escaped().into_owned()).collect::<Vec<_>>())
    };
    match named.candidates.as_slice() {
        [only] => only.open_plainly(common, bars),
        [own, others @ ..] if own.is_given => {
            let mut opened = evidence::open(path, common, bars)?;
            let message = format!("other evidence lies in it, which is not looked at here: {}", list(others));
            let note = Diagnostic::note("other-evidence", opened.evidence.name.clone(), message);
            opened.evidence.diagnostics.push(note);
            Ok(opened)
        }
        [] => bail!("no checkpoint found"),
        several => bail!(
            "there is more than one piece of evidence; give one of them: {}",
            show(list(several).as_bytes())
        ),
    }
}

/// The last parts of a path.
fn last(paths: &[Vec<Vec<u8>>], index: usize, count: usize) -> Vec<u8> {
    let path = paths.get(index).map(Vec::as_slice).unwrap_or_default();
    path[path.len().saturating_sub(count)..].join(&b'/')
}

/// How many of the last parts of each path tell it from the others, and no fewer than `counts`.
fn distinct(paths: &[Vec<Vec<u8>>], mut counts: Vec<usize>) -> Vec<usize> {
    loop {
        let mut holders: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
        for (index, count) in counts.iter().enumerate() {
            holders.entry(last(paths, index, *count)).or_default().push(index);
        }
        let mut grew = false;
        // What was named twice has one path.
        let is_one = |same: &Vec<usize>| same.iter().all(|index| paths[*index] == paths[same[0]]);
        for index in holders.into_values().filter(|same| !is_one(same)).flatten() {
            if counts[index] < paths[index].len() {
                counts[index] += 1;
                grew = true;
            }
        }
        if !grew {
            return counts;
        }
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
