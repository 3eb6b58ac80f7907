//! From what the user named to opened evidence.

use std::{fs::File, io, path::Path, time::Instant};

use anyhow::{Context as _, Result};
use ckptfx_parser::evidence::{self, Evidence, Input, OpenOptions};
use sha2::{Digest as _, Sha256};

use crate::{args::Common, progress::Bars};

/// Opened evidence with what was asked to be known about its file.
pub struct Opened {
    /// The evidence.
    pub evidence: Evidence,
    /// SHA-256 of the file, when asked for.
    pub sha256: Option<String>,
}

/// Opens one archive.
pub fn open(path: &Path, common: &Common, bars: &Bars) -> Result<Opened> {
    let input = if path == Path::new("-") { Input::Stdin } else { Input::Path(path.to_path_buf()) };
    let started = Instant::now();
    let options = OpenOptions { parent: common.parent.as_deref(), limits: common.limits(), progress: bars };
    let evidence = evidence::open(&input, &options)?;
    if common.verbose > 0 {
        eprintln!(
            "ckptfx: opened {} ({}, {} checkpoints) in {:.1?}",
            crate::untrusted::show(evidence.name.as_bytes()),
            evidence.format,
            evidence.checkpoints.len(),
            started.elapsed()
        );
    }
    let sha256 = (common.hash && path.is_file()).then(|| hash_file(path)).transpose()?;
    Ok(Opened { evidence, sha256 })
}

/// SHA-256 of a file in hexadecimal.
fn hash_file(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = match io::Read::read(&mut file, &mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other.with_context(|| format!("cannot read {}", path.display()))?,
        };
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
