//! An indicator and where it is.

use schemars::JsonSchema;
use serde::Serialize;

use super::kind::Kind;
use crate::{search::Source, secret::SecretPlace};

/// An entry of a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Matched {
    /// Name of the list.
    pub list: String,
    /// The entry: `line N`, or the identifier that the list gives it.
    pub id: String,
}

/// A socket that an indicator is an end of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SocketPlace {
    /// Protocol.
    pub protocol: Option<String>,
    /// State, as `ss` calls it.
    pub state: Option<&'static str>,
    /// Address and port of this end.
    pub local: Option<String>,
    /// Address and port of the other end.
    pub remote: Option<String>,
    /// Processes that hold it.
    pub pids: Vec<u32>,
}

/// A file that an indicator names or is the hash of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FilePlace {
    /// Path in the container, or the id by which `recover` gives it.
    pub path: crate::Text,
    /// SHA-256 of its content; null when it could not be hashed.
    pub sha256: Option<String>,
    /// `sha256` or `name`: what was equal.
    pub by: &'static str,
}

/// An indicator and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Indicator {
    /// What it is.
    pub kind: Kind,
    /// As it is written, domains and hashes in small letters, passwords left out of URLs.
    pub value: String,
    /// How often it is in the bytes that were scanned.
    pub count: u64,
    /// Processes that have it; ascending.
    pub pids: Vec<u32>,
    /// What kinds of things it is in.
    pub sources: Vec<Source>,
    /// Where it is in the bytes that were scanned, the first 20 places.
    pub places: Vec<SecretPlace>,
    /// Sockets that it is an end of; only with `--match`.
    pub sockets: Vec<SocketPlace>,
    /// Files that it names or is the hash of; only with `--match`.
    pub files: Vec<FilePlace>,
    /// The entries of lists that it is; only with `--match`.
    pub matched: Vec<Matched>,
}
