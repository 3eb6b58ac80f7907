//! A secret and where it is.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::confidence::Confidence;
use crate::{
    Text,
    search::{RegionFacts, Source},
};

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SecretPlace {
    /// The process; null when no process maps, holds or uses it.
    pub pid: Option<u32>,
    /// Its name.
    pub comm: Option<Text>,
    /// What kind of thing it is in.
    pub source: Source,
    /// `environment` or `command-line` when it lies where the process was given these; null elsewhere.
    pub role: Option<&'static str>,
    /// Address in the process.
    pub address: Option<String>,
    /// Offset in the shared object, file or queue.
    pub offset: Option<u64>,
    /// The mapping, shared object, file or queue.
    pub region: Option<RegionFacts>,
    /// Member of the archive that holds it.
    pub member: Option<String>,
    /// Where in the member; null where it does not lie there as it is.
    pub member_offset: Option<u64>,
    /// Other processes that see the same bytes.
    pub shared_with: Vec<u32>,
}

/// One secret, however often it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Secret {
    /// Id of the rule.
    pub rule: String,
    /// What it is.
    pub title: String,
    /// How sure that is.
    pub confidence: Confidence,
    /// The first place.
    #[serde(flatten)]
    pub first: SecretPlace,
    /// Length of the secret in bytes.
    pub length: u64,
    /// The match with the secret masked, unless it was asked for.
    pub text: Text,
    /// First 16 hexadecimal digits of the SHA-256 of the secret: the same for the same secret in any archive. Of a key it
    /// is taken over the decoded key, so that its forms have one.
    pub fingerprint: String,
    /// What can be said of it without giving it away: claims of a token, size of a key, …
    pub details: Map<String, Value>,
    /// The secret itself, only with `--show-secrets`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Text>,
    /// How often it is there.
    pub count: u64,
    /// Where, the first place among them; at most 1000.
    pub places: Vec<SecretPlace>,
}
