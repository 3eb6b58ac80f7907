//! Archives and manifests on their way to disk: private, hashed while they are written, under their name only
//! when they are complete, and never over something that is there.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::{
    error::Error,
    manifest::{Manifest, SUFFIX, sha256_hex},
};

/// An archive that is arriving. Dropped before [`Incoming::keep`], it leaves nothing behind.
pub struct Incoming {
    file: NamedTempFile,
    directory: PathBuf,
    hash: Sha256,
    bytes: u64,
}

/// An archive that is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Where it is.
    pub path: PathBuf,
    /// Its name there.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes as they arrived.
    pub sha256: String,
}

impl Incoming {
    /// Begins a file of mode 0600 without its final name.
    ///
    /// # Errors
    /// When the directory cannot be written to.
    pub fn new(directory: &Path) -> Result<Self, Error> {
        // A temporary file of this kind has mode 0600.
        let file = tempfile::Builder::new().prefix(".ckptfx-capture").tempfile_in(directory);
        let file = file.map_err(|source| Error::file(directory, source))?;
        Ok(Self { file, directory: directory.to_path_buf(), hash: Sha256::new(), bytes: 0 })
    }

    /// Adds what has arrived.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|source| Error::file(&self.directory, source))?;
        self.hash.update(bytes);
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        Ok(())
    }

    /// How many bytes have arrived.
    pub fn len(&self) -> u64 {
        self.bytes
    }

    /// Whether nothing has arrived.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// SHA-256 of what has arrived so far.
    pub fn sha256(&self) -> String {
        hex::encode(self.hash.clone().finalize())
    }

    /// Puts the complete file under `STEM.tar`, or with a number where that is taken.
    ///
    /// # Errors
    /// When it cannot be put there.
    pub fn keep(self, stem: &str) -> Result<Kept, Error> {
        let sha256 = self.sha256();
        let at = |source| Error::file(&self.directory, source);
        self.file.as_file().sync_all().map_err(at)?;
        let (path, name) = put(self.file, &self.directory, stem, ".tar")?;
        Ok(Kept { path, name, bytes: self.bytes, sha256 })
    }
}

/// Takes over an archive that a runtime wrote: hashes it, makes it private, and gives it its name in
/// `directory`, which must be on the same file system.
///
/// # Errors
/// When it is not there, is no regular file, or cannot be moved.
pub fn adopt(path: &Path, directory: &Path, stem: &str) -> Result<Kept, Error> {
    let at = |source| Error::file(path, source);
    let metadata = fs::symlink_metadata(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => Error::Transfer(format!(
            "the runtime reports success, but {} is not there: it sees another file system, or writes elsewhere; name \
             a directory that both see with --dir",
            path.display()
        )),
        _ => at(source),
    })?;
    if !metadata.is_file() {
        return Err(Error::Transfer(format!(
            "the runtime made something at {} that is no file",
            path.display()
        )));
    }
    let mut file = File::open(path).map_err(at)?;
    file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(at)?;
    let (mut hash, mut bytes) = (Sha256::new(), 0_u64);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = match file.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other.map_err(at)?,
        };
        if count == 0 {
            break;
        }
        hash.update(buffer.get(..count).unwrap_or_default());
        bytes = bytes.saturating_add(count as u64);
    }
    file.sync_all().map_err(at)?;
    let owned = tempfile::TempPath::try_from_path(path).map_err(at)?;
    let (path, name) = put(NamedTempFile::from_parts(file, owned), directory, stem, ".tar")?;
    Ok(Kept { path, name, bytes, sha256: hex::encode(hash.finalize()) })
}

/// Writes a manifest beside its archive; gives its path, and name and SHA-256 for the next of a chain.
///
/// # Errors
/// When it cannot be written.
pub fn write_manifest(
    directory: &Path,
    stem: &str,
    manifest: &Manifest,
) -> Result<(PathBuf, String, String), Error> {
    let at = |source| Error::file(directory, source);
    let bytes = manifest.to_bytes().map_err(|error| at(error.into()))?;
    let mut file = tempfile::Builder::new().prefix(".ckptfx-capture").tempfile_in(directory).map_err(at)?;
    file.write_all(&bytes).and_then(|()| file.as_file().sync_all()).map_err(at)?;
    let (path, name) = put(file, directory, stem, SUFFIX)?;
    Ok((path, name, sha256_hex(&bytes)))
}

/// Gives a finished file the first free name, without ever replacing one.
fn put(
    mut file: NamedTempFile,
    directory: &Path,
    stem: &str,
    suffix: &str,
) -> Result<(PathBuf, String), Error> {
    /// Captures of one container within one second.
    const TRIES: u32 = 1000;
    for number in 1..=TRIES {
        let number = if number == 1 { String::new() } else { format!("-{number}") };
        let name = format!("{stem}{number}{suffix}");
        let path = directory.join(&name);
        match file.persist_noclobber(&path) {
            Ok(_) => {
                // The name itself must survive a crash too.
                let synced = File::open(directory).and_then(|directory| directory.sync_all());
                synced.map_err(|source| Error::file(directory, source))?;
                return Ok((path, name));
            }
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => file = error.file,
            Err(error) => return Err(Error::file(&path, error.error)),
        }
    }
    Err(Error::Usage(format!("{} is full of captures named {stem}", directory.display())))
}

/// A file name of what was captured and when: letters, digits, dots and dashes of each part, joined by `_`.
pub fn stem(parts: &[Option<&str>], time: jiff::Timestamp) -> String {
    /// A file name has at most 255 bytes; there are at most four parts, a time and a suffix.
    const MAX_PART: usize = 48;
    let mut stem = String::new();
    for part in parts.iter().flatten().filter(|part| !part.is_empty()) {
        let harmless = |character: char| match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' => character,
            '.' if !stem.is_empty() => character,
            _ => '-',
        };
        let part: String = part.chars().take(MAX_PART).map(harmless).collect();
        stem.push_str(&part);
        stem.push('_');
    }
    stem + &time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::example;

    #[test]
    fn an_archive_is_private_and_complete() {
        let directory = tempfile::tempdir().unwrap();
        let mut incoming = Incoming::new(directory.path()).unwrap();
        incoming.add(b"ab").unwrap();
        incoming.add(b"c").unwrap();
        assert_eq!((incoming.len(), incoming.is_empty()), (3, false));
        let kept = incoming.keep("shop").unwrap();
        assert_eq!(kept.sha256, sha256_hex(b"abc"));
        assert_eq!(fs::read(&kept.path).unwrap(), b"abc");
        assert_eq!(fs::metadata(&kept.path).unwrap().permissions().mode() & 0o7777, 0o600);
        // What is given up leaves nothing.
        Incoming::new(directory.path()).unwrap().add(b"x").unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn nothing_is_ever_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let names: Vec<String> =
            (0..3).map(|_| Incoming::new(directory.path()).unwrap().keep("shop").unwrap().name).collect();
        assert_eq!(names, ["shop.tar", "shop-2.tar", "shop-3.tar"]);
        let (path, name, sha256) = write_manifest(directory.path(), "shop", &example()).unwrap();
        assert_eq!(name, "shop.manifest.json");
        assert_eq!(sha256_hex(&fs::read(&path).unwrap()), sha256);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(write_manifest(directory.path(), "shop", &example()).unwrap().1, "shop-2.manifest.json");
    }

    #[test]
    fn a_name_holds_nothing_that_leads_elsewhere() {
        let time = jiff::Timestamp::from_second(1_780_000_000).unwrap();
        let stem = stem(&[Some("../etc"), None, Some("a/b:c\n")], time);
        assert_eq!(stem, "---etc_a-b-c-_20260528T202640Z");
    }
}
