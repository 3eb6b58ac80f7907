//! Indexing a directory: an unpacked archive or a raw image directory.

use std::{
    fs, io,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::Path,
    sync::OnceLock,
};

use bytes::Bytes;

use super::{
    listing::Archive,
    member::{Data, Member, MemberKind},
};
use crate::{
    Diagnostic, Limits, Reports,
    limits::{count, reached},
};

/// Indexes a directory in order of names. Files are opened only when their bytes are asked for;
/// links are never followed.
///
/// # Errors
/// When the directory itself cannot be listed.
pub fn index_directory(root: &Path, limits: &Limits) -> io::Result<Archive> {
    let mut archive = Archive::under(limits);
    let mut reports = Reports::new(limits);
    let mut pending = vec![(root.to_path_buf(), Vec::new(), 0)];
    while let Some((directory, prefix, depth)) = pending.pop() {
        let listing = fs::read_dir(&directory).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
        let mut entries = match listing {
            Ok(entries) => entries,
            Err(error) if depth == 0 => return Err(error),
            Err(error) => {
                let subject = crate::text::escape_invalid(&prefix).into_owned();
                reports.push(
                    Diagnostic::loss("unreadable", subject, error.to_string()),
                    &mut archive.diagnostics,
                );
                continue;
            }
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let mut path: Vec<u8> = prefix.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(entry.file_name().as_bytes());
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                Err(error) => {
                    let subject = crate::text::escape_invalid(&path).into_owned();
                    reports.push(
                        Diagnostic::loss("unreadable", subject, error.to_string()),
                        &mut archive.diagnostics,
                    );
                    continue;
                }
            };
            let kind = if metadata.is_dir() {
                if depth < limits.directory_depth {
                    pending.push((entry.path(), path.clone(), depth + 1));
                } else {
                    let subject = crate::text::escape_invalid(&path).into_owned();
                    let what = "the directory lies too deep and is not entered";
                    reports.push(
                        reached("too-deep", subject, "directory-depth", what),
                        &mut archive.diagnostics,
                    );
                }
                MemberKind::Directory
            } else if metadata.is_symlink() {
                let target = fs::read_link(entry.path()).unwrap_or_default();
                MemberKind::Symlink(target.as_os_str().as_bytes().to_vec())
            } else if metadata.is_file() {
                MemberKind::File
            } else {
                MemberKind::Other(b'?')
            };
            let is_file = kind == MemberKind::File;
            let member = Member {
                path,
                kind,
                size: if is_file { metadata.len() } else { 0 },
                mode: metadata.mode() & 0o7777,
                mtime: Some(metadata.mtime()),
                uid: None,
                gid: None,
                device: None,
                xattrs: Vec::new(),
                offset: is_file.then_some(0),
                holes: Vec::new(),
                blocks: OnceLock::new(),
                data: if is_file {
                    Data::File { path: entry.path(), bytes: OnceLock::new() }
                } else {
                    Bytes::new().into()
                },
            };
            archive.add(member, &mut reports);
            if archive.members().len() >= count(limits.members) {
                let what = format!("only the first {} files are read", limits.members);
                archive.diagnostics.push(reached("too-many-members", "directory", "members", what));
                reports.finish("directory", &mut archive.diagnostics);
                return Ok(archive);
            }
        }
    }
    reports.finish("directory", &mut archive.diagnostics);
    Ok(archive)
}
