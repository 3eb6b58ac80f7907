//! A dated fact, and which are asked for.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Task, Text, files::nested::Source};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The node was booted.
    NodeBooted,
    /// The engine created the container.
    ContainerCreated,
    /// The engine started its first process.
    ContainerStarted,
    /// The engine restored it from an earlier checkpoint.
    ContainerRestored,
    /// The checkpoint was made.
    Checkpointed,
    /// CRIU asked the kernel for addresses and routes.
    NetworkDumped,
    /// The first image of the dump was complete.
    FirstImageWritten,
    /// The last image of the dump was complete.
    LastImageWritten,
    /// A file was last modified.
    FileModified,
    /// A deleted file was last modified.
    GhostModified,
    /// A deleted file was last read.
    GhostAccessed,
    /// The container wrote a line to its standard output or error.
    LogEntry,
    /// CRIU reported an error or a warning.
    DumpLogEntry,
    /// Somebody typed a command.
    CommandTyped,
    /// A JSON Web Token was issued.
    TokenIssued,
    /// A JSON Web Token expires.
    TokenExpires,
    /// A certificate becomes valid.
    CertificateValid,
    /// A certificate expires.
    CertificateExpires,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::NodeBooted,
        Self::ContainerCreated,
        Self::ContainerStarted,
        Self::ContainerRestored,
        Self::Checkpointed,
        Self::NetworkDumped,
        Self::FirstImageWritten,
        Self::LastImageWritten,
        Self::FileModified,
        Self::GhostModified,
        Self::GhostAccessed,
        Self::LogEntry,
        Self::DumpLogEntry,
        Self::CommandTyped,
        Self::TokenIssued,
        Self::TokenExpires,
        Self::CertificateValid,
        Self::CertificateExpires,
    ];

    /// Those of tokens and certificates.
    pub const CREDENTIALS: [Self; 4] =
        [Self::TokenIssued, Self::TokenExpires, Self::CertificateValid, Self::CertificateExpires];
    /// Those that the tars inside the archive tell.
    pub const OF_FILES: [Self; 5] = [
        Self::FileModified,
        Self::TokenIssued,
        Self::TokenExpires,
        Self::CertificateValid,
        Self::CertificateExpires,
    ];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NodeBooted => "node-booted",
            Self::ContainerCreated => "container-created",
            Self::ContainerStarted => "container-started",
            Self::ContainerRestored => "container-restored",
            Self::Checkpointed => "checkpointed",
            Self::NetworkDumped => "network-dumped",
            Self::FirstImageWritten => "first-image-written",
            Self::LastImageWritten => "last-image-written",
            Self::FileModified => "file-modified",
            Self::GhostModified => "ghost-modified",
            Self::GhostAccessed => "ghost-accessed",
            Self::LogEntry => "log-entry",
            Self::DumpLogEntry => "dump-log-entry",
            Self::CommandTyped => "command-typed",
            Self::TokenIssued => "token-issued",
            Self::TokenExpires => "token-expires",
            Self::CertificateValid => "certificate-valid",
            Self::CertificateExpires => "certificate-expires",
        }
    }

    /// What the time is of, in the words of timeline tools.
    pub const fn description(self) -> &'static str {
        match self {
            Self::NodeBooted => "Node Boot Time",
            Self::ContainerCreated => "Container Created",
            Self::ContainerStarted => "Container Started",
            Self::ContainerRestored => "Container Restored",
            Self::Checkpointed => "Checkpoint Time",
            Self::NetworkDumped => "Network Dump Time",
            Self::FirstImageWritten | Self::LastImageWritten => "Image Write Time",
            Self::FileModified => "File Modification Time",
            Self::GhostModified => "Ghost File Modification Time",
            Self::GhostAccessed => "Ghost File Access Time",
            Self::LogEntry => "Log Entry Time",
            Self::DumpLogEntry => "Dump Log Entry Time",
            Self::CommandTyped => "Shell Command Time",
            Self::TokenIssued => "Token Issued",
            Self::TokenExpires => "Token Expires",
            Self::CertificateValid => "Certificate Valid From",
            Self::CertificateExpires => "Certificate Expires",
        }
    }

    /// What the time means, and what it does not.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::NodeBooted => {
                "time of the checkpoint less the uptime that the dump recorded: as wrong as that time is"
            }
            Self::ContainerCreated | Self::ContainerStarted | Self::ContainerRestored => {
                "by the engine, with the clock of the node"
            }
            Self::Checkpointed => {
                "the engine's stamp is from before the dump; a derived time is from its end, or from whoever packed the \
                 images"
            }
            Self::NetworkDumped => "whole second in which the container was frozen already",
            Self::FirstImageWritten => "the dump was running, if the archive was not packed anew",
            Self::LastImageWritten => {
                "the dump had ended, or was about to, if the archive was not packed anew"
            }
            Self::FileModified => "last change of the content; who may write the file can set any time",
            Self::GhostModified => "last change of the content before the dump; it can be set to any time",
            Self::GhostAccessed => {
                "last read that the mount options let the kernel note; it can be set to any time"
            }
            Self::LogEntry => "when the engine read the line, not when it was written",
            Self::DumpLogEntry => "time of the checkpoint and the offset in the log: right to about a second",
            Self::CommandTyped => {
                "clock of the container when the line was entered; the process can change its memory"
            }
            Self::TokenIssued => "by the clock of whoever issued the token; its signature is not verified",
            Self::TokenExpires => "end of what the token was issued for; its signature is not verified",
            Self::CertificateValid => {
                "often the time of issue, or somewhat before it; the signature is not verified"
            }
            Self::CertificateExpires => "end of its validity; the signature is not verified",
        }
    }
}

/// Who vouches for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reliability {
    /// The engine, the kernel or CRIU recorded it on the node.
    Recorded,
    /// Calculated from recorded times.
    Derived,
    /// From what processes of the container could have chosen.
    Claimed,
}

impl Reliability {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Derived => "derived",
            Self::Claimed => "claimed",
        }
    }
}

/// What an event is about. Each key is null when it does not apply or is not recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Subject {
    /// The process that did it, or has it, as seen in the container. Who changed or read a file is not recorded.
    pub pid: Option<u32>,
    /// Its name.
    pub comm: Option<Text>,
    /// Processes that had the file open when the checkpoint was made, whoever changed or read it.
    pub holders: Vec<u32>,
    /// A file, by its path in the container.
    pub path: Option<Text>,
    /// Kind of the file: `regular`, `directory`, …
    pub file_kind: Option<&'static str>,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Its permission bits, in octal.
    pub mode: Option<String>,
    /// Its owner.
    pub uid: Option<u64>,
    /// Its group.
    pub gid: Option<u64>,
}

/// A dated fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Event {
    /// When.
    #[schemars(with = "String")]
    pub time: Timestamp,
    /// What says so: a member of the archive, a tar in it, or the memory of a process.
    pub source: Text,
    /// What happened.
    pub kind: Kind,
    /// The same for people, with the text of a log line or command.
    pub message: Text,
    /// What it is about.
    pub subject: Subject,
    /// Who vouches for the time.
    pub reliability: Reliability,
    /// What the time means, for people.
    pub meaning: &'static str,
}

impl Event {
    pub(super) fn new(
        time: Timestamp,
        kind: Kind,
        source: impl Into<Text>,
        reliability: Reliability,
    ) -> Self {
        Self {
            time,
            source: source.into(),
            kind,
            message: Text::default(),
            subject: Subject::default(),
            reliability,
            meaning: kind.meaning(),
        }
    }

    pub(super) fn saying(mut self, message: impl Into<Text>) -> Self {
        self.message = message.into();
        self
    }

    pub(super) fn about(mut self, subject: Subject) -> Self {
        self.subject = subject;
        self
    }
}

/// What to look at.
pub struct Wish<'w> {
    /// The tars inside the archive.
    pub sources: &'w [Source],
    /// Kinds of events.
    pub kinds: &'w [Kind],
    /// The processes that are asked for.
    pub wanted: &'w dyn Fn(&Task<'_>) -> bool,
    /// Whether the filter leaves any process out: what is about no process is then left out.
    pub filtered: bool,
}

impl Wish<'_> {
    pub(super) fn wants(&self, kinds: &[Kind]) -> bool {
        kinds.iter().any(|kind| self.kinds.contains(kind))
    }
}
