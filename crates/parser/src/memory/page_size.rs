//! Sizes of pages.

use crate::proto::{self, core_entry::March};

/// Page sizes that any supported architecture uses, in the order in which they are tried.
const PAGE_SIZES: [u64; 3] = [4 << 10, 16 << 10, 64 << 10];
/// `AT_PAGESZ` of the auxiliary vector.
const AT_PAGESZ: u64 = 6;

/// The page size of a process (`format.md §5`): from its auxiliary vector, or else the one that the
/// architecture always has. Never that of the machine this runs on.
pub fn page_size(mm: Option<&proto::MmEntry>, architecture: Option<March>) -> Option<u64> {
    let from_auxv = mm.and_then(|mm| {
        let pairs = mm.mm_saved_auxv.chunks_exact(2);
        let wide =
            pairs.clone().find_map(|pair| (*pair.first()? == AT_PAGESZ).then(|| pair.last().copied())?);
        // A 32-bit x86 task has each pair in one word.
        let compat =
            || mm.mm_saved_auxv.iter().find(|word| **word & 0xffff_ffff == AT_PAGESZ).map(|word| word >> 32);
        wide.or_else(compat).filter(|size| PAGE_SIZES.contains(size))
    });
    from_auxv.or(match architecture? {
        March::X8664 | March::S390 | March::Riscv64 | March::Arm => Some(4 << 10),
        March::Loongarch64 => Some(16 << 10),
        _ => None,
    })
}
