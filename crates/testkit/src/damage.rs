//! Broken and hostile archives.

use crate::body::Body;
use crate::member::{Kind, Member, Members};
use crate::rng::Rng;

/// Cuts bytes after `length`.
pub fn cut(bytes: &[u8], length: usize) -> Vec<u8> {
    bytes[..length.min(bytes.len())].to_vec()
}

/// Inverts one byte.
pub fn flip(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out[at] ^= 0xff;
    out
}

/// Changes `count` bytes at places that follow from the seed.
pub fn scribble(bytes: &[u8], count: usize, seed: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    let mut out = bytes.to_vec();
    for _ in 0..count {
        let at = rng.below(out.len() as u64) as usize;
        out[at] = rng.word() as u8;
    }
    out
}

/// The archive cut at every member border, and one byte before and after each.
pub fn cuts(members: &Members) -> Vec<Vec<u8>> {
    let tar = members.to_tar();
    let near = |border: u64| [border.saturating_sub(1), border, border + 1];
    let mut lengths: Vec<u64> = members.borders().into_iter().flat_map(near).collect();
    lengths.dedup();
    lengths.iter().map(|length| cut(&tar, *length as usize)).collect()
}

/// Removes all members of a name.
pub fn without(mut members: Members, path: &str) -> Members {
    members.list.retain(|member| member.path != path.as_bytes());
    members
}

/// Repeats a member at the end of the archive, with other content if given.
pub fn duplicate(mut members: Members, path: &str, body: Option<Body>) -> Members {
    let mut copy = members.find_mut(path).clone();
    if let Some(body) = body {
        copy.body = body;
    }
    members.push(copy);
    members
}

/// Puts the members in an order that follows from the seed.
pub fn permute(mut members: Members, seed: u64) -> Members {
    let mut rng = Rng::new(seed);
    for at in (1..members.list.len()).rev() {
        let other = rng.below(at as u64 + 1) as usize;
        members.list.swap(at, other);
    }
    members
}

/// Sets the size prefix of an image's first entry to a number.
pub fn huge_entry(mut members: Members, path: &str, size: u32) -> Members {
    let member = members.find_mut(path);
    let mut bytes = member.body.to_vec();
    let head = if path.ends_with("inventory.img") { 4 } else { 8 };
    bytes[head..head + 4].copy_from_slice(&size.to_le_bytes());
    member.body = Body::Bytes(bytes);
    members
}

/// Shortens the content of a member.
pub fn shorten(mut members: Members, path: &str, length: usize) -> Members {
    let member = members.find_mut(path);
    member.body = Body::Bytes(cut(&member.body.to_vec(), length));
    members
}

/// Members that try to leave the archive, to deceive a terminal, or to exhaust a reader.
pub fn hostile_members() -> Vec<(&'static str, Member)> {
    let text = "owned\n";
    vec![
        ("parent directory", Member::file("../../../../tmp/owned", 0o644, text)),
        ("parent inside", Member::file("checkpoint/../../owned", 0o644, text)),
        ("absolute", Member::file("/tmp/owned", 0o644, text)),
        ("windows", Member::file("C:\\owned", 0o644, text)),
        ("symlink log", Member::symlink("container.log", "/etc/passwd")),
        ("symlink directory", Member::symlink("checkpoint/out", "/tmp")),
        ("symlink metadata", Member::symlink("spec.dump", "config.dump")),
        ("hardlink", Member::special("checkpoint/core-9.img", Kind::Hardlink(b"/etc/shadow".to_vec()))),
        (
            "hardlink inside",
            Member::special("checkpoint/core-9.img", Kind::Hardlink(b"checkpoint/core-1.img".to_vec())),
        ),
        ("character device", Member::special("checkpoint/null", Kind::Char(1, 3))),
        ("block device", Member::special("checkpoint/sda", Kind::Block(8, 0))),
        ("fifo", Member::special("checkpoint/pstree.img", Kind::Fifo)),
        ("unknown type", Member::special("checkpoint/strange", Kind::Other(b'Z'))),
        ("escape sequence", Member::file("checkpoint/\x1b]0;owned\x07\x1b[31m.img", 0o644, text)),
        ("newline", Member::file("checkpoint/one\nconfig.dump", 0o644, text)),
        ("right to left", Member::file("checkpoint/\u{202e}gmi.exe", 0o644, text)),
        ("invalid UTF-8", Member::file(b"checkpoint/\xff\xfe\x80.img".to_vec(), 0o644, text)),
        ("empty name", Member::file("", 0o644, text)),
        ("dot", Member::file(".", 0o644, text)),
        ("NUL in PAX path", Member::file("x", 0o644, text).pax("path", *b"config.dump\0.txt")),
        ("substring name", Member::file("evil-spec.dump", 0o644, "{}")),
        ("long name", Member::file(vec![b'a'; 1 << 20], 0o644, text)),
        ("deep name", Member::file("d/".repeat(5000) + "leaf", 0o644, text)),
        ("PAX size", Member::file("checkpoint/big.img", 0o644, text).pax("size", *b"999999999999999")),
        ("PAX size not a number", Member::file("checkpoint/odd.img", 0o644, text).pax("size", *b"-1")),
        (
            "PAX sparse",
            Member::file("checkpoint/pages-9.img", 0o644, "4096 bytes")
                .pax("GNU.sparse.major", *b"1")
                .pax("GNU.sparse.minor", *b"0")
                .pax("GNU.sparse.realsize", *b"1099511627776"),
        ),
        ("JSON depth", Member::file("network.status", 0o600, "[".repeat(100_000))),
        ("JSON width", Member::file("deleted.files", 0o600, r#"["../../x","\u001b[2J"]"#)),
    ]
}

/// Each hostile member alone, put before (`true`) or after an archive's own members.
pub fn hostile(members: &Members, before: bool) -> Vec<(&'static str, Members)> {
    hostile_members()
        .into_iter()
        .map(|(name, member)| {
            let mut members = members.clone();
            let at = if before { 0 } else { members.list.len() };
            members.list.insert(at, member);
            (name, members)
        })
        .collect()
}

/// An archive of very many empty members.
pub fn many_members(count: u32) -> Members {
    let list = (0..count).map(|number| Member::file(format!("checkpoint/f{number}"), 0o644, "")).collect();
    Members { list, ..Members::new() }
}

/// A layer that unpacks to `length` zeros, compressed and compressed again.
pub fn bomb(length: u64) -> Vec<u8> {
    let mut inner = Members::new();
    inner.push(Member::with_body("zeros", 0o644, Body::Zeros(length)));
    let mut outer = Members::new();
    outer.file("rootfs-diff.tar", 0o644, crate::Outer::Gzip.pack(&inner.to_tar()));
    crate::Outer::Zstd.pack(&outer.to_tar())
}

/// The first bytes of an archive whose member is larger than 8 GiB; the content is not written.
pub fn huge_header(path: &str, length: u64, dialect: crate::Dialect) -> Vec<u8> {
    let mut members = Members::new().dialect(dialect);
    members.push(Member::with_body(path, 0o644, Body::Zeros(length)));
    members.header_bytes(0)
}
