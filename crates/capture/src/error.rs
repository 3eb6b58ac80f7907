//! Why a capture failed, told in plain words where they are known.

use std::{io, path::Path};

use crate::{
    explain::{self, Explanation},
    manifest::After,
};

/// Longest text of a server that is repeated in a message, in bytes.
const MAX_QUOTE: usize = 600;

/// Why a capture failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A server said no.
    #[error("{}", refusal(.step, .status, .body))]
    Refused {
        /// What was tried.
        step: String,
        /// HTTP status or gRPC code.
        status: String,
        /// What the server said.
        body: Vec<u8>,
    },
    /// There was no answer.
    #[error("{}", refusal(.step, "no answer", .reason.as_bytes()))]
    Connection {
        /// What was tried.
        step: String,
        /// What went wrong.
        reason: String,
    },
    /// What was asked for cannot be done.
    #[error("{0}")]
    Usage(String),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// The archive did not arrive whole.
    #[error("{0}")]
    Transfer(String),
    /// The checkpoint failed, and the workload does not run any more.
    #[error("{error}; after that the container was not running: {state}")]
    Harmed {
        /// Why the checkpoint failed.
        error: Box<Error>,
        /// State of the container.
        state: String,
    },
    /// The user ended it.
    #[error("interrupted; {0}")]
    Interrupted(String),
}

impl Error {
    /// A failure of a file.
    pub fn file(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.display().to_string(), source }
    }

    /// A failure of the connection with all that is known of its causes.
    pub fn connection(step: impl Into<String>, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut reason = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Many errors repeat their cause.
            if !reason.contains(&text) {
                reason = format!("{reason}: {text}");
            }
            cause = error.source();
        }
        Self::Connection { step: step.into(), reason }
    }

    /// The failure with what became of the workload, where that is bad news.
    pub fn with_workload(self, after: Option<&After>) -> Self {
        match after {
            Some(after) if after.running == Some(false) => {
                Self::Harmed { error: Box::new(self), state: after.state.clone() }
            }
            _ => self,
        }
    }

    /// What was said, without what is known of it.
    pub fn said(&self) -> String {
        match self {
            Self::Refused { step, status, body } => format!("{step}: {status}: {}", quote(body)),
            Self::Connection { step, reason } => format!("{step}: {reason}"),
            Self::Harmed { error, .. } => error.said(),
            other => other.to_string(),
        }
    }

    /// What is known of the cause.
    pub fn explanations(&self) -> Vec<Explanation> {
        match self {
            Self::Harmed { error, .. } => error.explanations(),
            Self::Refused { body, .. } => explain::explain(body),
            Self::Connection { reason, .. } => explain::explain(reason.as_bytes()),
            _ => Vec::new(),
        }
    }
}

/// The beginning of what a server said, in one line.
fn quote(body: &[u8]) -> String {
    let said = String::from_utf8_lossy(body.get(..body.len().min(MAX_QUOTE)).unwrap_or_default());
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn refusal(step: &str, status: &str, body: &[u8]) -> String {
    let said = quote(body);
    let known = explain::explain(body);
    let Some(first) = known.first() else {
        return format!("{step}: {status}: {said}");
    };
    let fix = first.fix.as_ref().map(|fix| format!(" {fix}")).unwrap_or_default();
    format!("{step}: {status}: {}{fix} [{}] It said: {said}", first.why, first.code)
}
