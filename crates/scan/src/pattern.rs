//! What the user asks for, and how it is understood.

use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, HirKind, Look, Repetition};
use regex_syntax::{ParserBuilder, is_meta_character};
use thiserror::Error;

/// Deepest nesting of groups in a regular expression.
const NEST_LIMIT: u32 = 200;

/// Longest jump in a hex pattern, in bytes.
const JUMP_LIMIT: u32 = 65_535;

/// One pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternKind {
    /// Exactly these bytes. With `ignore_case`, ASCII letters match in either case.
    Literal(Vec<u8>),
    /// A regular expression over bytes, in the syntax of the `regex` crate with Unicode off: `.` and `\xFF` are
    /// bytes, `\w`, `\d`, `\s`, `\b` and `(?i)` are ASCII. `(?u)` turns Unicode on; a character class with
    /// characters beyond ASCII needs it. Alternatives are tried from the left, as in Perl.
    Regex(String),
    /// Bytes in hexadecimal: `de ad ?? be`. Blanks are optional. `??` is any byte, `d?` and `?d` fix one half of
    /// a byte; `[4]` skips four bytes and `[2-6]` two to six, as few as possible, up to 65535. `ignore_case` does
    /// not apply, and there is no UTF-16 form.
    Hex(String),
}

impl PatternKind {
    /// The pattern as it was given, for messages. Bytes that are not UTF-8 appear as U+FFFD.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Literal(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Regex(text) | Self::Hex(text) => text.clone(),
        }
    }
}

/// A pattern that cannot be searched: which one, where, and why.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("pattern {} ({text:?}){}: {reason}", index + 1, at.map(|at| format!(", at byte {at}")).unwrap_or_default())]
pub struct PatternError {
    /// Index of the pattern, from 0, in the order in which patterns were added.
    pub index: usize,
    /// The pattern as it was given.
    pub text: String,
    /// Byte offset within `text`, when the fault has a place.
    pub at: Option<usize>,
    /// What is wrong, in plain words.
    pub reason: String,
}

/// Something about a pattern that is not an error but that the user should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Index of the pattern, from 0.
    pub index: usize,
    /// A plain sentence.
    pub message: String,
}

/// A fault without the pattern it belongs to.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) at: Option<usize>,
    pub(crate) reason: String,
}

impl Fault {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { at: None, reason: reason.into() }
    }

    fn at(at: usize, reason: impl Into<String>) -> Self {
        Self { at: Some(at), reason: reason.into() }
    }
}

/// A pattern once it is understood.
#[derive(Debug)]
pub(crate) enum Meaning {
    /// Bytes to find as they are. `textual`: they may have a form in other encodings.
    Literal {
        bytes: Vec<u8>,
        fold: bool,
        textual: bool,
    },
    Expression {
        hir: Hir,
        textual: bool,
    },
}

impl Meaning {
    pub(crate) fn of(kind: &PatternKind, ignore_case: bool) -> Result<Self, Fault> {
        match kind {
            PatternKind::Literal(bytes) if bytes.is_empty() => Err(Fault::new("the pattern is empty")),
            PatternKind::Literal(bytes) => Ok(Self::literal(bytes.clone(), ignore_case)),
            PatternKind::Regex(text) if text.is_empty() => Err(Fault::new("the pattern is empty")),
            PatternKind::Regex(text) if !text.chars().any(is_meta_character) => {
                Ok(Self::literal(text.clone().into_bytes(), ignore_case))
            }
            PatternKind::Regex(text) => {
                let hir = parse_regex(text, ignore_case)?;
                if hir.properties().maximum_len() == Some(0) {
                    return Err(Fault::new("it can only match the empty string"));
                }
                if let HirKind::Literal(literal) = hir.kind() {
                    return Ok(Self::Literal { bytes: literal.0.to_vec(), fold: false, textual: true });
                }
                Ok(Self::Expression { hir: without_empty(hir), textual: true })
            }
            PatternKind::Hex(text) => {
                let hir = parse_hex(text)?;
                if let HirKind::Literal(literal) = hir.kind() {
                    // Bytes in hex are bytes: case does not apply.
                    return Ok(Self::Literal { bytes: literal.0.to_vec(), fold: false, textual: false });
                }
                Ok(Self::Expression { hir, textual: false })
            }
        }
    }

    fn literal(bytes: Vec<u8>, ignore_case: bool) -> Self {
        let fold = ignore_case && bytes.iter().any(u8::is_ascii_alphabetic);
        Self::Literal { bytes, fold, textual: true }
    }
}

/// `hir` as a whole word: no `[A-Za-z0-9_]` right before or after it.
pub(crate) fn as_word(hir: Hir) -> Hir {
    Hir::concat(vec![Hir::look(Look::WordStartHalfAscii), hir, Hir::look(Look::WordEndHalfAscii)])
}

fn parse_regex(text: &str, ignore_case: bool) -> Result<Hir, Fault> {
    let mut parser = ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .case_insensitive(ignore_case)
        .nest_limit(NEST_LIMIT)
        .build();
    parser.parse(text).map_err(|error| match error {
        regex_syntax::Error::Parse(error) => Fault::at(error.span().start.offset, error.kind().to_string()),
        regex_syntax::Error::Translate(error) => {
            Fault::at(error.span().start.offset, error.kind().to_string())
        }
        other => Fault::new(other.to_string()),
    })
}

/// Turns a greedy `x*` or `x?` that is the whole expression into `x+` or `x`: the matches that are not empty stay
/// the same, and the search no longer stops at every byte for one that is.
fn without_empty(hir: Hir) -> Hir {
    match hir.kind() {
        HirKind::Repetition(repetition)
            if repetition.greedy
                && repetition.min == 0
                && repetition.sub.properties().minimum_len().is_some_and(|len| len > 0) =>
        {
            let mut repetition: Repetition = repetition.clone();
            repetition.min = 1;
            Hir::repetition(repetition)
        }
        HirKind::Capture(capture) => without_empty(capture.sub.as_ref().clone()),
        _ => hir,
    }
}

fn parse_hex(text: &str) -> Result<Hir, Fault> {
    let bytes = text.as_bytes();
    let mut parts: Vec<Hir> = Vec::new();
    let mut at = 0;
    let mut after_jump = None;
    while let Some(byte) = bytes.get(at).copied() {
        if byte.is_ascii_whitespace() {
            at += 1;
        } else if byte == b'[' {
            if parts.is_empty() {
                return Err(Fault::at(at, "a jump needs a byte before it"));
            }
            let (min, max, next) = parse_jump(text, at)?;
            after_jump = Some(at);
            parts.push(Hir::repetition(Repetition {
                min,
                max: Some(max),
                greedy: false,
                sub: Box::new(any_byte()),
            }));
            at = next;
        } else {
            let high = half(byte)
                .ok_or_else(|| Fault::at(at, "expected a hex digit, `?`, or a jump like `[2-6]`"))?;
            let low = bytes.get(at + 1).copied().and_then(half);
            let low = low.ok_or_else(|| Fault::at(at, "a byte needs two hex digits (or `?`)"))?;
            parts.push(masked_byte(high, low));
            after_jump = None;
            at += 2;
        }
    }
    if let Some(at) = after_jump {
        return Err(Fault::at(at, "a jump needs a byte after it"));
    }
    if parts.is_empty() {
        return Err(Fault::new("the pattern is empty"));
    }
    Ok(Hir::concat(parts))
}

/// Four bits of a byte: fixed, or any.
fn half(digit: u8) -> Option<Option<u8>> {
    if digit == b'?' {
        return Some(None);
    }
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok().map(Some)
}

fn any_byte() -> Hir {
    Hir::class(Class::Bytes(ClassBytes::new([ClassBytesRange::new(0, u8::MAX)])))
}

fn masked_byte(high: Option<u8>, low: Option<u8>) -> Hir {
    let (high, low) = match (high, low) {
        (Some(high), Some(low)) => return Hir::literal([(high << 4) | low]),
        halves => halves,
    };
    let matching = (0..=u8::MAX)
        .filter(|byte| high.is_none_or(|high| byte >> 4 == high) && low.is_none_or(|low| byte & 0xf == low))
        .map(|byte| ClassBytesRange::new(byte, byte));
    Hir::class(Class::Bytes(ClassBytes::new(matching)))
}

/// Reads `[n]` or `[n-m]` at `at`: the fewest and most bytes to skip, and where the text goes on.
fn parse_jump(text: &str, at: usize) -> Result<(u32, u32, usize), Fault> {
    let rest = text.get(at + 1..).unwrap_or_default();
    let (inner, _) = rest.split_once(']').ok_or_else(|| Fault::at(at, "the jump is not closed by `]`"))?;
    let number = |digits: &str| -> Result<u32, Fault> {
        let value = digits.trim().parse::<u32>().ok().filter(|value| *value <= JUMP_LIMIT);
        value.ok_or_else(|| Fault::at(at, format!("a jump is `[n]` or `[n-m]`, up to {JUMP_LIMIT} bytes")))
    };
    let (min, max) = match inner.split_once('-') {
        Some((min, max)) => (number(min)?, number(max)?),
        None => (number(inner)?, number(inner)?),
    };
    if min > max {
        return Err(Fault::at(at, "the jump's first number is greater than its second"));
    }
    Ok((min, max, at + inner.len() + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Result<Hir, (Option<usize>, String)> {
        parse_hex(text).map_err(|fault| (fault.at, fault.reason))
    }

    #[test]
    fn hex_without_wildcards_is_a_literal() {
        assert_eq!(hex("de AD beef").unwrap(), Hir::literal([0xde, 0xad, 0xbe, 0xef]));
    }

    #[test]
    fn hex_faults_have_a_place() {
        assert_eq!(hex("de a").unwrap_err().0, Some(3));
        assert_eq!(hex("de xx").unwrap_err().0, Some(3));
        assert_eq!(hex("[2] de").unwrap_err().0, Some(0));
        assert_eq!(hex("de [2]").unwrap_err().0, Some(3));
        assert_eq!(hex("de [2").unwrap_err().0, Some(3));
        assert_eq!(hex("de [5-2] 00").unwrap_err().0, Some(3));
        assert_eq!(hex("de [70000] 00").unwrap_err().0, Some(3));
        assert_eq!(hex("dé").unwrap_err().0, Some(0));
        assert!(hex("  ").is_err());
    }

    #[test]
    fn plain_text_needs_no_engine() {
        let kind = PatternKind::Regex("pass word".into());
        assert!(matches!(Meaning::of(&kind, true).unwrap(), Meaning::Literal { fold: true, .. }));
        let kind = PatternKind::Regex(r"a\.b".into());
        assert!(matches!(Meaning::of(&kind, false).unwrap(), Meaning::Literal { .. }));
    }

    #[test]
    fn patterns_that_match_nothing_but_the_empty_string_are_refused() {
        for text in ["", "^", r"\b", "(?:)", "a{0}", "$|^"] {
            assert!(Meaning::of(&PatternKind::Regex(text.into()), false).is_err(), "{text}");
        }
    }

    #[test]
    fn regex_faults_have_a_place() {
        let fault = Meaning::of(&PatternKind::Regex("ab(c".into()), false).unwrap_err();
        assert_eq!(fault.at, Some(2));
    }
}
