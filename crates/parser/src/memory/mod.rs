//! The memory of the dumped processes (`format.md §5–§7`): what each address held, or why that is
//! not known.

mod address_space;
mod mm;
mod packed;
mod page_size;
mod pagemap;
mod pages;
mod region;
mod shared;
mod vdso;
mod vma;

pub use self::{
    address_space::{AddressSpace, Captured, Run, Unavailable},
    mm::mm_of,
    page_size::page_size,
    pages::{Content, PageRun, Pages},
    region::{Region, captured_regions},
    shared::{ObjectKind, SharedObject, SharedObjects},
    vdso::linux_version_code,
    vma::{Vma, VmaKind, status},
};
