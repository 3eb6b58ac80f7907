//! Files stored without their holes. CRIU saves tmpfs mounts with `tar --sparse` (`format.md §10`).

use std::io;

use bytes::Bytes;
use tar::{GnuExtSparseHeader, GnuSparseHeader, Header};

use crate::source::Extent;

const BLOCK: usize = 512;

/// Where the pieces of a file are: offset in the file and length, in the order in which they are stored.
pub(super) struct Map {
    size: u64,
    pieces: Vec<(u64, u64)>,
    /// Bytes of the content before the first piece.
    skip: u64,
}

/// The pieces with their bytes.
pub(super) struct Sparse {
    pub size: u64,
    pub pieces: Vec<(u64, Extent)>,
    pub is_damaged: bool,
}

impl Map {
    /// Cuts the stored content into the pieces.
    pub fn place(&self, content: &Extent) -> Option<Sparse> {
        let mut position = self.skip;
        let mut sparse = Sparse { size: self.size, pieces: Vec::new(), is_damaged: false };
        let mut end = 0;
        for (offset, length) in &self.pieces {
            let fits = *offset >= end && offset.checked_add(*length).is_some_and(|end| end <= self.size);
            if !fits {
                return None;
            }
            end = offset + length;
            let wanted = *length;
            let there = content.len().saturating_sub(position).min(wanted);
            sparse.is_damaged |= there < wanted;
            if there > 0 {
                sparse.pieces.push((*offset, content.slice(position..position + there)));
            }
            position = position.saturating_add(wanted);
        }
        Some(sparse)
    }
}

/// The map of the old GNU form, in the header and in blocks `after` it; and how many those are.
/// A map of more than `most` pieces is not believed.
pub(super) fn gnu_map(
    header: &Header,
    mut after: impl FnMut(usize) -> io::Result<Bytes>,
    most: usize,
) -> io::Result<(Option<Map>, usize)> {
    let Some(gnu) = header.as_gnu() else { return Ok((None, 0)) };
    let mut entries: Vec<Option<(u64, u64)>> = Vec::new();
    collect(&gnu.sparse, &mut entries);
    let mut more = gnu.is_extended();
    let mut blocks = 0;
    while more && entries.len() < most {
        let block = after(blocks)?;
        let Some(block) = block.get(..BLOCK) else { break };
        let mut extension = GnuExtSparseHeader::new();
        extension.as_mut_bytes().copy_from_slice(block);
        collect(&extension.sparse, &mut entries);
        more = extension.is_extended();
        blocks += 1;
    }
    let pieces: Option<Vec<_>> = entries.into_iter().collect();
    let map = pieces.zip(gnu.real_size().ok()).filter(|_| !more);
    Ok((map.map(|(pieces, size)| Map { size, pieces, skip: 0 }), blocks))
}

fn collect(headers: &[GnuSparseHeader], entries: &mut Vec<Option<(u64, u64)>>) {
    let used = headers.iter().filter(|entry| !entry.is_empty());
    entries.extend(used.map(|entry| entry.offset().ok().zip(entry.length().ok())));
}

/// What a PAX header says of the holes; versions 0.0, 0.1 and 1.0.
#[derive(Default)]
pub(super) struct PaxSparse {
    size: Option<u64>,
    is_version_1: bool,
    numbers: Vec<Option<u64>>,
}

impl PaxSparse {
    /// Takes in one `GNU.sparse.<key>`, for at most `most` pieces.
    pub fn apply(&mut self, key: &[u8], text: &str, most: usize) {
        let most = most.saturating_mul(2);
        match key {
            b"size" | b"realsize" => self.size = text.parse().ok(),
            b"major" => self.is_version_1 = text == "1",
            b"offset" | b"numbytes" if self.numbers.len() < most => {
                self.numbers.push(text.parse().ok());
            }
            b"map" => {
                self.numbers = text.split(',').take(most).map(|item| item.parse().ok()).collect();
            }
            _ => {}
        }
    }

    /// Bytes of the content that a map of at most so many pieces takes; none when it is in the header.
    pub fn length(&self, most: usize) -> u64 {
        let numbers = most.saturating_mul(2).saturating_add(1);
        if self.is_version_1 { numbers.saturating_mul(21) as u64 } else { 0 }
    }

    /// The map; version 1.0 has it in front of the content, in decimal lines padded to a block.
    pub fn map(&self, content: &[u8], most: usize) -> Option<Map> {
        let size = self.size?;
        if !self.is_version_1 {
            let numbers: Vec<u64> = self.numbers.iter().copied().collect::<Option<_>>()?;
            return Some(Map { size, pieces: pairs(&numbers)?, skip: 0 });
        }
        let mut position = 0;
        let mut line = || {
            let rest = content.get(position..)?;
            let end = rest.iter().take(21).position(|byte| *byte == b'\n')?;
            position += end + 1;
            std::str::from_utf8(rest.get(..end)?).ok()?.parse::<u64>().ok()
        };
        let count = usize::try_from(line()?).ok().filter(|count| *count <= most)?;
        let mut numbers = Vec::new();
        for _ in 0..count * 2 {
            numbers.push(line()?);
        }
        Some(Map { size, pieces: pairs(&numbers)?, skip: position.next_multiple_of(BLOCK) as u64 })
    }
}

fn pairs(numbers: &[u64]) -> Option<Vec<(u64, u64)>> {
    numbers.chunks(2).map(|pair| Some((*pair.first()?, *pair.get(1)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::index_tar;
    use super::*;
    use crate::Limits;

    /// A member of the old GNU form with five pieces, so that one is in an extension block.
    fn old_gnu() -> Vec<u8> {
        let mut header = Header::new_gnu();
        header.set_entry_type(tar::EntryType::GNUSparse);
        header.set_path("holes").unwrap();
        header.set_size(5);
        header.set_mode(0o644);
        let gnu = header.as_gnu_mut().unwrap();
        gnu.set_real_size(1 << 40);
        gnu.set_is_extended(true);
        let octal = |field: &mut [u8; 12], value: u64| {
            field[..11].copy_from_slice(format!("{value:011o}").as_bytes())
        };
        for (index, entry) in gnu.sparse.iter_mut().enumerate() {
            octal(&mut entry.offset, index as u64 * 0x10_0000);
            octal(&mut entry.numbytes, 1);
        }
        header.set_cksum();
        let mut extension = GnuExtSparseHeader::new();
        octal(&mut extension.sparse[0].offset, 0x50_0000);
        octal(&mut extension.sparse[0].numbytes, 1);
        let mut tar = [header.as_bytes().as_slice(), extension.as_bytes(), b"abcde"].concat();
        tar.resize(3 * BLOCK, 0);
        let mut next = Header::new_gnu();
        next.set_path("next").unwrap();
        next.set_size(2);
        next.set_cksum();
        tar.extend(next.as_bytes());
        tar.extend(b"hi");
        tar.resize(7 * BLOCK, 0);
        tar
    }

    #[test]
    fn the_old_gnu_form_is_read_and_what_follows_it_too() {
        let archive = index_tar(&Bytes::from(old_gnu()), "x.tar", &Limits::DEFAULT);
        assert!(archive.diagnostics.is_empty(), "{:?}", archive.diagnostics);
        let member = archive.find(b"holes").unwrap();
        assert_eq!(member.size, 1 << 40);
        assert!(member.is_sparse() && !member.is_cut() && member.bytes().is_empty());
        let pieces: Vec<(u64, Vec<u8>)> =
            member.pieces().unwrap().into_iter().map(|(at, bytes)| (at, bytes.to_vec())).collect();
        let at = |index: u64, byte: u8| (index * 0x10_0000, vec![byte]);
        assert_eq!(pieces, [at(0, b'a'), at(1, b'b'), at(2, b'c'), at(3, b'd'), at(5, b'e')]);
        assert_eq!(archive.file(b"next").unwrap(), "hi".as_bytes());
    }

    #[test]
    fn every_cut_of_a_sparse_member_is_told() {
        let whole = old_gnu();
        for cut in 1..3 * BLOCK {
            let archive = index_tar(&Bytes::from(whole[..cut].to_vec()), "x.tar", &Limits::DEFAULT);
            assert!(!archive.diagnostics.is_empty(), "{cut}");
        }
    }

    #[test]
    fn the_pax_forms_are_read() {
        let mut second = PaxSparse::default();
        second.apply(b"size", "100", 9);
        second.apply(b"map", "10,2,50,1", 9);
        let placed = second.map(b"", 9).unwrap().place(&Bytes::from_static(b"abc").into()).unwrap();
        assert_eq!((placed.pieces[0].0, placed.pieces[1].0, placed.size), (10, 50, 100));

        let mut third = PaxSparse::default();
        third.apply(b"major", "1", 9);
        third.apply(b"realsize", "100", 9);
        let mut content = b"2\n10\n2\n50\n1\n".to_vec();
        content.resize(BLOCK, 0);
        content.extend(b"abc");
        let placed = third.map(&content, 9).unwrap().place(&Bytes::from(content).into()).unwrap();
        let (at, piece) = &placed.pieces[1];
        assert_eq!((*at, piece.read().unwrap()), (50, Bytes::from_static(b"c")));
        assert!(!placed.is_damaged);
    }

    #[test]
    fn pieces_that_overlap_or_leave_the_file_are_not_believed() {
        for pieces in [vec![(10, 5), (12, 1)], vec![(0, 101)], vec![(u64::MAX, 2)]] {
            assert!(Map { size: 100, pieces, skip: 0 }.place(&Bytes::from_static(b"abc").into()).is_none());
        }
    }
}
