//! Logs that were emptied or deleted.

use super::{
    Facts, Hit, Severity, Subject,
    known::{basename, is_below},
    next_step::Topic,
    record::{about, about_path},
};
use crate::files::{
    file::{Content, Details, Kind, OpenFile},
    rootfs::ChangeKind,
};

/// Paths that are listed one by one.
const MAX_PATHS: usize = 16;
/// Files of logins, and of shells.
const RECORDS: [&[u8]; 7] =
    [b"wtmp", b"btmp", b"utmp", b"lastlog", b".bash_history", b".zsh_history", b".ash_history"];

/// Whether a path is of a log, and not of one that was rotated away.
fn is_log(path: &[u8]) -> bool {
    let name = basename(path);
    let is_named =
        name.ends_with(b".log") || name == b"syslog" || name == b"messages" || RECORDS.contains(&name);
    is_named || (is_below(path, b"/var/log") && !is_rotated(path))
}

/// Whether a log was rotated: `access.log.1`, `syslog.2.gz`, `app.log-20240601`.
fn is_rotated(path: &[u8]) -> bool {
    let name = basename(path);
    let name = name.strip_suffix(b".gz").or_else(|| name.strip_suffix(b".xz")).unwrap_or(name);
    let tail = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let head = name.len().saturating_sub(tail);
    (tail > 0 && head > 0 && name.get(head - 1).is_some_and(|byte| matches!(byte, b'.' | b'-')))
        || name.ends_with(b".old")
}

fn is_written(file: &OpenFile) -> bool {
    file.flags.as_ref().is_some_and(|flags| flags.iter().any(|flag| flag == "O_WRONLY" || flag == "O_RDWR"))
}

fn appends(file: &OpenFile) -> bool {
    file.flags.as_ref().is_some_and(|flags| flags.iter().any(|flag| flag == "O_APPEND"))
}

/// The subject of a finding about an open file.
fn subject(facts: &Facts<'_>, file: &OpenFile) -> Option<Subject> {
    let process = facts.process(file.pid?)?;
    Some(about(process).path(file.path.clone()?))
}

/// Files that are shorter than where the next write goes: they were emptied while they were written.
pub fn truncated(facts: &Facts<'_>) -> Vec<Hit> {
    let open = facts.files.iter().filter(|file| {
        file.fd.is_some() && file.kind == Some(Kind::Regular) && is_written(file) && !appends(file)
    });
    open.filter_map(|file| {
        let (position, size) = file.position.zip(file.size)?;
        let path = file.path.as_ref().filter(|_| position > size)?;
        if !is_log(&path.0) {
            return None;
        }
        Some(
            Hit::new(
                subject(facts, file)?,
                "log is shorter than what was written to it: truncated while open",
            )
            .fact("position of the writer", format!("files.img, fd {}", file.fd?), position.to_string())
            .fact("size", "files.img", size.to_string())
            .more(Topic::Files.of(file.pid?)),
        )
    })
    .collect()
}

/// Whether somebody removed the name. That of a file of a process in `/proc` goes with the process.
fn was_unlinked(file: &OpenFile) -> bool {
    let of_dead_process =
        matches!(&file.details, Some(Details::Regular(facts)) if facts.dead_process.is_some());
    file.deleted == Some(true) && !of_dead_process
}

/// Logs that were deleted while they were written.
pub fn deleted_open(facts: &Facts<'_>) -> Vec<Hit> {
    let open = facts
        .files
        .iter()
        .filter(|file| file.fd.is_some() && file.kind == Some(Kind::Regular) && was_unlinked(file));
    let mut hits: Vec<Hit> = Vec::new();
    for file in open {
        let Some((subject, path)) = subject(facts, file).zip(file.path.as_ref()) else { continue };
        if !is_log(&path.0) || !is_written(file) {
            continue;
        }
        let recoverable = file.content == Content::Ghost;
        let fd = file.fd.unwrap_or_default();
        // A worker has the log open that its parent opened: one finding is enough.
        let parent = file.pid.and_then(|pid| facts.parent(facts.process(pid)?)).map(|parent| parent.pid);
        let of_parent = file.shared_with.iter().any(|holder| Some(holder.pid) == parent);
        if of_parent {
            continue;
        }
        let mut hit = Hit::new(subject, "log was deleted while open for writing")
            .fact("descriptor", format!("files.img, fd {fd}"), path.clone())
            .more(Topic::Recoverable.of(file.pid.unwrap_or_default()));
        if let Some(size) = file.size {
            hit = hit.fact("size", "files.img", size.to_string());
        }
        if recoverable {
            hit = hit.fact("content", "remap-fpath.img", "saved in the checkpoint; can be recovered");
        }
        hits.push(if is_rotated(&path.0) {
            hit.harmless(Severity::Low, "rotation of logs deletes the oldest")
        } else {
            hit
        });
    }
    hits
}

/// Logs that were deleted from the root file system.
pub fn removed(facts: &Facts<'_>) -> Vec<Hit> {
    let gone: Vec<_> = facts
        .changes
        .iter()
        .filter(|change| change.change == ChangeKind::Deleted && is_log(&change.path.0))
        .filter(|change| !change.flags.contains(&"recreated"))
        .collect();
    let Some(first) = gone.first() else { return Vec::new() };
    let mut hit = Hit::new(about_path(&first.path), "logs of the container image were deleted")
        .fact("deleted logs", first.origin.escaped(), gone.len().to_string())
        .more(Topic::RootFileSystem.all());
    for change in gone.iter().take(MAX_PATHS) {
        hit = hit.fact("deleted", change.origin.escaped(), change.path.clone());
    }
    vec![hit]
}

/// Deleted files that are still open, and are neither programs nor logs.
pub fn unlinked(facts: &Facts<'_>) -> Vec<Hit> {
    let open = facts
        .files
        .iter()
        .filter(|file| file.fd.is_some() && file.kind == Some(Kind::Regular) && was_unlinked(file));
    let mut hits: Vec<Hit> = Vec::new();
    for file in open {
        let Some((subject, path)) = subject(facts, file).zip(file.path.as_ref()) else { continue };
        if is_log(&path.0) && is_written(file) {
            continue;
        }
        let pid = file.pid.unwrap_or_default();
        // Code that runs from it is another finding.
        let runs = facts.mappings_of(pid).any(|mapping| {
            mapping.perms.contains('x') && mapping.path.0.strip_suffix(b" (deleted)") == Some(&path.0)
        });
        if runs {
            continue;
        }
        let hit = Hit::new(subject, "has a deleted file open")
            .fact("descriptor", format!("files.img, fd {}", file.fd.unwrap_or_default()), path.clone())
            .more(Topic::Recoverable.of(pid));
        hits.push(hit);
    }
    hits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_told_from_rotated_ones() {
        for log in ["/var/log/nginx/access.log", "/tmp/auth.log", "/var/log/wtmp", "/var/log/messages"] {
            assert!(is_log(log.as_bytes()) && !is_rotated(log.as_bytes()), "{log}");
        }
        for rotated in
            ["/var/log/syslog.2.gz", "/var/log/app.log.1", "/var/log/app.log-20240601", "/var/log/x.old"]
        {
            assert!(is_rotated(rotated.as_bytes()), "{rotated}");
        }
        assert!(!is_log(b"/var/lib/postgresql/base/1") && !is_log(b"/tmp/catalog"));
    }
}
