//! How a command ended.

use ckptfx_report::Warning;

/// How a command ended; the number is the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// All is said.
    Done = 0,
    /// Nothing matched, or what `--fail-on` names was found.
    NothingMatched = 1,
    /// Some of the evidence could not be read.
    Partly = 3,
}

impl Outcome {
    /// There are differences, and the user asked to be told by the exit status.
    pub const DIFFERENT: Self = Self::NothingMatched;

    /// How a result ends that has these warnings.
    pub fn of(warnings: &[Warning]) -> Self {
        if warnings.iter().any(|warning| warning.partial) { Self::Partly } else { Self::Done }
    }
}
