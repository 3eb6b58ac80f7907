//! The image that a container was made of, which lies beside the evidence.

use std::path::Path;

use super::{
    decompress::decompress,
    kind::{ImageManifest, Subject},
    options::OpenOptions,
    source::{Input, load},
    table::kinds_of,
};
use crate::{Diagnostic, Error, Result, archive::Archive};

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
    let subject = load(&input, &name, options, diagnostics)?.subject;
    let images = kinds_of(&subject).find_map(|kind| kind.images);
    let archive = match subject {
        Subject::Directory(archive) | Subject::Tar(archive) => archive,
        Subject::Bytes(_) => {
            return Err(not_an_image("it is no image: an OCI layout, an OCI or docker archive is expected"));
        }
    };
    let Some(images) = images else {
        return Ok(BaseImage { name, manifest_digest: None, config_digest: None, layers: vec![archive] });
    };
    let found = images(&archive, &name, diagnostics)?;
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
        if let Some(mut layer) = plain.index_one(path, options)? {
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

fn choose<'i>(found: &'i [ImageManifest], architecture: Option<&str>) -> Option<&'i ImageManifest> {
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
