//! One literal in one encoding.

use memchr::memmem;

use crate::hit::Encoding;
use crate::tile::is_word;

/// One literal in one encoding.
pub(crate) struct Literal {
    finder: memmem::Finder<'static>,
    pub(crate) fold: bool,
    word: bool,
    encoding: Encoding,
}

impl Literal {
    /// `needle` is already in `encoding` and not empty.
    pub(crate) fn new(needle: &[u8], fold: bool, word: bool, encoding: Encoding) -> Self {
        Self { finder: memmem::Finder::new(needle).into_owned(), fold, word, encoding }
    }

    pub(crate) fn needle(&self) -> &[u8] {
        self.finder.needle()
    }

    /// The first match that starts in `from..border`.
    pub(crate) fn next(&self, bytes: &[u8], from: usize, border: usize) -> Option<(usize, usize)> {
        let length = self.needle().len();
        let end = border.saturating_add(length - 1).min(bytes.len());
        let mut from = from;
        loop {
            let window = bytes.get(from..end)?;
            let start = from + self.candidate(window)?;
            if self.confirms(bytes, start) {
                return Some((start, start + length));
            }
            from = start + 1;
        }
    }

    fn candidate(&self, window: &[u8]) -> Option<usize> {
        if !self.fold {
            return self.finder.find(window);
        }
        let last = window.len().checked_sub(self.needle().len())?;
        let starts = window.get(..=last)?;
        let first = self.needle().first()?;
        memchr::memchr2(first.to_ascii_lowercase(), first.to_ascii_uppercase(), starts)
    }

    /// Whether there is a match at `start`.
    pub(crate) fn confirms(&self, bytes: &[u8], start: usize) -> bool {
        let needle = self.needle();
        let Some(found) = bytes.get(start..start.saturating_add(needle.len())) else { return false };
        let equal = match self.encoding {
            _ if !self.fold => found == needle,
            Encoding::Raw => found.eq_ignore_ascii_case(needle),
            Encoding::Utf16Le | Encoding::Utf16Be => {
                found.chunks_exact(2).zip(needle.chunks_exact(2)).all(|(found, needle)| {
                    found == needle
                        || matches!((self.unit(found), self.unit(needle)), (Some(found), Some(needle))
                            if found.eq_ignore_ascii_case(&needle))
                })
            }
        };
        equal && (!self.word || self.is_whole_word(bytes, start, start + needle.len()))
    }

    /// The ASCII character in a code unit.
    fn unit(&self, unit: &[u8]) -> Option<u8> {
        match (self.encoding, unit) {
            (Encoding::Utf16Le, [byte, 0]) | (Encoding::Utf16Be, [0, byte]) => {
                Some(*byte).filter(u8::is_ascii)
            }
            _ => None,
        }
    }

    fn is_whole_word(&self, bytes: &[u8], start: usize, end: usize) -> bool {
        let (before, after) = if self.encoding == Encoding::Raw {
            let before = start.checked_sub(1).and_then(|at| bytes.get(at)).copied();
            (before, bytes.get(end).copied())
        } else {
            let before =
                start.checked_sub(2).and_then(|at| bytes.get(at..start)).and_then(|unit| self.unit(unit));
            (before, bytes.get(end..end.saturating_add(2)).and_then(|unit| self.unit(unit)))
        };
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    }
}
