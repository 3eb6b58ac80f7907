//! What is searched.

/// One maximal contiguous run of bytes.
///
/// Regions are independent of each other: no match bridges two, even when the addresses happen to touch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Region<'a> {
    /// Virtual address, or offset in a file, of `bytes[0]`.
    pub base: u64,
    /// The bytes themselves.
    pub bytes: &'a [u8],
}

impl<'a> Region<'a> {
    /// A region of `bytes` whose first byte is at `base`.
    #[must_use]
    pub const fn new(base: u64, bytes: &'a [u8]) -> Self {
        Self { base, bytes }
    }

    /// The address of the byte at `offset`. Wraps at the end of the address space.
    #[must_use]
    pub fn address(&self, offset: usize) -> u64 {
        self.base.wrapping_add(u64::try_from(offset).unwrap_or(u64::MAX))
    }
}
