//! Streams of images, in one file or as the shards of one in a directory.

use bytes::Bytes;

use super::{
    decompress::{decompress, head, unreadable},
    found::{Archives, Found},
    kind::{Kind, Subject},
    layout,
    look::may_be_shard,
    options::OpenOptions,
};
use crate::{
    Diagnostic, Result,
    archive::{index_stream, looks_like_stream},
};

pub(super) const KIND: Kind =
    Kind { of_directory: "criu-stream", of_file: "criu-stream", detect, open, images: None };

fn detect(subject: &Subject) -> bool {
    match subject {
        Subject::Bytes(bytes) => head(bytes, "").is_ok_and(|head| looks_like_stream(&head)),
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
        Subject::Bytes(bytes) => shards.push(bytes.read().map_err(|source| unreadable(name, source))?),
        Subject::Directory(archive) | Subject::Tar(archive) => {
            for member in archive.members().iter().filter(|member| may_be_shard(member)) {
                let plain = decompress(member.extent(), &member.name(), options, diagnostics)?;
                let bytes = plain.bytes.read().map_err(|source| unreadable(&member.name(), source))?;
                if looks_like_stream(&bytes) {
                    shards.push(bytes);
                }
            }
        }
    }
    if shards.is_empty() {
        return Ok(None);
    }
    let archive = index_stream(&shards, name, &options.limits).map_err(|source| unreadable(name, source))?;
    Ok(Some(vec![Found::whole(archive)]))
}

#[cfg(test)]
mod tests {
    use ckptfx_testkit::{Container, Stream};

    use crate::{
        Limits,
        input::{Input, OpenOptions, open},
    };

    #[test]
    fn what_is_noticed_beside_the_shards_of_a_stream_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let images = Container::sample().docker_directory();
        for (index, shard) in Stream::shards(2).write(&images).iter().enumerate() {
            std::fs::write(directory.path().join(format!("shard-{index}")), shard).unwrap();
        }
        std::fs::create_dir_all(directory.path().join("a/b")).unwrap();
        let options = OpenOptions {
            limits: Limits { directory_depth: 0, ..Limits::DEFAULT },
            ..OpenOptions::default()
        };
        let evidence = open(&Input::Path(directory.path().to_path_buf()), &options).unwrap();
        assert_eq!(evidence.format, "criu-stream");
        let codes: Vec<_> = evidence.diagnostics.iter().map(|one| (one.code, one.subject.as_str())).collect();
        assert_eq!(codes, [("too-deep", "a")]);
    }
}
