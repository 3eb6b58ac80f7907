//! Loops over a tile that are, or become, vector code.

use wide::{CmpEq as _, CmpGt as _, i8x16};

/// Replaces the contents of `folded` by `bytes` with ASCII capitals made small.
pub(crate) fn fold_into(bytes: &[u8], folded: &mut Vec<u8>) {
    folded.clear();
    folded.extend(bytes.iter().map(u8::to_ascii_lowercase));
}

/// `[A-Za-z0-9_]`.
pub(crate) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Bytes that one mask describes.
pub(crate) const BLOCK: usize = 64;

/// Which bytes of a block, one bit each, are what. Bits past the end of the block are clear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Masks {
    /// Printable ASCII, or a tab.
    pub(crate) ascii: u64,
    /// 0x80 and above.
    pub(crate) high: u64,
    /// 0xA0 and above: printable as Latin-1.
    pub(crate) latin: u64,
    /// 0xC0 and above: begins a character of UTF-8, or is invalid there.
    pub(crate) lead: u64,
    /// 0xE0 and above: begins one of three bytes, or more.
    pub(crate) lead_three: u64,
    /// 0xF0 and above: begins one of four bytes.
    pub(crate) lead_four: u64,
    pub(crate) zero: u64,
}

impl Masks {
    /// The masks of up to [`BLOCK`] bytes.
    #[inline(always)]
    pub(crate) fn of(block: &[u8]) -> Self {
        if let Some(block) = block.first_chunk::<BLOCK>() {
            return Self::of_block(block);
        }
        let mut padded = [0; BLOCK];
        for (to, from) in padded.iter_mut().zip(block) {
            *to = *from;
        }
        let valid = !(u64::MAX << block.len());
        let masks = Self::of_block(&padded);
        Self { zero: masks.zero & valid, ..masks }
    }

    /// Sixteen bytes at a time.
    #[inline(always)]
    fn of_block(block: &[u8; BLOCK]) -> Self {
        let mut masks = Self::default();
        let (parts, _) = block.as_chunks::<16>();
        for (index, part) in parts.iter().enumerate() {
            let bytes = i8x16::new(part.map(u8::cast_signed));
            let bits = |verdict: i8x16| u64::from(verdict.move_mask().cast_unsigned()) << (index * 16);
            let is = |byte: i8| bytes.cmp_eq(i8x16::splat(byte));
            // As signed numbers, bytes of 0x80 and above are below zero.
            let above = |limit: i8| bytes.cmp_gt(i8x16::splat(limit));
            let high = bits(bytes);
            masks.high |= high;
            masks.ascii |= bits((above(0x1f) | is(0x09)) & !is(0x7f));
            masks.latin |= bits(above(i8::MIN + 0x1f)) & high;
            masks.lead |= bits(above(i8::MIN + 0x3f)) & high;
            masks.lead_three |= bits(above(i8::MIN + 0x5f)) & high;
            masks.lead_four |= bits(above(i8::MIN + 0x6f)) & high;
            masks.zero |= bits(is(0));
        }
        masks
    }
}

/// The bits at even places, moved together.
pub(crate) const fn even_bits(mask: u64) -> u64 {
    let mut bits = mask & 0x5555_5555_5555_5555;
    bits = (bits | (bits >> 1)) & 0x3333_3333_3333_3333;
    bits = (bits | (bits >> 2)) & 0x0f0f_0f0f_0f0f_0f0f;
    bits = (bits | (bits >> 4)) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | (bits >> 8)) & 0x0000_ffff_0000_ffff;
    (bits | (bits >> 16)) & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_tell_every_byte_at_every_place() {
        for value in 0..=u8::MAX {
            for at in 0..BLOCK {
                for length in [at + 1, BLOCK] {
                    let mut block = [b'\n'; BLOCK];
                    block[at] = value;
                    let masks = Masks::of(&block[..length]);
                    let bit = |yes: bool| u64::from(yes) << at;
                    assert_eq!(masks.ascii, bit(value == b'\t' || (0x20..0x7f).contains(&value)), "{value}");
                    assert_eq!(masks.high, bit(value >= 0x80));
                    assert_eq!(masks.latin, bit(value >= 0xa0));
                    assert_eq!(masks.lead, bit(value >= 0xc0));
                    assert_eq!(masks.lead_three, bit(value >= 0xe0));
                    assert_eq!(masks.lead_four, bit(value >= 0xf0));
                    assert_eq!(masks.zero, bit(value == 0));
                }
            }
        }
        assert_eq!(Masks::of(&[]), Masks::default());
    }

    #[test]
    fn even_bits_are_moved_together() {
        for mask in [0_u64, u64::MAX, 0x1234_5678_9abc_def0, 1 << 62, 2] {
            let expected = (0..32).map(|at| ((mask >> (2 * at)) & 1) << at).sum::<u64>();
            assert_eq!(even_bits(mask), expected);
        }
    }
}
