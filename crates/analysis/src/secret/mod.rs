//! Secrets in everything that a checkpoint holds: found by rules, confirmed offline, told with their owner, and
//! masked unless the user wants to see them.

pub(crate) mod certificate;
mod check;
mod confidence;
mod context;
mod find;
mod listed;
mod record;
mod redact;
mod rule;

pub use self::{
    check::names as validators,
    confidence::Confidence,
    context::Context,
    find::{Filter, Found, Hunt},
    listed::RuleFacts,
    record::{Secret, SecretPlace},
    rule::{Rule, RuleError, Rules},
};
pub(crate) use self::{
    check::{LENIENT, base58check},
    find::tell,
};
