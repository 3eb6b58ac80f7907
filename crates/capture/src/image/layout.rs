//! An image as an OCI layout: a directory, or a tar of one.

use std::{
    fs::{self, File},
    io::{self, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use serde_json::json;
use tempfile::NamedTempFile;

use super::parts::{Error, INDEX_TYPE, Image, split_name, to_bytes};

/// Form of the layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A directory.
    Directory,
    /// A tar of such a directory.
    Archive,
}

/// Writes an image under a name, `repository:tag`. A place that is taken is left as it is; nothing is left
/// behind when it fails.
///
/// # Errors
/// When something is there already, or it cannot be written.
pub fn write(image: &Image, name: &str, form: Form, path: &Path) -> Result<(), Error> {
    if fs::symlink_metadata(path).is_ok() {
        return Err(Error::Exists(path.display().to_string()));
    }
    let written = match form {
        Form::Directory => directory(image, name, path),
        Form::Archive => archive(image, name, path),
    };
    written.map_err(|source| Error::Write { path: path.display().to_string(), source })
}

/// Files of the layout but for the layer's blob.
fn files(image: &Image, name: &str) -> Vec<(String, Vec<u8>)> {
    let (_, tag) = split_name(name);
    let index = to_bytes(&json!({
        "schemaVersion": 2,
        "mediaType": INDEX_TYPE,
        "manifests": [{
            "mediaType": image.descriptor.media_type,
            "digest": image.descriptor.digest,
            "size": image.descriptor.size,
            "annotations": {
                "io.containerd.image.name": name,
                "org.opencontainers.image.ref.name": tag,
            },
        }],
    }));
    vec![
        (blob(&image.descriptor.digest), image.manifest.clone()),
        (blob(&image.config_descriptor.digest), image.config.clone()),
        ("index.json".to_owned(), index),
        ("oci-layout".to_owned(), to_bytes(&json!({"imageLayoutVersion": "1.0.0"}))),
    ]
}

/// Path of a blob in the layout.
fn blob(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}

/// The layer from its beginning.
fn layer(image: &Image) -> io::Result<File> {
    let mut file = image.layer.try_clone()?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

fn directory(image: &Image, name: &str, path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let private = fs::Permissions::from_mode(0o700);
    let scratch = tempfile::Builder::new().prefix(".ckptfx-image").permissions(private).tempdir_in(parent)?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(scratch.path().join("blobs/sha256"))?;
    let create = |name: &str| {
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(scratch.path().join(name))
    };
    for (name, bytes) in files(image, name) {
        create(&name)?.write_all(&bytes)?;
    }
    io::copy(&mut layer(image)?, &mut create(&blob(&image.layer_descriptor.digest))?)?;
    fs::rename(scratch.path(), path)
}

fn archive(image: &Image, name: &str, path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut tar = tar::Builder::new(NamedTempFile::new_in(parent)?);
    let header = |kind: tar::EntryType, mode: u32, size: u64| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header
    };
    for name in ["blobs/", "blobs/sha256/"] {
        tar.append_data(&mut header(tar::EntryType::Directory, 0o755, 0), name, io::empty())?;
    }
    for (name, bytes) in files(image, name) {
        let mut header = header(tar::EntryType::Regular, 0o644, bytes.len() as u64);
        tar.append_data(&mut header, name, bytes.as_slice())?;
    }
    let descriptor = &image.layer_descriptor;
    let mut header = header(tar::EntryType::Regular, 0o644, descriptor.size);
    tar.append_data(&mut header, blob(&descriptor.digest), layer(image)?)?;
    // A temporary file of this kind has mode 0600.
    let file = tar.into_inner()?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    Ok(())
}
