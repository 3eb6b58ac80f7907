//! A line that can be the reason of something.

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A line of a text that is no log.
    Text,
    /// An error of CRIU.
    Error,
    /// A warning of CRIU, or its message of success.
    Note,
    /// What another program wrote to CRIU's log, or a runtime around it.
    Foreign,
}

/// A line that can be the reason of something.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// From 1.
    pub number: usize,
    /// The line as it stands, without its end.
    pub raw: &'a [u8],
    /// The message in it.
    pub text: &'a [u8],
    /// What it is.
    pub kind: Kind,
    /// Its time in microseconds, if it has one.
    pub(super) time: Option<u64>,
}
