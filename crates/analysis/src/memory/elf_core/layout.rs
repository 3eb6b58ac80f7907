//! Headers of a core file.

use super::{segment::Segment, writer::Writer};

pub(super) const EM_X86_64: u16 = 62;
pub(super) const EM_AARCH64: u16 = 183;

const ET_CORE: u16 = 4;
const PT_NULL: u32 = 0;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
/// In `e_phnum` when the number is in the first section header.
const PN_XNUM: u16 = 0xffff;

const FILE_HEADER: u64 = 64;
const PROGRAM_HEADER: u64 = 56;
const SECTION_HEADER: u64 = 64;

/// Writes everything before the first segment's bytes, and gives each segment its offset.
pub(super) fn head(machine: u16, page_size: u64, notes: &[u8], segments: &mut [Segment<'_>]) -> Vec<u8> {
    let count = segments.len().saturating_add(1) as u64;
    let many = count >= u64::from(PN_XNUM);
    let sections = if many { SECTION_HEADER } else { 0 };
    let notes_offset = FILE_HEADER + count * PROGRAM_HEADER + sections;
    let first = (notes_offset + notes.len() as u64).next_multiple_of(page_size);
    let mut offset = first;
    for segment in segments.iter_mut() {
        segment.file_offset = offset;
        offset += segment.file_size();
    }
    let mut out = Writer::default();
    // ELFCLASS64, ELFDATA2LSB, EV_CURRENT, ELFOSABI_NONE.
    out.bytes(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    out.u16(ET_CORE).u16(machine).u32(1);
    // Entry, program headers, section headers, flags.
    out.u64(0).u64(FILE_HEADER).u64(if many { FILE_HEADER + count * PROGRAM_HEADER } else { 0 }).u32(0);
    out.u16(64).u16(56).u16(if many { PN_XNUM } else { u16::try_from(count).unwrap_or(PN_XNUM) });
    out.u16(if many { 64 } else { 0 }).u16(u16::from(many)).u16(0);
    program_header(&mut out, PT_NOTE, 0, notes_offset, [0, notes.len() as u64, 0], 4);
    for segment in segments.iter() {
        // PROT_* and PF_* have read and execute in each other's place.
        let flags = (segment.prot & 1) << 2 | segment.prot & 2 | (segment.prot & 4) >> 2;
        let sizes = [segment.start, segment.file_size(), segment.end - segment.start];
        // Debuggers read zeros where a PT_LOAD has no bytes. Headers that they pass over keep the addresses all the
        // same, for whoever lists them.
        let kind = if segment.missing.is_some() { PT_NULL } else { PT_LOAD };
        program_header(&mut out, kind, flags, segment.file_offset, sizes, page_size);
    }
    if many {
        // An empty section header whose sh_info is the number of program headers.
        out.u32(0).u32(0).u64(0).u64(0).u64(0).u64(0).u32(0);
        out.u32(u32::try_from(count).unwrap_or(u32::MAX)).u64(0).u64(0);
    }
    out.bytes(notes);
    let first = usize::try_from(first).unwrap_or(usize::MAX);
    out.0.resize(first, 0);
    out.0
}

fn program_header(
    out: &mut Writer,
    kind: u32,
    flags: u32,
    offset: u64,
    [address, file_size, memory_size]: [u64; 3],
    align: u64,
) {
    out.u32(kind).u32(flags).u64(offset).u64(address).u64(0).u64(file_size).u64(memory_size).u64(align);
}
