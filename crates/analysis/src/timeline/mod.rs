//! Every dated fact of a checkpoint, in order of time.
//!
//! Each source of times has a function in one of the modules below, which pushes events; `events` calls them all and
//! sorts. A new source of times is a new function there and, if need be, a new [`Kind`].

mod container;
mod credentials;
mod files;
mod logs;
mod typed;

use ckptfx_parser::Diagnostic;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Case, Task, Text, files::nested::Source};

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
    fn new(time: Timestamp, kind: Kind, source: impl Into<Text>, reliability: Reliability) -> Self {
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

    fn saying(mut self, message: impl Into<Text>) -> Self {
        self.message = message.into();
        self
    }

    fn about(mut self, subject: Subject) -> Self {
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
    fn wants(&self, kinds: &[Kind]) -> bool {
        kinds.iter().any(|kind| self.kinds.contains(kind))
    }
}

/// All events, in order of time; those of one moment in order of kind and source, and then as the source has them.
///
/// # Errors
/// When captured pages cannot be joined.
pub fn events(case: &mut Case<'_>, wish: &Wish<'_>) -> std::io::Result<Vec<Event>> {
    let mut list = Vec::new();
    let mut diagnostics = Vec::new();
    if !wish.filtered {
        container::engine(case, &mut list, &mut diagnostics);
        container::images(case, &mut list);
        if wish.wants(&[Kind::LogEntry]) {
            logs::container(case, &mut list);
        }
        if wish.wants(&[Kind::DumpLogEntry]) {
            logs::dump(case, &mut list);
        }
    }
    if wish.wants(&[Kind::FileModified]) {
        files::changed(case, wish, &mut list);
    }
    if wish.wants(&[Kind::GhostModified, Kind::GhostAccessed]) {
        files::ghosts(case, wish, &mut list);
    }
    if wish.wants(&[Kind::CommandTyped]) {
        typed::commands(case, wish.wanted, &mut list)?;
    }
    if wish.wants(&Kind::CREDENTIALS) {
        credentials::times(case, wish, &mut list)?;
    }
    case.diagnostics.append(&mut diagnostics);
    list.retain(|event| wish.kinds.contains(&event.kind));
    // What has one time stays in the order of its source: lines of a log, commands of a shell.
    list.sort_by(|one, other| {
        (one.time, one.kind, &one.source).cmp(&(other.time, other.kind, &other.source))
    });
    note_order(case, &list);
    Ok(list)
}

/// Says which events are later than the checkpoint: a clock that was changed, or a time that was made up.
fn note_order(case: &mut Case<'_>, list: &[Event]) {
    let Some(checkpointed) = crate::container::dated::checkpointed(case.checkpoint).map(|found| found.time)
    else {
        return;
    };
    // The engine's stamp is taken before the dump, which may last a while.
    let end = list.iter().filter(|event| event.kind == Kind::LastImageWritten).map(|event| event.time).max();
    let end = end.map_or(checkpointed, |end| end.max(checkpointed));
    let Ok(limit) = end.checked_add(jiff::SignedDuration::from_mins(1)) else { return };
    // What expires usually does so later.
    let is_past = |event: &&Event| !matches!(event.kind, Kind::TokenExpires | Kind::CertificateExpires);
    let later = list.iter().filter(is_past).filter(|event| event.time > limit).count();
    if later > 0 {
        let message = format!(
            "{later} events are dated after the checkpoint: a clock was wrong, or the times were set"
        );
        case.diagnostics.push(Diagnostic::note("time-after-checkpoint", "timeline", message));
    }
}

#[cfg(test)]
mod tests {
    use ckptfx_testkit::{Checkpoint, File, Ghost, Process, Vma};

    use super::*;
    use crate::tests::with_case;

    fn all(dump: Checkpoint) -> Vec<Event> {
        with_case(dump, |case| {
            events(case, &Wish { sources: &[], kinds: &Kind::ALL, wanted: &|_| true, filtered: false })
                .unwrap()
        })
    }

    #[test]
    fn each_source_gives_its_events_in_order() {
        let heap = Vma::heap(0x5555_0000_0000, 0x1000).bytes(0, "#1717243100\nwhoami\n");
        let dump = Checkpoint::new().process(
            Process::new(1)
                .comm("bash")
                .memory(heap)
                .fd(5, File::regular("/tmp/gone").deleted(Ghost::new("bytes"))),
        );
        let list = all(dump);
        assert!(list.is_sorted_by_key(|event| event.time));
        let of = |kind| list.iter().find(|event: &&Event| event.kind == kind).unwrap();
        assert_eq!(of(Kind::ContainerCreated).time.to_string(), "2024-06-01T11:59:00.123456789Z");
        assert_eq!(of(Kind::ContainerCreated).reliability, Reliability::Recorded);
        assert_eq!(of(Kind::LogEntry).message, Text::from("stdout: started"));
        let typed = of(Kind::CommandTyped);
        assert_eq!((typed.message.clone(), typed.subject.pid), (Text::from("whoami"), Some(1)));
        assert_eq!(typed.time.as_second(), 1_717_243_100);
        assert_eq!(typed.reliability, Reliability::Claimed);
        assert_eq!(of(Kind::GhostModified).subject.path, Some("/tmp/gone".into()));
        assert_eq!(of(Kind::GhostAccessed).subject.size, Some(5));
        for kind in [Kind::FirstImageWritten, Kind::LastImageWritten] {
            assert_eq!(of(kind).time.as_second(), i64::try_from(ckptfx_testkit::TIME).unwrap());
        }
    }

    #[test]
    fn tokens_and_certificates_are_dated_once_each() {
        // {"alg":"HS256"} and {"sub":"somebody","iat":1717243000,"exp":1717246600}
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJzb21lYm9keSIsImlhdCI6MTcxNzI0MzAwMCwiZXhwIjoxNzE3MjQ2NjAwfQ.c2ln";
        let text = format!("{token}\0{token}\0{0}\0{0}", crate::secret::certificate::tests::PEM);
        let heap = |pid| Vma::heap(0x5555_0000_0000, 0x1000).bytes(0, format!("{text}{pid}"));
        let process = |pid| Process::new(pid).memory(heap(pid));
        let dump = || Checkpoint::new().process(process(1).child(process(2)));
        let told: Vec<_> = all(dump())
            .into_iter()
            .filter(|event| Kind::CREDENTIALS.contains(&event.kind))
            .map(|event| (event.time.to_string(), event.kind, event.subject.pid))
            .collect();
        let is = |time: &str, kind| (time.to_owned(), kind, Some(1));
        assert_eq!(
            told,
            [
                is("2024-06-01T11:56:40Z", Kind::TokenIssued),
                is("2024-06-01T12:56:40Z", Kind::TokenExpires),
                is("2026-11-24T04:45:12Z", Kind::CertificateValid),
                is("2027-11-24T04:45:12Z", Kind::CertificateExpires),
            ]
        );
        // Who asks for one process is told where it has them.
        with_case(dump(), |case| {
            let wanted = |task: &Task<'_>| task.process.pid == 2;
            let wish = Wish { sources: &[], kinds: &Kind::CREDENTIALS, wanted: &wanted, filtered: true };
            let list = events(case, &wish).unwrap();
            assert_eq!(list.len(), 4);
            assert!(list.iter().all(|event| event.subject.pid == Some(2)));
            let text =
                Text::from("certificate of O=Example, CN=shop.example by O=Example, CN=shop.example expires");
            assert_eq!(list[3].message, text);
            assert_eq!(list[3].source, Text::from("memory of process 2"));
            let token = list[0].message.escaped().into_owned();
            assert!(token.starts_with("JSON Web Token of somebody was issued (fingerprint "), "{token}");
        });
    }

    #[test]
    fn a_filter_leaves_out_what_is_of_no_process() {
        let dump = Checkpoint::new().process(Process::new(1));
        let list = with_case(dump, |case| {
            events(case, &Wish { sources: &[], kinds: &Kind::ALL, wanted: &|_| true, filtered: true })
                .unwrap()
        });
        assert_eq!(list, []);
    }

    #[test]
    fn times_after_the_checkpoint_are_noted() {
        let heap = Vma::heap(0x5555_0000_0000, 0x1000).bytes(0, "#1999999999\nwhoami\n");
        with_case(Checkpoint::new().process(Process::new(1).memory(heap)), |case| {
            let wish = Wish { sources: &[], kinds: &Kind::ALL, wanted: &|_| true, filtered: false };
            events(case, &wish).unwrap();
            assert!(case.diagnostics.iter().any(|one| one.code == "time-after-checkpoint"));
        });
    }
}
