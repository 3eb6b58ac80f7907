//! What is compared, and what is asked for.

use ckptfx_parser::Diagnostic;

use super::change::Kind;
use crate::{Case, Task, files::nested::Source};

/// A checkpoint that is compared.
pub struct Input<'i, 'a> {
    /// What was read of it.
    pub case: &'i mut Case<'a>,
    /// The tars inside it, for changes of the file systems.
    pub sources: &'i [Source],
    /// What it is called in the result.
    pub name: &'i str,
    /// The processes that are asked for.
    pub wanted: &'i dyn Fn(&Task<'_>) -> bool,
}

/// What to compare.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Kinds.
    pub kinds: Vec<Kind>,
    /// Whether the files, mappings and so on of processes that only one checkpoint has are listed too.
    pub all: bool,
    /// Whether the filter of processes leaves any out: what belongs to no process is then left out.
    pub filtered: bool,
    /// Text in changed memory: null if it is not asked for.
    pub strings: Option<StringWish>,
    /// Zeros of holes of files that are hashed in all, in bytes.
    pub zeros: u64,
}

/// Which text to show.
#[derive(Debug, Clone, Copy)]
pub struct StringWish {
    /// Shortest, in bytes.
    pub min: usize,
    /// Most of a region and direction.
    pub max: usize,
}

impl Input<'_, '_> {
    pub(super) fn note(
        &mut self,
        code: &'static str,
        subject: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.case.diagnostics.push(Diagnostic::note(code, subject, message));
    }
}
