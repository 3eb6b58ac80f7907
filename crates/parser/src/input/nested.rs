//! Archives inside the evidence and beside it: `rootfs-diff.tar`, volumes, tmpfs contents, and the
//! container's base image.

use std::{path::Path, sync::Arc};

use serde_json::Value;

use super::{Contents, Input, OpenOptions, decompress, image, kind_of, load};
use crate::{
    Diagnostic, Error, Result,
    archive::{Archive, Member},
};

/// Opens a tar that is a member of the evidence, compressed or not: the content decides, not the name.
/// Nothing is given of a member that is no tar; why is reported.
pub fn open_nested(
    member: &Member,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Archive> {
    let name = member.name().into_owned();
    let plain = match decompress(member.bytes().clone(), &name, options, diagnostics) {
        Ok(plain) => plain,
        Err(error) => {
            diagnostics.push(Diagnostic::loss("unreadable-archive", name, error.to_string()));
            return None;
        }
    };
    let bytes = plain.stored.bytes.clone();
    let is_end = || !bytes.is_empty() && bytes.iter().all(|byte| *byte == 0);
    let found = plain.index_one(&name, options).or_else(|| is_end().then(Archive::default));
    let Some(mut archive) = found else {
        let what = if bytes.is_empty() { "it is empty" } else { "it is no tar" };
        diagnostics.push(Diagnostic::loss("unreadable-archive", name, what));
        return None;
    };
    diagnostics.append(&mut archive.diagnostics);
    Some(archive)
}

/// The image that a container was made of.
#[derive(Debug)]
pub struct BaseImage {
    /// Name of the file or directory, without its path.
    pub name: String,
    /// Digest of the manifest, if an index names one.
    pub manifest_digest: Option<String>,
    /// Digest of the configuration, which engines call the image id.
    pub config_digest: Option<String>,
    /// Layers, the lowest first.
    pub layers: Vec<Archive>,
}

/// Opens an OCI layout or archive, a docker archive, or the tar of a whole file system. Of an index with
/// several images the one for `architecture` (as Go names it) is taken.
///
/// # Errors
/// When it cannot be read, is no image, or holds several that nothing tells apart.
pub fn open_base_image(
    path: &Path,
    architecture: Option<&str>,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<BaseImage> {
    let input = Input::Path(path.to_path_buf());
    let name = input.name();
    let not_an_image = |reason: &str| Error::NotACheckpoint {
        name: name.clone(),
        reason: reason.to_owned(),
        is_damaged: false,
    };
    let archive = match load(&input, &name, options, diagnostics)? {
        Ok((archives, ..)) => archives.into_iter().next().unwrap_or_default(),
        Err(_) => {
            return Err(not_an_image("it is no image: an OCI layout, an OCI or docker archive is expected"));
        }
    };
    let found = match kind_of(&archive) {
        Contents::Oci => image::manifests(&archive, &name, diagnostics)?,
        Contents::Docker => image::docker_images(&archive, &name)?,
        Contents::Plain => {
            return Ok(BaseImage { name, manifest_digest: None, config_digest: None, layers: vec![archive] });
        }
    };
    let chosen = choose(&found, architecture).ok_or_else(|| match found.as_slice() {
        [] => not_an_image("it holds no image with layers"),
        _ => not_an_image("it holds several images; give an archive with the one the container was made of"),
    })?;
    let mut layers = Vec::new();
    for (bytes, path) in &chosen.layers {
        let Some(bytes) = bytes else {
            diagnostics.push(Diagnostic::loss(
                "missing-blob",
                name.clone(),
                format!("layer {path} is not there"),
            ));
            continue;
        };
        let plain = decompress(bytes.clone(), path, options, diagnostics)?;
        if let Some(mut layer) = plain.index_one(path, options) {
            diagnostics.append(&mut layer.diagnostics);
            layers.push(layer);
        }
    }
    Ok(BaseImage {
        name,
        manifest_digest: chosen.digest.clone(),
        config_digest: chosen.config.clone(),
        layers,
    })
}

fn choose<'i>(
    found: &'i [image::ImageManifest],
    architecture: Option<&str>,
) -> Option<&'i image::ImageManifest> {
    match found {
        [only] => Some(only),
        several => {
            let wanted = architecture?;
            let mut fitting = several.iter().filter(|image| image.architecture.as_deref() == Some(wanted));
            let first = fitting.next()?;
            fitting.next().is_none().then_some(first)
        }
    }
}

/// Whether the descriptor is of something that belongs to an image but is none, such as a build record.
pub(super) fn is_attestation(descriptor: &Value) -> bool {
    let annotations = descriptor.get("annotations");
    annotations.and_then(|all| all.get("vnd.docker.reference.type")).is_some()
}

/// Tells about members whose holes were left out: they have no one slice of bytes, so that an image
/// among them cannot be read.
pub(super) fn report_sparse(archive: &Arc<Archive>, diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.extend(archive.members().iter().filter(|member| member.is_sparse()).map(|member| {
        Diagnostic::loss(
            "sparse-member",
            member.name(),
            "the member is stored sparse, which is not read here; unpack the archive and give the directory",
        )
    }));
}
