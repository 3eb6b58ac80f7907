//! Manifests that `capture` wrote, in the place of the archives that they seal.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use ckptfx_capture::manifest::{Chain, Manifest, SCHEMA, SUFFIX};
use ckptfx_parser::Diagnostic;
use ckptfx_report::untrusted::show;

use crate::hash;

/// Longest manifest that is read; each answer in one is cut at 4 KiB.
const MAX_MANIFEST: u64 = 4 << 20;

/// A manifest in its file.
#[derive(Debug)]
pub struct Sealed {
    /// The file.
    pub path: PathBuf,
    /// What it says.
    pub manifest: Manifest,
}

/// The manifest before another in a chain.
#[derive(Debug)]
pub enum Before {
    /// It is the first, or in no chain.
    None,
    /// It is there, and is the one that was meant.
    Same(Box<Sealed>),
    /// It is another one, or is not there: its name, what was expected, and what was found.
    Other {
        /// File name.
        name: String,
        /// SHA-256 that was recorded.
        expected: Option<String>,
        /// SHA-256 of the file; none when there is none.
        actual: Option<String>,
    },
}

impl Sealed {
    /// Reads a file if it is a manifest; anything else is left for others to open.
    ///
    /// # Errors
    /// When it says that it is one and is not understood.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let mut bytes = Vec::new();
        // What cannot be opened is for others to complain of.
        let Ok(mut file) = File::open(path) else { return Ok(None) };
        let is_regular = file.metadata().is_ok_and(|metadata| metadata.is_file());
        let mut first = [0];
        if !is_regular || file.read_exact(&mut first).is_err() || first != *b"{" {
            return Ok(None);
        }
        bytes.extend(first);
        file.take(MAX_MANIFEST).read_to_end(&mut bytes)?;
        let is_ours = serde_json::from_slice::<serde_json::Value>(&bytes)
            .is_ok_and(|value| value.get("schema").is_some_and(|schema| schema == SCHEMA));
        if !is_ours {
            return Ok(None);
        }
        let manifest = Manifest::from_bytes(&bytes)
            .with_context(|| format!("{} is no whole {SCHEMA}", path.display()))?;
        Ok(Some(Self { path: path.to_path_buf(), manifest }))
    }

    /// The archive that it seals: a file beside it, and nowhere else.
    ///
    /// # Errors
    /// When there is none here, or it is named by more than a file name.
    pub fn archive(&self) -> Result<PathBuf> {
        let name = self.manifest.archive.name.as_deref().with_context(|| {
            let place = self.manifest.archive.node_path.as_deref().unwrap_or("nowhere");
            format!("{} seals an archive that is on its node only: {place}", self.path.display())
        })?;
        self.beside(name).with_context(|| format!("{} names its archive {name}", self.path.display()))
    }

    /// A file in the same directory.
    fn beside(&self, name: &str) -> Result<PathBuf> {
        if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
            bail!("a manifest may only name files beside it");
        }
        Ok(self.path.with_file_name(name))
    }

    /// What came before it in its chain.
    ///
    /// # Errors
    /// When a file that should be a manifest cannot be read.
    pub fn before(&self) -> Result<Before> {
        let Some(Chain { index, previous, previous_sha256: expected }) = &self.manifest.chain else {
            return Ok(Before::None);
        };
        let Some(name) = previous else {
            return Ok(match index {
                0 | 1 => Before::None,
                _ => Before::Other { name: String::new(), expected: expected.clone(), actual: None },
            });
        };
        let other = |actual| Before::Other { name: name.clone(), expected: expected.clone(), actual };
        let path = self.beside(name)?;
        if !path.is_file() {
            return Ok(other(None));
        }
        let sha256 = hash::hash_file(&path)?;
        if Some(&sha256) != expected.as_ref() {
            return Ok(other(Some(sha256)));
        }
        let before = Self::read(&path)?.filter(|before| {
            before.manifest.chain.as_ref().is_some_and(|chain| chain.index.checked_add(1) == Some(*index))
        });
        Ok(before.map_or_else(|| other(Some(sha256)), |before| Before::Same(Box::new(before))))
    }

    /// Holds the seal against the archive, and the chain against the manifest before; what does not agree.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn check(&self) -> Result<Vec<Diagnostic>> {
        let archive = self.archive()?;
        let mut found = Vec::new();
        let subject = archive.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let actual = hash::hash_file(&archive)?;
        match &self.manifest.archive.sha256 {
            Some(expected) if *expected == actual => {}
            Some(expected) => found.push(Diagnostic::loss(
                "seal-broken",
                subject,
                format!("its SHA-256 is {actual}, and {expected} was sealed: it is not the archive that was captured"),
            )),
            None => found.push(Diagnostic::loss("seal-broken", subject, "the manifest has no hash of it")),
        }
        if let Before::Other { name, expected, actual } = self.before()? {
            let subject = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let message = match (name.as_str(), actual) {
                ("", _) => "it is not the first of its chain, and does not name the one before".to_owned(),
                (name, None) => format!("the manifest before it, {name}, is not there"),
                (name, Some(actual)) => format!(
                    "the manifest before it, {name}, is not the one that was sealed: SHA-256 {actual}, not {}",
                    expected.as_deref().unwrap_or("recorded")
                ),
            };
            found.push(Diagnostic::loss("chain-broken", subject, message));
        }
        Ok(found)
    }

    /// Which container it is of.
    fn container(&self) -> [Option<&str>; 3] {
        let subject = &self.manifest.subject;
        [subject.namespace.as_deref(), subject.pod.as_deref(), subject.container.as_deref()]
    }
}

/// Puts the manifests in the place of a directory that `capture` wrote to, in the order of their chain or time.
/// All other paths stay as they are.
///
/// # Errors
/// When a manifest cannot be read, or `one_container` is wanted and there are several in one directory.
pub fn expand(paths: &[PathBuf], one_container: bool) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for path in paths {
        let mut sealed = if path.is_dir() { in_directory(path)? } else { Vec::new() };
        if sealed.is_empty() {
            all.push(path.clone());
            continue;
        }
        let is_on_node = |one: &Sealed| one.manifest.archive.name.is_none();
        for one in sealed.iter().filter(|one| is_on_node(one)) {
            let name = one.path.to_string_lossy();
            eprintln!("ckptfx: note: {}: its archive is on the node only", show(name.as_bytes()));
        }
        sealed.retain(|one| !is_on_node(one));
        sealed.sort_by(|one, other| {
            let key = |one: &Sealed| {
                (one.manifest.chain.as_ref().map(|chain| chain.index), one.manifest.times.requested)
            };
            one.container().cmp(&other.container()).then_with(|| key(one).cmp(&key(other)))
        });
        let mut containers: Vec<_> = sealed.iter().map(Sealed::container).collect();
        containers.dedup();
        if one_container && containers.len() > 1 {
            let names: Vec<String> = containers
                .iter()
                .map(|parts| parts.iter().flatten().copied().collect::<Vec<_>>().join("/"))
                .collect();
            bail!(
                "{} has checkpoints of {} containers ({}); name the manifests of one",
                path.display(),
                names.len(),
                names.join(", ")
            );
        }
        all.extend(sealed.into_iter().map(|one| one.path));
    }
    Ok(all)
}

/// The manifests in a directory.
fn in_directory(path: &Path) -> Result<Vec<Sealed>> {
    let at = || format!("cannot read {}", path.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(path).with_context(at)? {
        let entry = entry.with_context(at)?;
        if entry.file_name().to_string_lossy().ends_with(SUFFIX) {
            names.push(entry.path());
        }
    }
    names.sort();
    names.iter().filter_map(|path| Sealed::read(path).transpose()).collect()
}
