//! Headers of a tar: finding them, and telling good ones from others.

use tar::{EntryType, Header};

/// Length of a header, and what contents are padded to.
pub(super) const BLOCK: usize = 512;
/// A file in whose first bytes there is no header is no damaged tar.
const NEAR: usize = 4 << 20;

/// Whether the bytes begin with a tar header whose checksum holds.
pub fn looks_like_tar(bytes: &[u8]) -> bool {
    header_at(bytes, 0).is_some_and(checksum_holds)
}

/// Whether the bytes are a tar whose first header is damaged: near the beginning there is a good one.
pub fn looks_like_damaged_tar(bytes: &[u8]) -> bool {
    let near = bytes.get(..bytes.len().min(NEAR)).unwrap_or_default();
    after_content(bytes, 0).is_some() || next_header(near, BLOCK).is_some()
}

/// The place of the first good header at or after a block.
pub(super) fn next_header(bytes: &[u8], from: usize) -> Option<usize> {
    (from..bytes.len()).step_by(BLOCK).find(|position| is_good(bytes, *position))
}

/// The place of the header behind the content of a member, if there is a good one.
pub(super) fn after_content(bytes: &[u8], position: usize) -> Option<usize> {
    let size = usize::try_from(header_at(bytes, position)?.entry_size().ok()?).ok()?;
    let next = position.checked_add(BLOCK)?.checked_add(size.checked_next_multiple_of(BLOCK)?)?;
    is_good(bytes, next).then_some(next)
}

/// Whether there is a header that says that it is one, and whose checksum holds.
fn is_good(bytes: &[u8], position: usize) -> bool {
    header_at(bytes, position).is_some_and(|header| {
        (header.as_ustar().is_some() || header.as_gnu().is_some()) && checksum_holds(header)
    })
}

/// The header at a place, whatever is in it.
pub(super) fn header_at(bytes: &[u8], position: usize) -> Option<&Header> {
    let block = bytes.get(position..)?.get(..BLOCK)?;
    Some(Header::from_byte_slice(block))
}

/// Whether a header is as it was written.
pub(super) fn checksum_holds(header: &Header) -> bool {
    let bytes = header.as_bytes();
    let sum: u32 = bytes
        .iter()
        .enumerate()
        .map(|(i, byte)| if (148..156).contains(&i) { u32::from(b' ') } else { u32::from(*byte) })
        .sum();
    header.cksum().is_ok_and(|stored| stored == sum)
}

/// Whether a member of a type has content.
pub(super) fn is_file(kind: EntryType) -> bool {
    matches!(kind, EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse)
}
