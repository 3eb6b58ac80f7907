//! The process tree (`pstree.img`, `format.md §2.2`), as far as it holds together.

use std::collections::{BTreeMap, HashMap, HashSet};

use ckptfx_parser::{
    Diagnostic, ImageDirectory, Reports,
    image::Located,
    limits::{count, reached},
    proto,
};

/// Images that a process has of its own, unlike its threads: what their names begin with.
const OWN: [&str; 6] = ["mm", "pagemap", "ids", "fs", "vmas", "creds"];

/// An entry of the process tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seed {
    pub pid: u32,
    pub ppid: Option<u32>,
    pub pgid: Option<u32>,
    pub sid: Option<u32>,
    pub threads: Vec<u32>,
    /// Names of the images that only a process which lives has.
    pub images: Vec<String>,
}

impl Seed {
    pub fn read_core(
        &self,
        images: &ImageDirectory,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<proto::CoreEntry> {
        let name = format!("core-{}.img", self.pid);
        let before = diagnostics.len();
        let core: Option<proto::CoreEntry> = images.read_one(&name, diagnostics);
        let Some(core) = core else {
            if diagnostics.len() == before {
                let message = format!("name, state and credentials of process {} are lost", self.pid);
                diagnostics.push(Diagnostic::loss("missing-image", name, message));
            }
            return None;
        };
        let state = core.tc.as_ref().map(|tc| tc.task_state);
        let contradiction = match state {
            None => Some(format!("it is the image of a thread, while {} is a process", self.pid)),
            Some(Some(DEAD)) if !self.images.is_empty() => Some(format!(
                "it says that process {} is dead, which has {}: whether it lived is not known",
                self.pid,
                self.images.join(", ")
            )),
            Some(Some(DEAD)) if core.thread_core.is_some() => {
                Some(format!("it says that process {} is dead, and holds its registers", self.pid))
            }
            Some(Some(state)) if !(1..=3).contains(&state) => {
                let message = format!("state {state} of process {} is not known", self.pid);
                diagnostics.push(Diagnostic::loss("unknown-value", name.as_str(), message));
                None
            }
            _ => None,
        };
        if let Some(message) = contradiction {
            diagnostics.push(Diagnostic::loss("contradiction", name, message));
        }
        Some(core)
    }

    /// Whether it is dead and not waited for, which nothing contradicts.
    pub fn is_zombie(&self, core: Option<&proto::CoreEntry>) -> bool {
        let Some(core) = core.filter(|core| core.thread_core.is_none()) else { return false };
        core.tc.as_ref().and_then(|tc| tc.task_state) == Some(DEAD) && self.images.is_empty()
    }
}

/// `task_state` of a zombie.
const DEAD: u32 = 2;

/// The images that bear the number of a process or thread.
#[derive(Debug, Default)]
struct Numbered {
    has_core: bool,
    own: Vec<String>,
    /// When the youngest was written.
    written: Option<i64>,
}

/// The number in the name of an image, written as CRIU writes it: without zeros in front.
fn number_in(name: &str, stem: &str) -> Option<u32> {
    let text = name.strip_prefix(stem)?.strip_prefix('-')?.strip_suffix(".img")?;
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn numbered(images: &ImageDirectory) -> BTreeMap<u32, Numbered> {
    let mut all: BTreeMap<u32, Numbered> = BTreeMap::new();
    // An empty image is none.
    for (name, member) in images.files().filter(|(_, member)| member.size > 0) {
        let Some((stem, _)) = name.split_once('-') else { continue };
        let is_core = stem == "core";
        let Some(number) = number_in(name, stem).filter(|_| is_core || OWN.contains(&stem)) else { continue };
        let found = all.entry(number).or_default();
        found.has_core |= is_core;
        if !is_core {
            found.own.push(name.to_owned());
        }
        found.written = found.written.max(member.archived_mtime());
    }
    all
}

/// Reads `pstree.img`, and the processes that have images and are not in it. Doubled pids and threads, and parents
/// that are not there or lead in a circle are reported.
pub(crate) fn read_tree(images: &ImageDirectory, diagnostics: &mut Vec<Diagnostic>) -> Vec<Seed> {
    let entries = images.read::<proto::PstreeEntry>("pstree.img", diagnostics);
    let mut numbered = numbered(images);
    if images.file("pstree.img").is_none() && !numbered.is_empty() {
        let message = "the process tree is missing: parents, sessions and zombies are not known";
        diagnostics.push(Diagnostic::loss("missing-image", "pstree.img", message));
    }
    let mut reports = Reports::new(images.limits());
    let mut seeds: Vec<Seed> = Vec::new();
    let mut places: HashMap<u32, usize> = HashMap::new();
    for Located { value, body, .. } in entries {
        // What lacks a pid has images that bear it: it is found by these.
        let Some(pid) = value.pid else { continue };
        let seed = Seed {
            pid,
            ppid: value.ppid,
            pgid: value.pgid,
            sid: value.sid,
            threads: value.threads,
            images: Vec::new(),
        };
        match places.get(&pid).and_then(|place| seeds.get_mut(*place)) {
            None => {
                places.insert(pid, seeds.len());
                seeds.push(seed);
            }
            Some(first) if *first == seed => {}
            Some(first) => {
                let message = format!(
                    "process {pid} is listed twice, differently; the first entry is used, with the threads of both"
                );
                let problem = Diagnostic::loss("duplicate-pid", "pstree.img", message).at(body.start);
                reports.push(problem, diagnostics);
                first.threads.extend(seed.threads);
            }
        }
    }
    for seed in &mut seeds {
        seed.images =
            numbered.get_mut(&seed.pid).map(|found| std::mem::take(&mut found.own)).unwrap_or_default();
    }
    limit_threads(&mut seeds, images, &mut reports, diagnostics);
    let oldest = seeds.iter().filter_map(|seed| numbered.get(&seed.pid)?.written).min();
    // Of a zombie the image has one thread with a number that means nothing (format.md §2.2).
    let is_thread = |seed: &Seed, tid: u32| {
        tid != seed.pid && (!seed.images.is_empty() || numbered.get(&tid).is_some_and(|found| found.has_core))
    };
    let threads = threads_of(&seeds, &places, &is_thread, &mut reports, diagnostics);
    for (pid, found) in numbered.into_iter().filter(|(pid, _)| !places.contains_key(pid)) {
        let leader = threads.get(&pid);
        // The image of a thread is `core-TID.img` and no other.
        if leader.is_some() && found.own.is_empty() {
            continue;
        }
        let is_older = found.written.zip(oldest).is_some_and(|(written, oldest)| written < oldest);
        let names = if found.own.is_empty() { format!("core-{pid}.img") } else { found.own.join(", ") };
        let (code, message) = match leader {
            Some(leader) => (
                "contradiction",
                format!(
                    "{pid} is listed as a thread of process {leader} and has {names}, as only a process has; it is shown as both"
                ),
            ),
            None if is_older => (
                "earlier-dump",
                format!(
                    "process {pid} is not in the process tree, and {names} is older than all images of the processes that \
                     are: it was left by an earlier dump into the same directory, or made to look so"
                ),
            ),
            None => (
                "not-in-tree",
                format!("process {pid} has {names} but is not in the process tree; its parent is not known"),
            ),
        };
        reports.push(Diagnostic::loss(code, "pstree.img", message), diagnostics);
        let threads = if found.has_core { vec![pid] } else { Vec::new() };
        seeds.push(Seed { pid, ppid: None, pgid: None, sid: None, threads, images: found.own });
    }
    let most = count(images.limits().processes);
    if seeds.len() > most {
        let what = format!("of {} processes the first {most} are read", seeds.len());
        diagnostics.push(reached("too-many-processes", "pstree.img", "processes", what));
        seeds.truncate(most);
    }
    check_parents(&seeds, &mut reports, diagnostics);
    reports.finish("pstree.img", diagnostics);
    seeds
}

/// Cuts the lists of threads where all together are longer than is believed.
fn limit_threads(
    seeds: &mut [Seed],
    images: &ImageDirectory,
    reports: &mut Reports,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut room = images.limits().threads;
    for seed in seeds {
        if seed.threads.len() as u64 > room {
            let what = format!("of {} threads of process {} {room} are read", seed.threads.len(), seed.pid);
            reports.push(reached("too-many-threads", "pstree.img", "threads", what), diagnostics);
            seed.threads.truncate(count(room));
        }
        room = room.saturating_sub(seed.threads.len() as u64);
    }
}

/// Which process each thread is of. One that is listed for two, or that is a process itself, is told.
fn threads_of(
    seeds: &[Seed],
    places: &HashMap<u32, usize>,
    is_thread: &dyn Fn(&Seed, u32) -> bool,
    reports: &mut Reports,
    diagnostics: &mut Vec<Diagnostic>,
) -> HashMap<u32, u32> {
    let mut leaders = HashMap::new();
    for seed in seeds {
        for tid in seed.threads.iter().filter(|tid| is_thread(seed, **tid)) {
            let other = leaders.insert(*tid, seed.pid).filter(|other| *other != seed.pid);
            let message = match other {
                Some(other) => {
                    format!("thread {tid} is listed for process {other} and for process {}", seed.pid)
                }
                None if places.contains_key(tid) => {
                    format!("{tid} is listed as a process and as a thread of process {}", seed.pid)
                }
                None => continue,
            };
            reports.push(Diagnostic::loss("contradiction", "pstree.img", message), diagnostics);
        }
    }
    leaders
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
