//! The container's log and CRIU's (`format.md §12.8`).

use ckptfx_parser::{Checkpoint, Diagnostic};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Case, Text};

/// Members that hold what the container wrote to its standard output and error: containerd, Podman, CRI-O.
const CONTAINER_LOGS: [&str; 3] = ["container.log", "ctr.log", "io.kubernetes.cri-o.LogPath"];
/// What CRIU said while it dumped.
const DUMP_LOG: &str = "dump.log";

/// Whose log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The container's.
    Container,
    /// CRIU's, of the dump.
    Dump,
}

/// Standard output or error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// As in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }

    fn of(name: &[u8]) -> Option<Self> {
        [Self::Stdout, Self::Stderr].into_iter().find(|stream| stream.name().as_bytes() == name)
    }
}

/// How bad CRIU thinks a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// `Error`.
    Error,
    /// `Warn`.
    Warn,
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LogLine {
    /// Whose log it is.
    pub source: Source,
    /// Member of the archive that holds it.
    pub member: &'static str,
    /// Number of the line in the member, from 1; of the first part of a line that was written in parts.
    pub line: u64,
    /// When the engine read it from the container; of the first part. Null in CRIU's log, which has no date, and for
    /// lines that are not of the log's form.
    #[schemars(with = "Option<String>")]
    pub time: Option<Timestamp>,
    /// Microseconds since CRIU started; null in the container's log.
    pub offset_us: Option<u64>,
    /// Where the container wrote it; null in CRIU's log.
    pub stream: Option<Stream>,
    /// Level of a message of CRIU, for errors and warnings; null for the rest and in the container's log.
    pub level: Option<Level>,
    /// Whether the end of the line had not been written when the log ends.
    pub unfinished: bool,
    /// What was written, without the log's own fields.
    pub text: Text,
}

/// Gives each line of the log of `source` to `take`, in the order of the log. A log may be big: nothing but a line
/// that is written in parts is kept.
///
/// # Errors
/// Those of `take`.
pub fn read<E>(
    case: &mut Case<'_>,
    source: Source,
    take: &mut dyn FnMut(LogLine) -> Result<(), E>,
) -> Result<(), E> {
    let members: &[&'static str] = match source {
        Source::Container => &CONTAINER_LOGS,
        Source::Dump => &[DUMP_LOG],
    };
    let mut is_found = false;
    for member in members {
        let Some(bytes) = content(case.checkpoint, member) else { continue };
        is_found = true;
        match source {
            Source::Container => container_lines(member, bytes, take)?,
            Source::Dump => dump_lines(member, bytes, take)?,
        }
    }
    if !is_found {
        let (subject, message) = match source {
            Source::Container => (
                CONTAINER_LOGS.join(", "),
                "the archive holds no log of the container: Docker never puts it there, Podman only with the k8s-file \
                 log driver",
            ),
            Source::Dump => {
                (DUMP_LOG.to_owned(), "the archive holds no log of the dump: Podman leaves it out")
            }
        };
        case.diagnostics.push(Diagnostic::note("missing-log", subject, message));
    }
    Ok(())
}

/// A file beside the images or, where CRIU was used by itself, among them.
fn content<'a>(checkpoint: &'a Checkpoint, name: &str) -> Option<&'a [u8]> {
    checkpoint
        .engine_file(name)
        .or_else(|| checkpoint.images.member(name))
        .map(|member| member.bytes().as_ref())
}

/// Lines with their numbers, without the line feeds.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    (1..).zip(lines.map(|line| line.strip_suffix(b"\n").unwrap_or(line)))
}

/// One line of a container's log as the engine wrote it.
struct Entry<'a> {
    time: Timestamp,
    stream: Stream,
    /// Whether the next entry of the stream goes on with the same line.
    is_part: bool,
    text: std::borrow::Cow<'a, [u8]>,
}

impl<'a> Entry<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        if line.first() == Some(&b'{') { Self::parse_json(line) } else { Self::parse_cri(line) }
    }

    /// `<time> <stream> <tags> <text>`: the first of the tags, which colons divide, is `F` or `P`.
    fn parse_cri(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.splitn(4, |byte| *byte == b' ');
        let time = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
        let stream = Stream::of(fields.next()?)?;
        let is_part = match fields.next()?.split(|byte| *byte == b':').next()? {
            b"F" => false,
            b"P" => true,
            _ => return None,
        };
        Some(Self { time, stream, is_part, text: fields.next().unwrap_or_default().into() })
    }

    /// Docker's `json-file`: the text ends in a line feed unless the line goes on.
    fn parse_json(line: &'a [u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Json {
            log: String,
            stream: String,
            time: String,
        }
        let json: Json = serde_json::from_slice(line).ok()?;
        let whole = json.log.strip_suffix('\n');
        Some(Self {
            time: json.time.parse().ok()?,
            stream: Stream::of(json.stream.as_bytes())?,
            is_part: whole.is_none(),
            text: whole.unwrap_or(&json.log).as_bytes().to_vec().into(),
        })
    }
}

fn container_lines<E>(
    member: &'static str,
    bytes: &[u8],
    take: &mut dyn FnMut(LogLine) -> Result<(), E>,
) -> Result<(), E> {
    // The parts of one stream's line may have lines of the other between them.
    let mut begun: [Option<LogLine>; 2] = [None, None];
    let [stdout, stderr] = &mut begun;
    for (line, bytes) in lines(bytes) {
        let new = |time, stream, text| LogLine {
            source: Source::Container,
            member,
            line,
            time,
            offset_us: None,
            stream,
            level: None,
            unfinished: false,
            text: Text(text),
        };
        let Some(entry) = Entry::parse(bytes) else {
            take(new(None, None, bytes.to_vec()))?;
            continue;
        };
        let slot = match entry.stream {
            Stream::Stdout => &mut *stdout,
            Stream::Stderr => &mut *stderr,
        };
        let mut whole = slot.take().unwrap_or_else(|| new(Some(entry.time), Some(entry.stream), Vec::new()));
        whole.text.0.extend_from_slice(&entry.text);
        if entry.is_part {
            *slot = Some(whole);
        } else {
            take(whole)?;
        }
    }
    let mut rest: Vec<LogLine> = begun.into_iter().flatten().collect();
    rest.sort_by_key(|line| line.line);
    rest.into_iter().try_for_each(|line| take(LogLine { unfinished: true, ..line }))
}

fn dump_lines<E>(
    member: &'static str,
    bytes: &[u8],
    take: &mut dyn FnMut(LogLine) -> Result<(), E>,
) -> Result<(), E> {
    for (line, bytes) in lines(bytes) {
        let (offset_us, text) = offset(bytes).map_or((None, bytes), |(offset, text)| (Some(offset), text));
        take(LogLine {
            source: Source::Dump,
            member,
            line,
            time: None,
            offset_us,
            stream: None,
            level: level(text),
            unfinished: false,
            text: Text(text.to_vec()),
        })?;
    }
    Ok(())
}

/// `(SS.uuuuuu) message` as microseconds and message.
fn offset(line: &[u8]) -> Option<(u64, &[u8])> {
    let line = line.strip_prefix(b"(")?;
    let (time, text) = line.split_at_checked(line.iter().position(|byte| *byte == b')')?)?;
    let (seconds, micros) = std::str::from_utf8(time).ok()?.split_once('.')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(seconds) || !is_number(micros) || micros.len() != 6 {
        return None;
    }
    let seconds: u64 = seconds.parse().ok()?;
    let offset = seconds.checked_mul(1_000_000)?.checked_add(micros.parse().ok()?)?;
    let text = text.strip_prefix(b")")?;
    Some((offset, text.strip_prefix(b" ").unwrap_or(text)))
}

/// CRIU puts the level, with the place in its source, before the message. Before that may stand what runs the code:
/// `pie: ` for the code in the task itself, and a pid.
fn level(text: &[u8]) -> Option<Level> {
    let mut text = text.trim_ascii_start();
    text = text.strip_prefix(b"pie: ").unwrap_or(text).trim_ascii_start();
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits > 0
        && let Some(rest) = text.get(digits..).and_then(|rest| rest.strip_prefix(b": "))
    {
        text = rest;
    }
    let is =
        |word: &[u8]| text.strip_prefix(word).is_some_and(|rest| rest.trim_ascii_start().starts_with(b"("));
    if is(b"Error ") {
        Some(Level::Error)
    } else if is(b"Warn ") {
        Some(Level::Warn)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    type Short = (u64, Option<String>, Option<Stream>, bool, String);

    fn container(log: &str) -> Vec<Short> {
        let mut found = Vec::new();
        let ended = container_lines::<Infallible>("ctr.log", log.as_bytes(), &mut |line| {
            let time = line.time.map(|time| time.to_string());
            found.push((line.line, time, line.stream, line.unfinished, line.text.escaped().into_owned()));
            Ok(())
        });
        assert_eq!(ended, Ok(()));
        found
    }

    fn at(second: u8) -> Option<String> {
        Some(format!("2024-06-01T10:00:0{second}.5Z"))
    }

    #[test]
    fn parts_of_a_line_are_joined_by_stream() {
        let log = "2024-06-01T10:00:01.5Z stdout P one \n\
                   2024-06-01T10:00:02.5Z stderr F other  \n\
                   2024-06-01T12:00:03.5+02:00 stdout F two\n\
                   2024-06-01T10:00:04.5Z stdout F \n\
                   2024-06-01T10:00:05.5Z stderr P never ends";
        assert_eq!(
            container(log),
            [
                (2, at(2), Some(Stream::Stderr), false, "other  ".to_owned()),
                (1, at(1), Some(Stream::Stdout), false, "one two".to_owned()),
                (4, at(4), Some(Stream::Stdout), false, String::new()),
                (5, at(5), Some(Stream::Stderr), true, "never ends".to_owned()),
            ]
        );
    }

    #[test]
    fn docker_writes_json() {
        let log = "{\"log\":\"a \",\"stream\":\"stdout\",\"time\":\"2024-06-01T10:00:01.5Z\"}\n\
                   {\"log\":\"b\\n\",\"stream\":\"stdout\",\"time\":\"2024-06-01T10:00:02.5Z\"}\n";
        assert_eq!(container(log), [(1, at(1), Some(Stream::Stdout), false, "a b".to_owned())]);
    }

    #[test]
    fn lines_of_no_known_form_are_kept() {
        let log = "plain\n\n{\"log\":1}\n2024-06-01T10:00:01.5Z stdin F x\nyesterday stdout F x\n";
        let texts: Vec<Short> = container(log);
        assert!(texts.iter().all(|line| line.1.is_none() && line.2.is_none()), "{texts:?}");
        let texts: Vec<&str> = texts.iter().map(|line| line.4.as_str()).collect();
        assert_eq!(texts.join("\n") + "\n", log);
        assert!(container("").is_empty());
    }

    #[test]
    fn the_dump_log_has_offsets_and_levels() {
        let log = b"(00.000001) CRIU run id = 1\n\
                    (12.008535) Error (criu/tun.c:85): tun: no\n\
                    (00.1)      7: Warn  (criu/x.c:1): y\n\
                    (00.000003) pie: 12: Error (pie/x.c:1): z\n\
                    (00.000004) Error is a word\n\
                    no offset\n";
        let mut found = Vec::new();
        let ended = dump_lines::<Infallible>("dump.log", log, &mut |line| {
            found.push((line.offset_us, line.level, line.text.escaped().into_owned()));
            Ok(())
        });
        assert_eq!(ended, Ok(()));
        let expected = [
            (Some(1), None, "CRIU run id = 1"),
            (Some(12_008_535), Some(Level::Error), "Error (criu/tun.c:85): tun: no"),
            (None, None, "(00.1)      7: Warn  (criu/x.c:1): y"),
            (Some(3), Some(Level::Error), "pie: 12: Error (pie/x.c:1): z"),
            (Some(4), None, "Error is a word"),
            (None, None, "no offset"),
        ];
        assert_eq!(found, expected.map(|(offset, level, text)| (offset, level, text.to_owned())));
        assert_eq!(level(b"     7: Warn  (criu/x.c:1): y"), Some(Level::Warn));
    }

    #[test]
    fn a_log_that_is_not_there_is_noted() {
        let (container, dump) = crate::tests::with_case(ckptfx_testkit::rich(), |case| {
            let mut count = |source| {
                let mut lines = 0;
                let ended = read::<Infallible>(case, source, &mut |_| {
                    lines += 1;
                    Ok(())
                });
                assert_eq!(ended, Ok(()));
                (lines, case.diagnostics.iter().any(|one| one.code == "missing-log"))
            };
            (count(Source::Container), count(Source::Dump))
        });
        // Podman puts CRIU's log nowhere.
        assert_eq!((container, dump), ((1, false), (0, true)));
    }
}
