//! Mappings of a process (`format.md §6`).

use crate::{
    Diagnostic, Limits, Reports,
    files::FileTable,
    limits::{count, reached},
    proto,
};

/// Bits of `vma_entry.status` (`format.md §6.2`).
pub mod status {
    /// Fixed vsyscall page, no content.
    pub const VSYSCALL: u32 = 1 << 2;
    /// The vDSO; its content is always dumped.
    pub const VDSO: u32 = 1 << 3;
    /// The heap.
    pub const HEAP: u32 = 1 << 5;
    /// A private mapping of a file.
    pub const FILE_PRIVATE: u32 = 1 << 6;
    /// A shared mapping of a file.
    pub const FILE_SHARED: u32 = 1 << 7;
    /// Anonymous shared memory.
    pub const ANON_SHARED: u32 = 1 << 8;
    /// Anonymous private memory.
    pub const ANON_PRIVATE: u32 = 1 << 9;
    /// A System V shared memory segment.
    pub const SYSVIPC: u32 = 1 << 10;
    /// The ring of a packet socket.
    pub const SOCKET: u32 = 1 << 11;
    /// Kernel data beside the vDSO, no content.
    pub const VVAR: u32 = 1 << 12;
    /// An asynchronous I/O ring.
    pub const AIORING: u32 = 1 << 13;
    /// The backing object is a memfd.
    pub const MEMFD: u32 = 1 << 14;
    /// A guard region, listed apart from the mapping that holds it.
    pub const GUARD: u32 = 1 << 16;
    /// A page of instructions that the kernel placed for user-space probes.
    pub const UPROBES: u32 = 1 << 17;
}

/// `MAP_GROWSDOWN`.
const GROWSDOWN: u32 = 0x100;
/// `MAP_SHARED`.
const SHARED: u32 = 1;
/// `MAP_DROPPABLE` as a mapping type.
const DROPPABLE: u32 = 0x08;
/// `MAP_HUGETLB`, the same on every architecture that CRIU knows but MIPS.
const HUGETLB: u32 = 0x4_0000;

/// What backs a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VmaKind {
    /// Anonymous private memory, heap and stack among it.
    Anonymous,
    /// The `[heap]`.
    Heap,
    /// A stack: it grows down or holds the first stack address.
    Stack,
    /// Code the kernel maps into every process.
    Vdso,
    /// Kernel data beside the vDSO; never dumped.
    Vvar,
    /// The fixed legacy page of x86; never dumped.
    Vsyscall,
    /// Private mapping of the file with this id: pages that were not written are only in the file.
    FilePrivate(u32),
    /// Shared mapping of the file with this id: its bytes are only in the file.
    FileShared(u32),
    /// Shared memory with this key (`pagemap-shmem-<key>.img`).
    Shared(u64),
    /// Private mapping of a memfd with this key: pages not written are those of the memfd.
    MemfdPrivate(u64),
    /// The ring of a packet socket.
    SocketRing,
    /// Memory that the kernel may drop at any time; never dumped.
    Droppable,
    /// Its file id leads nowhere: what backs it is not known.
    Unknown,
}

/// One mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vma {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// Offset in the backing object, in bytes.
    pub offset: u64,
    /// PROT_* bits.
    pub prot: u32,
    /// MAP_* bits.
    pub flags: u32,
    /// Status bits of CRIU, see [`status`].
    pub status: u32,
    /// Bit *n* is set while madvise(*n*) is in force.
    pub advice: u64,
    /// What backs it.
    pub kind: VmaKind,
    /// The name `/proc/PID/maps` shows, empty for none.
    pub name: Vec<u8>,
    /// Whether the backing file has lost its name.
    pub deleted: bool,
    /// Size of a mapped regular file, as far as it is recorded.
    pub file_size: Option<u64>,
}

impl Vma {
    /// Bytes from start to end.
    pub fn length(&self) -> u64 {
        self.end - self.start
    }

    /// Permissions as `/proc/PID/maps` shows them: `rw-p`.
    pub fn permissions(&self) -> String {
        let bit = |mask: u32, letter: char| if self.prot & mask != 0 { letter } else { '-' };
        let shared = if self.flags & SHARED != 0 { 's' } else { 'p' };
        [bit(1, 'r'), bit(2, 'w'), bit(4, 'x'), shared].iter().collect()
    }

    /// First address behind the last page that the mapped file reaches into; where that is not known, that of the
    /// address space.
    pub(super) fn end_of_file(&self, page_size: u64) -> u64 {
        let mapped = self.file_size.map(|size| size.saturating_sub(self.offset));
        let pages = mapped.and_then(|mapped| mapped.checked_next_multiple_of(page_size));
        pages.and_then(|pages| self.start.checked_add(pages)).unwrap_or(u64::MAX)
    }

    /// Whether the address lies in it.
    pub fn contains(&self, address: u64) -> bool {
        (self.start..self.end).contains(&address)
    }
}

/// Mappings in order of address, and the guard regions inside them.
pub(super) struct Mappings {
    pub vmas: Vec<Vma>,
    pub guards: Vec<(u64, u64)>,
}

/// Makes sense of the mappings of a process. Ones that end before they start or overlap an earlier one
/// are reported and left out.
pub(super) fn read_mappings(
    pid: u32,
    mm: &proto::MmEntry,
    files: &FileTable,
    segments: &[proto::IpcShmEntry],
    limits: &Limits,
    diagnostics: &mut Vec<Diagnostic>,
) -> Mappings {
    let mut mappings = Mappings { vmas: Vec::new(), guards: Vec::new() };
    let subject = format!("mm-{pid}.img");
    let mut reports = Reports::new(limits);
    let most = count(limits.mappings);
    let mut entries: Vec<_> = mm.vmas.iter().collect();
    entries.sort_by_key(|entry| entry.start.unwrap_or(0));
    if entries.len() > most {
        let what = format!("of {} mappings of process {pid} the first {most} are read", entries.len());
        diagnostics.push(reached("too-many-mappings", subject.clone(), "mappings", what));
        entries.truncate(most);
    }
    for entry in entries {
        let (start, end) = (entry.start.unwrap_or(0), entry.end.unwrap_or(0));
        let bits = entry.status.unwrap_or(0);
        let mut report = |what: &str| {
            let message = format!("the mapping {start:#x}-{end:#x} {what} and is left out");
            reports.push(Diagnostic::loss("bad-mapping", subject.clone(), message), diagnostics);
        };
        if start >= end {
            report("ends before it starts");
        } else if bits & status::GUARD != 0 {
            mappings.guards.push((start, end));
        } else if mappings.vmas.last().is_some_and(|before| before.end > start) {
            report("overlaps the one before it");
        } else {
            let vma = read_mapping(entry, mm, files, segments);
            let is_there = match vma.kind {
                VmaKind::FilePrivate(id) | VmaKind::FileShared(id) => files.regular(id).is_some(),
                VmaKind::Unknown => false,
                _ => true,
            };
            // That the whole table is missing is told by itself.
            if !is_there && !files.is_empty() {
                let message = format!(
                    "the mapping {start:#x}-{end:#x} of process {pid} is of file {}, which is not there",
                    entry.shmid.unwrap_or(0)
                );
                reports.push(Diagnostic::loss("missing-file", "files.img", message), diagnostics);
            }
            mappings.vmas.push(vma);
        }
    }
    reports.finish(&subject, diagnostics);
    mappings
}

fn read_mapping(
    entry: &proto::VmaEntry,
    mm: &proto::MmEntry,
    files: &FileTable,
    segments: &[proto::IpcShmEntry],
) -> Vma {
    let (start, end) = (entry.start.unwrap_or(0), entry.end.unwrap_or(0));
    let flags = entry.flags.unwrap_or(0);
    let bits = entry.status.unwrap_or(0);
    let key = entry.shmid.unwrap_or(0);
    let file_id = u32::try_from(key).ok();
    let has = |mask: u32| bits & mask != 0;
    let (kind, name, deleted) = if has(status::VSYSCALL) {
        (VmaKind::Vsyscall, b"[vsyscall]".to_vec(), false)
    } else if has(status::VVAR) {
        (VmaKind::Vvar, b"[vvar]".to_vec(), false)
    } else if has(status::VDSO) {
        (VmaKind::Vdso, b"[vdso]".to_vec(), false)
    } else if has(status::MEMFD) {
        memfd_mapping(file_id, has(status::FILE_PRIVATE), files)
    } else if has(status::SYSVIPC) {
        (VmaKind::Shared(key), segment_name(key, segments), true)
    } else if has(status::ANON_SHARED) {
        (VmaKind::Shared(key), b"/dev/zero (deleted)".to_vec(), true)
    } else if has(status::FILE_PRIVATE | status::FILE_SHARED) {
        let (name, deleted) = file_id.map_or((Vec::new(), false), |id| file_name(id, files));
        let kind = match file_id {
            Some(id) if has(status::FILE_PRIVATE) => VmaKind::FilePrivate(id),
            Some(id) => VmaKind::FileShared(id),
            None => VmaKind::Unknown,
        };
        (kind, name, deleted)
    } else if has(status::SOCKET) {
        (VmaKind::SocketRing, Vec::new(), false)
    } else if flags & 0xf == DROPPABLE {
        (VmaKind::Droppable, Vec::new(), false)
    } else if has(status::AIORING) {
        (VmaKind::Anonymous, b"/[aio] (deleted)".to_vec(), true)
    } else if has(status::HEAP) {
        (VmaKind::Heap, b"[heap]".to_vec(), false)
    } else if flags & HUGETLB != 0 {
        (VmaKind::Anonymous, b"/anon_hugepage (deleted)".to_vec(), true)
    } else if mm.mm_start_stack.map_or(flags & GROWSDOWN != 0, |stack| (start..=end).contains(&stack)) {
        (VmaKind::Stack, b"[stack]".to_vec(), false)
    } else if flags & GROWSDOWN != 0 {
        (VmaKind::Stack, Vec::new(), false)
    } else {
        (VmaKind::Anonymous, Vec::new(), false)
    };
    let file = match kind {
        VmaKind::FilePrivate(id) | VmaKind::FileShared(id) => files.regular(id),
        _ => None,
    };
    Vma {
        file_size: file.and_then(size_of_regular),
        start,
        end,
        offset: entry.pgoff.unwrap_or(0),
        prot: entry.prot.unwrap_or(0),
        flags,
        status: bits,
        advice: entry.madv.unwrap_or(0),
        kind,
        name,
        deleted,
    }
}

/// The size of a file that ends where its size says: devices and files of `/sys` can be mapped and have none.
fn size_of_regular(file: &proto::RegFileEntry) -> Option<u64> {
    /// `S_IFREG` among the bits of the type.
    const REGULAR: (u32, u32) = (0o170_000, 0o100_000);
    file.size.filter(|size| *size > 0 && file.mode.is_some_and(|mode| mode & REGULAR.0 == REGULAR.1))
}

fn file_name(id: u32, files: &FileTable) -> (Vec<u8>, bool) {
    let deleted = files.is_deleted(id);
    let mut name = files.regular(id).and_then(|file| file.name.clone()).unwrap_or_default();
    if deleted {
        name.extend_from_slice(b" (deleted)");
    }
    (name, deleted)
}

fn memfd_mapping(file_id: Option<u32>, private: bool, files: &FileTable) -> (VmaKind, Vec<u8>, bool) {
    let Some(inode) = file_id.and_then(|id| files.memfd(id)) else {
        return (VmaKind::Unknown, Vec::new(), false);
    };
    let key = u64::from(inode.shmid.unwrap_or(0));
    let kind = if private { VmaKind::MemfdPrivate(key) } else { VmaKind::Shared(key) };
    (kind, memfd_link(inode.name.as_deref().unwrap_or_default()), true)
}

/// What `/proc` shows for a memfd. Shared anonymous memory is a memfd named `/dev/zero` in the images
/// since CRIU 3.14 (`format.md §7.4`); a real memfd has a bare name.
pub fn memfd_link(name: &[u8]) -> Vec<u8> {
    let prefix: &[u8] = if name.starts_with(b"/") { b"" } else { b"/memfd:" };
    [prefix, name, b" (deleted)"].concat()
}

fn segment_name(key: u64, segments: &[proto::IpcShmEntry]) -> Vec<u8> {
    let segment = segments
        .iter()
        .filter_map(|segment| segment.desc.as_ref())
        .find(|desc| desc.id.is_some_and(|id| u64::from(id) == key));
    // The kernel shows the key the program asked for, not the id.
    segment.and_then(|desc| desc.key).map_or_else(
        || b"/SYSV???????? (deleted)".to_vec(),
        |key| format!("/SYSV{key:08x} (deleted)").into_bytes(),
    )
}
