//! Bare image directories: runc, Docker, chains of dumps.

use super::container::Container;
use crate::checkpoint::Checkpoint;
use crate::member::{Member, Members};
use crate::process::Process;

/// How far a dump came that failed: CRIU writes images as it goes, the inventory last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The open files of the first process are written.
    Files,
    /// So is its memory.
    Pages,
    /// So are its registers and state, and those of its threads.
    Core,
    /// So are its mappings: the first process is complete.
    Mappings,
    /// All processes are, but not the process tree.
    Processes,
    /// Only the inventory is missing.
    Tree,
}

impl Stage {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Files, Self::Pages, Self::Core, Self::Mappings, Self::Processes, Self::Tree];

    /// When an image is written; none for what a dump that failed never has.
    fn of(name: &str, first: &Process) -> Option<Self> {
        let (stem, key) = name.strip_suffix(".img")?.rsplit_once('-').unwrap_or((name, ""));
        let is_first = key.parse() == Ok(first.pid);
        let is_thread = first.threads.iter().any(|thread| key.parse() == Ok(thread.tid));
        Some(match (stem, name) {
            (_, "inventory.img") => return None,
            ("ids", _) if is_first => Self::Files,
            (_, "fdinfo-2.img" | "files.img" | "seccomp.img") => Self::Files,
            ("pagemap", _) if is_first => Self::Pages,
            (_, "pages-1.img") => Self::Pages,
            ("core", _) if is_first || is_thread => Self::Core,
            ("mm" | "fs", _) if is_first => Self::Mappings,
            ("ids" | "fdinfo" | "pagemap" | "pages" | "core" | "mm" | "fs", _) => Self::Processes,
            _ => Self::Tree,
        })
    }
}

impl Container {
    /// What a dump leaves that failed at some point, with a log that says why.
    pub fn failed_dump(&self, stage: Stage, error: &str) -> Members {
        let first = self.checkpoint.processes.first().expect("a process");
        let mut out = self.docker_directory();
        out.list.retain(|member| {
            let name = String::from_utf8_lossy(&member.path).into_owned();
            Stage::of(&name, first).is_some_and(|written| written <= stage)
        });
        let log = String::from_utf8_lossy(&self.checkpoint.dump_log()).into_owned();
        let log = log.replace(
            "Dumping finished successfully",
            &format!("Error (criu/x.c:1): {error}\n(00.201651) Error (criu/cr-dump.c:1781): Dumping FAILED."),
        );
        out.file("dump.log", 0o600, log.into_bytes());
        out
    }

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
