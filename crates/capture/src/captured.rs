//! What a capture leaves: an archive, a manifest, and a link for the next of a chain.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::{
    error::Error,
    manifest::{Archive, Chain, Manifest, Operator, SCHEMA, Source, Subject, Times, Tool},
    seal,
};

/// A finished capture.
#[derive(Debug)]
pub struct Captured {
    /// The archive here; none when it stayed on the node.
    pub path: Option<PathBuf>,
    /// Its manifest.
    pub manifest_path: PathBuf,
    /// What the manifest says.
    pub manifest: Manifest,
    /// What the next of a chain refers to.
    pub link: Link,
    /// Why the archive is not here though it was to be; the checkpoint was taken and is recorded all the same.
    pub failure: Option<Error>,
}

/// What a manifest says of the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Place in the chain, from 1.
    pub index: u32,
    /// File name.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

/// Where a capture goes, and what is written of it.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    /// Directory for archives and manifests.
    pub directory: &'a Path,
    /// Who runs the tool.
    pub operator: &'a Operator,
    /// Whether it is part of a chain, and what came before.
    pub chain: Option<Option<Link>>,
}

impl Place<'_> {
    /// Writes the manifest that `fill` completes.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn seal(
        &self,
        stem: &str,
        path: Option<PathBuf>,
        fill: impl FnOnce(&mut Manifest),
    ) -> Result<Captured, Error> {
        let now = Timestamp::now();
        let index =
            self.chain.as_ref().and_then(Option::as_ref).map_or(1, |link| link.index.saturating_add(1));
        let mut manifest = Manifest {
            schema: SCHEMA.to_owned(),
            tool: Tool { name: "ckptfx".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
            archive: Archive { name: None, bytes: None, sha256: None, node_path: None },
            subject: Subject::default(),
            source: Source::default(),
            times: Times { requested: now, answered: now, sealed: now },
            exchanges: Vec::new(),
            after: None,
            fetch: None,
            operator: self.operator.clone(),
            chain: self.chain.as_ref().map(|previous| Chain {
                index,
                previous: previous.as_ref().map(|link| link.name.clone()),
                previous_sha256: previous.as_ref().map(|link| link.sha256.clone()),
            }),
            notes: Vec::new(),
        };
        fill(&mut manifest);
        manifest.times.sealed = Timestamp::now();
        let (manifest_path, name, sha256) = seal::write_manifest(self.directory, stem, &manifest)?;
        Ok(Captured { path, manifest_path, manifest, link: Link { index, name, sha256 }, failure: None })
    }
}
