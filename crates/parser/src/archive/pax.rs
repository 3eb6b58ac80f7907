//! PAX extended headers: what they say about the member that follows them.

use super::sparse::PaxSparse;
use crate::text::escape_invalid;

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
    /// What is wrong with the headers, in words.
    pub problems: Vec<String>,
}

/// Most problems of one header that are told.
const PROBLEMS: usize = 8;

impl Extensions {
    fn problem(&mut self, what: String) {
        if self.problems.len() < PROBLEMS {
            self.problems.push(what);
        }
    }
}

/// Reads `length key=value\n` records. The length decides where a value ends: one that is binary, such
/// as a file capability, may hold newlines.
/// Of a file with holes at most `pieces` are taken.
pub(super) fn read(content: &[u8], pieces: usize, extensions: &mut Extensions) {
    let mut rest = content;
    while let Some((record, after)) = split_record(rest) {
        rest = after;
        let Some(equals) = record.iter().position(|byte| *byte == b'=') else {
            extensions.problem("a record has no value".to_owned());
            continue;
        };
        let (key, value) = record.split_at(equals);
        apply(key, value.get(1..).unwrap_or_default(), pieces, extensions);
    }
    if rest.iter().any(|byte| *byte != 0) {
        extensions.problem(format!("its last {} bytes are no records", rest.len()));
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
        b"path" => extensions.path = Some(without_nul("path", value, extensions)),
        b"linkpath" => extensions.link = Some(without_nul("linkpath", value, extensions)),
        b"size" => extensions.size = number("size", value, i64::MAX as u64, extensions),
        b"uid" => extensions.uid = number("uid", value, u32::MAX.into(), extensions),
        b"gid" => extensions.gid = number("gid", value, u32::MAX.into(), extensions),
        b"mtime" => {
            extensions.mtime = text.split('.').next().and_then(|seconds| seconds.parse().ok());
            if extensions.mtime.is_none() {
                extensions.problem(not_believed("mtime", value));
            }
        }
        b"GNU.sparse.name" => {
            extensions.path = Some(without_nul("GNU.sparse.name", value, extensions));
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

/// A path, which ends where one that is extracted would.
fn without_nul(key: &str, value: &[u8], extensions: &mut Extensions) -> Vec<u8> {
    let path = value.split(|byte| *byte == 0).next().unwrap_or_default();
    if path.len() < value.len() {
        extensions.problem(format!("its {key} holds a zero byte; what follows that is left out"));
    }
    path.to_vec()
}

fn number(key: &str, value: &[u8], most: u64, extensions: &mut Extensions) -> Option<u64> {
    let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    let believed = number.filter(|number| *number <= most);
    if believed.is_none() {
        extensions.problem(not_believed(key, value));
    }
    believed
}

fn not_believed(key: &str, value: &[u8]) -> String {
    let shown = escape_invalid(value.get(..value.len().min(32)).unwrap_or_default());
    format!("its {key} is {shown:?}, which is no such value; the plain header's is used")
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
        assert!(extensions.problems.is_empty());
    }

    #[test]
    fn what_is_out_of_range_is_told_and_not_believed() {
        for (key, value) in [
            ("size", b"-1".as_slice()),
            ("size", b"9223372036854775808"),
            ("size", b"1e3"),
            ("uid", b"4294967296"),
            ("gid", b"root"),
            ("mtime", b"never"),
            ("mtime", b"99999999999999999999"),
        ] {
            let mut extensions = Extensions::default();
            read(&record(key, value), 9, &mut extensions);
            let Extensions { size, mtime, uid, gid, problems, .. } = extensions;
            assert_eq!((size, mtime, uid, gid), (None, None, None, None), "{key} {value:?}");
            assert!(problems.len() == 1 && problems[0].contains(key), "{problems:?}");
        }
        let mut extensions = Extensions::default();
        read(&record("path", b"config.dump\0.txt"), 9, &mut extensions);
        assert_eq!(extensions.path.as_deref(), Some(b"config.dump".as_slice()));
        assert_eq!(extensions.problems.len(), 1);
        let mut extensions = Extensions::default();
        read(&[record("mtime", b"-5.25"), vec![0; 30]].concat(), 9, &mut extensions);
        assert_eq!((extensions.mtime, extensions.problems.len()), (Some(-5), 0));
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
            extensions.problems.clear();
            read(content, 9, &mut extensions);
            assert_eq!(extensions.path, None);
            assert!(!extensions.problems.is_empty());
        }
    }
}
