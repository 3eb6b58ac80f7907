//! The memory of the dumped processes (`format.md §5–§7`): what each address held, or why that is
//! not known.

mod address_space;
mod packed;
mod pagemap;
mod pages;
mod region;
mod shared;
mod vdso;
mod vma;

pub use self::{
    address_space::{AddressSpace, Captured, Run, Unavailable},
    pages::{Content, PageRun, Pages},
    region::{Region, captured_regions},
    shared::{ObjectKind, SharedObject, SharedObjects},
    vdso::linux_version_code,
    vma::{Vma, VmaKind, status},
};
use crate::{
    Checkpoint, Diagnostic,
    proto::{self, core_entry::March},
};

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

/// Everything needed to read the memory of one process.
pub fn mm_of(checkpoint: &Checkpoint, pid: u32, diagnostics: &mut Vec<Diagnostic>) -> Option<proto::MmEntry> {
    let images = &checkpoint.images;
    let mut mm: proto::MmEntry = images.read_one(&format!("mm-{pid}.img"), diagnostics)?;
    if mm.vmas.is_empty() {
        // Before CRIU 1.2 the mappings had an image of their own.
        let vmas = images.read::<proto::VmaEntry>(&format!("vmas-{pid}.img"), diagnostics);
        mm.vmas = vmas.into_iter().map(|entry| entry.value).collect();
    }
    Some(mm)
}
