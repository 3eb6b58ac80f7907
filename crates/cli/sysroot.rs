//! Files of the container outside the evidence, taken only when they are the ones that were mapped.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

/// Symbolic links that are followed for one file.
const MAX_LINKS: usize = 40;
/// Most program headers and bytes of notes that are looked at.
const MAX_HEADERS: u64 = 1 << 16;
const MAX_NOTES: u64 = 1 << 20;

const PT_NOTE: u64 = 4;
const NT_GNU_BUILD_ID: u64 = 3;

/// What the checkpoint knows of a mapped file.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Path in the container.
    pub path: &'a [u8],
    /// GNU build id in hexadecimal.
    pub build_id: Option<&'a str>,
    /// Size in bytes.
    pub size: Option<u64>,
    /// Whether the name was gone: what has it now is another file.
    pub deleted: bool,
}

/// A file that was found to be the mapped one.
#[derive(Debug)]
pub struct Found {
    /// The file.
    pub file: File,
    /// Its size in bytes.
    pub size: u64,
    /// How it was recognised.
    pub by: &'static str,
}

/// Finds a file below a directory. The error says why there is none that may be used.
pub fn find(root: &Path, wanted: Wanted<'_>) -> Result<Found, String> {
    let path = resolve(root, wanted.path).map_err(|error| error.to_string())?;
    if !fs::symlink_metadata(&path).map_err(|error| error.to_string())?.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let mut file = File::open(&path).map_err(|error| error.to_string())?;
    let size = file.metadata().map_err(|error| error.to_string())?.len();
    match (wanted.build_id, wanted.size) {
        (Some(expected), _) => match build_id(&mut file) {
            Ok(Some(found)) if found == expected => Ok(Found { file, size, by: "build id" }),
            Ok(Some(found)) => Err(format!("its build id is {found}, not {expected}")),
            Ok(None) => Err(format!("it has no build id, where {expected} is expected")),
            Err(error) => Err(error.to_string()),
        },
        (None, _) if wanted.deleted => {
            Err("the mapped file was deleted and has no build id to know it by".to_owned())
        }
        (None, Some(expected)) if expected == size => Ok(Found { file, size, by: "size" }),
        (None, Some(expected)) => Err(format!("it has {size} bytes, not {expected}")),
        (None, None) => Err("the checkpoint has neither build id nor size to know it by".to_owned()),
    }
}

/// The place of a container's path below a directory. Links are followed as they were in the container: they never
/// lead out of the directory.
fn resolve(root: &Path, path: &[u8]) -> io::Result<PathBuf> {
    let parts = |path: &[u8]| -> Vec<Vec<u8>> {
        path.split(|byte| *byte == b'/')
            .rev()
            .filter(|part| !part.is_empty() && *part != b".")
            .map(<[u8]>::to_vec)
            .collect()
    };
    if !path.starts_with(b"/") {
        return Err(io::Error::other("its path is not absolute"));
    }
    let mut pending = parts(path);
    let mut done: Vec<Vec<u8>> = Vec::new();
    let mut links = 0;
    let join = |done: &[Vec<u8>]| {
        done.iter().fold(root.to_path_buf(), |path, part| path.join(OsStr::from_bytes(part)))
    };
    while let Some(part) = pending.pop() {
        if part == b".." {
            done.pop();
            continue;
        }
        done.push(part);
        let here = join(&done);
        if !fs::symlink_metadata(&here)?.is_symlink() {
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(io::Error::other("its path has too many symbolic links"));
        }
        let target = fs::read_link(&here)?;
        let target = target.as_os_str().as_bytes();
        done.pop();
        if target.starts_with(b"/") {
            done.clear();
        }
        pending.extend(parts(target));
    }
    Ok(join(&done))
}

/// The GNU build id in the notes of an ELF file; none when it is no ELF file or has none.
fn build_id(file: &mut File) -> io::Result<Option<String>> {
    let mut read = |offset: u64, length: u64| -> io::Result<Vec<u8>> {
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let header = read(0, 64)?;
    if !header.starts_with(b"\x7fELF") {
        return Ok(None);
    }
    let wide = header.get(4) == Some(&2);
    let big = header.get(5) == Some(&2);
    let number = |bytes: &[u8], offset: usize, length: usize| number(bytes, offset, length, big);
    let word = if wide { 8 } else { 4 };
    let (offset, size, count) = if wide {
        (number(&header, 32, 8), number(&header, 54, 2), number(&header, 56, 2))
    } else {
        (number(&header, 28, 4), number(&header, 42, 2), number(&header, 44, 2))
    };
    let (Some(offset), Some(size), Some(count)) = (offset, size, count) else { return Ok(None) };
    let headers = read(offset, size.saturating_mul(count.min(MAX_HEADERS)))?;
    let size = usize::try_from(size).unwrap_or(0).max(1);
    for header in headers.chunks_exact(size) {
        if number(header, 0, 4) != Some(PT_NOTE) {
            continue;
        }
        let (at, length) = if wide { (8, 32) } else { (4, 16) };
        let (Some(at), Some(length)) = (number(header, at, word), number(header, length, word)) else {
            continue;
        };
        let notes = read(at, length.min(MAX_NOTES))?;
        if let Some(id) = build_id_in(&notes, big) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

fn number(bytes: &[u8], offset: usize, length: usize, big: bool) -> Option<u64> {
    let bytes = bytes.get(offset..offset.checked_add(length)?)?;
    let join = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    Some(if big { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) })
}

fn build_id_in(mut notes: &[u8], big: bool) -> Option<String> {
    loop {
        let size = |offset| usize::try_from(number(notes, offset, 4, big)?).ok();
        let (name, content, kind) = (size(0)?, size(4)?, number(notes, 8, 4, big)?);
        let name_end = 12_usize.checked_add(name)?;
        let start = name_end.checked_next_multiple_of(4)?;
        let end = start.checked_add(content)?;
        if kind == NT_GNU_BUILD_ID && notes.get(12..name_end)? == b"GNU\0" {
            return Some(hex::encode(notes.get(start..end)?));
        }
        notes = notes.get(end.checked_next_multiple_of(4)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn elf(build_id: &[u8]) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(64, 0);
        file[32] = 64;
        file[54] = 56;
        file[56] = 1;
        file.extend(4_u32.to_le_bytes());
        file.resize(64 + 56, 0);
        file[72] = 120;
        file[96] = 16 + build_id.len() as u8;
        file.extend([4, 0, 0, 0, build_id.len() as u8, 0, 0, 0, 3, 0, 0, 0]);
        file.extend(b"GNU\0");
        file.extend(build_id);
        file
    }

    #[test]
    fn only_the_mapped_file_is_taken() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a.so"), elf(&[1, 2, 3, 4])).unwrap();
        let wanted = Wanted { path: b"/a.so", build_id: Some("01020304"), size: None, deleted: true };
        assert_eq!(find(root.path(), wanted).unwrap().by, "build id");
        let other = Wanted { build_id: Some("ff"), ..wanted };
        assert_eq!(find(root.path(), other).unwrap_err(), "its build id is 01020304, not ff");
        let by_size = Wanted { build_id: None, size: Some(140), deleted: false, ..wanted };
        assert_eq!(find(root.path(), by_size).unwrap().by, "size");
        assert!(find(root.path(), Wanted { size: Some(139), ..by_size }).is_err());
        assert!(find(root.path(), Wanted { deleted: true, ..by_size }).is_err());
        assert!(find(root.path(), Wanted { size: None, ..by_size }).is_err());
        assert!(find(root.path(), Wanted { path: b"/", ..by_size }).is_err());
    }

    #[test]
    fn links_stay_inside_the_directory() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("usr/lib")).unwrap();
        fs::write(root.path().join("usr/lib/a"), "a").unwrap();
        symlink("/usr/lib", root.path().join("lib")).unwrap();
        symlink("../../../../../usr/lib/a", root.path().join("usr/lib/up")).unwrap();
        symlink("loop", root.path().join("loop")).unwrap();
        let resolve = |path: &str| super::resolve(root.path(), path.as_bytes()).ok();
        let file = root.path().join("usr/lib/a");
        assert_eq!(resolve("/lib/a"), Some(file.clone()));
        assert_eq!(resolve("/lib/up"), Some(file.clone()));
        // As in the kernel, .. follows the link before it.
        assert_eq!(resolve("/../../lib/../usr/lib/a"), None);
        assert_eq!(resolve("/../../lib/../lib/a"), Some(file));
        assert_eq!(resolve("/loop"), None);
        assert_eq!(resolve("lib/a"), None);
    }
}
