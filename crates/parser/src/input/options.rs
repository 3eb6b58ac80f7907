//! How evidence is opened.

use std::{path::Path, sync::Arc};

use super::given::Given;
use crate::{
    Limits,
    archive::Sieve,
    source::{Budget, Progress, Silent},
};

/// How to open.
#[derive(Clone)]
#[non_exhaustive]
pub struct OpenOptions<'a> {
    /// The parent of an incremental dump, when it is not in the same evidence.
    pub parent: Option<&'a Path>,
    /// How much of it is read at most.
    pub limits: Limits,
    /// What compressed files of the evidence have given already.
    pub given: Arc<Given>,
    /// What anonymous storage takes of: one for all evidence that is open at once.
    pub budget: Arc<Budget>,
    /// Told about long steps.
    pub progress: &'a dyn Progress,
    /// When nothing but certain matches is wanted of the memory of processes: what they are. Of memory that comes
    /// compressed, the rest need not be stored, and is [`Content::Searched`](crate::memory::Content::Searched).
    pub sieve: Option<&'a Sieve<'a>>,
}

impl Default for OpenOptions<'_> {
    /// No parent, the usual limits, nothing counted yet, nobody told, and all memory stored.
    fn default() -> Self {
        Self {
            parent: None,
            limits: Limits::DEFAULT,
            given: Arc::default(),
            budget: Arc::default(),
            progress: &Silent,
            sieve: None,
        }
    }
}
