//! All members of an archive.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    sync::{OnceLock, atomic::AtomicU64},
};

use bytes::Bytes;

use super::{
    member::{Data, Member, MemberKind},
    path::leads_out,
    walk::is_pages_image,
};
use crate::{Diagnostic, Limits, Reports, Severity, limits::reached, source::Extent};

/// All members of one archive, by path.
#[derive(Debug, Default)]
pub struct Archive {
    members: Vec<Member>,
    by_path: HashMap<Vec<u8>, usize>,
    /// Places of the members that later ones of the same path replace.
    replaced: HashSet<usize>,
    /// Where it begins in the file: of several tars one behind another each is an archive of its own.
    pub start: u64,
    /// The limits that it was read under, which hold for what is inside it as well.
    pub limits: Limits,
    /// Bytes that the messages decoded so far of its images may take in memory.
    pub decoded: AtomicU64,
    /// What was noticed while indexing.
    pub diagnostics: Vec<Diagnostic>,
}

impl Archive {
    /// An archive without members.
    pub(crate) fn under(limits: &Limits) -> Self {
        Self { limits: *limits, ..Self::default() }
    }

    /// All members in the order of the archive.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member at a path; of several with one path the last, as extraction would leave it.
    pub fn find(&self, path: &[u8]) -> Option<&Member> {
        self.by_path.get(path).and_then(|index| self.members.get(*index))
    }

    /// The members that no later one of the same path replaces, in the order of the archive.
    pub fn current(&self) -> impl Iterator<Item = &Member> {
        let all = self.members.iter().enumerate();
        all.filter(|(index, _)| !self.replaced.contains(index)).map(|(_, member)| member)
    }

    /// The content of the regular file at a path.
    pub fn file(&self, path: &[u8]) -> Option<&Bytes> {
        self.find(path).filter(|member| member.kind == MemberKind::File).map(Member::bytes)
    }

    /// The content of the regular file at a path, not read yet.
    pub fn extent(&self, path: &[u8]) -> Option<Extent> {
        self.find(path).filter(|member| member.kind == MemberKind::File).map(Member::extent)
    }

    /// Whether members may have been lost: the archive ends early, or a header was not readable.
    pub fn is_cut(&self) -> bool {
        let codes = [
            "truncated-archive",
            "truncated-member",
            "bad-header",
            "stream-gap",
            "too-many-members",
            "unreadable",
        ];
        self.diagnostics.iter().any(|diagnostic| codes.contains(&diagnostic.code))
    }

    /// What could not be read so far of the members, by those who asked for their bytes.
    pub fn unread(&self) -> Vec<Diagnostic> {
        let mut diagnostics = Vec::new();
        let mut reports = Reports::new(&self.limits);
        for unread in self.members.iter().flat_map(Member::unread) {
            reports.push(unread, &mut diagnostics);
        }
        reports.finish("archive", &mut diagnostics);
        diagnostics
    }

    /// Adds a member and reports a path that was there before, or that leads out of the archive.
    pub(super) fn add(&mut self, member: Member, reports: &mut Reports) {
        let index = self.members.len();
        if leads_out(&member.path) {
            let message = "the member's path leads out of the archive; it is listed, never followed";
            // An image of that path would be looked for where it is not.
            let is_read = [b".img".as_slice(), b".dump"].iter().any(|ending| member.path.ends_with(ending));
            let severity = if is_read { Severity::Loss } else { Severity::Note };
            let (subject, message) = (member.name().into_owned(), message.to_owned());
            let problem = Diagnostic { code: "unsafe-path", severity, subject, offset: None, message };
            reports.push(problem, &mut self.diagnostics);
        }
        let before = self.by_path.insert(member.path.clone(), index);
        self.replaced.extend(before);
        if let Some(before) = before.and_then(|index| self.members.get(index))
            && !(before.kind == MemberKind::Directory && member.kind == MemberKind::Directory)
        {
            let place =
                |member: &Member| member.offset.map_or(String::new(), |offset| format!(" at byte {offset}"));
            let is_same = before.is_same(&member);
            let message = format!(
                "the archive has this path twice{} and{}, {}; the last is used, as extraction would",
                place(before),
                place(&member),
                if is_same { "with the same content" } else { "and they differ" }
            );
            let severity = if is_same { Severity::Note } else { Severity::Loss };
            let subject = member.name().into_owned();
            let problem = Diagnostic { code: "duplicate-member", severity, subject, offset: None, message };
            reports.push(problem, &mut self.diagnostics);
        }
        self.members.push(member);
    }

    /// Tells the members what of them was searched and not stored, by the place in the file. False when any of it is
    /// not the content of a pages image, or paths are there twice, so that the archive cannot be used.
    pub fn set_holes(&mut self, holes: &[Range<u64>]) -> bool {
        let mut rest = holes;
        // Members of one path were compared without what is in the holes.
        if !holes.is_empty() && self.diagnostics.iter().any(|noticed| noticed.code == "duplicate-member") {
            return false;
        }
        for member in &mut self.members {
            let (Some(start), Data::Range(content, _)) = (member.offset, &member.data) else { continue };
            let end = start.saturating_add(content.len());
            if !is_pages_image(&member.path) {
                continue;
            }
            while let Some((hole, others)) = rest.split_first()
                && start <= hole.start
                && hole.end <= end
            {
                member.holes.push(hole.start - start..hole.end - start);
                rest = others;
            }
        }
        rest.is_empty()
    }

    /// Tells the members what of them there was no room for, by the place in the file: each is cut where that begins.
    /// False when any of it is not the content of a file.
    pub fn set_lost(&mut self, lost: &[Range<u64>]) -> bool {
        let mut rest = lost;
        for member in &mut self.members {
            let (Some(start), Data::Range(content, _)) = (member.offset, &mut member.data) else { continue };
            let end = start.saturating_add(content.len());
            let Some(cut) = rest.first().filter(|lost| start <= lost.start && lost.end <= end) else {
                continue;
            };
            let kept = cut.start - start;
            *content = content.slice(0..kept);
            member.holes.retain(|hole| hole.end <= kept);
            while let Some((more, others)) = rest.split_first()
                && more.end <= end
            {
                rest = others;
            }
            let what = format!(
                "of {} bytes the first {kept} are kept, and {} are lost: compressed evidence gave more than is believed",
                member.size,
                member.size.saturating_sub(kept)
            );
            let problem = reached("truncated-member", member.name(), "decompressed-ratio", what);
            self.diagnostics.push(problem.at(kept));
        }
        rest.is_empty()
    }

    /// Takes in the members of another archive, such as the next layer of an image.
    pub fn merge(&mut self, other: Archive) {
        self.merge_below(other, b"");
    }

    /// Takes in the members of another archive below a directory.
    pub fn merge_below(&mut self, other: Archive, directory: &[u8]) {
        for mut member in other.members {
            if !directory.is_empty() {
                member.path = [directory, b"/", &member.path].concat();
            }
            let before = self.by_path.insert(member.path.clone(), self.members.len());
            self.replaced.extend(before);
            self.members.push(member);
        }
        self.diagnostics.extend(other.diagnostics);
    }

    /// An archive of files that come without an archive around them.
    pub fn of_files(files: impl IntoIterator<Item = (Vec<u8>, impl Into<Extent>)>) -> Self {
        let mut archive = Self::default();
        let mut reports = Reports::new(&archive.limits);
        for (path, bytes) in files {
            let bytes: Extent = bytes.into();
            let member = Member {
                path,
                kind: MemberKind::File,
                size: bytes.len(),
                mode: 0o600,
                mtime: None,
                uid: None,
                gid: None,
                device: None,
                xattrs: Vec::new(),
                offset: None,
                holes: Vec::new(),
                blocks: OnceLock::new(),
                data: bytes.into(),
            };
            archive.add(member, &mut reports);
        }
        reports.finish("archive", &mut archive.diagnostics);
        archive
    }
}
