//! Bare image directories: runc, Docker, chains of dumps.

use super::Container;
use crate::checkpoint::Checkpoint;
use crate::member::{Member, Members};

impl Container {
    /// What `runc checkpoint` leaves: images, descriptors, log and statistics.
    pub fn runc_directory(&self) -> Members {
        let mut out = self.docker_directory();
        out.file("dump.log", 0o600, self.checkpoint.dump_log());
        out.file("stats-dump", 0o644, self.checkpoint.stats_dump());
        out.list.sort_by(|one, other| one.path.cmp(&other.path));
        out
    }

    /// What Docker keeps: images and descriptors only.
    pub fn docker_directory(&self) -> Members {
        let mut out = Members::new();
        for mut member in self.images("x", 0o700, 0o600) {
            member.path.drain(..2);
            if !member.path.is_empty() {
                out.push(member);
            }
        }
        out
    }
}

/// Sibling directories `pre-0`, `pre-1`, …, `checkpoint`, each linked to the one before.
///
/// All dumps but the last become pre-dumps.
pub fn chain(dumps: &[Checkpoint]) -> Members {
    let mut out = Members::new();
    let mut before: Option<String> = None;
    for (index, dump) in dumps.iter().enumerate() {
        let last = index + 1 == dumps.len();
        let name = if last { "checkpoint".to_owned() } else { format!("pre-{index}") };
        let mut dump = dump.clone();
        dump.pre_dump = !last;
        if let Some(before) = &before {
            dump.parent = Some(format!("../{before}").into_bytes());
        }
        let container = Container::new(dump);
        out.push(Member::directory(name.clone(), 0o700));
        for mut member in container.docker_directory().list {
            member.path = [name.as_bytes(), b"/", &member.path[..]].concat();
            out.push(member);
        }
        before = Some(name);
    }
    out
}
