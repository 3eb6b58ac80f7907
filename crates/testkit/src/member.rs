//! Members of an archive as plain data, and the tar form of them.
//!
//! The tar writer is written out here rather than taken from a library, because
//! hostile names and headers must get through unchanged.

use crate::body::Body;
use std::io::{self, Write};
use std::path::Path;

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Regular file.
    File,
    /// Directory.
    Directory,
    /// Symbolic link to this target.
    Symlink(Vec<u8>),
    /// Hard link to this name.
    Hardlink(Vec<u8>),
    /// Character device.
    Char(u32, u32),
    /// Block device.
    Block(u32, u32),
    /// Named pipe.
    Fifo,
    /// A type flag put down as it is.
    Other(u8),
}

/// One member of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Name as it stands in the archive; any bytes.
    pub path: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Owner and group.
    pub owner: (u64, u64),
    /// Modification time, seconds.
    pub mtime: u64,
    /// Kind.
    pub kind: Kind,
    /// Content of a file.
    pub body: Body,
    /// Extended header records.
    pub pax: Vec<(String, Vec<u8>)>,
}

impl Member {
    fn new(path: impl Into<Vec<u8>>, mode: u32, kind: Kind, body: Body) -> Self {
        Self { path: path.into(), mode, owner: (0, 0), mtime: crate::TIME, kind, body, pax: Vec::new() }
    }

    /// A regular file.
    pub fn file(path: impl Into<Vec<u8>>, mode: u32, body: impl Into<Body>) -> Self {
        Self::new(path, mode, Kind::File, body.into())
    }

    /// A regular file whose body is made elsewhere.
    pub fn with_body(path: impl Into<Vec<u8>>, mode: u32, body: Body) -> Self {
        Self::new(path, mode, Kind::File, body)
    }

    /// A directory; a slash is added if missing.
    pub fn directory(path: impl Into<Vec<u8>>, mode: u32) -> Self {
        let mut path = path.into();
        if path.last() != Some(&b'/') {
            path.push(b'/');
        }
        Self::new(path, mode, Kind::Directory, Body::Bytes(Vec::new()))
    }

    /// A symbolic link.
    pub fn symlink(path: impl Into<Vec<u8>>, target: impl Into<Vec<u8>>) -> Self {
        let kind = Kind::Symlink(target.into());
        Self::new(path, 0o777, kind, Body::Bytes(Vec::new()))
    }

    /// A member of any other kind, without content.
    pub fn special(path: impl Into<Vec<u8>>, kind: Kind) -> Self {
        Self::new(path, 0o644, kind, Body::Bytes(Vec::new()))
    }

    /// Adds a PAX record.
    pub fn pax(mut self, key: &str, value: impl Into<Vec<u8>>) -> Self {
        self.pax.push((key.to_owned(), value.into()));
        self
    }

    /// Sets the time.
    pub fn mtime(mut self, seconds: u64) -> Self {
        self.mtime = seconds;
        self
    }
}

/// Header dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// USTAR, with a PAX header where needed.
    #[default]
    Ustar,
    /// A PAX header before every member.
    Pax,
    /// GNU: long names in their own members, base-256 numbers.
    Gnu,
}

/// The members of an archive, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    /// The members.
    pub list: Vec<Member>,
    /// Header dialect of [`Members::to_tar`].
    pub dialect: Dialect,
    /// Bytes after the end-of-archive marker.
    pub tail: Vec<u8>,
    /// Leaves the end-of-archive marker out.
    pub unterminated: bool,
}

impl Members {
    /// No members.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a member.
    pub fn push(&mut self, member: Member) {
        self.list.push(member);
    }

    /// Appends a regular file.
    pub fn file(&mut self, path: &str, mode: u32, body: impl Into<Body>) {
        self.push(Member::file(path, mode, body));
    }

    /// The first member of this name.
    pub fn find(&self, path: &str) -> Option<&Member> {
        self.list.iter().find(|member| member.path == path.as_bytes())
    }

    /// The first member of this name, to be changed; panics if there is none.
    pub fn find_mut(&mut self, path: &str) -> &mut Member {
        let found = self.list.iter_mut().find(|member| member.path == path.as_bytes());
        found.unwrap_or_else(|| panic!("no member {path}"))
    }

    /// Replaces the content of a member.
    pub fn set(&mut self, path: &str, body: impl Into<Body>) {
        self.find_mut(path).body = body.into();
    }

    /// Puts `./` before every name, and `./` itself first.
    pub fn dot_slash(mut self) -> Self {
        for member in &mut self.list {
            member.path = [b"./", &member.path[..]].concat();
        }
        self.list.insert(0, Member::directory("./", 0o755));
        self
    }

    /// Drops all directory members.
    pub fn without_directories(mut self) -> Self {
        self.list.retain(|member| member.kind != Kind::Directory);
        self
    }

    /// Sets the header dialect.
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Appends bytes behind the end of the archive.
    pub fn stale_tail(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.tail = bytes.into();
        self
    }

    /// Writes the tar stream.
    pub fn write_tar(&self, out: &mut dyn Write) -> io::Result<()> {
        for member in &self.list {
            out.write_all(&self.headers(member))?;
            if member.kind == Kind::File || matches!(member.kind, Kind::Other(_)) {
                member.body.write_to(out)?;
                out.write_all(&padding(member.body.len()))?;
            }
        }
        if !self.unterminated {
            out.write_all(&[0; 1024])?;
        }
        out.write_all(&self.tail)
    }

    /// The tar stream in memory.
    pub fn to_tar(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_tar(&mut out).expect("writing to memory");
        out
    }

    /// The header blocks of one member.
    pub fn header_bytes(&self, index: usize) -> Vec<u8> {
        self.headers(&self.list[index])
    }

    /// Offsets at which members begin, and where the end marker begins.
    pub fn borders(&self) -> Vec<u64> {
        let mut at = 0;
        let mut out = vec![0];
        for member in &self.list {
            at += self.headers(member).len() as u64;
            if member.kind == Kind::File {
                at += member.body.len().next_multiple_of(512);
            }
            out.push(at);
        }
        out
    }

    /// Unpacks harmless members below a directory of the file system; others panic.
    pub fn to_dir(&self, root: &Path) -> io::Result<()> {
        std::fs::create_dir_all(root)?;
        for member in &self.list {
            let name = std::str::from_utf8(&member.path).expect("plain name");
            let safe = !name.starts_with('/') && !name.split('/').any(|part| part == "..");
            assert!(safe, "refusing to unpack {name:?}");
            let path = root.join(name);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            match &member.kind {
                Kind::Directory => std::fs::create_dir_all(&path)?,
                Kind::File => member.body.write_to(&mut std::fs::File::create(&path)?)?,
                #[cfg(unix)]
                Kind::Symlink(target) => {
                    let target = std::str::from_utf8(target).expect("plain target");
                    std::os::unix::fs::symlink(target, &path)?;
                }
                other => panic!("refusing to unpack {other:?}"),
            }
        }
        Ok(())
    }

    fn headers(&self, member: &Member) -> Vec<u8> {
        let mut out = Vec::new();
        let mut records = member.pax.clone();
        let target: &[u8] = match &member.kind {
            Kind::Symlink(target) | Kind::Hardlink(target) => target,
            _ => &[],
        };
        let size = member.body.len();
        let (prefix, name) = split(&member.path, self.dialect);
        if self.dialect == Dialect::Gnu {
            for (flag, text) in [(b'K', target), (b'L', &member.path[..])] {
                if text.len() > 100 {
                    let text = [text, b"\0"].concat();
                    out.extend(long(b"././@LongLink", flag, &text));
                }
            }
        } else {
            let named = records.iter().any(|(key, _)| key == "path");
            let plain = member.path.is_ascii() && !member.path.contains(&0);
            let fits = prefix.len() + name.len() + usize::from(!prefix.is_empty()) == member.path.len();
            let stored = named || (fits && plain);
            if !stored {
                records.push(("path".to_owned(), member.path.clone()));
            }
            if target.len() > 100 || !target.is_ascii() {
                records.push(("linkpath".to_owned(), target.to_vec()));
            }
            if size >= 1 << 33 && !records.iter().any(|(key, _)| key == "size") {
                records.push(("size".to_owned(), size.to_string().into_bytes()));
            }
            if self.dialect == Dialect::Pax && records.is_empty() {
                records.push(("mtime".to_owned(), member.mtime.to_string().into_bytes()));
            }
            if !records.is_empty() {
                let body: Vec<u8> = records.iter().flat_map(|(key, value)| record(key, value)).collect();
                out.extend(long(b"PaxHeaders.0/member", b'x', &body));
            }
        }
        let (flag, device) = match member.kind {
            Kind::File => (b'0', (0, 0)),
            Kind::Hardlink(_) => (b'1', (0, 0)),
            Kind::Symlink(_) => (b'2', (0, 0)),
            Kind::Char(major, minor) => (b'3', (major, minor)),
            Kind::Block(major, minor) => (b'4', (major, minor)),
            Kind::Directory => (b'5', (0, 0)),
            Kind::Fifo => (b'6', (0, 0)),
            Kind::Other(flag) => (flag, (0, 0)),
        };
        let mut block = [0; 512];
        put(&mut block, 0, 100, name);
        number(&mut block, 100, 8, u64::from(member.mode), self.dialect);
        number(&mut block, 108, 8, member.owner.0, self.dialect);
        number(&mut block, 116, 8, member.owner.1, self.dialect);
        number(&mut block, 124, 12, size, self.dialect);
        number(&mut block, 136, 12, member.mtime, self.dialect);
        block[156] = flag;
        put(&mut block, 157, 100, target);
        if self.dialect == Dialect::Gnu {
            put(&mut block, 257, 8, b"ustar  \0");
        } else {
            put(&mut block, 257, 8, b"ustar\x0000");
            put(&mut block, 345, 155, prefix);
        }
        number(&mut block, 329, 8, u64::from(device.0), self.dialect);
        number(&mut block, 337, 8, u64::from(device.1), self.dialect);
        seal(&mut block);
        out.extend(block);
        out
    }
}

/// Name split into the prefix and name fields of USTAR, cut if it does not fit.
fn split(path: &[u8], dialect: Dialect) -> (&[u8], &[u8]) {
    if path.len() <= 100 {
        return (&[], path);
    }
    let cut = (1..path.len().min(156)).rev().find(|at| path[*at] == b'/');
    match cut {
        Some(at) if dialect != Dialect::Gnu && (1..=100).contains(&(path.len() - at - 1)) => {
            (&path[..at], &path[at + 1..])
        }
        _ => (&[], &path[..100]),
    }
}

fn padding(length: u64) -> Vec<u8> {
    vec![0; (length.next_multiple_of(512) - length) as usize]
}

fn put(block: &mut [u8; 512], at: usize, width: usize, bytes: &[u8]) {
    let length = bytes.len().min(width);
    block[at..at + length].copy_from_slice(&bytes[..length]);
}

fn number(block: &mut [u8; 512], at: usize, width: usize, value: u64, dialect: Dialect) {
    let text = format!("{value:0>fill$o}", fill = width - 1);
    if text.len() < width {
        put(block, at, width, text.as_bytes());
    } else if dialect == Dialect::Gnu {
        block[at] = 0x80;
        block[at + width - 8..at + width].copy_from_slice(&value.to_be_bytes());
    } else {
        // The PAX record holds the number.
        put(block, at, width, "0".repeat(width - 1).as_bytes());
    }
}

fn seal(block: &mut [u8; 512]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let text = format!("{sum:06o}\0 ");
    block[148..156].copy_from_slice(text.as_bytes());
}

/// A member whose body is metadata of the next one.
fn long(name: &[u8], flag: u8, body: &[u8]) -> Vec<u8> {
    let mut block = [0; 512];
    put(&mut block, 0, 100, name);
    number(&mut block, 100, 8, 0o644, Dialect::Ustar);
    number(&mut block, 108, 8, 0, Dialect::Ustar);
    number(&mut block, 116, 8, 0, Dialect::Ustar);
    number(&mut block, 124, 12, body.len() as u64, Dialect::Ustar);
    number(&mut block, 136, 12, 0, Dialect::Ustar);
    block[156] = flag;
    let magic: &[u8] = if flag == b'x' { b"ustar\x0000" } else { b"ustar  \0" };
    put(&mut block, 257, 8, magic);
    seal(&mut block);
    let mut out = block.to_vec();
    out.extend_from_slice(body);
    out.extend(padding(body.len() as u64));
    out
}

/// A PAX record, whose length counts its own digits.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    let mut out = format!("{length} {key}=").into_bytes();
    out.extend_from_slice(value);
    out.push(b'\n');
    out
}
