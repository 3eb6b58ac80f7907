//! Offline validators: whether a match has the structure or the checksum of what it looks like.

mod checksum;
mod der;
mod jwt;
mod key;
mod text;

use std::ops::Range;

use jiff::Timestamp;
use serde_json::{Map, Value};

pub(super) use self::text::entropy;
pub(crate) use self::{checksum::base58check, key::LENIENT};
use super::rule::Confidence;

/// A match of a rule, in the whole region that holds it: a validator may read on behind the match.
#[derive(Debug, Clone)]
pub struct Candidate<'r> {
    /// The region.
    pub bytes: &'r [u8],
    /// The match.
    pub matched: Range<usize>,
    /// The part of it that is the secret.
    pub secret: Range<usize>,
}

impl<'r> Candidate<'r> {
    /// The secret's bytes.
    pub fn secret(&self) -> &'r [u8] {
        self.bytes.get(self.secret.clone()).unwrap_or_default()
    }

    /// The bytes from the start of the match on, at most `limit`.
    fn onward(&self, limit: usize) -> &'r [u8] {
        let rest = self.bytes.get(self.matched.start..).unwrap_or_default();
        rest.get(..limit).unwrap_or(rest)
    }
}

/// Whose checkpoint it is, and when it was made.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Kubernetes namespace of the container.
    pub namespace: Option<String>,
    /// Its pod; none unless a Kubernetes engine wrote the checkpoint.
    pub pod: Option<String>,
    /// UID of the pod.
    pub pod_uid: Option<String>,
    /// When the checkpoint was made.
    pub checkpointed: Option<Timestamp>,
}

/// What a validator says of a match that it does not refuse.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// A better title than the rule's.
    pub title: Option<&'static str>,
    /// Another confidence than the rule's.
    pub confidence: Option<Confidence>,
    /// Where the secret really is, when the expression could not tell.
    pub secret: Option<Range<usize>>,
    /// What makes two findings the same secret, when that is not its bytes.
    pub identity: Option<Vec<u8>>,
    /// What can be said of it without giving it away.
    pub details: Map<String, Value>,
}

impl Verdict {
    fn note(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.details.insert(key.to_owned(), value.into());
        self
    }

    fn with(mut self, confidence: Confidence) -> Self {
        self.confidence = Some(confidence);
        self
    }
}

/// A validator. `None`: it is no secret.
pub type Check = fn(&Candidate<'_>, &Context) -> Option<Verdict>;

/// Every validator by the name that rules use.
const CHECKS: &[(&str, Check)] = &[
    ("aws-id", checksum::aws_id),
    ("base58check", checksum::base58_key),
    ("basic", text::basic),
    ("bech32", checksum::bech32_key),
    ("crc32-base62", checksum::crc32_base62),
    ("crc32-hex", checksum::crc32_hex),
    ("der", key::der),
    ("gcp-service-account", key::gcp_service_account),
    ("jwt", jwt::jwt),
    ("password", text::password),
    ("pem", key::pem),
    ("pem-base64", key::pem_base64),
];

/// The validator of a name.
pub fn named(name: &str) -> Option<Check> {
    CHECKS.iter().find(|(of, _)| *of == name).map(|(_, check)| *check)
}

/// The names of all validators.
pub fn names() -> Vec<&'static str> {
    CHECKS.iter().map(|(name, _)| *name).collect()
}

/// Asks one validator about a text that is nothing but the match.
#[cfg(test)]
fn ask(check: Check, bytes: &[u8], context: &Context) -> Option<Verdict> {
    check(&Candidate { bytes, matched: 0..bytes.len(), secret: 0..bytes.len() }, context)
}
