//! Offline validators: whether a match has the structure or the checksum of what it looks like.

mod checksum;
mod der;
mod jwt;
mod key;
mod text;
mod validators;
mod verdict;

pub(super) use self::text::entropy;
pub(crate) use self::{checksum::base58check, key::LENIENT};
pub use self::{
    validators::{named, names},
    verdict::{Candidate, Check, Verdict},
};
use super::{confidence::Confidence, context::Context};

/// Asks one validator about a text that is nothing but the match.
#[cfg(test)]
fn ask(check: Check, bytes: &[u8], context: &Context) -> Option<Verdict> {
    check(&Candidate { bytes, matched: 0..bytes.len(), secret: 0..bytes.len() }, context)
}
