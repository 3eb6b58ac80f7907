//! What a validator is asked, and what it answers.

use std::ops::Range;

use serde_json::{Map, Value};

use crate::secret::confidence::Confidence;
use crate::secret::context::Context;

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
    pub(super) fn onward(&self, limit: usize) -> &'r [u8] {
        let rest = self.bytes.get(self.matched.start..).unwrap_or_default();
        rest.get(..limit).unwrap_or(rest)
    }
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
    pub(super) fn note(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.details.insert(key.to_owned(), value.into());
        self
    }

    pub(super) fn with(mut self, confidence: Confidence) -> Self {
        self.confidence = Some(confidence);
        self
    }
}

/// A validator. `None`: it is no secret.
pub type Check = fn(&Candidate<'_>, &Context) -> Option<Verdict>;
