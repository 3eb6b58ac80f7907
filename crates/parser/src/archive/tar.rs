//! Indexing a tar that lies in one slice: a walk over its headers, never over its contents.

use bytes::Bytes;
use tar::{EntryType, Header};

use super::{
    Archive, Data, Member, MemberKind, normalise,
    pax::{self, Extensions},
    sparse,
};
use crate::{
    Diagnostic, Limits, Reports, Severity,
    limits::{count, reached},
};

pub(super) const BLOCK: usize = 512;

/// Whether the bytes begin with a tar header whose checksum holds.
pub fn looks_like_tar(bytes: &[u8]) -> bool {
    header_at(bytes, 0).is_some_and(checksum_holds)
}

fn header_at(bytes: &[u8], position: usize) -> Option<&Header> {
    let block = bytes.get(position..)?.get(..BLOCK)?;
    Some(Header::from_byte_slice(block))
}

pub(super) fn checksum_holds(header: &Header) -> bool {
    let bytes = header.as_bytes();
    let sum: u32 = bytes
        .iter()
        .enumerate()
        .map(|(i, byte)| if (148..156).contains(&i) { u32::from(b' ') } else { u32::from(*byte) })
        .sum();
    header.cksum().is_ok_and(|stored| stored == sum)
}

/// Indexes a tar: the cost depends on the number of members, not on their sizes. `name` is used in
/// messages. Damage costs what it hits: a broken header is skipped up to the next good one.
pub fn index_tar(bytes: &Bytes, name: &str, limits: &Limits) -> Archive {
    let mut archive = Archive::under(limits);
    let mut walk =
        Walk { bytes, name, position: 0, extensions: Extensions::default(), reports: Reports::new(limits) };
    while walk.step(&mut archive) {
        if archive.members.len() >= count(limits.members) {
            let what = format!("only the first {} members are read", limits.members);
            archive.diagnostics.push(reached("too-many-members", name, "members", what));
            break;
        }
    }
    walk.reports.finish(name, &mut archive.diagnostics);
    archive
}

/// A member's content as it lies in the tar.
struct Placed {
    /// Bytes stated.
    size: u64,
    has_content: bool,
    start: usize,
    content: Bytes,
    map: Option<sparse::Map>,
}

struct Walk<'a> {
    bytes: &'a Bytes,
    name: &'a str,
    position: usize,
    extensions: Extensions,
    reports: Reports,
}

impl Walk<'_> {
    fn report(&mut self, archive: &mut Archive, severity: Severity, code: &'static str, message: String) {
        let (subject, offset) = (self.name.to_owned(), Some(self.position as u64));
        let problem = Diagnostic { code, severity, subject, offset, message };
        self.reports.push(problem, &mut archive.diagnostics);
    }

    /// Reads one header and steps over its content; false at the end.
    fn step(&mut self, archive: &mut Archive) -> bool {
        let Some(header) = header_at(self.bytes, self.position) else {
            let message = "the archive ends without an end-of-archive marker; it may be cut".to_owned();
            self.report(archive, Severity::Loss, "truncated-archive", message);
            return false;
        };
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            return self.end_marker(archive);
        }
        if !checksum_holds(header) {
            return self.resynchronise(archive);
        }
        let header = header.clone();
        let stated = header.entry_size().ok();
        let mut start = self.position + BLOCK;
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
            let (found, blocks) = sparse::gnu_map(
                &header,
                self.bytes.get(start..).unwrap_or_default(),
                count(archive.limits.sparse_pieces),
            );
            start += blocks * BLOCK;
            map = found;
        }
        // Links and devices have no content, whatever their size field says.
        let has_content = is_extension || is_file(header.entry_type());
        let length = if has_content { usize::try_from(size).unwrap_or(usize::MAX) } else { 0 };
        let available = length.min(self.bytes.len().saturating_sub(start));
        let content = self.bytes.slice(start.min(self.bytes.len())..).slice(..available);
        if is_extension {
            self.extension(archive, &header, &content, length);
        } else {
            let placed = Placed { size, has_content, start, content, map };
            self.member(archive, &header, placed);
        }
        match length.checked_next_multiple_of(BLOCK).and_then(|padded| start.checked_add(padded)) {
            Some(next) if next <= self.bytes.len() => {
                self.position = next;
                true
            }
            // The last member may lack its padding; less than its content was reported above.
            _ => {
                if available == length {
                    self.position = self.bytes.len();
                    let message =
                        "the archive ends without an end-of-archive marker; it may be cut".to_owned();
                    self.report(archive, Severity::Loss, "truncated-archive", message);
                }
                false
            }
        }
    }

    fn extension(&mut self, archive: &mut Archive, header: &Header, content: &Bytes, length: usize) {
        let longest = count(archive.limits.header_bytes);
        if content.len() < length {
            let message = format!("an extension header of {length} bytes is cut");
            self.report(archive, Severity::Loss, "bad-header", message);
        } else if length > longest {
            let what = format!("of an extension header of {length} bytes the first {longest} are read");
            let problem = reached("oversized-header", self.name, "header-bytes", what);
            self.reports.push(problem.at(self.position as u64), &mut archive.diagnostics);
        }
        let content = content.get(..content.len().min(longest)).unwrap_or_default();
        let text = || content.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
        match header.entry_type() {
            EntryType::GNULongName => self.extensions.path = Some(text()),
            EntryType::GNULongLink => self.extensions.link = Some(text()),
            EntryType::XHeader => {
                pax::read(content, count(archive.limits.sparse_pieces), &mut self.extensions);
            }
            // Global headers of the archives in question only hold comments.
            _ => {}
        }
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
        let number = |field: std::io::Result<Option<u32>>| field.ok().flatten();
        let path = normalise(extensions.path.as_deref().unwrap_or(&header.path_bytes()));
        let is_cut = has_content && (content.len() as u64) < size;
        let sparse = if header.entry_type() == EntryType::GNUSparse {
            Some(map.and_then(|map| map.place(&content)))
        } else {
            extensions.sparse.as_ref().map(|found| {
                found.map(&content, count(archive.limits.sparse_pieces)).and_then(|map| map.place(&content))
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
            None => (size, Data::Slice(content)),
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
            offset: has_content.then_some(start as u64),
            holes: Vec::new(),
            data,
        };
        if is_cut || is_unreadable || (is_sparse && member.is_cut()) {
            let message = if is_unreadable {
                "the map of the file's holes is not readable; its content is lost".to_owned()
            } else if is_sparse {
                "the file is stored without its holes, and the pieces do not fit or are cut".to_owned()
            } else {
                format!("{size} bytes are stated, {} are there", member.bytes().len())
            };
            let problem =
                Diagnostic::loss("truncated-member", member.name(), message).at(self.position as u64);
            self.reports.push(problem, &mut archive.diagnostics);
        }
        archive.add(member, &mut self.reports);
    }

    /// At a zero block: the end if a second follows or nothing does.
    fn end_marker(&mut self, archive: &mut Archive) -> bool {
        let rest = self.bytes.get(self.position + BLOCK..).unwrap_or_default();
        let second_is_zero = rest.iter().take(BLOCK).all(|byte| *byte == 0);
        if !second_is_zero && header_at(rest, 0).is_some_and(checksum_holds) {
            let message = "a lone zero block lies between members".to_owned();
            self.report(archive, Severity::Note, "lone-zero-block", message);
            self.position += BLOCK;
            return true;
        }
        if let Some(stale) = rest.iter().position(|byte| *byte != 0) {
            self.position += BLOCK + stale;
            let message = format!(
                "{} bytes follow the end of the archive: remains of an older, longer file, or something hidden",
                rest.len() - stale
            );
            self.report(archive, Severity::Note, "trailing-data", message);
        }
        false
    }

    /// After a bad header: goes on at the next block that is a good one.
    fn resynchronise(&mut self, archive: &mut Archive) -> bool {
        self.extensions = Extensions::default();
        let next = (self.position + BLOCK..self.bytes.len()).step_by(BLOCK).find(|position| {
            header_at(self.bytes, *position).is_some_and(|header| {
                (header.as_ustar().is_some() || header.as_gnu().is_some()) && checksum_holds(header)
            })
        });
        let message = match next {
            Some(next) => format!("this is no member header; {} bytes are skipped", next - self.position),
            None => "this is no member header, and none follows".to_owned(),
        };
        self.report(archive, Severity::Loss, "bad-header", message);
        self.position = next.unwrap_or(self.bytes.len());
        next.is_some()
    }
}

pub(super) fn is_file(kind: EntryType) -> bool {
    matches!(kind, EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
    fn stale_bytes_after_the_end_are_reported() {
        let mut bytes = tar_of(&[("a", b"alpha")]);
        bytes.extend(tar_of(&[("old", b"older")]));
        let archive = index_tar(&Bytes::from(bytes), "x.tar", &Limits::DEFAULT);
        assert_eq!(codes(&archive), ["trailing-data"]);
        assert!(archive.find(b"old").is_none());
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
