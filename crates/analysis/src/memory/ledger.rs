//! Accounts of a checkpoint: each image of a process and each byte of the pages images belongs to something that is
//! shown, or is told. What the images say of one another is not believed here: a byte counts as claimed when a run of
//! pages that is shown points at it, an image when the process or thread it is named after is shown.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Range,
};

use ckptfx_parser::{
    Diagnostic, ImageDirectory, Limits, Parent, Reports,
    archive::Member,
    memory::{Pages, SharedObjects},
};

use crate::{case::Task, process::State};

/// A pages image and what of it belongs to nothing.
#[derive(Debug)]
pub struct PagesImage<'a> {
    /// The image.
    pub member: &'a Member,
    /// Bytes of it that are there.
    pub bytes: u64,
    /// What no process and no shared object has, in order, as ranges of bytes.
    pub unclaimed: Vec<Range<u64>>,
    /// Whether two pagemaps have the same bytes of it.
    pub is_claimed_twice: bool,
    /// Whether it is an image of a parent dump, of which later dumps replace pages.
    pub is_of_parent: bool,
}

impl PagesImage<'_> {
    /// Bytes that belong to nothing.
    pub fn unclaimed_bytes(&self) -> u64 {
        self.unclaimed.iter().map(|range| range.end - range.start).sum()
    }
}

/// What is and what is not accounted for.
#[derive(Debug, Default)]
pub struct Ledger<'a> {
    /// All pages images, those of parent dumps after the checkpoint's own.
    pub pages: Vec<PagesImage<'a>>,
    /// Images of processes, threads and descriptor tables that belong to nothing that is shown.
    pub images: Vec<&'a Member>,
}

/// What images of processes and of their threads are called, and those of descriptor tables.
const KINDS: [&str; 9] = ["core", "mm", "pagemap", "ids", "fs", "fdinfo", "vmas", "creds", "pagemap-shmem"];

impl<'a> Ledger<'a> {
    /// Makes the accounts. `tables` are the numbers of the descriptor tables of the tasks.
    pub fn read(
        images: &'a ImageDirectory,
        tasks: &[Task<'a>],
        shared: &SharedObjects<'a>,
        tables: &BTreeSet<u32>,
    ) -> Self {
        let own = tasks.iter().filter_map(|task| task.space.as_ref()).map(|space| &space.pages);
        let all = own.chain(shared.objects.values().map(|object| &object.pages));
        let claims = claims(all);
        let mut pages = Vec::new();
        let mut directory = Some(images);
        let mut is_of_parent = false;
        while let Some(images) = directory {
            let found = images.files().filter(|(name, _)| is_pages_image(name));
            pages.extend(found.map(|(_, member)| {
                let bytes = member.stored();
                let claimed = claims.get(&identity(member)).map(Vec::as_slice).unwrap_or_default();
                let is_claimed_twice = !is_of_parent && overlap(claimed);
                PagesImage { member, bytes, unclaimed: gaps(claimed, bytes), is_claimed_twice, is_of_parent }
            }));
            directory = match &images.parent {
                Parent::Found(parent) => Some(parent),
                _ => None,
            };
            is_of_parent = true;
        }
        Self { pages, images: unclaimed_images(images, tasks, shared, tables) }
    }

    /// Tells what is not accounted for.
    pub fn report(&self, limits: &Limits, diagnostics: &mut Vec<Diagnostic>) {
        let mut reports = Reports::new(limits);
        for image in self.pages.iter().filter(|image| image.is_claimed_twice) {
            let message = "several pagemaps claim the same bytes of it, which CRIU never writes";
            reports.push(Diagnostic::loss("contradiction", image.member.name(), message), diagnostics);
        }
        // Of an image that is cut it is told how much is missing.
        let told = |image: &&PagesImage<'_>| !image.is_of_parent && !image.member.is_cut();
        for image in self.pages.iter().filter(told).filter(|image| !image.unclaimed.is_empty()) {
            let message = format!(
                "{} of its {} bytes belong to no process and no shared memory: no pagemap that can be read refers to \
                 them; they can be searched as `unclaimed`",
                image.unclaimed_bytes(),
                image.bytes
            );
            let first = image.unclaimed.first().map_or(0, |range| range.start);
            let problem = Diagnostic::loss("unclaimed-bytes", image.member.name(), message).at(first);
            reports.push(problem, diagnostics);
        }
        for member in &self.images {
            let message =
                "it belongs to no process, thread or descriptor table of the checkpoint, and is not shown";
            reports.push(Diagnostic::loss("unclaimed-image", member.name(), message), diagnostics);
        }
        reports.finish("checkpoint", diagnostics);
    }

    /// Whether everything of the checkpoint itself is accounted for.
    pub fn is_complete(&self) -> bool {
        self.images.is_empty()
            && self.pages.iter().all(|image| image.is_of_parent || image.unclaimed.is_empty())
    }

    /// Bytes of the checkpoint's own pages images: those that belong to something, and those that do not.
    pub fn bytes(&self) -> (u64, u64) {
        let own = self.pages.iter().filter(|image| !image.is_of_parent);
        own.fold((0, 0), |(claimed, unclaimed), image| {
            let gap = image.unclaimed_bytes();
            (claimed.saturating_add(image.bytes.saturating_sub(gap)), unclaimed.saturating_add(gap))
        })
    }
}

fn is_pages_image(name: &str) -> bool {
    name.starts_with("pages-") && name.ends_with(".img")
}

/// Members are told apart by where they are in the index of their archive.
fn identity(member: &Member) -> usize {
    std::ptr::from_ref(member).addr()
}

/// Ranges of each member that something has, by start.
fn claims<'p, 'a: 'p>(all: impl Iterator<Item = &'p Pages<'a>>) -> HashMap<usize, Vec<Range<u64>>> {
    let mut claims: HashMap<usize, Vec<Range<u64>>> = HashMap::new();
    for pages in all {
        for (member, range) in pages.places() {
            claims.entry(identity(member)).or_default().push(range);
        }
        // What cannot be read is told by itself.
        if let Some(member) = pages.encoded {
            claims.entry(identity(member)).or_default().push(0..member.stored());
        }
    }
    for ranges in claims.values_mut() {
        ranges.sort_by_key(|range| (range.start, range.end));
    }
    claims
}

/// Whether any two of ranges in order share a byte.
fn overlap(ranges: &[Range<u64>]) -> bool {
    ranges.windows(2).any(|pair| matches!(pair, [one, next] if next.start < one.end))
}

/// What of so many bytes ranges in order leave free.
fn gaps(ranges: &[Range<u64>], bytes: u64) -> Vec<Range<u64>> {
    let mut gaps = Vec::new();
    let mut position = 0;
    for range in ranges {
        if range.start.min(bytes) > position {
            gaps.push(position..range.start.min(bytes));
        }
        position = position.max(range.end);
    }
    if position < bytes {
        gaps.push(position..bytes);
    }
    gaps
}

/// Images that are named after a process, thread, table or object that is not shown, or not as CRIU names them.
fn unclaimed_images<'a>(
    images: &'a ImageDirectory,
    tasks: &[Task<'_>],
    shared: &SharedObjects<'_>,
    tables: &BTreeSet<u32>,
) -> Vec<&'a Member> {
    let mut shown: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for task in tasks {
        let process = &task.process;
        let pid = u64::from(process.pid);
        shown.entry("core").or_default().insert(pid);
        shown.entry("core").or_default().extend(process.threads.iter().map(|thread| u64::from(thread.tid)));
        if process.state == Some(State::Zombie) {
            continue;
        }
        for kind in ["ids", "fs", "vmas", "creds"] {
            shown.entry(kind).or_default().insert(pid);
        }
        if task.mm.is_some() {
            shown.entry("mm").or_default().insert(pid);
        }
        if task.space.is_some() {
            shown.entry("pagemap").or_default().insert(pid);
        }
    }
    shown.insert("fdinfo", tables.iter().copied().map(u64::from).collect());
    shown.insert("pagemap-shmem", shared.objects.keys().copied().collect());
    let is_shown = |name: &str| {
        let kind =
            KINDS.iter().filter(|kind| name.strip_prefix(**kind).is_some_and(|rest| rest.starts_with('-')));
        // Of `pagemap` and `pagemap-shmem` the longer.
        let Some(kind) = kind.max_by_key(|kind| kind.len()) else { return true };
        let text = name.strip_prefix(*kind).and_then(|rest| rest.strip_prefix('-')?.strip_suffix(".img"));
        let number =
            text.and_then(|text| text.parse::<u64>().ok().filter(|number| number.to_string() == text));
        number.is_some_and(|number| shown.get(kind).is_some_and(|numbers| numbers.contains(&number)))
    };
    images
        .files()
        .filter(|(name, member)| name.ends_with(".img") && member.size > 0 && !is_shown(name))
        .map(|(_, member)| member)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ranges_leave_free() {
        let all = |ranges: &[(u64, u64)]| ranges.iter().map(|(start, end)| *start..*end).collect::<Vec<_>>();
        let left = |ranges: &[(u64, u64)], bytes| gaps(&all(ranges), bytes);
        assert_eq!(left(&[], 0), all(&[]));
        assert_eq!(left(&[], 3), all(&[(0, 3)]));
        assert_eq!(left(&[(0, 3)], 3), all(&[]));
        assert_eq!(left(&[(1, 2), (4, 5)], 8), all(&[(0, 1), (2, 4), (5, 8)]));
        // Overlapping, within one another, and past the end.
        assert_eq!(left(&[(0, 4), (1, 2), (3, 6)], 8), all(&[(6, 8)]));
        assert_eq!(left(&[(0, 4), (9, 12)], 8), all(&[(4, 8)]));
        assert!(overlap(&all(&[(0, 4), (3, 6)])));
        assert!(!overlap(&all(&[(0, 4), (4, 6)])));
    }
}
