//! Loops over a tile that are, or become, vector code.

use fearless_simd::{Bytes as _, Level, Simd, dispatch, i8x64, mask8x64};

/// Replaces the contents of `folded` by `bytes` with ASCII capitals made small.
pub(crate) fn fold_into(bytes: &[u8], folded: &mut Vec<u8>) {
    folded.clear();
    folded.reserve(bytes.len());
    dispatch!(Level::new(), simd => fold(simd, bytes, folded));
}

#[inline(always)]
fn fold<S: Simd>(simd: S, bytes: &[u8], folded: &mut Vec<u8>) {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    for block in blocks {
        let bytes = simd.load_array_ref_u8x64(block);
        let from_a = simd.sub_u8x64(bytes, simd.splat_u8x64(b'A'));
        let capitals = simd.simd_lt_u8x64(from_a, simd.splat_u8x64(26));
        let small = simd.or_u8x64(bytes, simd.splat_u8x64(0x20));
        let small = simd.as_array_u8x64(simd.select_u8x64(capitals, small, bytes));
        folded.extend_from_slice(&small);
    }
    folded.extend(rest.iter().map(u8::to_ascii_lowercase));
}

/// `[A-Za-z0-9_]`.
pub(crate) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Bytes that one mask describes.
pub(crate) const BLOCK: usize = 64;

/// The block of which `from` is the byte number `before`. Where bytes are not there it is made in `padded`, with zeros.
#[inline(always)]
pub(crate) fn block<'b>(
    bytes: &'b [u8],
    from: usize,
    before: usize,
    padded: &'b mut [u8; BLOCK],
) -> &'b [u8; BLOCK] {
    let whole = from.checked_sub(before).and_then(|start| bytes.get(start..)?.first_chunk::<BLOCK>());
    if let Some(block) = whole {
        return block;
    }
    for (at, byte) in padded.iter_mut().enumerate() {
        let place = from.saturating_add(at).checked_sub(before);
        *byte = place.and_then(|place| bytes.get(place)).copied().unwrap_or(0);
    }
    padded
}

/// Which bytes of a block, one bit each, are ASCII text, and which are no ASCII.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Narrow {
    /// Printable ASCII, or a tab.
    pub(crate) ascii: u64,
    /// 0x80 and above.
    pub(crate) high: u64,
}

impl Narrow {
    #[inline(always)]
    pub(crate) fn of<S: Simd>(simd: S, block: &[u8; BLOCK]) -> Self {
        let bytes = signed(simd, block);
        Self { ascii: simd.to_bitmask_mask8x64(ascii(simd, bytes)), high: negative(simd, bytes) }
    }
}

/// What the bytes of a block, one bit each, are in UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Multibyte {
    /// 0xC0 and above: begins a character, or is invalid.
    pub(crate) lead: u64,
    /// 0xE0 and above: begins one of three bytes, or more.
    pub(crate) lead_three: u64,
    /// 0xF0 and above: begins one of four bytes.
    pub(crate) lead_four: u64,
    /// 0x80 to 0xBF: goes on with a character.
    pub(crate) rest: u64,
}

impl Multibyte {
    #[inline(always)]
    pub(crate) fn of<S: Simd>(simd: S, block: &[u8; BLOCK]) -> Self {
        // Each bit in turn is made the sign.
        let [high, second, third, fourth] = {
            let one = signed(simd, block);
            let two = simd.add_i8x64(one, one);
            let three = simd.add_i8x64(two, two);
            let four = simd.add_i8x64(three, three);
            [negative(simd, one), negative(simd, two), negative(simd, three), negative(simd, four)]
        };
        let lead = high & second;
        let lead_three = lead & third;
        Self { lead, lead_three, lead_four: lead_three & fourth, rest: high & !second }
    }
}

/// Which bytes of a block, one bit each, may be half a unit of UTF-16 text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wide {
    /// The low half: printable ASCII, a tab, or 0xA0 and above, which is printable as Latin-1.
    pub(crate) low: u64,
    /// The high half.
    pub(crate) zero: u64,
}

impl Wide {
    #[inline(always)]
    pub(crate) fn of<S: Simd>(simd: S, block: &[u8; BLOCK]) -> Self {
        let bytes = signed(simd, block);
        let least = simd.splat_i8x64(i8::MIN + 0x20);
        let latin = simd
            .and_mask8x64(simd.simd_lt_i8x64(bytes, simd.splat_i8x64(0)), simd.simd_ge_i8x64(bytes, least));
        let low = simd.or_mask8x64(latin, ascii(simd, bytes));
        let zero = simd.simd_eq_i8x64(bytes, simd.splat_i8x64(0));
        Self { low: simd.to_bitmask_mask8x64(low), zero: simd.to_bitmask_mask8x64(zero) }
    }
}

#[inline(always)]
fn signed<S: Simd>(simd: S, block: &[u8; BLOCK]) -> i8x64<S> {
    simd.load_array_ref_u8x64(block).bitcast()
}

/// Which are 0x80 and above: as signed numbers these are below zero.
#[inline(always)]
fn negative<S: Simd>(simd: S, bytes: i8x64<S>) -> u64 {
    simd.to_bitmask_mask8x64(simd.simd_lt_i8x64(bytes, simd.splat_i8x64(0)))
}

/// Which are printable ASCII, or a tab.
#[inline(always)]
fn ascii<S: Simd>(simd: S, bytes: i8x64<S>) -> mask8x64<S> {
    let from_space = simd.simd_gt_i8x64(bytes, simd.splat_i8x64(0x1f));
    let delete = simd.simd_eq_i8x64(bytes, simd.splat_i8x64(0x7f));
    let tab = simd.simd_eq_i8x64(bytes, simd.splat_i8x64(0x09));
    simd.or_mask8x64(simd.and_mask8x64(from_space, simd.not_mask8x64(delete)), tab)
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
    fn capitals_become_small_at_every_place() {
        let mut folded = b"left over".to_vec();
        for length in [0, 1, 63, 64, 65, 300] {
            let bytes: Vec<u8> = (0..length).map(|at: usize| at.to_le_bytes()[0]).collect();
            fold_into(&bytes, &mut folded);
            assert_eq!(folded, bytes.to_ascii_lowercase());
        }
    }

    #[test]
    fn masks_tell_every_byte_at_every_place() {
        for value in 0..=u8::MAX {
            for at in 0..BLOCK {
                let mut block = [b'\n'; BLOCK];
                block[at] = value;
                let bit = |yes: bool| u64::from(yes) << at;
                let ascii = value == b'\t' || (0x20..0x7f).contains(&value);
                let (narrow, multibyte, wide) = dispatch!(Level::new(), simd => (
                    Narrow::of(simd, &block),
                    Multibyte::of(simd, &block),
                    Wide::of(simd, &block),
                ));
                assert_eq!(narrow, Narrow { ascii: bit(ascii), high: bit(value >= 0x80) }, "{value}");
                assert_eq!(multibyte.lead, bit(value >= 0xc0));
                assert_eq!(multibyte.lead_three, bit(value >= 0xe0));
                assert_eq!(multibyte.lead_four, bit(value >= 0xf0));
                assert_eq!(multibyte.rest, bit((0x80..0xc0).contains(&value)));
                assert_eq!(wide, Wide { low: bit(ascii || value >= 0xa0), zero: bit(value == 0) });
            }
        }
    }

    #[test]
    fn a_block_is_filled_with_zeros() {
        let bytes: Vec<u8> = (1..=100).collect();
        for from in 0..110 {
            for before in [0, 4] {
                let mut padded = [1; BLOCK];
                let block = block(&bytes, from, before, &mut padded);
                for (at, byte) in block.iter().enumerate() {
                    let place = (from + at).checked_sub(before);
                    let expected = place.and_then(|place| bytes.get(place)).copied().unwrap_or(0);
                    assert_eq!(*byte, expected, "{from} {before} {at}");
                }
            }
        }
    }

    #[test]
    fn even_bits_are_moved_together() {
        for mask in [0_u64, u64::MAX, 0x1234_5678_9abc_def0, 1 << 62, 2] {
            let expected = (0..32).map(|at| ((mask >> (2 * at)) & 1) << at).sum::<u64>();
            assert_eq!(even_bits(mask), expected);
        }
    }
}
