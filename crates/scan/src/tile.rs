//! Loops over a tile that the compiler turns into vector code.

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

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80 * ONES;

/// Which bytes of a block, one bit each, are what. Bits past the end of the block are clear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Masks {
    /// Printable ASCII, or a tab.
    pub(crate) ascii: u64,
    /// 0x80 and above.
    pub(crate) high: u64,
    /// 0xA0 and above: printable as Latin-1.
    pub(crate) latin: u64,
    pub(crate) zero: u64,
}

impl Masks {
    /// The masks of up to [`BLOCK`] bytes.
    #[inline(always)]
    pub(crate) fn of(block: &[u8]) -> Self {
        let mut masks = Self::default();
        let (words, rest) = block.as_chunks::<8>();
        // Much of memory is zero.
        if words.len() == BLOCK / 8 && words.iter().fold(0, |all, word| all | u64::from_le_bytes(*word)) == 0
        {
            return Self { zero: u64::MAX, ..masks };
        }
        let mut at = 0_u32;
        for word in words {
            masks.add(u64::from_le_bytes(*word), u64::MAX, at);
            at += 8;
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(rest) {
                *to = *from;
            }
            masks.add(u64::from_le_bytes(word), !(u64::MAX << (rest.len() * 8)), at);
        }
        masks
    }

    /// Adds eight bytes, of which those in `valid` count, eight at a time in one register. Each intermediate has its
    /// verdict in the top bit of each byte; sums stay within a byte because the top bits are cleared before.
    #[inline(always)]
    fn add(&mut self, word: u64, valid: u64, at: u32) {
        let low = word & !HIGH;
        let from_space = low.wrapping_add(0x60 * ONES);
        let delete = low.wrapping_add(ONES);
        let not_tab = ((word ^ (0x09 * ONES)) & !HIGH).wrapping_add(0x7f * ONES);
        let not_zero = low.wrapping_add(0x7f * ONES) | word;
        let gather = |verdict: u64| {
            ((((verdict & valid & HIGH) >> 7).wrapping_mul(0x0102_0408_1020_4080)) >> 56) << at
        };
        self.ascii |= gather(((from_space & !delete) | !not_tab) & !word);
        self.high |= gather(word);
        self.latin |= gather(word & low.wrapping_add(0x60 * ONES));
        self.zero |= gather(!not_zero);
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
