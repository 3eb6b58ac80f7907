//! What is searched for.

use ckptfx_scan::PatternKind;

/// What is searched for. A `&str` is one: exactly its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(pub(crate) PatternKind);

impl Pattern {
    /// Exactly these bytes.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(PatternKind::Literal(bytes.into()))
    }

    /// A regular expression over bytes, in the syntax of the `regex` crate with Unicode off.
    pub fn regex(expression: impl Into<String>) -> Self {
        Self(PatternKind::Regex(expression.into()))
    }

    /// Bytes in hexadecimal, with gaps: `de ad ?? be`, `de [2-6] ad`.
    pub fn hex(digits: impl Into<String>) -> Self {
        Self(PatternKind::Hex(digits.into()))
    }
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        Self::bytes(text)
    }
}
