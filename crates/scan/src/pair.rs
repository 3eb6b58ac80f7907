//! One literal in either case, found by the two of its bytes that are rarest in memory: no copy of the memory with capitals
//! made small is needed, and what cannot match is passed at the speed of reading it.

use fearless_simd::{Level, Simd, dispatch, mask8x64};
use memchr::arch::all::packedpair;

use crate::tile::BLOCK;

/// A byte of a literal.
#[derive(Clone, Copy)]
struct Probe {
    offset: usize,
    /// With a capital made small.
    byte: u8,
    /// What makes a capital small where the byte is a letter; nothing elsewhere.
    bit: u8,
}

impl Probe {
    fn new(literal: &[u8], offset: usize) -> Self {
        let byte = literal.get(offset).copied().unwrap_or(0).to_ascii_lowercase();
        Self { offset, byte, bit: if byte.is_ascii_lowercase() { 0x20 } else { 0 } }
    }

    fn is_at(self, text: &[u8], start: usize) -> bool {
        text.get(start.saturating_add(self.offset)).is_some_and(|byte| byte | self.bit == self.byte)
    }

    /// Where in a block of starts this byte has its place.
    #[inline(always)]
    fn mask<S: Simd>(self, simd: S, text: &[u8], start: usize) -> Option<mask8x64<S>> {
        let block = text.get(start + self.offset..)?.first_chunk::<BLOCK>()?;
        let small = simd.or_u8x64(simd.load_array_ref_u8x64(block), simd.splat_u8x64(self.bit));
        Some(simd.simd_eq_u8x64(small, simd.splat_u8x64(self.byte)))
    }
}

/// The search for one literal in either case.
pub(crate) struct Pair {
    probes: [Probe; 2],
    length: usize,
}

impl Pair {
    /// `literal` is not empty.
    pub(crate) fn new(literal: &[u8]) -> Self {
        let small = literal.to_ascii_lowercase();
        let offsets = packedpair::Pair::new(&small)
            .map_or([0, 0], |pair| [pair.index1(), pair.index2()].map(usize::from));
        Self { probes: offsets.map(|offset| Probe::new(&small, offset)), length: literal.len() }
    }

    /// Reports, in ascending order, where in `text` the literal may start: everywhere it does, and seldom elsewhere.
    pub(crate) fn candidates<E>(
        &self,
        text: &[u8],
        report: &mut dyn FnMut(usize) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(starts) = (text.len() + 1).checked_sub(self.length) else { return Ok(()) };
        dispatch!(Level::new(), simd => self.search(simd, text, starts, report))
    }

    #[inline(always)]
    fn search<S: Simd, E>(
        &self,
        simd: S,
        text: &[u8],
        starts: usize,
        report: &mut dyn FnMut(usize) -> Result<(), E>,
    ) -> Result<(), E> {
        let [first, second] = self.probes;
        let mut from = 0;
        while from + BLOCK <= starts
            && let (Some(one), Some(other)) = (first.mask(simd, text, from), second.mask(simd, text, from))
        {
            let mut bits = simd.to_bitmask_mask8x64(simd.and_mask8x64(one, other));
            while bits != 0 {
                report(from + bits.trailing_zeros() as usize)?;
                bits &= bits - 1;
            }
            from += BLOCK;
        }
        (from..starts)
            .filter(|start| first.is_at(text, *start) && second.is_at(text, *start))
            .try_for_each(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(literal: &[u8], text: &[u8]) -> Vec<usize> {
        let mut found = Vec::new();
        let pair = Pair::new(literal);
        let report = &mut |start| {
            found.push(start);
            Ok::<(), ()>(())
        };
        pair.candidates(text, report).unwrap();
        found
    }

    #[test]
    fn every_start_of_a_match_is_a_candidate() {
        for literal in [&b"a"[..], b"aB", b"Pass-Word", b"p\0a\0s\0s\0", b"[@`{", b"\xc4\xe4", &[b'Q'; 70]] {
            for length in 0..300 {
                let mut text = vec![b'.'; length];
                let mut expected = Vec::new();
                for start in (length % 7..length).step_by(literal.len() + 9) {
                    if start + literal.len() <= length {
                        let form = if start % 2 == 0 {
                            literal.to_ascii_uppercase()
                        } else {
                            literal.to_ascii_lowercase()
                        };
                        text[start..start + literal.len()].copy_from_slice(&form);
                        expected.push(start);
                    }
                }
                let found = all(literal, &text);
                assert!(expected.iter().all(|start| found.contains(start)), "{literal:?} in {text:?}");
                assert!(found.is_sorted());
            }
        }
    }

    #[test]
    fn signs_that_differ_in_the_same_bit_stay_apart() {
        assert_eq!(all(b"[a", b"{a [A [a {A"), [3, 6]);
        assert_eq!(all(b"@", b"`@"), [1]);
    }

    #[test]
    fn what_runs_out_of_the_text_is_no_candidate() {
        assert_eq!(all(b"abc", b"ab"), Vec::<usize>::new());
        assert_eq!(all(b"abc", b"xabcab"), [1]);
    }
}
