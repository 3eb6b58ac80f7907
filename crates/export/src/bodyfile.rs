//! The form that mactime of the Sleuth Kit reads:
//! `MD5|name|inode|mode|UID|GID|size|atime|mtime|ctime|crtime`, times in whole seconds. mactime passes over times below
//! 0, and prints 0 as a date in the year 0.

use std::io::Write;

use ckptfx_analysis::timeline::{Event, Kind};
use ckptfx_report::untrusted::show;

use crate::{
    dossier::Dossier,
    export::{Export, Result},
};

/// A time that is not known.
const NONE: i64 = -1;

/// Lines for mactime.
pub struct Bodyfile;

impl Export for Bodyfile {
    fn checkpoint(&mut self, dossier: &Dossier<'_>, out: &mut dyn Write) -> Result<()> {
        Ok(dossier.events.iter().try_for_each(|event| writeln!(out, "{}", line(event)))?)
    }
}

fn line(event: &Event) -> String {
    let subject = &event.subject;
    // A file stands under its path, so that its times come together; anything else under what happened.
    let is_file = matches!(event.kind, Kind::FileModified | Kind::GhostModified | Kind::GhostAccessed);
    let name = match &subject.path {
        Some(path) if is_file && event.kind == Kind::FileModified => show(&path.0),
        Some(path) if is_file => format!("{} (deleted)", show(&path.0)),
        _ => {
            let pid = subject.pid.map(|pid| format!(" pid {pid}")).unwrap_or_default();
            format!("[{}{pid}] {}", event.kind.name(), show(&event.message.0))
        }
    };
    // The separator cannot be quoted.
    let name = name.replace('|', "\\x7c");
    // What is no file has no owner; that of a file may be unknown, and is not root then.
    let unknown = if is_file { "-1" } else { "0" };
    let number = |value: Option<u64>| value.map_or_else(|| unknown.to_owned(), |value| value.to_string());
    let seconds = event.time.as_second();
    let (atime, mtime, crtime) = match event.kind {
        Kind::GhostAccessed => (seconds, NONE, NONE),
        _ if is_file => (NONE, seconds, NONE),
        _ => (NONE, NONE, seconds),
    };
    let (uid, gid) = (number(subject.uid), number(subject.gid));
    let size = subject.size.unwrap_or(0);
    format!("0|{name}|0|{}|{uid}|{gid}|{size}|{atime}|{mtime}|{NONE}|{crtime}", mode(event))
}

/// `r/rrwxr-xr-x`, as the Sleuth Kit writes it: kind by name, kind by inode, permissions.
fn mode(event: &Event) -> String {
    let Some(bits) = event.subject.mode.as_deref().and_then(|mode| u32::from_str_radix(mode, 8).ok()) else {
        return "0".to_owned();
    };
    let letter = match event.subject.file_kind {
        Some("directory") => 'd',
        Some("symlink") => 'l',
        Some("char-device") => 'c',
        Some("block-device") => 'b',
        Some("fifo") => 'p',
        _ => 'r',
    };
    let set = |mask: u32| bits & mask != 0;
    let mut text = format!("{letter}/{letter}");
    for (shift, special, with, without) in
        [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')]
    {
        text.push(if set(4 << shift) { 'r' } else { '-' });
        text.push(if set(2 << shift) { 'w' } else { '-' });
        text.push(match (set(1 << shift), set(special)) {
            (true, true) => with,
            (false, true) => without,
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}
