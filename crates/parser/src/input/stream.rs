//! Streams of images, in one file or as the shards of one in a directory.

use std::path::PathBuf;

use bytes::Bytes;

use super::{
    decompress::decompress,
    found::{Archives, Found},
    kind::{Kind, Subject},
    layout,
    look::may_be_shard,
    options::OpenOptions,
};
use crate::{
    Diagnostic, Error, Result,
    archive::{index_stream, looks_like_stream},
};

pub(super) const KIND: Kind =
    Kind { of_directory: "criu-stream", of_file: "criu-stream", detect, open, images: None };

fn detect(subject: &Subject) -> bool {
    match subject {
        Subject::Bytes(bytes) => looks_like_stream(bytes),
        // The shards of one stream have no names that tell.
        Subject::Directory(archive) => {
            layout::find_any(archive).is_none() && archive.members().iter().any(may_be_shard)
        }
        Subject::Tar(_) => false,
    }
}

fn open(
    subject: &Subject,
    name: &str,
    options: &OpenOptions<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Option<Archives>> {
    let mut shards: Vec<Bytes> = Vec::new();
    match subject {
        Subject::Bytes(bytes) => shards.push(bytes.clone()),
        Subject::Directory(archive) | Subject::Tar(archive) => {
            for member in archive.members().iter().filter(|member| may_be_shard(member)) {
                let plain = decompress(member.bytes().clone(), &member.name(), options, diagnostics)?;
                if looks_like_stream(&plain.stored.bytes) {
                    shards.push(plain.stored.bytes);
                }
            }
        }
    }
    if shards.is_empty() {
        return Ok(None);
    }
    let archive = index_stream(&shards, name, &options.limits)
        .map_err(|source| Error::Read { path: PathBuf::from(name), source })?;
    Ok(Some(vec![Found::whole(archive)]))
}
