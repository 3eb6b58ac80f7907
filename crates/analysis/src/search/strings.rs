//! Printable text that a search found.

use ckptfx_scan::TextEncoding;
use schemars::JsonSchema;
use serde::Serialize;

use super::{RegionFacts, Source};
use crate::Text;

/// One string; with `--unique` the first of those with the same text.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StringFacts {
    /// The process; null when no process maps, holds or uses it.
    pub pid: Option<u32>,
    /// Its name.
    pub comm: Option<Text>,
    /// What kind of thing it is in.
    pub source: Source,
    /// Of the first byte, in this process.
    pub address: Option<String>,
    /// In the shared object, file or queue; missing in a process's own memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// `ascii`, `utf-8`, `utf-16le` or `utf-16be`.
    pub encoding: &'static str,
    /// The text, decoded if it is UTF-16.
    pub text: Text,
    /// With `--unique`: how often it is there, in any encoding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// With `--unique`: the processes that have it; those that share a place with the first one too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<Vec<u32>>,
    /// The mapping, file or queue.
    pub region: Option<RegionFacts>,
    /// Other processes that map, hold or use the same byte.
    pub shared_with: Vec<u32>,
}

/// How many strings a process has, in one kind of thing.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Count {
    /// The process; null for what no process maps, holds or uses.
    pub pid: Option<u32>,
    /// Its name.
    pub comm: Option<Text>,
    /// What kind of thing they are in.
    pub source: Source,
    /// Number of strings.
    pub count: u64,
}

/// UTF-16 decoded.
pub fn decode(bytes: &[u8], encoding: TextEncoding) -> String {
    let unit = if encoding == TextEncoding::Utf16Le { u16::from_le_bytes } else { u16::from_be_bytes };
    let units: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|pair| unit(*pair)).collect();
    String::from_utf16_lossy(&units)
}

/// The word for how a string is encoded.
pub fn encoding_name(encoding: TextEncoding) -> &'static str {
    match encoding {
        TextEncoding::Ascii => "ascii",
        TextEncoding::Utf8 => "utf-8",
        TextEncoding::Utf16Le => "utf-16le",
        TextEncoding::Utf16Be => "utf-16be",
    }
}
