//! Rules as they are listed.

use schemars::JsonSchema;
use serde::Serialize;

use super::{confidence::Confidence, rule::Rule};

/// A rule as it is listed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RuleFacts {
    /// Its id.
    pub id: String,
    /// What it finds.
    pub title: String,
    /// How sure it is.
    pub confidence: Confidence,
    /// The validator that confirms it.
    pub validate: Option<String>,
    /// What it looks for.
    pub regex: String,
}

impl From<&Rule> for RuleFacts {
    fn from(rule: &Rule) -> Self {
        Self {
            id: rule.id.clone(),
            title: rule.title.clone(),
            confidence: rule.confidence,
            validate: rule.validate.clone(),
            regex: rule.regex.clone(),
        }
    }
}
