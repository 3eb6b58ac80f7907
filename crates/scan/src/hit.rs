//! What is found.

use std::fmt;

/// How the text of a pattern is laid out in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encoding {
    /// Bytes as they are: ASCII, UTF-8 or binary.
    Raw,
    /// UTF-16, low byte first.
    Utf16Le,
    /// UTF-16, high byte first.
    Utf16Be,
}

impl Encoding {
    /// Every encoding, in the order in which hits at one offset are reported.
    pub const ALL: [Self; 3] = [Self::Raw, Self::Utf16Le, Self::Utf16Be];

    /// A short, stable name: `raw`, `utf-16le` or `utf-16be`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Utf16Le => "utf-16le",
            Self::Utf16Be => "utf-16be",
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The encodings in which patterns are searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Encodings {
    /// Search the bytes of the pattern themselves.
    pub raw: bool,
    /// Search the pattern's text as UTF-16, low byte first.
    pub utf16le: bool,
    /// Search the pattern's text as UTF-16, high byte first.
    pub utf16be: bool,
}

impl Encodings {
    /// Bytes only.
    pub const RAW: Self = Self { raw: true, utf16le: false, utf16be: false };
    /// Bytes and both byte orders of UTF-16.
    pub const ALL: Self = Self { raw: true, utf16le: true, utf16be: true };

    /// Whether `encoding` is in the set.
    #[must_use]
    pub const fn contains(self, encoding: Encoding) -> bool {
        match encoding {
            Encoding::Raw => self.raw,
            Encoding::Utf16Le => self.utf16le,
            Encoding::Utf16Be => self.utf16be,
        }
    }
}

impl Default for Encodings {
    fn default() -> Self {
        Self::RAW
    }
}

/// One match. It is never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hit {
    /// Index of the region in the slice that was scanned.
    pub region: usize,
    /// Offset of the first byte within that region.
    pub offset: usize,
    /// Length in bytes, at least 1.
    pub length: usize,
    /// Index of the pattern, in the order in which patterns were added to the plan.
    pub pattern: usize,
    /// The encoding in which the pattern was found.
    pub encoding: Encoding,
}

/// How a scan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every region was scanned to its end.
    Complete,
    /// The sink asked to stop.
    Stopped,
    /// The cancellation flag was raised.
    Cancelled,
}

/// What a scan did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Bytes whose hits have all been delivered.
    pub bytes_scanned: u64,
    /// Hits delivered to the sink, or counted.
    pub hits: u64,
    /// How the scan ended.
    pub outcome: Outcome,
}
