//! Paths of members, which are bytes and never looked up on the analyst's file system.

/// Whether a path has a part `..`.
pub fn leads_out(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').any(|part| part == b"..")
}

/// Drops leading `/` and `./`, doubled and trailing slashes and `.` parts; `..` stays as written.
pub fn normalise(path: &[u8]) -> Vec<u8> {
    let mut normal = Vec::with_capacity(path.len());
    for part in path.split(|byte| *byte == b'/') {
        if part.is_empty() || part == b"." {
            continue;
        }
        if !normal.is_empty() {
            normal.push(b'/');
        }
        normal.extend_from_slice(part);
    }
    normal
}

/// Directory and last part of a path.
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (path.get(..slash).unwrap_or_default(), path.get(slash + 1..).unwrap_or_default()),
        None => (b"", path),
    }
}

/// A path below a directory.
pub fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() {
        return name.to_vec();
    }
    [directory, b"/", name].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalises_paths_without_resolving_them() {
        for (from, to) in [("./a", "a"), ("/a//b/", "a/b"), ("a/../b", "a/../b"), ("./", ""), ("..", "..")] {
            assert_eq!(normalise(from.as_bytes()), to.as_bytes());
        }
    }
}
