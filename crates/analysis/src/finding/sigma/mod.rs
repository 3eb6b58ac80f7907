//! Sigma rules for the creation of processes, held against the processes of a checkpoint.
//!
//! A rule is about the moment when a process starts; what a checkpoint has is the process as it was later. A program
//! that rewrote its command line, or whose parent ended, may escape a rule.

mod condition;
mod fields;
mod rule;
mod rules;
#[cfg(test)]
mod tests;
mod value;

pub use self::{rule::Rule, rules::Rules};
