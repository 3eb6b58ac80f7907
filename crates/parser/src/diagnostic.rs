//! What was noticed while reading, without stopping.

/// Whether something was left out of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; nothing is missing from the answer.
    Note,
    /// Part of the evidence could not be read: the answer is incomplete.
    Loss,
}

/// One thing that was noticed while reading.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Diagnostic {
    /// A stable kebab-case name, such as `truncated-image`.
    pub code: &'static str,
    /// Whether the answer is incomplete because of it.
    pub severity: Severity,
    /// The member or process concerned, such as `checkpoint/core-1.img` or `pid 7`.
    pub subject: String,
    /// Byte offset in the member, when one place is to blame.
    pub offset: Option<u64>,
    /// A plain sentence.
    pub message: String,
}

impl Diagnostic {
    /// Something worth knowing that costs nothing.
    pub fn note(code: &'static str, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Note,
            subject: subject.into(),
            offset: None,
            message: message.into(),
        }
    }

    /// Something that makes the answer incomplete.
    pub fn loss(code: &'static str, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Loss,
            subject: subject.into(),
            offset: None,
            message: message.into(),
        }
    }

    /// Names the byte of the member that is to blame.
    #[must_use]
    pub fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }
}
