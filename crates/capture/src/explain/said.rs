//! What was said, line by line: which lines can be the reason of anything, and which error ended a dump.
//!
//! Most lines of CRIU's log have a time stamp. What has none matters too: the parasite's own messages, and what
//! programs that CRIU runs complain of (`iptables-restore`, `nft`), which CRIU itself only knows the status of.

use std::collections::VecDeque;

use super::{
    line::{Kind, Line},
    table,
};

/// How many lines are kept, and how many bytes of them: those of the end, where the errors of a dump are.
const MAX_LINES: usize = 8 << 10;
const MAX_BYTES: usize = 4 << 20;
/// How much of a line is looked at and quoted, in bytes.
const MAX_LINE: usize = 8 << 10;
/// How many lines are quoted beside another.
const MAX_CONTEXT: usize = 8;
/// Callers report an error one after another within this time, in microseconds.
const UNWINDING: u64 = 1000;

/// What begins the clean-up after a dump, whose own errors are no reason for it.
const CLEANUP: [&[u8]; 4] =
    [b"net: Unlock network", b"Unlock network", b"Running network-unlock scripts", b"Unfreezing tasks into"];

/// The lines of a text that can be the reason of something.
pub struct Said<'a> {
    lines: Vec<Line<'a>>,
    /// How many of them come before the clean-up.
    before_cleanup: usize,
}

impl<'a> Said<'a> {
    /// Reads a text: CRIU's log, or what a server or runtime said.
    pub fn read(text: &'a [u8]) -> Self {
        let is_log = split(text).any(|line| Message::of(line).is_some());
        let mut lines: VecDeque<Line<'a>> = VecDeque::new();
        let (mut cleanup, mut bytes) = (None, 0_usize);
        for (index, raw) in split(text).enumerate() {
            let number = index.saturating_add(1);
            let (kind, time, text) = match Message::of(raw) {
                _ if !is_log => (Kind::Text, None, raw),
                Some(message) => {
                    if CLEANUP.iter().any(|begin| message.text.starts_with(begin)) {
                        cleanup.get_or_insert(number);
                    }
                    let Some(kind) = message.kind() else { continue };
                    (kind, message.time, message.text)
                }
                None if is_foreign(raw) => (Kind::Foreign, None, raw),
                None => continue,
            };
            lines.push_back(Line { number, raw, text, kind, time });
            bytes = bytes.saturating_add(raw.len());
            while (lines.len() > MAX_LINES || bytes > MAX_BYTES)
                && let Some(dropped) = lines.pop_front()
            {
                bytes = bytes.saturating_sub(dropped.raw.len());
            }
        }
        let lines = Vec::from(lines);
        let before = lines.iter().take_while(|line| cleanup.is_none_or(|first| line.number < first));
        // Where nothing failed before it, the clean-up is what failed.
        let errors_before =
            before.clone().any(|line| line.kind == Kind::Error && !table::is_probe(line.text));
        let before_cleanup = if errors_before { before.count() } else { lines.len() };
        Self { lines, before_cleanup }
    }

    /// What may be the reason of something, in order: all but the errors of a clean-up after a failure, whose last
    /// line only says that the dump failed.
    pub fn reasons(&self) -> impl Iterator<Item = (usize, &Line<'a>)> {
        let is_end = |line: &Line<'_>| line.kind == Kind::Note || table::says_only_that_it_failed(line.text);
        self.lines
            .iter()
            .enumerate()
            .filter(move |(index, line)| *index < self.before_cleanup || is_end(line))
    }

    /// The error that ended the dump. CRIU tells the innermost failure first and then each caller's, so it is the first
    /// of the last errors that follow one another at once, without those that only repeat that something failed.
    pub fn cause(&self) -> Option<usize> {
        let is_cause = |line: &Line<'_>| {
            line.kind == Kind::Error
                && !table::is_probe(line.text)
                && !table::says_only_that_it_failed(line.text)
        };
        let lines = self.lines.get(..self.before_cleanup)?;
        let specific = lines.iter().rposition(|line| is_cause(line) && !table::is_echo(line.text));
        let mut cause = specific.or_else(|| lines.iter().rposition(is_cause))?;
        let mut at = cause;
        while let Some((before, line)) =
            at.checked_sub(1).and_then(|before| Some((before, lines.get(before)?)))
        {
            let next = lines.get(at)?;
            let elapsed = next.time.zip(line.time).map(|(next, time)| next.saturating_sub(time));
            let is_joined = line.number.saturating_add(1) == next.number
                && (line.kind == Kind::Foreign || elapsed.is_some_and(|elapsed| elapsed <= UNWINDING));
            if !is_joined || !(line.kind == Kind::Foreign || is_cause(line)) {
                break;
            }
            if line.kind == Kind::Error && !table::is_echo(line.text) {
                cause = before;
            }
            at = before;
        }
        Some(cause)
    }

    /// A line by its index.
    pub fn get(&self, index: usize) -> Option<&Line<'a>> {
        self.lines.get(index)
    }

    /// The lines right before and after one that belong to it: what other programs said there, errors that only
    /// repeat it, and with `errors` all errors.
    pub fn context(&self, index: usize, errors: bool) -> Vec<Vec<u8>> {
        let belongs = |line: &Line<'_>| match line.kind {
            Kind::Foreign => true,
            Kind::Error if table::is_probe(line.text) || table::says_only_that_it_failed(line.text) => false,
            Kind::Error => errors || table::is_echo(line.text),
            Kind::Text | Kind::Note => false,
        };
        let joined = |a: &Line<'_>, b: &Line<'_>| a.number.saturating_add(1) == b.number;
        let (mut first, mut last) = (index, index);
        while let Some(before) = first.checked_sub(1)
            && index.saturating_sub(before) <= MAX_CONTEXT
            && let (Some(line), Some(next)) = (self.lines.get(before), self.lines.get(first))
            && joined(line, next)
            && belongs(line)
        {
            first = before;
        }
        while let Some(after) = last.checked_add(1)
            && after.saturating_sub(first) <= MAX_CONTEXT
            && let (Some(line), Some(previous)) = (self.lines.get(after), self.lines.get(last))
            && joined(previous, line)
            && belongs(line)
        {
            last = after;
        }
        let lines = self.lines.get(first..=last).unwrap_or_default();
        let beside = (first..=last).zip(lines).filter(|(at, _)| *at != index);
        beside.map(|(_, line)| line.raw.to_vec()).collect()
    }
}

/// Lines as far as they are looked at.
fn split(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        line.get(..MAX_LINE).unwrap_or(line)
    })
}

/// Whether a line without a time stamp says something that CRIU does not say itself.
fn is_foreign(line: &[u8]) -> bool {
    !line.trim_ascii().is_empty() && !line.starts_with(b"pie: ")
}

/// A message of CRIU.
struct Message<'a> {
    /// In microseconds.
    time: Option<u64>,
    /// What stands behind time and process.
    text: &'a [u8],
}

impl<'a> Message<'a> {
    /// Takes `(00.013957) Error (criu/tun.c:85): …` apart; also without the time, as the parasite and CRIU's early
    /// messages are, and with what a runtime puts before it when it quotes the log.
    fn of(line: &'a [u8]) -> Option<Self> {
        if let Some((time, rest)) = time_stamp(line) {
            return Some(Self { time: Some(time), text: without_pid(rest) });
        }
        let parasite = line.strip_prefix(b"pie: ").map(without_pid);
        let text = parasite.unwrap_or(line).trim_ascii_start();
        if level(text).is_some() {
            return Some(Self { time: None, text });
        }
        // Quoted: only an error with its place in the source is known for one.
        let at = line.windows(7).position(|window| window == b"Error (")?;
        let (before, text) = line.split_at_checked(at)?;
        let stamp = before.iter().rposition(|byte| *byte == b'(').and_then(|open| before.get(open..));
        let is_quoted = before.ends_with(b") ") && stamp.and_then(time_stamp).is_some();
        (is_quoted && level(text).is_some()).then_some(Self { time: None, text })
    }

    fn kind(&self) -> Option<Kind> {
        match level(self.text) {
            other @ Some(_) => other,
            None => self.text.ends_with(b"finished successfully").then_some(Kind::Note),
        }
    }
}

/// Whether a message is an error or a warning, by how CRIU begins these.
fn level(text: &[u8]) -> Option<Kind> {
    let (kind, rest) = if let Some(rest) = text.strip_prefix(b"Error") {
        (Kind::Error, rest)
    } else {
        (Kind::Note, text.strip_prefix(b"Warn")?)
    };
    let place = rest.trim_ascii_start().strip_prefix(b"(")?;
    let end = place.iter().take(256).position(|byte| *byte == b')')?;
    let (file, line) =
        place.get(..end)?.split_at_checked(place.get(..end)?.iter().rposition(|byte| *byte == b':')?)?;
    let is_place = file.ends_with(b".c") || file.ends_with(b".h");
    (is_place && line.iter().skip(1).all(u8::is_ascii_digit)).then_some(kind)
}

/// `(00.013957) ` before a message, and the message.
fn time_stamp(line: &[u8]) -> Option<(u64, &[u8])> {
    let rest = line.strip_prefix(b"(")?;
    let end = rest.iter().take(25).position(|byte| *byte == b')')?;
    let (time, rest) = rest.split_at_checked(end)?;
    let point = time.iter().position(|byte| *byte == b'.')?;
    let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<u64>().ok();
    let (seconds, parts) = (time.get(..point)?, time.get(point.saturating_add(1)..)?);
    let mut micros = number(parts)?;
    for _ in parts.len()..6 {
        micros = micros.saturating_mul(10);
    }
    let time = number(seconds)?.saturating_mul(1_000_000).saturating_add(micros);
    Some((time, rest.strip_prefix(b")")?.trim_ascii_start()))
}

/// A message without the process that it is about: a restored process and the parasite are named by their pid.
fn without_pid(text: &[u8]) -> &[u8] {
    let text = text.strip_prefix(b"pie: ").unwrap_or(text);
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = text.get(digits..).and_then(|rest| rest.strip_prefix(b":")).filter(|_| digits > 0);
    rest.unwrap_or(text).trim_ascii_start()
}
