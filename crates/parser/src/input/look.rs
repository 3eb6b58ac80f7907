//! What the first bytes of a file say of it.

use std::{
    ffi::OsStr,
    fs::OpenOptions,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use crate::{
    Limits,
    archive::{Member, MemberKind, looks_like_stream, looks_like_tar},
    source::{Compression, Silent},
};

/// Bytes of a file that tell what it is.
const HEAD: u64 = 4 << 10;
/// Bytes of a compressed one that tell what is in it.
const COMPRESSED_HEAD: u64 = 128 << 10;

/// What the beginning of a file says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// A tar, or something compressed.
    Archive,
    /// A stream of images, or a shard of one.
    Stream,
    /// No form of evidence that is known.
    Nothing,
    /// Nothing can be read, and its name is that of an archive; why.
    Unreadable(String),
}

/// Looks at the beginning of a file. Where nothing can be read the name decides.
#[must_use]
pub fn look(path: &Path) -> Look {
    let nothing = |why: String| if has_ending(path) { Look::Unreadable(why) } else { Look::Nothing };
    match head(path) {
        Err(error) => nothing(error.to_string()),
        Ok(None) => Look::Nothing,
        Ok(Some(bytes)) if bytes.is_empty() => nothing("it is empty".to_owned()),
        Ok(Some(bytes)) => look_at(&bytes),
    }
}

/// Whether a name ends like that of an archive.
fn has_ending(path: &Path) -> bool {
    const ENDINGS: [&str; 11] = ["tar", "gz", "zst", "xz", "bz2", "lz4", "tgz", "tzst", "txz", "tbz", "tbz2"];
    let ending = path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// The first bytes of a regular file; none of anything else. A FIFO is not waited for.
fn head(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    (&file).take(HEAD).read_to_end(&mut bytes)?;
    if Compression::detect(&bytes).is_some() {
        file.take(COMPRESSED_HEAD - HEAD).read_to_end(&mut bytes)?;
    }
    Ok(Some(bytes))
}

fn look_at(bytes: &[u8]) -> Look {
    // A header that is cut, or whose sum is wrong, has its magic word all the same.
    if looks_like_tar(bytes) || bytes.get(257..262) == Some(b"ustar") {
        return Look::Archive;
    }
    if let Some(format) = Compression::detect(bytes) {
        let mut first = Vec::new();
        let mut take = |block: Vec<u8>| {
            first = block;
            Err(io::Error::other("it is enough"))
        };
        // So few bytes are decoded here and now, and no further than the first block.
        let _ = format.decompress(bytes, &Limits::DEFAULT, &Silent, &mut take);
        return if looks_like_stream(&first) { Look::Stream } else { Look::Archive };
    }
    if looks_like_stream(bytes) { Look::Stream } else { Look::Nothing }
}

/// Whether a file directly in a directory may be a shard of a stream of images.
pub(super) fn may_be_shard(member: &Member) -> bool {
    member.kind == MemberKind::File
        && !member.path.contains(&b'/')
        && member.extent().read_at(0, COMPRESSED_HEAD).is_ok_and(|head| look_at(&head) == Look::Stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_what_may_be_evidence() {
        let mut header = vec![b'x'; 300];
        header[257..262].copy_from_slice(b"ustar");
        assert_eq!(look_at(&header), Look::Archive, "a header that is cut");
        assert_eq!(look_at(&[0x1f, 0x8b, 8, 0]), Look::Archive, "damaged, and compressed all the same");
        assert_eq!(look_at(b"no archive"), Look::Nothing);
        assert_eq!(look_at(b""), Look::Nothing);
    }

    #[test]
    fn an_ending_is_that_of_an_archive() {
        for (name, is_one) in
            [("a.tar", true), ("a.TAR.GZ", true), ("a.tzst", true), ("tar", false), ("a.txt", false)]
        {
            assert_eq!(has_ending(Path::new(name)), is_one, "{name}");
        }
    }
}
