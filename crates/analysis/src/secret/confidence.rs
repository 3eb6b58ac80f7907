//! How sure it is that something is a secret.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How sure it is that a finding is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// It looks like one: a fragment, a documented example, or a value with a telling name.
    Low,
    /// Its form or its surroundings are those of a secret.
    Medium,
    /// Its structure or checksum is right, or its form is used by nothing else.
    High,
}

impl Confidence {
    /// The word in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}
