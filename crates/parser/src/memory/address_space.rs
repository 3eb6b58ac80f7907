//! The address space of one process: for every mapped address its byte, or why it is not known.

use std::borrow::Cow;

use super::{
    Content, PageRun, Pages, SharedObjects, vdso,
    vma::{Vma, VmaKind, read_mappings},
};
use crate::{Diagnostic, ImageDirectory, files::FileTable, proto};

/// Why bytes at an address cannot be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unavailable {
    /// Nothing is mapped there.
    Unmapped,
    /// The page was not written: its bytes are only in the mapped file.
    OnlyInFile,
    /// Mapped, but after the end of the file or shared object: there is no byte, and reading gives SIGBUS.
    PastEnd,
    /// Left on the source machine to be fetched at restore.
    Lazy,
    /// In a parent dump that is not in the evidence.
    InMissingParent,
    /// Compressed or encrypted in a way that is not readable yet.
    Encoded,
    /// The pages file is cut or missing.
    Lost,
    /// The pagemap says nothing of where the bytes are.
    Unmarked,
    /// A mapping that is never dumped, such as `[vvar]`, or a guard region.
    NeverDumped,
    /// What backs the mapping is not known.
    UnknownBacking,
    /// In the evidence, but searched while it was decompressed and not stored: there is no match in it.
    Searched,
}

impl Unavailable {
    /// The word used in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unmapped => "unmapped",
            Self::OnlyInFile => "only-in-file",
            Self::PastEnd => "past-end",
            Self::Lazy => "lazy",
            Self::InMissingParent => "in-missing-parent",
            Self::Encoded => "encoded",
            Self::Lost => "lost",
            Self::Unmarked => "unmarked",
            Self::NeverDumped => "never-dumped",
            Self::UnknownBacking => "unknown-backing",
            Self::Searched => "searched",
        }
    }

    /// A plain phrase for messages.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Unmapped => "not mapped",
            Self::OnlyInFile => "only in the mapped file, which the checkpoint does not hold",
            Self::PastEnd => "after the end of the file",
            Self::Lazy => "left on the node for lazy migration",
            Self::InMissingParent => "in a parent dump that was not given",
            Self::Encoded => "compressed or encrypted",
            Self::Lost => "lost: the pages image is cut or missing",
            Self::Unmarked => "not marked as captured",
            Self::NeverDumped => "never dumped by CRIU",
            Self::UnknownBacking => "backed by something unknown",
            Self::Searched => "searched while decompressing, and not stored",
        }
    }
}

/// Consecutive addresses with one answer.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// First address.
    pub start: u64,
    /// Length in bytes.
    pub length: u64,
    /// Captured bytes, zeros, or why neither.
    pub content: Result<Captured<'a>, Unavailable>,
}

/// Bytes that are known.
#[derive(Debug, Clone, Copy)]
pub enum Captured<'a> {
    /// In the evidence.
    Page(PageRun<'a>),
    /// Never written or zero: the kernel would read zeros.
    Zero,
}

/// The address space of one process.
#[derive(Debug)]
pub struct AddressSpace<'a> {
    /// The process.
    pub pid: u32,
    /// Mappings in order of address.
    pub vmas: Vec<Vma>,
    /// The process's own pages.
    pub pages: Pages<'a>,
    /// Page size in bytes.
    pub page_size: u64,
    guards: Vec<(u64, u64)>,
}

impl<'a> AddressSpace<'a> {
    /// Reads the address space of a process.
    pub fn read(
        images: &'a ImageDirectory,
        pid: u32,
        mm: &proto::MmEntry,
        page_size: u64,
        files: &FileTable,
        shared: &SharedObjects<'a>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut mappings = read_mappings(pid, mm, files, &shared.segments, images.limits(), diagnostics);
        let name = format!("pagemap-{pid}.img");
        let pages = if images.member(&name).is_some() {
            Pages::read(images, &name, page_size, diagnostics)
        } else {
            let message = format!("which memory of process {pid} was written is not known");
            diagnostics.push(Diagnostic::loss("missing-image", name, message));
            Pages::missing()
        };
        vdso::part_clocks(&mut mappings.vmas, &pages, page_size);
        Self { pid, vmas: mappings.vmas, pages, page_size, guards: mappings.guards }
    }

    /// The mapping that holds an address.
    pub fn vma_at(&self, address: u64) -> Option<&Vma> {
        let index = self.vmas.partition_point(|vma| vma.end <= address);
        self.vmas.get(index).filter(|vma| vma.contains(address))
    }

    /// What is known between two addresses, without gaps, in order.
    pub fn runs(&self, from: u64, to: u64, shared: &SharedObjects<'a>) -> Vec<Run<'a>> {
        let mut runs = Vec::new();
        let mut position = from;
        let first = self.vmas.partition_point(|vma| vma.end <= from);
        for vma in self.vmas.get(first..).unwrap_or_default().iter().take_while(|vma| vma.start < to) {
            let (start, end) = (vma.start.max(from), vma.end.min(to));
            self.unmapped(position, start, &mut runs);
            self.mapped(vma, start, end, shared, &mut runs);
            position = end;
        }
        self.unmapped(position, to, &mut runs);
        runs
    }

    /// Addresses outside every mapping; pages captured there all the same are given.
    fn unmapped(&self, from: u64, to: u64, runs: &mut Vec<Run<'a>>) {
        fill(self.pages.within(from, to), from, to, |_, _| Err(Unavailable::Unmapped), runs);
    }

    fn mapped(&self, vma: &Vma, from: u64, to: u64, shared: &SharedObjects<'a>, runs: &mut Vec<Run<'a>>) {
        let own = self.pages.within(from, to);
        match vma.kind {
            VmaKind::Anonymous | VmaKind::Heap | VmaKind::Stack | VmaKind::Vdso => {
                let mut plain = Vec::new();
                let lost_from = self.pages.lost_from.unwrap_or(u64::MAX).clamp(from, to);
                let own: Vec<_> = own.collect();
                let before = own.iter().filter_map(|run| run.clip(from, lost_from));
                fill(before, from, lost_from, |_, _| Ok(Captured::Zero), &mut plain);
                let after = own.iter().filter_map(|run| run.clip(lost_from, to));
                fill(after, lost_from, to, |_, _| Err(Unavailable::Lost), &mut plain);
                self.guarded(plain, runs);
            }
            VmaKind::Vvar | VmaKind::Vsyscall | VmaKind::SocketRing | VmaKind::Droppable => {
                fill(own, from, to, |_, _| Err(Unavailable::NeverDumped), runs);
            }
            VmaKind::FilePrivate(_) | VmaKind::FileShared(_) => {
                let end = vma.end_of_file(self.page_size).clamp(from, to);
                let own: Vec<_> = own.collect();
                let before = own.iter().filter_map(|run| run.clip(from, end));
                fill(before, from, end, |_, _| Err(Unavailable::OnlyInFile), runs);
                let after = own.iter().filter_map(|run| run.clip(end, to));
                fill(after, end, to, |_, _| Err(Unavailable::PastEnd), runs);
            }
            VmaKind::Unknown => fill(own, from, to, |_, _| Err(Unavailable::UnknownBacking), runs),
            VmaKind::Shared(key) | VmaKind::MemfdPrivate(key) => {
                let mut position = from;
                let own: Vec<_> = own.collect();
                for run in own {
                    object_runs(vma, key, position, run.start, shared, runs);
                    runs.push(run_of(run));
                    position = run.end();
                }
                object_runs(vma, key, position, to, shared, runs);
            }
        }
    }

    /// Zeros inside a guard region are no zeros: touching them kills the process.
    fn guarded(&self, plain: Vec<Run<'a>>, runs: &mut Vec<Run<'a>>) {
        for run in plain {
            let end = run.start + run.length;
            if !matches!(run.content, Ok(Captured::Zero)) {
                runs.push(run);
                continue;
            }
            let mut position = run.start;
            for (guard_start, guard_end) in &self.guards {
                let (start, stop) = ((*guard_start).max(position), (*guard_end).min(end));
                if start >= stop {
                    continue;
                }
                push(runs, position, start - position, Ok(Captured::Zero));
                push(runs, start, stop - start, Err(Unavailable::NeverDumped));
                position = stop;
            }
            push(runs, position, end - position, Ok(Captured::Zero));
        }
    }

    /// Reads bytes; all of them or the reason why not. At most `limit` bytes are given.
    ///
    /// # Errors
    /// The first reason met; that the bytes were searched and not stored only when there is no other.
    pub fn bytes(
        &self,
        from: u64,
        to: u64,
        limit: u64,
        shared: &SharedObjects<'a>,
    ) -> Result<Cow<'a, [u8]>, Unavailable> {
        let to = to.min(from.saturating_add(limit));
        let runs = self.runs(from, to, shared);
        if let [
            Run {
                content: Ok(Captured::Page(PageRun { content: Content::Captured { bytes, .. }, .. })), ..
            },
        ] = runs.as_slice()
        {
            return bytes.read().map_err(|_| Unavailable::Lost);
        }
        let reasons = || runs.iter().filter_map(|run| run.content.err());
        if let Some(reason) = reasons().find(|reason| *reason != Unavailable::Searched).or(reasons().next()) {
            return Err(reason);
        }
        let mut all = Vec::new();
        for run in runs {
            match run.content? {
                Captured::Page(page) => all.extend_from_slice(&page.read().ok_or(Unavailable::Lost)?),
                Captured::Zero => all.resize(all.len() + usize::try_from(run.length).unwrap_or(0), 0),
            }
        }
        Ok(Cow::Owned(all))
    }

    /// Captured bytes of the process's own pages inside a mapping.
    pub fn captured_bytes_in(&self, vma: &Vma) -> u64 {
        self.pages
            .within(vma.start, vma.end)
            .filter(|run| matches!(run.content, Content::Captured { .. } | Content::Packed { .. }))
            .map(|run| run.length)
            .sum()
    }
}

fn push<'a>(runs: &mut Vec<Run<'a>>, start: u64, length: u64, content: Result<Captured<'a>, Unavailable>) {
    if length > 0 {
        runs.push(Run { start, length, content });
    }
}

fn run_of(run: PageRun<'_>) -> Run<'_> {
    let content = match run.content {
        Content::Captured { .. } | Content::Packed { .. } => Ok(Captured::Page(run)),
        Content::Searched { .. } => Err(Unavailable::Searched),
        Content::Lazy => Err(Unavailable::Lazy),
        Content::InMissingParent => Err(Unavailable::InMissingParent),
        Content::Encoded => Err(Unavailable::Encoded),
        Content::Lost => Err(Unavailable::Lost),
        Content::Unmarked => Err(Unavailable::Unmarked),
    };
    Run { start: run.start, length: run.length, content }
}

/// Gives the pages, and for what lies between them what `between` says.
fn fill<'a>(
    pages: impl Iterator<Item = PageRun<'a>>,
    from: u64,
    to: u64,
    between: impl Fn(u64, u64) -> Result<Captured<'a>, Unavailable>,
    runs: &mut Vec<Run<'a>>,
) {
    let mut position = from;
    for run in pages {
        push(runs, position, run.start.saturating_sub(position), between(position, run.start));
        runs.push(run_of(run));
        position = run.end();
    }
    push(runs, position, to.saturating_sub(position), between(position, to));
}

/// The part of a shared object that is mapped between two addresses.
fn object_runs<'a>(
    vma: &Vma,
    key: u64,
    from: u64,
    to: u64,
    shared: &SharedObjects<'a>,
    runs: &mut Vec<Run<'a>>,
) {
    if from >= to {
        return;
    }
    let to_offset = |address: u64| (address - vma.start).checked_add(vma.offset);
    let (Some(object), Some(first), Some(last)) = (shared.objects.get(&key), to_offset(from), to_offset(to))
    else {
        push(runs, from, to - from, Err(Unavailable::UnknownBacking));
        return;
    };
    let mut mapped = Vec::new();
    // Past the object's end the kernel has no page to give; the last page is zero-filled.
    let size = object.size.and_then(|size| size.checked_next_multiple_of(shared.page_size));
    let end = size.map_or(last, |size| size.clamp(first, last));
    let lost_from = object.pages.lost_from.unwrap_or(u64::MAX).clamp(first, end);
    fill(object.pages.within(first, lost_from), first, lost_from, |_, _| Ok(Captured::Zero), &mut mapped);
    fill(object.pages.within(lost_from, end), lost_from, end, |_, _| Err(Unavailable::Lost), &mut mapped);
    push(&mut mapped, end, last - end, Err(Unavailable::PastEnd));
    for mut run in mapped {
        run.start = run.start - vma.offset + vma.start;
        if let Ok(Captured::Page(page)) = &mut run.content {
            page.start = run.start;
        }
        runs.push(run);
    }
}
