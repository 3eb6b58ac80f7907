//! Indexing a tar that lies in one slice: a walk over its headers, never over its contents.

use std::io;

use bytes::Bytes;
use tar::{EntryType, Header};

use super::{
    header::{self, BLOCK, checksum_holds, is_file},
    listing::Archive,
    member::{Data, Member, MemberKind},
    path::normalise,
    pax::{self, Extensions},
    sparse,
};
use crate::{
    Diagnostic, Limits, Reports, Severity,
    limits::{count, reached},
    source::Extent,
};

/// Indexes a tar: the cost depends on the number of members, not on their sizes. `name` is used in
/// messages. Damage costs what it hits: a broken header is skipped up to the next good one. Archives behind the end of
/// the first are told, and not read.
pub fn index_tar(bytes: &Bytes, name: &str, limits: &Limits) -> Archive {
    let mut archives = index_tars(&bytes.clone().into(), name, limits).into_iter();
    let mut first = archives.next().unwrap_or_default();
    first.diagnostics.extend(archives.map(|other| not_read(&other, name)));
    first
}

/// The loss that an archive behind the end of another one is, when it is not read.
pub fn not_read(archive: &Archive, name: &str) -> Diagnostic {
    let message = format!(
        "another archive follows the end, of {} members, and is not read: remains of an older, longer file, or \
         something hidden",
        archive.members().len()
    );
    Diagnostic::loss("trailing-data", name, message).at(archive.start)
}

/// Indexes a tar and what follows its end, if that is one as well.
pub fn index_tars(bytes: &Extent, name: &str, limits: &Limits) -> Vec<Archive> {
    let mut archives: Vec<Archive> = Vec::new();
    let mut next = Some(0);
    let mut members = 0;
    while let Some(start) = next {
        if archives.len() >= count(limits.archives) {
            let what = format!("more than {} archives follow one another", limits.archives);
            if let Some(first) = archives.first_mut() {
                let problem = reached("trailing-data", name, "archives", what).at(start);
                first.diagnostics.push(problem);
            }
            break;
        }
        let mut archive = Archive::under(limits);
        archive.start = start;
        next = walk(bytes, start, members, name, &mut archive);
        members += archive.members().len();
        if archives.len() == 1 && archives.iter().all(|first| first.members().is_empty()) {
            // Nothing but an end stood before it.
            let before = archives.pop().map(|first| first.diagnostics).unwrap_or_default();
            archive.diagnostics.splice(0..0, before);
        }
        archives.push(archive);
    }
    archives
}

/// Indexes one archive; where the next one begins is given.
fn walk(bytes: &Extent, start: u64, before: usize, name: &str, archive: &mut Archive) -> Option<u64> {
    let limits = archive.limits;
    let mut walk = Walk {
        tar: header::Tar::new(bytes),
        name,
        position: start,
        next: None,
        extensions: Extensions::default(),
        reports: Reports::new(&limits),
    };
    loop {
        match walk.step(archive) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                let message = format!("the headers from here on cannot be read: {error}");
                walk.report(archive, Severity::Loss, "unreadable", message);
                break;
            }
        }
        if before + archive.members().len() >= count(limits.members) {
            let what = format!("only the first {} members are read", limits.members);
            archive.diagnostics.push(reached("too-many-members", name, "members", what));
            break;
        }
    }
    walk.reports.finish(name, &mut archive.diagnostics);
    walk.next
}

/// A member's content as it lies in the tar.
struct Placed {
    /// Bytes stated.
    size: u64,
    has_content: bool,
    start: u64,
    content: Extent,
    map: Option<sparse::Map>,
}

struct Walk<'a> {
    tar: header::Tar<'a>,
    name: &'a str,
    position: u64,
    /// Where another archive begins.
    next: Option<u64>,
    extensions: Extensions,
    reports: Reports,
}

impl Walk<'_> {
    fn report(&mut self, archive: &mut Archive, severity: Severity, code: &'static str, message: String) {
        let (subject, offset) = (self.name.to_owned(), Some(self.position));
        let problem = Diagnostic { code, severity, subject, offset, message };
        self.reports.push(problem, &mut archive.diagnostics);
    }

    /// Reads one header and steps over its content; false at the end.
    fn step(&mut self, archive: &mut Archive) -> io::Result<bool> {
        let Some(header) = self.tar.header(self.position)? else {
            let message = "the archive ends without an end-of-archive marker; it may be cut".to_owned();
            self.report(archive, Severity::Loss, "truncated-archive", message);
            return Ok(false);
        };
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            return self.end_marker(archive);
        }
        if !checksum_holds(&header) {
            return self.resynchronise(archive);
        }
        let stated = header.entry_size().ok();
        let mut start = self.position + BLOCK as u64;
        let is_extension = matches!(
            header.entry_type(),
            EntryType::XHeader | EntryType::XGlobalHeader | EntryType::GNULongName | EntryType::GNULongLink
        );
        let size = match self.extensions.size {
            Some(size) if !is_extension => Some(size),
            _ => stated,
        };
        let Some(size) = size else {
            let message = "a member's size is not a number".to_owned();
            self.report(archive, Severity::Loss, "bad-header", message);
            return self.resynchronise(archive);
        };
        // The map of a file with holes may go on in blocks between header and content.
        let mut map = None;
        if header.entry_type() == EntryType::GNUSparse {
            let (tar, most) = (&mut self.tar, count(archive.limits.sparse_pieces));
            let after = |index: usize| tar.read(start + (index * BLOCK) as u64, BLOCK as u64);
            let (found, blocks) = sparse::gnu_map(&header, after, most)?;
            start += (blocks * BLOCK) as u64;
            map = found;
        }
        // Links and devices have no content, whatever their size field says.
        let has_content = is_extension || is_file(header.entry_type());
        let length = if has_content { size } else { 0 };
        let content = self.tar.extent(start..start.saturating_add(length));
        let available = content.len();
        if is_extension {
            self.extension(archive, &header, start, length, available)?;
        } else {
            let placed = Placed { size, has_content, start, content, map };
            self.member(archive, &header, placed);
        }
        let padded = length.checked_next_multiple_of(BLOCK as u64);
        match padded.and_then(|padded| start.checked_add(padded)) {
            Some(next) if next <= self.tar.len() => {
                self.position = next;
                Ok(true)
            }
            // The last member may lack its padding; less than its content was reported above.
            _ => {
                if available == length {
                    self.position = self.tar.len();
                    let message =
                        "the archive ends without an end-of-archive marker; it may be cut".to_owned();
                    self.report(archive, Severity::Loss, "truncated-archive", message);
                }
                Ok(false)
            }
        }
    }

    fn extension(
        &mut self,
        archive: &mut Archive,
        header: &Header,
        start: u64,
        length: u64,
        available: u64,
    ) -> io::Result<()> {
        let longest = archive.limits.header_bytes;
        if available < length {
            let message = format!("an extension header of {length} bytes is cut");
            self.report(archive, Severity::Loss, "bad-header", message);
        } else if length > longest {
            let what = format!("of an extension header of {length} bytes the first {longest} are read");
            let problem = reached("oversized-header", self.name, "header-bytes", what);
            self.reports.push(problem.at(self.position), &mut archive.diagnostics);
        }
        let content = self.tar.read(start, available.min(longest))?;
        let text = || content.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
        match header.entry_type() {
            EntryType::GNULongName => self.extensions.path = Some(text()),
            EntryType::GNULongLink => self.extensions.link = Some(text()),
            EntryType::XHeader => {
                pax::read(&content, count(archive.limits.sparse_pieces), &mut self.extensions);
                for problem in std::mem::take(&mut self.extensions.problems) {
                    let message = format!("a PAX header is not believed: {problem}");
                    self.report(archive, Severity::Loss, "bad-header", message);
                }
            }
            // Global headers of the archives in question only hold comments.
            _ => {}
        }
        Ok(())
    }

    fn member(&mut self, archive: &mut Archive, header: &Header, placed: Placed) {
        let Placed { size, has_content, start, content, map } = placed;
        let extensions = std::mem::take(&mut self.extensions);
        let link = || extensions.link.clone().or_else(|| header.link_name_bytes().map(Into::into));
        let kind = match header.entry_type() {
            EntryType::Directory => MemberKind::Directory,
            EntryType::Symlink => MemberKind::Symlink(link().unwrap_or_default()),
            EntryType::Link => MemberKind::Hardlink(link().unwrap_or_default()),
            kind if is_file(kind) => MemberKind::File,
            kind => MemberKind::Other(kind.as_byte()),
        };
        let is_device = matches!(header.entry_type(), EntryType::Char | EntryType::Block);
        let number = |field: io::Result<Option<u32>>| field.ok().flatten();
        let path = normalise(extensions.path.as_deref().unwrap_or(&header.path_bytes()));
        let is_cut = has_content && content.len() < size;
        let sparse = if header.entry_type() == EntryType::GNUSparse {
            Some(map.and_then(|map| map.place(&content)))
        } else {
            let most = count(archive.limits.sparse_pieces);
            extensions.sparse.as_ref().map(|found| {
                let head = content.read_at(0, found.length(most)).ok()?;
                found.map(&head, most)?.place(&content)
            })
        };
        let is_unreadable = matches!(sparse, Some(None));
        let is_sparse = sparse.is_some();
        let (size, data) = match sparse.flatten() {
            Some(placed) => {
                (placed.size, Data::Sparse { pieces: placed.pieces, is_damaged: placed.is_damaged })
            }
            // What a sparse member holds is not its content; unreadable is better than wrong.
            None if is_unreadable => (size, Data::Sparse { pieces: Vec::new(), is_damaged: true }),
            None => (size, content.into()),
        };
        let member = Member {
            path,
            kind,
            size: if has_content { size } else { 0 },
            mode: header.mode().unwrap_or(0),
            mtime: extensions.mtime.or_else(|| header.mtime().ok().and_then(|time| time.try_into().ok())),
            uid: extensions.uid.or_else(|| header.uid().ok()),
            gid: extensions.gid.or_else(|| header.gid().ok()),
            device: is_device
                .then(|| number(header.device_major()).zip(number(header.device_minor())))
                .flatten(),
            xattrs: extensions.xattrs,
            offset: has_content.then_some(start),
            holes: Vec::new(),
            blocks: std::sync::OnceLock::new(),
            data,
        };
        if is_cut || is_unreadable || (is_sparse && member.is_cut()) {
            let message = if is_unreadable {
                "the map of the file's holes is not readable; its content is lost".to_owned()
            } else if is_sparse {
                "the file is stored without its holes, and the pieces do not fit or are cut".to_owned()
            } else {
                format!("{size} bytes are stated, {} are there", member.stored())
            };
            let problem = Diagnostic::loss("truncated-member", member.name(), message).at(self.position);
            self.reports.push(problem, &mut archive.diagnostics);
        }
        archive.add(member, &mut self.reports);
    }

    /// At a zero block: the end if a second follows or nothing does.
    fn end_marker(&mut self, archive: &mut Archive) -> io::Result<bool> {
        let after = self.position + BLOCK as u64;
        let second_is_zero = self.tar.read(after, BLOCK as u64)?.iter().all(|byte| *byte == 0);
        if !second_is_zero && self.tar.header(after)?.is_some_and(|header| checksum_holds(&header)) {
            let message = "a lone zero block lies between members".to_owned();
            self.report(archive, Severity::Note, "lone-zero-block", message);
            self.position = after;
            return Ok(true);
        }
        let Some(stale) = self.tar.next_content(after)? else { return Ok(false) };
        let block = stale - (stale - self.position) % BLOCK as u64;
        self.next = self.tar.next_header(block)?;
        if self.next != Some(block) {
            self.position = stale;
            let message = format!(
                "{} bytes that are no archive follow the end: remains of an older, longer file, or something hidden",
                self.next.unwrap_or(self.tar.len()) - stale
            );
            self.report(archive, Severity::Loss, "trailing-data", message);
        }
        Ok(false)
    }

    /// After a bad header: goes on behind what may be its content, or else at the next block that is a good one.
    fn resynchronise(&mut self, archive: &mut Archive) -> io::Result<bool> {
        self.extensions = Extensions::default();
        let next = match self.tar.after_content(self.position)? {
            Some(next) => Some(next),
            None => self.tar.next_header(self.position.saturating_add(BLOCK as u64))?,
        };
        let message = match next {
            Some(next) => format!("this is no member header; {} bytes are skipped", next - self.position),
            None => "this is no member header, and none follows".to_owned(),
        };
        self.report(archive, Severity::Loss, "bad-header", message);
        self.position = next.unwrap_or(self.tar.len());
        Ok(next.is_some())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::archive::looks_like_tar;

    fn looks_like_damaged_tar(bytes: &[u8]) -> bool {
        crate::archive::looks_like_damaged_tar(&Bytes::copy_from_slice(bytes).into()).unwrap()
    }

    fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o600);
            header.set_mtime(1_700_000_000);
            header.set_cksum();
            builder.append_data(&mut header, path, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn codes(archive: &Archive) -> Vec<&str> {
        archive.diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
    }

    #[test]
    fn members_are_slices_at_their_offsets() {
        let long = "d/".repeat(120) + "file";
        let bytes = Bytes::from(tar_of(&[("./a", b"alpha"), (&long, b"beta")]));
        let archive = index_tar(&bytes, "x.tar", &Limits::DEFAULT);
        assert!(archive.diagnostics.is_empty());
        assert_eq!(archive.file(b"a").unwrap(), "alpha".as_bytes());
        let member = archive.find(long.as_bytes()).unwrap();
        assert_eq!(member.bytes(), "beta".as_bytes());
        assert_eq!(&bytes[member.offset.unwrap() as usize..][..4], b"beta");
    }

    #[test]
    fn a_broken_header_costs_its_member_only() {
        let mut bytes = tar_of(&[("a", b"alpha"), ("b", b"beta"), ("c", b"gamma")]);
        bytes[1024 + 10] ^= 0xff;
        let archive = index_tar(&Bytes::from(bytes), "x.tar", &Limits::DEFAULT);
        assert_eq!(codes(&archive), ["bad-header"]);
        assert!(archive.find(b"a").is_some() && archive.find(b"c").is_some());
    }

    #[test]
    fn an_archive_behind_the_end_is_one_of_its_own() {
        let mut bytes = tar_of(&[("a", b"alpha")]);
        let start = bytes.len();
        bytes.extend(tar_of(&[("a", b"older"), ("b", b"beta")]));
        let archives = index_tars(&Bytes::from(bytes.clone()).into(), "x.tar", &Limits::DEFAULT);
        let [first, second] = archives.as_slice() else { panic!("{archives:?}") };
        assert!(first.diagnostics.is_empty() && second.diagnostics.is_empty());
        assert_eq!((first.start, second.start), (0, start as u64));
        assert_eq!(first.file(b"a").unwrap(), "alpha".as_bytes());
        assert_eq!(second.file(b"a").unwrap(), "older".as_bytes());
        let offset = second.find(b"b").unwrap().offset.unwrap() as usize;
        assert_eq!(&bytes[offset..offset + 4], b"beta");
        let archive = index_tar(&Bytes::from(bytes), "x.tar", &Limits::DEFAULT);
        assert_eq!(codes(&archive), ["trailing-data"]);
        assert_eq!(archive.diagnostics[0].severity, Severity::Loss);
        assert!(archive.find(b"b").is_none());
    }

    #[test]
    fn bytes_behind_the_end_are_a_loss_and_a_header_among_them_is_found() {
        let mut bytes = tar_of(&[("a", b"alpha")]);
        let end = bytes.len();
        bytes.extend(vec![0; 700]);
        bytes.push(7);
        let archives = index_tars(&Bytes::from(bytes.clone()).into(), "x.tar", &Limits::DEFAULT);
        let [only] = archives.as_slice() else { panic!("{archives:?}") };
        assert_eq!(codes(only), ["trailing-data"]);
        assert_eq!(only.diagnostics[0].severity, Severity::Loss);
        assert!(only.diagnostics[0].offset.unwrap() == end as u64 + 700);
        bytes.resize(end + 2048, 9);
        bytes.extend(tar_of(&[("old", b"older")]));
        let archives = index_tars(&Bytes::from(bytes).into(), "x.tar", &Limits::DEFAULT);
        assert_eq!(archives.len(), 2);
        assert_eq!(codes(&archives[0]), ["trailing-data"]);
        assert!(
            archives[0].diagnostics[0].message.starts_with("1348 bytes"),
            "{:?}",
            archives[0].diagnostics
        );
        assert!(archives[1].find(b"old").is_some());
        let zeros = [tar_of(&[("a", b"alpha")]), vec![0; 5000]].concat();
        assert!(index_tar(&Bytes::from(zeros), "x.tar", &Limits::DEFAULT).diagnostics.is_empty());
        // An end in front of everything is none.
        let late = [vec![0; 1024], tar_of(&[("a", b"alpha")])].concat();
        let archives = index_tars(&Bytes::from(late).into(), "x.tar", &Limits::DEFAULT);
        assert!(archives.len() == 1 && archives[0].find(b"a").is_some());
    }

    #[test]
    fn archives_one_behind_another_meet_their_limit() {
        let bytes = Bytes::from(tar_of(&[("a", b"alpha")]).repeat(9));
        let limits = Limits { archives: 3, ..Limits::DEFAULT };
        let archives = index_tars(&bytes.clone().into(), "x.tar", &limits);
        assert_eq!(archives.len(), 3);
        assert!(archives[0].diagnostics[0].message.contains("limit archives"));
        let limits = Limits { members: 4, ..Limits::DEFAULT };
        let archives = index_tars(&bytes.clone().into(), "x.tar", &limits);
        assert_eq!(archives.iter().map(|archive| archive.members().len()).sum::<usize>(), 4);
    }

    #[test]
    fn a_damaged_first_header_is_no_end() {
        let inner = tar_of(&[("inner", b"x")]);
        let mut bytes = tar_of(&[("a", &inner), ("b", b"beta")]);
        bytes[10] ^= 0xff;
        assert!(!looks_like_tar(&bytes) && looks_like_damaged_tar(&bytes));
        let archive = index_tar(&Bytes::from(bytes.clone()), "x.tar", &Limits::DEFAULT);
        assert_eq!(codes(&archive), ["bad-header"]);
        assert_eq!(archive.members().len(), 1);
        assert!(archive.find(b"b").is_some());
        // Where not even the size is left, the next header is looked for.
        bytes[..512].fill(0x55);
        assert!(looks_like_damaged_tar(&bytes));
        assert!(!looks_like_damaged_tar(&[0x55; 10_000]));
        assert!(!looks_like_damaged_tar(&[0; 10_000]));
        assert!(!looks_like_damaged_tar(b""));
    }

    #[test]
    fn every_cut_keeps_the_members_before_it() {
        let whole = tar_of(&[("a", &[1; 700]), ("b", &[2; 10])]);
        for cut in 0..whole.len() {
            let archive = index_tar(&Bytes::from(whole[..cut].to_vec()), "x.tar", &Limits::DEFAULT);
            assert!(!archive.diagnostics.is_empty() || cut >= whole.len() - 512, "{cut}");
            if cut >= 512 + 700 {
                assert_eq!(archive.file(b"a").unwrap().len(), 700);
            }
        }
    }

    #[test]
    fn of_two_members_with_one_path_the_last_counts_and_both_are_told() {
        let archive = index_tar(&Bytes::from(tar_of(&[("a", b"1"), ("a", b"2")])), "x.tar", &Limits::DEFAULT);
        assert_eq!(archive.file(b"a").unwrap(), "2".as_bytes());
        assert_eq!(codes(&archive), ["duplicate-member"]);
        assert_eq!(archive.diagnostics[0].severity, Severity::Loss);
        let archive = index_tar(&Bytes::from(tar_of(&[("a", b"1"), ("a", b"1")])), "x.tar", &Limits::DEFAULT);
        assert_eq!(codes(&archive), ["duplicate-member"]);
        assert_eq!(archive.diagnostics[0].severity, Severity::Note);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            index_tar(&Bytes::from(bytes), "x.tar", &Limits::DEFAULT);
        }

        #[test]
        fn agrees_with_the_tar_crate(files in proptest::collection::vec(("[a-z]{1,120}", proptest::collection::vec(any::<u8>(), 0..2000)), 0..8)) {
            let files: Vec<(&str, &[u8])> = files.iter().map(|(path, content)| (path.as_str(), content.as_slice())).collect();
            let bytes = tar_of(&files);
            let archive = index_tar(&Bytes::from(bytes.clone()), "x.tar", &Limits::DEFAULT);
            let mut reader = tar::Archive::new(bytes.as_slice());
            let theirs: Vec<(Vec<u8>, u64, u64)> = reader.entries().unwrap().map(|entry| {
                let entry = entry.unwrap();
                (entry.path_bytes().to_vec(), entry.raw_file_position(), entry.size())
            }).collect();
            let ours: Vec<(Vec<u8>, u64, u64)> = archive.members().iter().map(|member| (member.path.clone(), member.offset.unwrap(), member.size)).collect();
            prop_assert_eq!(ours, theirs);
        }
    }
}
