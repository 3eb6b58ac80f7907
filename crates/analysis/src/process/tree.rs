//! The process tree (`pstree.img`, `format.md §2.2`), as far as it holds together.

use std::collections::{HashMap, HashSet};

use ckptfx_parser::{
    Diagnostic, ImageDirectory, Reports,
    limits::{count, reached},
    proto,
};

/// An entry of the process tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seed {
    pub pid: u32,
    pub ppid: Option<u32>,
    pub pgid: Option<u32>,
    pub sid: Option<u32>,
    pub threads: Vec<u32>,
}

impl Seed {
    pub fn read_core(
        &self,
        images: &ImageDirectory,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<proto::CoreEntry> {
        let name = format!("core-{}.img", self.pid);
        let before = diagnostics.len();
        let core = images.read_one(&name, diagnostics);
        if core.is_none() && diagnostics.len() == before {
            let message = format!("name, state and credentials of process {} are lost", self.pid);
            diagnostics.push(Diagnostic::loss("missing-image", name, message));
        }
        core
    }

    pub fn is_zombie(&self, core: Option<&proto::CoreEntry>) -> bool {
        core.and_then(|core| core.tc.as_ref()?.task_state) == Some(2)
    }
}

/// Reads `pstree.img`; where it is lost, the processes that have other images. Doubled pids and parents
/// that are not there or lead in a circle are reported.
pub(crate) fn read_tree(images: &ImageDirectory, diagnostics: &mut Vec<Diagnostic>) -> Vec<Seed> {
    let entries = images.read::<proto::PstreeEntry>("pstree.img", diagnostics);
    if images.file("pstree.img").is_none() && images.files().any(|(name, _)| name.starts_with("mm-")) {
        let message = "the process tree is missing: parents, sessions and zombies are not known";
        diagnostics.push(Diagnostic::loss("missing-image", "pstree.img", message));
    }
    let limits = images.limits();
    let mut reports = Reports::new(limits);
    let mut seeds: Vec<Seed> = Vec::new();
    let mut seen = HashSet::new();
    let mut threads = 0_u64;
    for entry in entries {
        let Some(pid) = entry.value.pid else { continue };
        if !seen.insert(pid) {
            let message = format!("process {pid} is listed twice; the first entry is used");
            let problem = Diagnostic::note("duplicate-pid", "pstree.img", message).at(entry.body.start);
            reports.push(problem, diagnostics);
            continue;
        }
        let mut seed = Seed {
            pid,
            ppid: entry.value.ppid,
            pgid: entry.value.pgid,
            sid: entry.value.sid,
            threads: entry.value.threads,
        };
        let room = limits.threads.saturating_sub(threads);
        if seed.threads.len() as u64 > room {
            let what = format!("of {} threads of process {pid} {room} are read", seed.threads.len());
            let problem = reached("too-many-threads", "pstree.img", "threads", what);
            reports.push(problem.at(entry.body.start), diagnostics);
            seed.threads.truncate(count(room));
        }
        threads = threads.saturating_add(seed.threads.len() as u64);
        seeds.push(seed);
    }
    let orphans: Vec<u32> = {
        let mut pids: Vec<u32> = images
            .files()
            .filter_map(|(name, _)| name.strip_prefix("mm-")?.strip_suffix(".img")?.parse().ok())
            .filter(|pid| !seen.contains(pid))
            .collect();
        pids.sort_unstable();
        pids
    };
    for pid in orphans {
        let message =
            format!("process {pid} has images but is not in the process tree; its parent is not known");
        reports.push(Diagnostic::loss("not-in-tree", "pstree.img", message), diagnostics);
        seeds.push(Seed { pid, ppid: None, pgid: None, sid: None, threads: vec![pid] });
        seen.insert(pid);
    }
    let most = count(limits.processes);
    if seeds.len() > most {
        let what = format!("of {} processes the first {most} are read", seeds.len());
        diagnostics.push(reached("too-many-processes", "pstree.img", "processes", what));
        seeds.truncate(most);
    }
    check_parents(&seeds, &mut reports, diagnostics);
    reports.finish("pstree.img", diagnostics);
    seeds
}

/// A parent that is not in the tree or a circle of parents makes the process a root of its own.
fn check_parents(seeds: &[Seed], reports: &mut Reports, diagnostics: &mut Vec<Diagnostic>) {
    let parents: HashMap<u32, u32> = seeds.iter().filter_map(|seed| Some((seed.pid, seed.ppid?))).collect();
    let in_circle = circles(seeds, &parents);
    for seed in seeds {
        let Some(ppid) = seed.ppid else { continue };
        let problem = if in_circle.contains(&seed.pid) {
            "is its own ancestor"
        } else if ppid != 0 && !parents.contains_key(&ppid) {
            "has a parent that is not in the checkpoint"
        } else {
            continue;
        };
        let message = format!("process {} {problem} ({ppid})", seed.pid);
        reports.push(Diagnostic::note("bad-parent", "pstree.img", message), diagnostics);
    }
}

/// The processes that are their own ancestors. Each is walked over twice at most, however the parents are linked.
fn circles(seeds: &[Seed], parents: &HashMap<u32, u32>) -> HashSet<u32> {
    let mut found = HashSet::new();
    // The walk in which a process was first met.
    let mut met: HashMap<u32, usize> = HashMap::new();
    for (walk, seed) in seeds.iter().enumerate() {
        let mut pid = seed.pid;
        while pid != 0 && !met.contains_key(&pid) {
            met.insert(pid, walk);
            pid = parents.get(&pid).copied().unwrap_or(0);
        }
        // A walk that comes back to itself ends where its circle begins.
        if pid != 0 && met.get(&pid) == Some(&walk) {
            while found.insert(pid) {
                pid = parents.get(&pid).copied().unwrap_or(0);
            }
        }
    }
    found
}
