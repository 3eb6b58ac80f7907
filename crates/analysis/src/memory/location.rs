//! What an address points at.

use ckptfx_parser::memory::{AddressSpace, Vma, VmaKind};
use schemars::JsonSchema;
use serde::Serialize;

use crate::Text;

/// An address and the mapping it lies in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Location {
    /// The address.
    pub address: String,
    /// Name of the mapping, empty for anonymous memory; null when nothing is mapped there.
    pub path: Option<Text>,
    /// Offset in the mapped file or object, in bytes; null for memory without one.
    pub file_offset: Option<u64>,
    /// Permissions of the mapping; null when nothing is mapped there.
    pub perms: Option<String>,
    /// What backs the mapping; null when nothing is mapped there.
    pub kind: Option<&'static str>,
}

impl Location {
    /// Looks an address up. Without an address space nothing is known but the address.
    pub fn find(space: Option<&AddressSpace<'_>>, address: u64) -> Self {
        let vma = space.and_then(|space| space.vma_at(address));
        Self {
            address: format!("{address:#x}"),
            path: vma.map(|vma| Text(vma.name.clone())),
            file_offset: vma.and_then(|vma| file_offset(vma, address)),
            perms: vma.map(Vma::permissions),
            kind: vma.map(|vma| kind_name(vma.kind)),
        }
    }
}

/// Offset in the backing object of an address inside a mapping.
pub fn file_offset(vma: &Vma, address: u64) -> Option<u64> {
    match vma.kind {
        VmaKind::FilePrivate(_) | VmaKind::FileShared(_) | VmaKind::Shared(_) | VmaKind::MemfdPrivate(_) => {
            address.checked_sub(vma.start)?.checked_add(vma.offset)
        }
        _ => None,
    }
}

/// The word for what backs a mapping.
pub fn kind_name(kind: VmaKind) -> &'static str {
    match kind {
        VmaKind::Anonymous => "anonymous",
        VmaKind::Heap => "heap",
        VmaKind::Stack => "stack",
        VmaKind::Vdso => "vdso",
        VmaKind::Vvar => "vvar",
        VmaKind::Vsyscall => "vsyscall",
        VmaKind::FilePrivate(_) => "file-private",
        VmaKind::FileShared(_) => "file-shared",
        VmaKind::Shared(_) => "shared",
        VmaKind::MemfdPrivate(_) => "memfd-private",
        VmaKind::SocketRing => "socket-ring",
        VmaKind::Droppable => "droppable",
        VmaKind::Unknown => "unknown",
    }
}
