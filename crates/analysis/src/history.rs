//! Commands that people typed: what programs with GNU history (bash, and others that use readline) keep in memory
//! even when they write no history file, and what was typed and not read yet.

use std::collections::BTreeMap;

use ckptfx_parser::{
    Diagnostic,
    image::ByteOrder,
    memory::{AddressSpace, Region, captured_regions},
    proto::core_entry::March,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Case, Task, Text,
    queue::{self, Direction},
};

/// Longest line that is read, in bytes.
const MAX_LINE: u64 = 64 << 10;
/// Digits of a time between 2001 and 2286: all that history lines of containers can have.
const DIGITS: usize = 10;
/// Longest run of text beside a time that is taken for a line of a history file.
const MAX_TEXT_LINE: usize = 4 << 10;
/// Most times that are kept of a process.
const MAX_STAMPS: usize = 1 << 20;

/// How a command was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// A history entry: pointers to the line and to its time stand side by side.
    HistoryEntry,
    /// Text in the form of a history file: a line with `#` and the time, and the line after it. It may be of a file
    /// that was only read.
    HistoryText,
    /// Typed on a terminal, and not read by the program yet.
    TerminalInput,
}

impl Found {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HistoryEntry => "history-entry",
            Self::HistoryText => "history-text",
            Self::TerminalInput => "terminal-input",
        }
    }
}

/// A command that was typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TypedCommand {
    /// The process that keeps it; of terminal input the first one that would have read it, null if there is none.
    pub pid: Option<u32>,
    /// Its name.
    pub comm: Option<Text>,
    /// Its executable.
    pub exe: Option<Text>,
    /// When it was entered, by the clock of the container; null when nothing tells.
    #[schemars(with = "Option<String>")]
    pub time: Option<Timestamp>,
    /// What was typed. Null when the entry is there, but its line is not captured.
    pub line: Option<Text>,
    /// Where the line is in the memory of the process; of an entry without a line where its time is.
    pub address: Option<String>,
    /// How it was found.
    pub found: Found,
}

/// The commands of the processes that `wanted` accepts: by process, then time, then address; what was typed and not
/// read comes last.
///
/// # Errors
/// When captured pages cannot be joined.
pub fn commands(
    case: &mut Case<'_>,
    wanted: &dyn Fn(&Task<'_>) -> bool,
) -> std::io::Result<Vec<TypedCommand>> {
    let mut list = Vec::new();
    let mut diagnostics = Vec::new();
    for task in case.tasks.iter().filter(|task| wanted(task)) {
        if let Some(space) = &task.space {
            list.extend(of_process(case, task, space, &mut diagnostics)?);
        }
    }
    case.diagnostics.append(&mut diagnostics);
    for queue in queue::queues(case, wanted) {
        if queue.kind != queue::Kind::Tty || queue.direction != Some(Direction::Typed) {
            continue;
        }
        let reader = queue.readers.first().and_then(|pid| case.task(*pid));
        let lines = queue.bytes_b64.0.split(|byte| matches!(byte, b'\n' | b'\r'));
        list.extend(lines.filter(|line| !line.is_empty()).map(|line| TypedCommand {
            pid: reader.map(|task| task.process.pid),
            comm: reader.and_then(|task| task.process.comm.clone()),
            exe: reader.and_then(|task| task.process.exe.clone()),
            time: None,
            line: Some(line.into()),
            address: None,
            found: Found::TerminalInput,
        }));
    }
    Ok(list)
}

/// A time in memory: its address and the address of the byte after its digits.
struct Stamp {
    time: Timestamp,
    end: u64,
    /// The byte after the digits.
    ends_with: u8,
}

fn of_process(
    case: &Case<'_>,
    task: &Task<'_>,
    space: &AddressSpace<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> std::io::Result<Vec<TypedCommand>> {
    space.pages.unpack(diagnostics);
    let regions = captured_regions(&space.pages)?;
    let mut stamps: BTreeMap<u64, Stamp> = BTreeMap::new();
    for region in &regions {
        find_stamps(region, &mut stamps);
    }
    if stamps.len() >= MAX_STAMPS {
        let message = format!("more than {MAX_STAMPS} times of history lines; the rest is not looked at");
        diagnostics.push(Diagnostic::loss("too-many", format!("pid {}", task.process.pid), message));
    }
    if stamps.is_empty() {
        return Ok(Vec::new());
    }
    let command = |time, line, address: u64, found| TypedCommand {
        pid: Some(task.process.pid),
        comm: task.process.comm.clone(),
        exe: task.process.exe.clone(),
        time: Some(time),
        line,
        address: Some(format!("{address:#x}")),
        found,
    };
    // In the order of the list, where it is found; then by address.
    let mut found: Vec<((usize, u64), TypedCommand)> = Vec::new();
    let words = Words { size: pointer_size(task), order: case.checkpoint.images.order };
    let entries: BTreeMap<u64, Entry> =
        regions.iter().flat_map(|region| entries(region, &stamps, &words)).collect();
    let places = list_order(&regions, &entries, &words);
    for (address, entry) in &entries {
        let Some(known) = stamps.get(&entry.stamp) else { continue };
        let text = c_string(space, case, entry.line);
        let at = if text.is_some() { entry.line } else { entry.stamp };
        let place = places.get(address).copied().unwrap_or(usize::MAX);
        found.push(((place, *address), command(known.time, text, at, Found::HistoryEntry)));
    }
    for region in &regions {
        let end = region.start.saturating_add(region.bytes().len() as u64);
        for (_, stamp) in stamps.range(region.start..end).filter(|(_, stamp)| stamp.ends_with == b'\n') {
            let at = stamp.end.saturating_add(1);
            if let Some(line) = text_line(region, at) {
                found.push(((usize::MAX, at), command(stamp.time, Some(line), at, Found::HistoryText)));
            }
        }
    }
    found.sort_by_key(|(place, command)| (command.time, *place, command.found));
    Ok(found.into_iter().map(|(_, command)| command).collect())
}

/// `#` and ten digits, ended by NUL (an entry's time) or a line feed (a line of a history file).
fn find_stamps(region: &Region<'_>, stamps: &mut BTreeMap<u64, Stamp>) {
    let bytes = region.bytes();
    for at in memchr::memchr_iter(b'#', bytes) {
        let Some((digits, rest)) = bytes.get(at.saturating_add(1)..).and_then(|b| b.split_at_checked(DIGITS))
        else {
            continue;
        };
        let Some(ends_with) = rest.first().copied().filter(|byte| matches!(byte, 0 | b'\n')) else {
            continue;
        };
        if !digits.iter().all(u8::is_ascii_digit) || digits.first() == Some(&b'0') {
            continue;
        }
        let seconds = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        if let Some(time) = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()) {
            let start = region.start.saturating_add(at as u64);
            let end = start.saturating_add(1 + DIGITS as u64);
            if stamps.len() >= MAX_STAMPS {
                return;
            }
            stamps.insert(start, Stamp { time, end, ends_with });
        }
    }
}

fn pointer_size(task: &Task<'_>) -> usize {
    match task.core.as_ref().and_then(|core| March::try_from(core.mtype?).ok()) {
        Some(March::Arm) => 4,
        _ => 8,
    }
}

/// Pointers as the machine writes them.
struct Words {
    size: usize,
    order: ByteOrder,
}

impl Words {
    /// The words of a region with their addresses.
    fn of<'r>(&'r self, region: &'r Region<'_>) -> impl Iterator<Item = (u64, u64)> + 'r {
        let step = self.size as u64;
        let words = region.bytes().chunks_exact(self.size).map(|bytes| self.value(bytes));
        (0_u64..)
            .zip(words)
            .map(move |(index, word)| (region.start.saturating_add(index.saturating_mul(step)), word))
    }

    fn value(&self, bytes: &[u8]) -> u64 {
        let add = |word: u64, byte: &u8| word << 8 | u64::from(*byte);
        match self.order {
            ByteOrder::Little => bytes.iter().rev().fold(0, add),
            ByteOrder::Big => bytes.iter().fold(0, add),
        }
    }
}

/// What an entry points at.
struct Entry {
    line: u64,
    stamp: u64,
}

/// `HIST_ENTRY` of GNU history begins with pointers to the line and to its time: pairs of pointers of which the second
/// leads to a time, by address.
fn entries(region: &Region<'_>, stamps: &BTreeMap<u64, Stamp>, words: &Words) -> Vec<(u64, Entry)> {
    let mut found = Vec::new();
    let mut before = None;
    for (address, word) in words.of(region) {
        if let Some((start, line)) = before.filter(|(_, line)| *line != 0)
            && stamps.get(&word).is_some_and(|stamp| stamp.ends_with == 0)
        {
            found.push((start, Entry { line, stamp: word }));
        }
        before = Some((address, word));
    }
    found
}

/// The place of each entry in the list of pointers to them: the longest run of such pointers. A list that grew may have
/// left shorter copies behind.
fn list_order(regions: &[Region<'_>], entries: &BTreeMap<u64, Entry>, words: &Words) -> BTreeMap<u64, usize> {
    let mut longest: Vec<u64> = Vec::new();
    if entries.is_empty() {
        return BTreeMap::new();
    }
    for region in regions {
        let mut run: Vec<u64> = Vec::new();
        // One more word ends the last run.
        for word in words.of(region).map(|(_, word)| word).chain([0]) {
            if entries.contains_key(&word) {
                run.push(word);
            } else if run.len() > longest.len() {
                longest = std::mem::take(&mut run);
            } else {
                run.clear();
            }
        }
    }
    longest.into_iter().zip(0..).collect()
}

/// The string at an address, without its NUL; none when its end is not captured.
fn c_string(space: &AddressSpace<'_>, case: &Case<'_>, address: u64) -> Option<Text> {
    let mut text = Vec::new();
    let mut position = address;
    let limit = address.checked_add(MAX_LINE)?;
    while position < limit {
        let end = (position | (space.page_size.max(1) - 1)).checked_add(1)?;
        let bytes = space.bytes(position, end, MAX_LINE, &case.shared).ok()?;
        if let Some(nul) = memchr::memchr(0, &bytes) {
            text.extend_from_slice(bytes.get(..nul)?);
            return Some(Text(text));
        }
        text.extend_from_slice(&bytes);
        position = end;
    }
    None
}

/// The line of text at an address, if it is one: not empty, without control bytes, and ended in the region.
fn text_line(region: &Region<'_>, address: u64) -> Option<Text> {
    let skip = usize::try_from(address.checked_sub(region.start)?).ok()?;
    let bytes = region.bytes().get(skip..)?;
    let bytes = bytes.get(..MAX_TEXT_LINE).unwrap_or(bytes);
    let line = bytes.get(..memchr::memchr2(b'\n', 0, bytes)?)?;
    let is_text = !line.is_empty() && line.iter().all(|byte| !byte.is_ascii_control() || *byte == b'\t');
    is_text.then(|| line.into())
}

#[cfg(test)]
mod tests {
    use ckptfx_testkit::{Checkpoint, File, Process, Vma};

    use super::*;
    use crate::tests::with_case;

    const HEAP: u64 = 0x5555_0000_0000;

    fn found(heap: Vma, other: impl FnOnce(Process) -> Process) -> Vec<(Option<i64>, Option<String>, Found)> {
        let shell = Process::new(1).comm("bash").exe("/bin/bash").memory(heap);
        with_case(Checkpoint::new().process(other(shell)), |case| {
            let list = commands(case, &|_| true).unwrap();
            assert!(case.diagnostics.iter().all(|one| one.code != "too-many"));
            let line = |one: &TypedCommand| one.line.as_ref().map(|line| line.escaped().into_owned());
            list.iter().map(|one| (one.time.map(Timestamp::as_second), line(one), one.found)).collect()
        })
    }

    /// An entry as the library lays it out: line, time, data.
    fn entry(line: u64, time: u64) -> Vec<u8> {
        [line, time, 0].iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn entries_are_joined_with_their_lines() {
        let heap = Vma::heap(HEAP, 0x8000)
            .bytes(0x10, "#1795472152\0")
            .bytes(0x40, "#1795472151\0")
            .bytes(0x100, "second\0")
            .bytes(0x1ffc, "first, over a page border\0")
            .bytes(0x3000, entry(HEAP + 0x100, HEAP + 0x10))
            .bytes(0x3020, entry(HEAP + 0x1ffc, HEAP + 0x40))
            // Its line is not captured.
            .bytes(0x3040, entry(0xdead_0000, HEAP + 0x40))
            // A pointer to a time without one to a line, and one into the middle of a time.
            .bytes(0x3060, entry(0, HEAP + 0x40))
            .bytes(0x3080, entry(HEAP + 0x100, HEAP + 0x41));
        let line = |text: &str| Some(text.to_owned());
        assert_eq!(
            found(heap, |shell| shell),
            [
                (Some(1_795_472_151), line("first, over a page border"), Found::HistoryEntry),
                (Some(1_795_472_151), None, Found::HistoryEntry),
                (Some(1_795_472_152), line("second"), Found::HistoryEntry),
            ]
        );
    }

    /// Times are whole seconds: what was typed in one second is in the order of the list.
    #[test]
    fn entries_of_one_second_are_in_the_order_of_the_list() {
        let pointers = |places: &[u64]| -> Vec<u8> {
            places.iter().flat_map(|place| (HEAP + place).to_le_bytes()).collect()
        };
        let heap = Vma::heap(HEAP, 0x4000)
            .bytes(0x10, "#1795472151\0")
            .bytes(0x100, "one\0two\0three\0")
            .bytes(0x1000, entry(HEAP + 0x104, HEAP + 0x10))
            .bytes(0x1020, entry(HEAP + 0x108, HEAP + 0x10))
            .bytes(0x1040, entry(HEAP + 0x100, HEAP + 0x10))
            .bytes(0x2000, pointers(&[0x1000, 0x1040]))
            .bytes(0x3000, pointers(&[0x1040, 0x1000, 0x1020]));
        let list = found(heap, |shell| shell);
        let lines: Vec<_> = list.iter().map(|(_, line, _)| line.as_deref().unwrap()).collect();
        assert_eq!(lines, ["one", "two", "three"]);
    }

    #[test]
    fn text_of_a_history_file_and_what_was_typed() {
        let heap = Vma::heap(HEAP, 0x2000).bytes(
            0,
            "#1795472153\nrm -rf /var/log\n#1795472154\n\n#0795472154\nno\n#17954721\nno\n#17954721533\nno\n",
        );
        let list = found(heap, |shell| {
            shell
                .stdio(File::pty(0, false, 1).queued("id; cat /etc/shadow\nwho"))
                .fd(9, File::pty(0, true, 1))
        });
        let line = |text: &str| Some(text.to_owned());
        assert_eq!(list[0], (Some(1_795_472_153), line("rm -rf /var/log"), Found::HistoryText));
        assert_eq!(list.len(), 3, "{list:?}");
        assert_eq!(list[1], (None, line("id; cat /etc/shadow"), Found::TerminalInput));
        assert_eq!(list[2], (None, line("who"), Found::TerminalInput));
    }
}
