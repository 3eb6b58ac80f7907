//! Page contents (`format.md §7`): which pages an image set holds, and where their bytes are.

use std::{borrow::Cow, ops::Range};

use super::{
    packed::{Shape, blocks_of},
    pagemap::{LAZY, PARENT, is_stored, normalise},
};
use crate::{
    Diagnostic, ImageDirectory, Limits, Parent, Reports, Severity,
    archive::Member,
    image::{self, Located},
    proto,
    source::{Blocks, View},
};

/// What is known of a run of pages.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// The bytes are in the evidence.
    Captured {
        /// The bytes.
        bytes: View<'a>,
        /// The member that holds them.
        member: &'a Member,
        /// Their offset in the member; none when they are compressed there.
        offset: Option<u64>,
    },
    /// In the evidence, in compressed blocks that were not undone yet: see [`Pages::unpack`].
    Packed {
        /// The blocks.
        blocks: &'a Blocks,
        /// The member that they are stored in.
        member: &'a Member,
        /// Offset in what all blocks give.
        position: u64,
    },
    /// In the evidence, but searched while it was decompressed and not stored: there is no match in it.
    Searched {
        /// The member that holds the bytes.
        member: &'a Member,
        /// Their offset in the member.
        offset: u64,
    },
    /// Left on the source machine to be fetched at restore; not in the evidence.
    Lazy,
    /// Unchanged since a parent dump that is not in the evidence, or that lacks the page.
    InMissingParent,
    /// Compressed or encrypted in a way that is not readable yet.
    Encoded,
    /// The pagemap promises bytes that are not there: the pages file is cut or missing.
    Lost,
    /// The pagemap says nothing of where the bytes are.
    Unmarked,
}

/// Pages at consecutive addresses with one kind of content.
#[derive(Debug, Clone, Copy)]
pub struct PageRun<'a> {
    /// Address of the first byte (for shared memory: offset in the object).
    pub start: u64,
    /// Length in bytes, as the pagemap states it.
    pub length: u64,
    /// What is known of the bytes. Captured bytes are exactly `length` long.
    pub content: Content<'a>,
}

impl<'a> PageRun<'a> {
    /// First address after the run.
    pub fn end(&self) -> u64 {
        self.start + self.length
    }

    /// The part of the run between two addresses.
    pub fn clip(&self, from: u64, to: u64) -> Option<Self> {
        let start = self.start.max(from);
        let end = self.end().min(to);
        if start >= end {
            return None;
        }
        let skip = start - self.start;
        let content = match self.content {
            Content::Captured { bytes, member, offset } => {
                let offset = offset.map(|offset| offset + skip);
                Content::Captured { bytes: bytes.get(skip..end - self.start)?, member, offset }
            }
            Content::Packed { blocks, member, position } => {
                Content::Packed { blocks, member, position: position + skip }
            }
            Content::Searched { member, offset } => Content::Searched { member, offset: offset + skip },
            other => other,
        };
        Some(Self { start, length: end - start, content })
    }

    /// The member that holds the bytes, and their offset in it.
    fn place(&self) -> Option<(&'a Member, u64)> {
        match self.content {
            Content::Captured { member, offset: Some(offset), .. } | Content::Searched { member, offset } => {
                Some((member, offset))
            }
            _ => None,
        }
    }

    /// Where in the member the bytes, or the blocks that hold them, are stored.
    fn stored(&self) -> Option<(&'a Member, Range<u64>)> {
        if let Content::Packed { blocks, member, position } = self.content {
            return Some((member, blocks.place(&(position..position.saturating_add(self.length)))));
        }
        self.place().map(|(member, offset)| (member, offset..offset.saturating_add(self.length)))
    }

    /// The bytes, if they are in the evidence, can be read and are not damaged. Compressed blocks are undone for this alone.
    pub fn read(&self) -> Option<Cow<'a, [u8]>> {
        match self.content {
            Content::Captured { bytes, .. } => bytes.read().ok(),
            Content::Packed { blocks, position, .. } => {
                blocks.read(&(position..position.saturating_add(self.length))).map(Cow::Owned)
            }
            _ => None,
        }
    }

    /// Captured bytes as a slice; none when they cannot be read. Where the evidence is not mapped, the whole pages image
    /// is read and kept: what needs a part of it takes [`PageRun::read`].
    pub fn slice(&self) -> Option<&'a [u8]> {
        let Content::Captured { bytes, member, offset } = self.content else { return None };
        bytes.held().or_else(|| {
            let start = usize::try_from(offset?).ok()?;
            member.bytes().get(start..start.checked_add(usize::try_from(self.length).ok()?)?)
        })
    }

    /// The parts of a run whose blocks were undone, or else the run itself.
    pub(super) fn unpacked(self) -> Vec<Self> {
        let Content::Packed { blocks, member, position } = self.content else { return vec![self] };
        let Some(undone) = blocks.undone() else { return vec![self] };
        let parts = undone.parts(&(position..position.saturating_add(self.length)));
        let part = |(range, _): (Range<u64>, bool)| {
            let content = match undone.get(&range) {
                Some(bytes) => Content::Captured { bytes: bytes.into(), member, offset: None },
                None => Content::Lost,
            };
            Self { start: self.start + (range.start - position), length: range.end - range.start, content }
        };
        parts.into_iter().map(part).collect()
    }

    /// Whether the bytes of `next` follow those of this run in the file; true when either has none.
    fn is_followed_in_file_by(&self, next: &Self) -> bool {
        self.place().zip(next.place()).is_none_or(|((member, offset), (next_member, next_offset))| {
            std::ptr::eq(member, next_member) && offset + self.length == next_offset
        })
    }

    /// Whether `next` continues this run: in address, and in the file that holds the bytes.
    fn continues_with(&self, next: &Self) -> bool {
        self.end() == next.start
            && std::mem::discriminant(&self.content) == std::mem::discriminant(&next.content)
            && self.is_followed_in_file_by(next)
            && match (self.content, next.content) {
                (Content::Packed { position, .. }, Content::Packed { position: other, .. }) => {
                    position + self.length == other && std::ptr::eq(self.blocks(), next.blocks())
                }
                _ => true,
            }
    }

    fn blocks(&self) -> *const Blocks {
        match self.content {
            Content::Packed { blocks, .. } => blocks,
            _ => std::ptr::null(),
        }
    }
}

/// The pages of one pagemap, in order of address, without overlap.
#[derive(Debug, Default)]
pub struct Pages<'a> {
    /// The runs; between them nothing is stated.
    pub runs: Vec<PageRun<'a>>,
    /// From this address on the pagemap is not readable: that it states nothing means nothing there.
    pub lost_from: Option<u64>,
    /// The pages image, if its bytes are compressed or encrypted in a way that is not readable.
    pub encoded: Option<&'a Member>,
    /// Names of pagemaps whose pages are compressed, their own and those of parents, with the blocks.
    pub(super) packed: Vec<(&'a Member, &'a Blocks)>,
}

impl<'a> Pages<'a> {
    /// Bytes that are in the evidence.
    pub fn captured_bytes(&self) -> u64 {
        let captured =
            |run: &&PageRun<'_>| matches!(run.content, Content::Captured { .. } | Content::Packed { .. });
        self.runs.iter().filter(captured).map(|run| run.length).sum()
    }

    /// Undoes the blocks of compressed pages, so that all their bytes are at hand, and tells which are damaged: those
    /// are lost. What only looks at a few pages need not.
    pub fn unpack(&self, diagnostics: &mut Vec<Diagnostic>) {
        for (pagemap, blocks) in &self.packed {
            if blocks.undone().is_some() {
                continue;
            }
            let undone = blocks.all();
            let mut reports = Reports::new(&Limits::DEFAULT);
            for damaged in &undone.damaged {
                let stored = blocks.place(damaged);
                let why = undone.failed.clone().unwrap_or_else(|| "it is no whole LZ4 block".to_owned());
                let message = format!(
                    "{} bytes of memory are lost: the block of {} bytes at byte {} of the pages image is not readable: \
                     {why}",
                    damaged.end - damaged.start,
                    stored.end - stored.start,
                    stored.start
                );
                reports.push(Diagnostic::loss("damaged-pages", pagemap.name(), message), diagnostics);
            }
            reports.finish(&pagemap.name(), diagnostics);
        }
    }

    /// Where in which pages images the bytes of the runs are, neighbours joined.
    pub fn places(&self) -> Vec<(&'a Member, Range<u64>)> {
        let mut places: Vec<(&'a Member, Range<u64>)> = Vec::new();
        for run in &self.runs {
            let Some((member, stored)) = run.stored() else { continue };
            match places.last_mut() {
                Some((last, range)) if std::ptr::eq(*last, member) && range.end == stored.start => {
                    range.end = stored.end;
                }
                _ => places.push((member, stored)),
            }
        }
        places
    }

    /// Whether bytes that follow one another in memory do so in the file as well, so that searching the file finds what
    /// searching memory would.
    pub fn lie_in_order(&self) -> bool {
        self.packed.is_empty()
            && self.runs.windows(2).all(|pair| match pair {
                [one, next] => one.end() != next.start || one.is_followed_in_file_by(next),
                _ => true,
            })
    }

    /// The pages of a process whose pagemap is not there: nothing is known.
    pub fn missing() -> Self {
        Self { lost_from: Some(0), ..Self::default() }
    }

    /// Reads `pagemap-<name>.img` with its pages and those of the parents.
    pub fn read(
        images: &'a ImageDirectory,
        name: &str,
        page_size: u64,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        let Some(file) = images.file(name) else { return Self::default() };
        let before = diagnostics.len();
        let (head, entries) = image::read_pagemap(&file, diagnostics);
        let is_damaged =
            diagnostics.iter().skip(before).any(|diagnostic| diagnostic.severity == Severity::Loss);
        if entries.is_empty() {
            return Self { lost_from: is_damaged.then_some(0), ..Self::default() };
        }
        let mut reader = Reader {
            name,
            page_size,
            pages: PagesFile::find(images, name, head.as_ref(), &entries, file.bytes, page_size, diagnostics),
            parent: None,
            runs: Vec::with_capacity(entries.len()),
            lost_from: None,
            offset: Some(0),
        };
        if entries.iter().any(|entry| normalise(&entry.value).1 & PARENT != 0) {
            match &images.parent {
                Parent::Found(parent) => {
                    reader.parent = Some(Self::read(parent, name, page_size, diagnostics))
                }
                Parent::Missing(reason) => {
                    diagnostics.push(Diagnostic::loss("missing-parent", name, reason.clone()));
                }
                Parent::None => diagnostics.push(Diagnostic::loss(
                    "missing-parent",
                    name,
                    "pages are only in the parent dump, which is not in the evidence; give it with --parent",
                )),
            }
        }
        let mut reports = Reports::new(images.limits());
        for entry in &entries {
            reader.add(entry, &mut reports, diagnostics);
        }
        reports.finish(name, diagnostics);
        if is_damaged && reader.lost_from.is_none() {
            reader.lost_from = Some(reader.runs.last().map_or(0, PageRun::end));
        }
        let encoded = reader.pages.member.filter(|_| reader.pages.encoded);
        let mut packed = reader.parent.map(|parent| parent.packed).unwrap_or_default();
        packed.extend(images.member(name).zip(reader.pages.blocks));
        Self { runs: reader.runs, lost_from: reader.lost_from, encoded, packed }
    }

    /// The parts of the runs between two addresses, in order.
    pub fn within(&self, from: u64, to: u64) -> impl Iterator<Item = PageRun<'a>> + '_ {
        let first = self.runs.partition_point(|run| run.end() <= from);
        let rest = self.runs.get(first..).unwrap_or_default();
        let clipped =
            rest.iter().take_while(move |run| run.start < to).filter_map(move |run| run.clip(from, to));
        clipped.flat_map(PageRun::unpacked)
    }
}

/// The file that a pagemap's bytes are in.
struct PagesFile<'a> {
    member: Option<&'a Member>,
    /// The bytes cannot be read as pages: why is reported once.
    encoded: bool,
    /// What its bytes are compressed in.
    blocks: Option<&'a Blocks>,
}

impl<'a> PagesFile<'a> {
    fn find(
        images: &'a ImageDirectory,
        name: &str,
        head: Option<&Located<proto::PagemapHead>>,
        entries: &[Located<proto::PagemapEntry>],
        pagemap: &[u8],
        page_size: u64,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        let Some(id) = head.and_then(|head| head.value.pages_id) else {
            diagnostics.push(Diagnostic::loss(
                "bad-pagemap",
                name,
                "it does not say which pages file it belongs to",
            ));
            return Self { member: None, encoded: false, blocks: None };
        };
        let pages_name = format!("pages-{id}.img");
        let member = images.member(&pages_name);
        let stored: u128 = entries
            .iter()
            .map(|entry| normalise(&entry.value))
            .filter(|(_, flags)| is_stored(*flags))
            .map(|(count, _)| u128::from(count) * u128::from(page_size))
            .sum();
        let Some(member) = member else {
            if stored > 0 {
                let message = format!("{pages_name} is missing: {stored} bytes of memory are lost");
                diagnostics.push(Diagnostic::loss("missing-pages", name, message));
            }
            return Self { member: None, encoded: false, blocks: None };
        };
        let length = u128::from(member.stored());
        let mut file = Self { member: Some(member), encoded: false, blocks: None };
        let shape = Shape::of(entries.iter().map(|entry| bytes_of(pagemap, entry)));
        let encoded = if images.member("cipher.img").is_some() {
            Some("the images are encrypted, which ckptfx cannot read".to_owned())
        } else if shape == Shape::Foreign {
            Some("the pages seem to be compressed by a newer CRIU, which ckptfx cannot read yet".to_owned())
        } else if shape == Shape::Blocks {
            match blocks_of(entries, page_size, member, images.limits()) {
                Ok(blocks) => {
                    file.blocks = images.member(name).map(|pagemap| pagemap.blocks.get_or_init(|| blocks));
                    return file;
                }
                Err(wrong) => {
                    Some(format!("the pages are compressed in a way that ckptfx cannot read: {wrong}"))
                }
            }
        } else if length < stored && !member.is_cut() && !length.is_multiple_of(u128::from(page_size)) {
            Some(format!(
                "{pages_name} has {length} bytes where {stored} are stated and no whole number of pages: \
                 compressed or foreign, not read"
            ))
        } else {
            None
        };
        if let Some(message) = encoded {
            diagnostics.push(Diagnostic::loss("encoded-pages", name, message));
            file.encoded = true;
        } else if length < stored {
            let message = format!("{pages_name} ends after {length} of {stored} bytes; the rest is lost");
            diagnostics.push(Diagnostic::loss("truncated-pages", name, message));
        } else if length > stored {
            let message = format!(
                "{pages_name} has {} bytes more than the entries take: where one is missing, what follows it is at \
                 wrong addresses",
                length - stored
            );
            diagnostics.push(Diagnostic::loss("contradiction", name, message));
        }
        file
    }

    /// What there is of so many bytes at an offset, with lengths.
    fn contents(&self, offset: u64, length: u64) -> Vec<(u64, Content<'a>)> {
        if let Some((blocks, member)) = self.blocks.zip(self.member) {
            return vec![(length, Content::Packed { blocks, member, position: offset })];
        }
        let bytes = self.member.and_then(|member| {
            let bytes = member.view().get(offset..offset.checked_add(length)?)?;
            Some((member, bytes))
        });
        let (member, bytes) = match bytes {
            _ if self.encoded => return vec![(length, Content::Encoded)],
            None => return vec![(length, Content::Lost)],
            Some(found) => found,
        };
        let mut contents = Vec::new();
        let mut position = offset;
        let end = offset + length;
        let captured = |from: u64, to: u64, contents: &mut Vec<_>| {
            if let Some(bytes) = bytes.get(from - offset..to - offset) {
                contents.push((to - from, Content::Captured { bytes, member, offset: Some(from) }));
            }
        };
        let first = member.holes.partition_point(|hole| hole.end <= offset);
        for hole in member.holes.iter().skip(first).take_while(|hole| hole.start < end) {
            let (from, to) = (hole.start.max(offset), hole.end.min(end));
            captured(position, from, &mut contents);
            contents.push((to - from, Content::Searched { member, offset: from }));
            position = to;
        }
        captured(position, end, &mut contents);
        contents
    }

    /// Bytes the file has from an offset on.
    fn available(&self, offset: u64) -> u64 {
        let length = match self.blocks {
            Some(blocks) => blocks.length(),
            None => self.member.map_or(0, Member::stored),
        };
        length.saturating_sub(offset)
    }
}

/// The bytes of an entry.
fn bytes_of<'p>(pagemap: &'p [u8], entry: &Located<proto::PagemapEntry>) -> &'p [u8] {
    let range = || Some(usize::try_from(entry.body.start).ok()?..usize::try_from(entry.body.end).ok()?);
    range().and_then(|range| pagemap.get(range)).unwrap_or_default()
}

struct Reader<'a, 'n> {
    name: &'n str,
    page_size: u64,
    pages: PagesFile<'a>,
    parent: Option<Pages<'a>>,
    runs: Vec<PageRun<'a>>,
    lost_from: Option<u64>,
    /// Where the next bytes are in the pages image; none after an entry that does not say how many it takes.
    offset: Option<u64>,
}

impl<'a> Reader<'a, '_> {
    fn add(
        &mut self,
        entry: &Located<proto::PagemapEntry>,
        reports: &mut Reports,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let (count, flags) = normalise(&entry.value);
        let start = entry.value.vaddr.unwrap_or(0);
        let file_offset = self.offset;
        let length = count.checked_mul(self.page_size);
        if is_stored(flags) {
            let length = length.filter(|length| *length > 0);
            self.offset = length.zip(file_offset).and_then(|(length, offset)| offset.checked_add(length));
        }
        let end = length.and_then(|length| start.checked_add(length));
        let previous_end = self.runs.last().map_or(0, PageRun::end);
        let wrong = if count == 0 && is_stored(flags) {
            Some("does not say how many bytes it takes, so that those after it cannot be placed")
        } else if end.is_none() {
            Some("runs past the end of the address space")
        } else if !start.is_multiple_of(self.page_size) {
            Some("does not begin at a page")
        } else if entry.value.vaddr.is_none() {
            Some("has no address")
        } else if start < previous_end {
            Some("overlaps the one before it")
        } else {
            None
        };
        if let Some(wrong) = wrong {
            let message = format!("the entry at {start:#x} for {count} pages is left out: it {wrong}");
            let problem = Diagnostic::loss("bad-pagemap", self.name, message).at(entry.body.start);
            reports.push(problem, diagnostics);
            self.lost_from.get_or_insert(previous_end);
            return;
        }
        let (Some(length), Some(end)) = (length, end) else { return };
        if flags & PARENT != 0 {
            self.add_from_parent(start, end, reports, diagnostics);
        } else if is_stored(flags) {
            let Some(file_offset) = file_offset else {
                self.push(start, length, Content::Lost);
                return;
            };
            // A cut file still has the first pages of the entry that the cut is in.
            let available = self.pages.available(file_offset) / self.page_size * self.page_size;
            let whole = if self.pages.encoded { length } else { length.min(available) };
            let mut position = start;
            for (length, content) in self.pages.contents(file_offset, whole) {
                self.push(position, length, content);
                position += length;
            }
            self.push(start + whole, length - whole, Content::Lost);
        } else if flags & LAZY != 0 {
            self.push(start, length, Content::Lazy);
        } else {
            let message = format!("the entry at {start:#x} for {count} pages does not say where they are");
            reports.push(Diagnostic::loss("unmarked-pages", self.name, message), diagnostics);
            self.push(start, length, Content::Unmarked);
        }
    }

    fn add_from_parent(
        &mut self,
        start: u64,
        end: u64,
        reports: &mut Reports,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let inherited: Vec<_> =
            self.parent.as_ref().map(|parent| parent.within(start, end).collect()).unwrap_or_default();
        let mut position = start;
        for run in inherited {
            self.push(position, run.start - position, Content::InMissingParent);
            self.push(run.start, run.length, run.content);
            position = run.end();
        }
        if position < end && self.parent.is_some() {
            let message = format!("the parent dump lacks pages at {position:#x} that it should have");
            reports.push(Diagnostic::loss("missing-parent", self.name, message), diagnostics);
        }
        self.push(position, end - position, Content::InMissingParent);
    }

    /// Adds a run, joined to the one before it where it continues it.
    fn push(&mut self, start: u64, length: u64, content: Content<'a>) {
        if length == 0 {
            return;
        }
        let run = PageRun { start, length, content };
        if let Some(last) = self.runs.last_mut()
            && last.continues_with(&run)
        {
            let joined = last.length + length;
            if let Content::Captured { member, offset: Some(offset), .. } = last.content {
                let Some(bytes) = member.view().get(offset..offset + joined) else {
                    self.runs.push(run);
                    return;
                };
                last.content = Content::Captured { bytes, member, offset: Some(offset) };
            }
            last.length = joined;
            return;
        }
        self.runs.push(run);
    }
}

#[cfg(test)]
mod tests;
