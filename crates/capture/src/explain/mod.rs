//! Failures of a checkpoint in plain words, with what to do about them.
//!
//! The knowledge is in its tables; here it is held against a message or against CRIU's `dump.log`. What the
//! table does not know is quoted and not guessed at.

mod answer;
mod line;
mod pattern;
pub mod record;
mod rule;
mod said;
mod table;
#[cfg(test)]
mod tests;

pub use self::{
    answer::{MAX_INPUT, UNKNOWN, explain, is_transient},
    rule::{Explanation, Stage},
};
