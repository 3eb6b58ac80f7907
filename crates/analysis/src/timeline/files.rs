//! Times of files: changes of the file systems, and deleted files.

use super::{Event, Kind, Reliability, Subject, Wish};
use crate::{
    Case, Text,
    files::{
        file_use::{self, FileUse},
        rootfs,
    },
    recover,
};

/// Files that the tars of the archive hold.
pub(super) fn changed(case: &mut Case<'_>, wish: &Wish<'_>, list: &mut Vec<Event>) {
    let look = rootfs::Wish { hash: false, diff: false, zeros: 0, base: None };
    for change in rootfs::changes(case, wish.sources, &look, wish.wanted, !wish.filtered) {
        let Some(time) = change.mtime else { continue };
        let kind = change.kind.unwrap_or("file");
        let subject = Subject {
            pid: None,
            comm: None,
            holders: change.pids,
            path: Some(change.path.clone()),
            file_kind: change.kind,
            size: change.size,
            mode: change.mode,
            uid: change.uid,
            gid: change.gid,
        };
        let message = Text([kind.as_bytes(), b" ", &change.path.0, b" was modified"].concat());
        let event = Event::new(time, Kind::FileModified, change.origin, Reliability::Claimed);
        list.push(event.saying(message).about(subject));
    }
}

/// Deleted files whose content the dump holds.
pub(super) fn ghosts(case: &mut Case<'_>, wish: &Wish<'_>, list: &mut Vec<Event>) {
    let users = FileUse::read(case, wish.wanted);
    for ghost in recover::ghosts(case, &users) {
        let facts = ghost.facts;
        if wish.filtered && facts.users.is_empty() {
            continue;
        }
        let subject = Subject {
            pid: None,
            comm: None,
            holders: file_use::pids(&facts.users),
            path: facts.name.clone(),
            file_kind: None,
            size: Some(facts.size),
            mode: facts.mode,
            uid: facts.uid.map(u64::from),
            gid: facts.gid.map(u64::from),
        };
        let name = facts.name.unwrap_or_else(|| facts.id.as_str().into());
        let times = [
            (facts.mtime, Kind::GhostModified, &b" was modified"[..]),
            (facts.atime, Kind::GhostAccessed, b" was read"),
        ];
        for (time, kind, what) in times {
            let Some(time) = time else { continue };
            let message = Text([b"deleted file ", name.0.as_slice(), what].concat());
            let event = Event::new(time, kind, facts.member.as_str(), Reliability::Claimed);
            list.push(event.saying(message).about(subject.clone()));
        }
    }
}
