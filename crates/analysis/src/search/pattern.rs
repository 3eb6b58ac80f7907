//! What a search for patterns found.

use ckptfx_scan::Encoding;
use schemars::JsonSchema;
use serde::Serialize;

use super::{RegionFacts, Source};
use crate::Text;

/// A pattern of the search.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PatternFacts<'p> {
    /// From 0, in the order given.
    pub index: usize,
    /// As it was given.
    pub text: &'p str,
}

/// Bytes around a match.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Context {
    /// Empty when no context was asked for.
    pub before: Text,
    /// Empty when no context was asked for.
    pub after: Text,
}

/// One match: the contract of `docs/output.md`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Match<'p> {
    /// The process; null when no process maps, holds or uses it.
    pub pid: Option<u32>,
    /// Its name.
    pub comm: Option<Text>,
    /// What kind of thing it is in.
    pub source: Source,
    /// Of the first byte, in this process.
    pub address: Option<String>,
    /// In the shared object, file or queue; null in a process's own memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Number of bytes.
    pub length: usize,
    /// Which pattern matched.
    pub pattern: PatternFacts<'p>,
    /// `utf-8` (bytes as given), `utf-16le` or `utf-16be`.
    pub encoding: &'static str,
    /// The match, decoded if it is UTF-16.
    pub text: Text,
    /// The exact bytes of the match.
    pub bytes_b64: String,
    /// Bytes around it.
    pub context: Context,
    /// The mapping, file or queue.
    pub region: Option<RegionFacts>,
    /// Member of the archive that holds the first byte.
    pub member: Option<String>,
    /// Its offset in the member; null where the byte does not lie there as it is.
    pub member_offset: Option<u64>,
    /// Other processes that map, hold or use the same byte.
    pub shared_with: Vec<u32>,
}

/// How often a process matched, in one kind of memory.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Count {
    /// The process; null for what no process maps, holds or uses.
    pub pid: Option<u32>,
    /// Its name.
    pub comm: Option<Text>,
    /// What kind of thing they are in.
    pub source: Source,
    /// Matches of all patterns.
    pub count: u64,
}

/// The bytes as text: UTF-16 decoded, anything else as it is.
pub fn decode(bytes: &[u8], encoding: Encoding) -> Text {
    let unit = match encoding {
        Encoding::Raw => return bytes.into(),
        Encoding::Utf16Le => u16::from_le_bytes,
        Encoding::Utf16Be => u16::from_be_bytes,
    };
    let units: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|pair| unit(*pair)).collect();
    Text(String::from_utf16_lossy(&units).into_bytes())
}

/// The word for how a match is encoded.
pub fn encoding_name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Raw => "utf-8",
        Encoding::Utf16Le => "utf-16le",
        Encoding::Utf16Be => "utf-16be",
    }
}
