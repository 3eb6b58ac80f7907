//! What an entry of a pagemap says (`format.md §7.2`).

use crate::proto;

/// The pages are in the parent dump.
pub(super) const PARENT: u32 = 1;
/// The pages were left on the source machine.
pub(super) const LAZY: u32 = 2;
/// The pages are in the pages image.
pub(super) const PRESENT: u32 = 4;

/// Count and flags of an entry whatever CRIU wrote it (`format.md §7.2`).
pub(super) fn normalise(entry: &proto::PagemapEntry) -> (u64, u32) {
    let count = entry.nr_pages.unwrap_or_else(|| u64::from(entry.compat_nr_pages.unwrap_or(0)));
    let flags = match entry.flags {
        _ if entry.in_parent == Some(true) => entry.flags.unwrap_or(0) | PARENT,
        Some(flags) => flags,
        None => PRESENT,
    };
    (count, flags)
}

/// Whether the pages file consumes bytes for an entry: PARENT is looked at first, but only PRESENT
/// advances.
pub(super) fn is_stored(flags: u32) -> bool {
    flags & PRESENT != 0
}
