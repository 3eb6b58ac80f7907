//! PAX extended headers: what they say about the member that follows them.

use super::sparse::PaxSparse;

/// Prefix of extended attributes.
const XATTR: &[u8] = b"SCHILY.xattr.";

/// What extension headers say about the next member.
#[derive(Default)]
pub(super) struct Extensions {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub mtime: Option<i64>,
    pub uid: Option<u64>,
    pub gid: Option<u64>,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub sparse: Option<PaxSparse>,
}

/// Reads `length key=value\n` records. The length decides where a value ends: one that is binary, such
/// as a file capability, may hold newlines.
/// Of a file with holes at most `pieces` are taken.
pub(super) fn read(content: &[u8], pieces: usize, extensions: &mut Extensions) {
    let mut rest = content;
    while let Some((record, after)) = split_record(rest) {
        rest = after;
        let Some(equals) = record.iter().position(|byte| *byte == b'=') else { continue };
        let (key, value) = record.split_at(equals);
        apply(key, value.get(1..).unwrap_or_default(), pieces, extensions);
    }
}

/// The text of the first record after its length and without its newline, and what follows it.
fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(bytes.get(..space)?).ok()?.parse().ok()?;
    let record = bytes.get(space + 1..length)?;
    Some((record.strip_suffix(b"\n")?, bytes.get(length..)?))
}

fn apply(key: &[u8], value: &[u8], pieces: usize, extensions: &mut Extensions) {
    let text = std::str::from_utf8(value).unwrap_or_default();
    match key {
        b"path" => extensions.path = Some(value.to_vec()),
        b"linkpath" => extensions.link = Some(value.to_vec()),
        b"size" => extensions.size = text.parse().ok(),
        b"uid" => extensions.uid = text.parse().ok(),
        b"gid" => extensions.gid = text.parse().ok(),
        b"mtime" => extensions.mtime = text.split('.').next().and_then(|seconds| seconds.parse().ok()),
        b"GNU.sparse.name" => {
            extensions.path = Some(value.to_vec());
            extensions.sparse.get_or_insert_default();
        }
        key => {
            if let Some(name) = key.strip_prefix(XATTR) {
                extensions.xattrs.push((name.to_vec(), value.to_vec()));
            } else if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                extensions.sparse.get_or_insert_default().apply(key, text, pieces);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, value: &[u8]) -> Vec<u8> {
        let body = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
        let length =
            (1..).map(|digits| body.len() + digits).find(|all| all.to_string().len() + body.len() == *all);
        [length.unwrap().to_string().as_bytes(), &body].concat()
    }

    #[test]
    fn values_may_hold_newlines() {
        let capability = b"\x01\0\0\x02\n\n=\x0a";
        let content = [
            record("SCHILY.xattr.security.capability", capability),
            record("path", b"new\nline"),
            record("mtime", b"12.5"),
            record("uid", b"4000000"),
        ]
        .concat();
        let mut extensions = Extensions::default();
        read(&content, 9, &mut extensions);
        assert_eq!(extensions.xattrs, [(b"security.capability".to_vec(), capability.to_vec())]);
        assert_eq!(extensions.path.as_deref(), Some(b"new\nline".as_slice()));
        assert_eq!((extensions.mtime, extensions.uid), (Some(12), Some(4_000_000)));
    }

    #[test]
    fn a_wrong_length_ends_the_reading() {
        let mut extensions = Extensions::default();
        for content in [
            b"9999 path=x\n".as_slice(),
            b"0 path=x\n",
            b"x path=x\n",
            b"3 \n",
            b"18446744073709551615 a=b\n",
        ] {
            read(content, 9, &mut extensions);
            assert_eq!(extensions.path, None);
        }
    }
}
