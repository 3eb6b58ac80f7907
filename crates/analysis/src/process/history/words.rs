//! Pointers in captured memory, and what they lead to.

use ckptfx_parser::{
    image::ByteOrder,
    memory::{AddressSpace, Region},
    proto::core_entry::March,
};

use crate::{Case, Task, Text};

/// Longest line that is read, in bytes.
const MAX_LINE: u64 = 64 << 10;

/// Pointers as the machine writes them.
pub(super) struct Words {
    pub size: usize,
    order: ByteOrder,
}

impl Words {
    pub fn of_task(case: &Case<'_>, task: &Task<'_>) -> Self {
        let size = match task.core.as_ref().and_then(|core| March::try_from(core.mtype?).ok()) {
            Some(March::Arm) => 4,
            _ => 8,
        };
        Self { size, order: case.checkpoint.images.order }
    }

    /// The words of a region with their addresses.
    pub fn of<'r>(&'r self, region: &'r Region<'_>) -> impl Iterator<Item = (u64, u64)> + 'r {
        let step = self.size as u64;
        let words = region.bytes().chunks_exact(self.size).map(|bytes| self.value(bytes));
        (0_u64..)
            .zip(words)
            .map(move |(index, word)| (region.start.saturating_add(index.saturating_mul(step)), word))
    }

    /// The word at an address.
    pub fn at(&self, regions: &[Region<'_>], address: u64) -> Option<u64> {
        let index = regions.partition_point(|region| region.start <= address).checked_sub(1)?;
        let region = regions.get(index)?;
        let skip = usize::try_from(address.checked_sub(region.start)?).ok()?;
        let bytes = region.bytes().get(skip..skip.checked_add(self.size)?)?;
        Some(self.value(bytes))
    }

    /// The word some words after an address.
    pub fn after(&self, regions: &[Region<'_>], address: u64, count: u64) -> Option<u64> {
        self.at(regions, address.checked_add(count.checked_mul(self.size as u64)?)?)
    }

    /// The `int` at an address.
    pub fn int(&self, regions: &[Region<'_>], address: u64) -> Option<u32> {
        let aligned = address - address % self.size as u64;
        let word = self.at(regions, aligned)?;
        let is_upper = self.size == 8 && (address != aligned) == (self.order == ByteOrder::Little);
        u32::try_from(if is_upper { word >> 32 } else { word & 0xffff_ffff }).ok()
    }

    fn value(&self, bytes: &[u8]) -> u64 {
        let add = |word: u64, byte: &u8| word << 8 | u64::from(*byte);
        match self.order {
            ByteOrder::Little => bytes.iter().rev().fold(0, add),
            ByteOrder::Big => bytes.iter().fold(0, add),
        }
    }
}

/// The string at an address, without its NUL; none when its end is not captured.
pub(super) fn c_string(space: &AddressSpace<'_>, case: &Case<'_>, address: u64) -> Option<Text> {
    let mut text = Vec::new();
    let mut position = address;
    let limit = address.checked_add(MAX_LINE)?;
    while position < limit {
        let end = (position | (space.page_size.max(1) - 1)).checked_add(1)?;
        let bytes = space.bytes(position, end, MAX_LINE, &case.shared).ok()?;
        if let Some(nul) = memchr::memchr(0, &bytes) {
            text.extend_from_slice(bytes.get(..nul)?);
            return Some(Text(text));
        }
        text.extend_from_slice(&bytes);
        position = end;
    }
    None
}

/// Whether a string can be a line that somebody typed.
pub(super) fn is_line(text: &Text) -> bool {
    !text.0.is_empty() && text.0.iter().all(|byte| !byte.is_ascii_control() || matches!(byte, b'\t' | b'\n'))
}
