//! What a core has, and where its bytes are from.

use std::collections::BTreeMap;

use super::{
    layout, notes,
    segment::{Piece, Segment},
};
use crate::{
    Case, Task, Text,
    memory::location,
    process::thread_image,
    recover::ghost::{GhostFile, Stretch},
};
use ckptfx_parser::{
    Diagnostic,
    memory::{AddressSpace, Captured, Content, Unavailable, Vma, VmaKind},
    proto::core_entry::March,
};

/// Zeros that are written for memory that was never touched, at most. They take no room in a file.
const MAX_ZEROS: u64 = 4 << 30;

/// Why there can be no core of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It has no memory: a zombie, or its images are lost.
    NoMemory,
    /// The registers of its leader are not there or not complete.
    NoRegisters,
    /// Cores of this architecture are not built.
    Architecture(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoMemory => write!(formatter, "it has no memory image"),
            Self::NoRegisters => write!(formatter, "the registers of its leader are not in the checkpoint"),
            Self::Architecture(name) => {
                write!(formatter, "it is {name}; cores are made of x86_64 and aarch64 processes")
            }
        }
    }
}

/// A core, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Core<'a> {
    /// Headers and notes, up to the first segment's bytes.
    pub head: Vec<u8>,
    /// The segments; their bytes follow the head without gaps, in this order.
    pub segments: Vec<Segment<'a>>,
}

/// Files that a process maps and that its pages may have to be taken from, by id.
pub fn mapped_files(task: &Task<'_>) -> Vec<u32> {
    let vmas = task.space.iter().flat_map(|space| &space.vmas);
    let mut ids: Vec<u32> = vmas.filter_map(file_id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn file_id(vma: &Vma) -> Option<u32> {
    match vma.kind {
        VmaKind::FilePrivate(id) | VmaKind::FileShared(id) => Some(id),
        _ => None,
    }
}

/// Plans the core of a process. `files` are ids and sizes of files outside the evidence that were found to be the
/// mapped ones.
///
/// # Errors
/// When a core of this process would be none.
pub fn plan<'a>(
    case: &Case<'a>,
    task: &Task<'a>,
    files: &BTreeMap<u32, u64>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Core<'a>, Refusal> {
    let space = task.space.as_ref().ok_or(Refusal::NoMemory)?;
    let images = &case.checkpoint.images;
    let threads = thread_image::images_of(images, task, diagnostics);
    let leader = threads.first().filter(|thread| thread.tid == task.process.pid);
    let cpu = leader.and_then(|leader| leader.cpu.as_ref()).ok_or(Refusal::NoRegisters)?;
    let machine = match (cpu.machine, cpu.architecture) {
        (March::X8664, "x86_64") => layout::EM_X86_64,
        (March::Aarch64, _) => layout::EM_AARCH64,
        (_, other) => return Err(Refusal::Architecture(other.to_owned())),
    };
    let notes = notes::notes(task, space, &threads, diagnostics).ok_or(Refusal::NoRegisters)?;
    let mut planner = Planner { case, space, files, ghosts: BTreeMap::new(), zeros: 0, segments: Vec::new() };
    space.pages.unpack(diagnostics);
    case.shared.objects.values().for_each(|object| object.pages.unpack(diagnostics));
    for vma in &space.vmas {
        planner.mapping(vma, diagnostics);
    }
    let zeros_left_out = planner.zeros > MAX_ZEROS;
    let mut segments = planner.segments;
    report(task, space, &segments, zeros_left_out, diagnostics);
    let head = layout::head(machine, space.page_size, &notes, &mut segments);
    Ok(Core { head, segments })
}

struct Planner<'c, 'a> {
    case: &'c Case<'a>,
    space: &'c AddressSpace<'a>,
    files: &'c BTreeMap<u32, u64>,
    ghosts: BTreeMap<u32, Option<GhostFile<'a>>>,
    zeros: u64,
    segments: Vec<Segment<'a>>,
}

impl<'a> Planner<'_, 'a> {
    fn mapping(&mut self, vma: &Vma, diagnostics: &mut Vec<Diagnostic>) {
        let first = self.segments.len();
        for run in self.space.runs(vma.start, vma.end, &self.case.shared) {
            match run.content {
                Ok(Captured::Page(page)) if matches!(page.content, Content::Captured { .. }) => {
                    match page.slice() {
                        Some(bytes) => self.add(first, vma, run.start, vec![Piece::Bytes(bytes)], 0),
                        None => self.miss(first, vma, run.start, run.length, "unreadable"),
                    }
                }
                // Nothing can be read there, so that there is nothing to give.
                Ok(_) if vma.prot == 0 => self.miss(first, vma, run.start, run.length, "not accessible"),
                Ok(_) => {
                    self.zeros = self.zeros.saturating_add(run.length);
                    if self.zeros > MAX_ZEROS {
                        self.miss(first, vma, run.start, run.length, "never touched");
                    } else {
                        self.add(first, vma, run.start, vec![Piece::Zeros(run.length)], 0);
                    }
                }
                Err(Unavailable::OnlyInFile) => {
                    self.add_from_file(first, vma, run.start, run.length, diagnostics)
                }
                Err(reason) => self.miss(first, vma, run.start, run.length, reason.reason()),
            }
        }
    }

    /// Pages that were not written: from the deleted file that the checkpoint holds, or from a file that was found
    /// to be the mapped one.
    fn add_from_file(
        &mut self,
        first: usize,
        vma: &Vma,
        start: u64,
        length: u64,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let reason = Unavailable::OnlyInFile.reason();
        let offset = location::file_offset(vma, start).zip(file_id(vma));
        let Some((offset, id)) = offset else { return self.miss(first, vma, start, length, reason) };
        let Some(to) = offset.checked_add(length) else {
            return self.miss(first, vma, start, length, reason);
        };
        let images = &self.case.checkpoint.images;
        let files = &self.case.files;
        let ghost = self.ghosts.entry(id).or_insert_with(|| GhostFile::find(images, files, id, diagnostics));
        let (size, mut pieces, mut ghost_bytes) = match (ghost, self.files.get(&id)) {
            (Some(ghost), _) => {
                let stretches = ghost.stretches(offset, to);
                if stretches.iter().any(|stretch| matches!(stretch, Stretch::Lost(_))) {
                    return self.miss(first, vma, start, length, Unavailable::Lost.reason());
                }
                let pieces: Vec<Piece<'a>> = stretches
                    .into_iter()
                    .map(|stretch| match stretch {
                        Stretch::Bytes(bytes) => Piece::Bytes(bytes),
                        Stretch::Zeros(length) | Stretch::Lost(length) => Piece::Zeros(length),
                    })
                    .collect();
                let bytes =
                    pieces.iter().filter(|piece| matches!(piece, Piece::Bytes(_))).map(Piece::length).sum();
                (ghost.size, pieces, bytes)
            }
            (None, Some(size)) => {
                let length = to.min(*size).saturating_sub(offset);
                (*size, vec![Piece::File { id, offset, length }], 0)
            }
            (None, None) => return self.miss(first, vma, start, length, reason),
        };
        let there = size.saturating_sub(offset).min(length);
        // The last page is filled up with zeros; touching one after it kills the process.
        let whole =
            there.checked_next_multiple_of(self.space.page_size).map_or(length, |whole| whole.min(length));
        if whole > there {
            pieces.push(Piece::Zeros(whole - there));
        }
        pieces.retain(|piece| piece.length() > 0);
        if whole > 0 {
            self.add(first, vma, start, pieces, std::mem::take(&mut ghost_bytes));
        }
        if length > whole {
            self.miss(first, vma, start + whole, length - whole, Unavailable::PastEnd.reason());
        }
    }

    /// Adds bytes to the mapping's last segment, or begins one.
    fn add(&mut self, first: usize, vma: &Vma, start: u64, pieces: Vec<Piece<'a>>, ghost_bytes: u64) {
        let length: u64 = pieces.iter().map(Piece::length).sum();
        let continues = self.segments.len() > first;
        match self.segments.last_mut().filter(|last| continues && last.missing.is_none()) {
            Some(last) => {
                last.end += length;
                last.ghost_bytes += ghost_bytes;
                last.pieces.extend(pieces);
            }
            None => {
                let segment = Segment { pieces, ghost_bytes, ..empty(vma, start, start + length, None) };
                self.segments.push(segment);
            }
        }
    }

    fn miss(&mut self, first: usize, vma: &Vma, start: u64, length: u64, reason: &'static str) {
        let continues = self.segments.len() > first;
        match self.segments.last_mut().filter(|last| continues && last.missing == Some(reason)) {
            Some(last) => last.end += length,
            None => self.segments.push(empty(vma, start, start + length, Some(reason))),
        }
    }
}

fn empty<'a>(vma: &Vma, start: u64, end: u64, missing: Option<&'static str>) -> Segment<'a> {
    Segment {
        start,
        end,
        file_offset: 0,
        pieces: Vec::new(),
        missing,
        prot: vma.prot,
        perms: vma.permissions(),
        path: Text(vma.name.clone()),
        ghost_bytes: 0,
    }
}

/// Says what is not in the core.
fn report(
    task: &Task<'_>,
    space: &AddressSpace<'_>,
    segments: &[Segment<'_>],
    zeros_left_out: bool,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let subject = format!("pid {}", task.process.pid);
    let expected = [
        Unavailable::OnlyInFile.reason(),
        Unavailable::NeverDumped.reason(),
        "not accessible",
        Unavailable::PastEnd.reason(),
    ];
    let mut by_file: BTreeMap<&Text, u64> = BTreeMap::new();
    for segment in segments {
        let length = segment.end - segment.start;
        match segment.missing {
            Some(reason) if reason == Unavailable::OnlyInFile.reason() => {
                *by_file.entry(&segment.path).or_default() += length;
            }
            Some("never touched") | None => {}
            Some(reason) if expected.contains(&reason) => {}
            Some(reason) => {
                let (start, end) = (segment.start, segment.end);
                let message = format!("{start:#x}-{end:#x} is not in the core: it is {reason}");
                diagnostics.push(Diagnostic::loss("left-out", subject.clone(), message));
            }
        }
    }
    if !by_file.is_empty() {
        let list: Vec<String> =
            by_file.iter().map(|(path, length)| format!("{} ({length} bytes)", path.escaped())).collect();
        let message = format!(
            "pages that are only in the mapped files are not in the core; --sysroot can add them: {}",
            list.join(", ")
        );
        diagnostics.push(Diagnostic::note("left-out", subject.clone(), message));
    }
    if zeros_left_out {
        let message = format!(
            "the process has more than {MAX_ZEROS} bytes of memory that was never touched; the rest of it is not in the core"
        );
        diagnostics.push(Diagnostic::note("left-out", subject.clone(), message));
    }
    let outside = space.pages.runs.iter().filter(|run| space.vma_at(run.start).is_none()).count();
    if outside > 0 {
        let message =
            format!("{outside} runs of captured pages lie outside every mapping and are not in the core");
        diagnostics.push(Diagnostic::loss("left-out", subject, message));
    }
}
