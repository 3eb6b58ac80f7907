//! Mappings and shared memory: where pages lie and how much of each is in the dump.

use crate::body::{Body, Cell, Flavor};
use crate::file::File;
use crate::image::Images;
use crate::version::Criu;
use crate::wire::Message;
use std::collections::BTreeMap;

/// Pagemap flag: unchanged since the parent dump.
pub const PARENT: u32 = 1;
/// Pagemap flag: may be fetched at restore.
pub const LAZY: u32 = 2;
/// Pagemap flag: the bytes are in the pages image.
pub const PRESENT: u32 = 4;

#[derive(Debug, Clone)]
enum Edit {
    Bytes(u64, Vec<u8>),
    Generated(u64, u64, Flavor, u64),
    Flags(u64, u64, u32),
    Hole(u64, u64),
}

/// The pages of a mapping or object, described by edits on an untouched range.
///
/// Later edits win. Offsets are bytes from the start; bytes touch whole pages.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    edits: Vec<Edit>,
}

/// One dumped page.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    flags: Option<u32>,
    cell: Cell,
}

impl Contents {
    /// The pages by number, for this page size.
    pub(crate) fn resolve(&self, page_size: u64) -> BTreeMap<u64, Page> {
        let mut pages: BTreeMap<u64, Page> = BTreeMap::new();
        let span = |offset: u64, length: u64| {
            offset / page_size..(offset + length).div_ceil(page_size).max(offset / page_size)
        };
        for edit in &self.edits {
            match edit {
                Edit::Bytes(offset, bytes) => {
                    for number in span(*offset, bytes.len() as u64) {
                        let page = pages.entry(number).or_insert_with(Page::blank);
                        page.overlay(number * page_size, page_size, *offset, bytes);
                    }
                }
                Edit::Generated(offset, length, flavor, seed) => {
                    for number in span(*offset, *length) {
                        let seed = seed.wrapping_mul(0x0100_0000_01b3).wrapping_add(number);
                        let page = pages.entry(number).or_insert_with(Page::blank);
                        page.cell = Cell::Generated(*flavor, seed);
                    }
                }
                Edit::Flags(offset, length, flags) => {
                    for number in span(*offset, *length) {
                        pages.entry(number).or_insert_with(Page::blank).flags = Some(*flags);
                    }
                }
                Edit::Hole(offset, length) => {
                    for number in span(*offset, *length) {
                        pages.remove(&number);
                    }
                }
            }
        }
        pages
    }

    /// All bytes of an object, untouched ones as zeros.
    pub(crate) fn flat(&self, length: u64, page_size: u64) -> Vec<u8> {
        let mut out = vec![0; length.next_multiple_of(page_size) as usize];
        for (number, page) in self.resolve(page_size) {
            let at = (number * page_size) as usize;
            page.cell.render(&mut out[at..at + page_size as usize]);
        }
        out.truncate(length as usize);
        out
    }

    /// Bytes at an offset; their pages become present.
    pub fn bytes(&mut self, offset: u64, bytes: impl Into<Vec<u8>>) {
        self.edits.push(Edit::Bytes(offset, bytes.into()));
    }

    /// Pages filled from a seed.
    pub fn generated(&mut self, offset: u64, length: u64, flavor: Flavor, seed: u64) {
        self.edits.push(Edit::Generated(offset, length, flavor, seed));
    }

    /// The pagemap flags of a range, whatever they are.
    pub fn flags(&mut self, offset: u64, length: u64, flags: u32) {
        self.edits.push(Edit::Flags(offset, length, flags));
    }

    /// Takes a range out of the pagemap again.
    pub fn hole(&mut self, offset: u64, length: u64) {
        self.edits.push(Edit::Hole(offset, length));
    }
}

impl Page {
    fn blank() -> Self {
        Self { flags: None, cell: Cell::Data(Vec::new()) }
    }

    fn overlay(&mut self, base: u64, page_size: u64, offset: u64, bytes: &[u8]) {
        let mut page = vec![0; page_size as usize];
        self.cell.render(&mut page);
        let from = offset.max(base);
        let to = (offset + bytes.len() as u64).min(base + page_size);
        page[(from - base) as usize..(to - base) as usize]
            .copy_from_slice(&bytes[(from - offset) as usize..(to - offset) as usize]);
        self.cell = Cell::Data(page);
    }
}

/// Builder methods that every holder of [`Contents`] offers.
macro_rules! contents_methods {
    () => {
        /// Puts bytes at an offset; their pages become present in the dump.
        pub fn bytes(mut self, offset: u64, bytes: impl Into<Vec<u8>>) -> Self {
            self.contents.bytes(offset, bytes);
            self
        }

        /// Pages of zeros that are present (written, then zeroed).
        pub fn zeros(mut self, offset: u64, length: u64) -> Self {
            self.contents.generated(offset, length, Flavor::Zero, 0);
            self
        }

        /// Pages filled from a seed.
        pub fn generated(mut self, offset: u64, length: u64, flavor: Flavor, seed: u64) -> Self {
            self.contents.generated(offset, length, flavor, seed);
            self
        }

        /// Pages left to be fetched at restore: no bytes in the dump.
        pub fn lazy(mut self, offset: u64, length: u64) -> Self {
            self.contents.flags(offset, length, LAZY);
            self
        }

        /// Pages that are unchanged since the parent dump.
        pub fn in_parent(mut self, offset: u64, length: u64) -> Self {
            self.contents.flags(offset, length, PARENT);
            self
        }

        /// Pages present with exactly these pagemap flags.
        pub fn page_flags(mut self, offset: u64, length: u64, flags: u32) -> Self {
            self.contents.flags(offset, length, flags);
            self
        }

        /// Takes pages out of the pagemap again.
        pub fn hole(mut self, offset: u64, length: u64) -> Self {
            self.contents.hole(offset, length);
            self
        }
    };
}

/// What a mapping maps.
#[derive(Debug, Clone)]
pub enum Backing {
    /// Nothing: private anonymous memory.
    Anonymous,
    /// A file, privately (`false`) or shared (`true`).
    File(Box<File>, bool),
    /// Shared anonymous memory or a SysV segment, by the key of its [`Shared`].
    Shared(String),
    /// Whatever `status`, `flags` and this `shmid` say.
    Raw(u64),
}

/// One virtual memory area.
#[derive(Debug, Clone)]
pub struct Vma {
    /// First address.
    pub start: u64,
    /// Length in bytes.
    pub length: u64,
    /// `PROT_*`: 1 read, 2 write, 4 execute.
    pub prot: u32,
    /// `MAP_*` flags.
    pub flags: u32,
    /// CRIU's area bits.
    pub status: u32,
    /// Offset in the mapped object, bytes.
    pub pgoff: u64,
    /// What is mapped.
    pub backing: Backing,
    /// `madvise` bitmap; 0 writes no field.
    pub madv: u64,
    /// Dumped pages.
    pub contents: Contents,
    /// Appended after all others, as guard areas are.
    pub at_end: bool,
}

impl Vma {
    /// A mapping with explicit `status` and `flags`.
    pub fn raw(start: u64, length: u64, status: u32, flags: u32) -> Self {
        Self {
            start,
            length,
            prot: 3,
            flags,
            status,
            pgoff: 0,
            backing: Backing::Raw(0),
            madv: 0,
            contents: Contents::default(),
            at_end: false,
        }
    }

    /// Private anonymous memory, readable and writable.
    pub fn anonymous(start: u64, length: u64) -> Self {
        Self { backing: Backing::Anonymous, ..Self::raw(start, length, 0x201, 0x22) }
    }

    /// The `[heap]`.
    pub fn heap(start: u64, length: u64) -> Self {
        Self { status: 0x221, ..Self::anonymous(start, length) }
    }

    /// A stack that grows downwards.
    pub fn stack(start: u64, length: u64) -> Self {
        Self { flags: 0x122, ..Self::anonymous(start, length) }
    }

    /// A private mapping of a file, readable and executable.
    pub fn file(start: u64, length: u64, file: File) -> Self {
        Self { prot: 5, backing: Backing::File(Box::new(file), false), ..Self::raw(start, length, 0x41, 0x2) }
    }

    /// A shared mapping of a file.
    pub fn file_shared(start: u64, length: u64, file: File) -> Self {
        Self { backing: Backing::File(Box::new(file), true), ..Self::raw(start, length, 0x81, 0x1) }
    }

    /// A mapping of the shared memory object with this key.
    pub fn shared(start: u64, length: u64, key: &str) -> Self {
        Self { backing: Backing::Shared(key.to_owned()), ..Self::raw(start, length, 0, 0x1) }
    }

    /// The vDSO, with content; kernel data pages (`vvar`) are [`Vma::vvar`].
    pub fn vdso(start: u64, length: u64) -> Self {
        Self { prot: 5, ..Self::raw(start, length, 0x209, 0x22) }
    }

    /// Kernel data pages beside the vDSO: never dumped.
    pub fn vvar(start: u64, length: u64) -> Self {
        Self { prot: 1, ..Self::raw(start, length, 0x1201, 0x22) }
    }

    /// The fixed x86 page.
    pub fn vsyscall() -> Self {
        Self { prot: 4, ..Self::raw(0xffff_ffff_ff60_0000, 0x1000, 0x204, 0x22) }
    }

    /// A guard area inside another mapping.
    pub fn guard(start: u64, length: u64) -> Self {
        Self { prot: 0, flags: 0, at_end: true, ..Self::raw(start, length, 0x10000, 0) }
    }

    /// Sets the protection.
    pub fn prot(mut self, prot: u32) -> Self {
        self.prot = prot;
        self
    }

    /// Sets the offset in the mapped object, in bytes.
    pub fn offset(mut self, pgoff: u64) -> Self {
        self.pgoff = pgoff;
        self
    }

    /// Marks advice numbers as in force.
    pub fn advice(mut self, advice: impl IntoIterator<Item = u32>) -> Self {
        for bit in advice {
            self.madv |= 1 << bit;
        }
        self
    }

    contents_methods!();
}

/// The kind of a shared memory object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SharedKind {
    /// `mmap(MAP_SHARED|MAP_ANONYMOUS)`.
    Anonymous,
    /// `memfd_create` with this name.
    Memfd(Vec<u8>),
    /// A SysV segment with this `key_t` and id.
    SysV(u32, u32),
}

/// A shared memory object that mappings and descriptors refer to by key.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Name used by [`Vma::shared`] and [`File::memfd`].
    pub key: String,
    /// What it is.
    pub kind: SharedKind,
    /// Size in bytes.
    pub size: u64,
    /// `F_SEAL_*` bits of a memfd.
    pub seals: u32,
    /// Dumped pages.
    pub contents: Contents,
    /// Whether CRIU wrote the pagemap of this object.
    pub dumped: bool,
}

impl Shared {
    fn new(key: &str, kind: SharedKind, size: u64) -> Self {
        Self { key: key.to_owned(), kind, size, seals: 1, contents: Contents::default(), dumped: true }
    }

    /// Shared anonymous memory.
    pub fn anonymous(key: &str, size: u64) -> Self {
        Self::new(key, SharedKind::Anonymous, size)
    }

    /// A memfd; its key is its name.
    pub fn memfd(name: &str, size: u64) -> Self {
        Self::new(name, SharedKind::Memfd(name.into()), size)
    }

    /// A SysV segment.
    pub fn sysv(key: &str, key_t: u32, id: u32, size: u64) -> Self {
        Self::new(key, SharedKind::SysV(key_t, id), size)
    }

    /// Sets the seals of a memfd.
    pub fn seals(mut self, seals: u32) -> Self {
        self.seals = seals;
        self
    }

    contents_methods!();
}

/// How page contents are stored.
#[derive(Debug, Clone, Copy, Default)]
pub struct Storage {
    /// No pagemap entry covers more pages than this.
    pub max_run: Option<u64>,
    /// Pages per LZ4 block.
    pub compressed: Option<u64>,
}

/// A pagemap being put together.
pub(crate) struct Pagemap {
    page_size: u64,
    pages: BTreeMap<u64, (u32, Cell)>,
}

impl Pagemap {
    pub(crate) fn new(page_size: u64) -> Self {
        Self { page_size, pages: BTreeMap::new() }
    }

    /// Adds the pages of a range that starts at `start`.
    pub(crate) fn insert(&mut self, start: u64, length: u64, contents: &Contents, natural: u32) {
        for (number, page) in contents.resolve(self.page_size) {
            assert!(number * self.page_size < length, "page beyond the end of the mapping at {start:#x}");
            let flags = page.flags.unwrap_or(natural);
            self.pages.insert(start + number * self.page_size, (flags, page.cell));
        }
    }

    /// Writes `stem-key.img` and returns the pages image.
    pub(crate) fn write(
        self,
        images: &mut Images,
        (stem, key): (&str, u64),
        pages_id: u32,
        criu: Criu,
        storage: Storage,
    ) -> Body {
        images.add(stem, key, &Message::new().uint(1, pages_id));
        let mut cells = Vec::new();
        let mut packed = Vec::new();
        let mut pages = self.pages.into_iter().peekable();
        while let Some((start, (flags, cell))) = pages.next() {
            let mut run = vec![cell];
            while let Some((address, (next_flags, _))) = pages.peek() {
                let adjacent = *address == start.wrapping_add(run.len() as u64 * self.page_size);
                let full = storage.max_run.is_some_and(|max| run.len() as u64 >= max);
                if !adjacent || *next_flags != flags || full {
                    break;
                }
                let (_, (_, cell)) = pages.next().expect("peeked");
                run.push(cell);
            }
            let mut entry = entry(start, run.len() as u64, flags, criu);
            if flags & PRESENT != 0 {
                if let Some(region) = storage.compressed {
                    entry = compress(entry, &run, region, self.page_size, &mut packed);
                } else {
                    cells.extend(run);
                }
            }
            images.add(stem, key, &entry);
        }
        if storage.compressed.is_some() {
            return Body::Bytes(packed);
        }
        Body::Pages { page_size: self.page_size as usize, cells }
    }
}

/// The pagemap entry as a release writes it.
pub fn entry(vaddr: u64, pages: u64, flags: u32, criu: Criu) -> Message {
    let entry = Message::new().uint(1, vaddr);
    if criu.since(4, 2) {
        return entry.uint(2, 0_u32).uint(4, flags).uint(5, pages);
    }
    let pages = u32::try_from(pages).expect("32-bit page count before 4.2");
    if criu.since(3, 5) {
        return entry.uint(2, pages).uint(4, flags);
    }
    assert!(flags & !LAZY == PRESENT || flags == PARENT, "only present and parent pages exist before 3.5");
    entry.uint(2, pages).when(flags == PARENT, |entry| entry.flag(3, true))
}

fn compress(entry: Message, run: &[Cell], region: u64, page_size: u64, packed: &mut Vec<u8>) -> Message {
    let mut sizes = Vec::new();
    for block in run.chunks(region as usize) {
        let mut plain = vec![0; block.len() * page_size as usize];
        for (cell, page) in block.iter().zip(plain.chunks_mut(page_size as usize)) {
            cell.render(page);
        }
        if plain.iter().all(|byte| *byte == 0) {
            sizes.push(0);
            continue;
        }
        let block = lz4_flex::block::compress(&plain);
        let stored = if block.len() < plain.len() { &block } else { &plain };
        sizes.push(stored.len() as u64);
        packed.extend_from_slice(stored);
    }
    let total: u64 = sizes.iter().sum();
    entry.packed(6, sizes).uint(7, total).uint(8, region)
}
