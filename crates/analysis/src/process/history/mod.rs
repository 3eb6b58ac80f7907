//! Commands that people typed: what programs with a line editor (GNU readline, libedit, linenoise) keep in memory even
//! when they write no history file, and what was typed and not read yet.

mod libedit;
mod linenoise;
mod readline;
mod words;

use std::collections::BTreeMap;

use ckptfx_parser::{
    Diagnostic,
    memory::{AddressSpace, Region, captured_regions},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use self::words::{Words, c_string, is_line};
use crate::{
    Case, Task, Text,
    network::queue::{self, Direction},
};

/// Longest run of text beside a time that is taken for a line of a history file.
const MAX_TEXT_LINE: usize = 4 << 10;

/// How a command was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// An entry in the list of a line editor.
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
    /// When it was entered, by the clock of the container; null when nothing tells: only GNU history keeps it. Of a line
    /// that the program read from its history file it may be the time of reading.
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

fn of_process(
    case: &Case<'_>,
    task: &Task<'_>,
    space: &AddressSpace<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> std::io::Result<Vec<TypedCommand>> {
    space.pages.unpack(diagnostics);
    let regions = captured_regions(&space.pages)?;
    let words = Words::of_task(case, task);
    let command = |time, line, address: u64, found| TypedCommand {
        pid: Some(task.process.pid),
        comm: task.process.comm.clone(),
        exe: task.process.exe.clone(),
        time,
        line,
        address: Some(format!("{address:#x}")),
        found,
    };
    let mut list: Vec<TypedCommand> = timeless(case, task, space, &regions, &words)
        .into_iter()
        .map(|(line, at)| command(None, Some(line), at, Found::HistoryEntry))
        .collect();
    let mut stamps = BTreeMap::new();
    for region in &regions {
        readline::find_stamps(region, &words, &mut stamps);
    }
    if stamps.len() >= readline::MAX_STAMPS {
        let most = readline::MAX_STAMPS;
        let message = format!("more than {most} times of history lines; the rest is not looked at");
        diagnostics.push(Diagnostic::loss("too-many", format!("pid {}", task.process.pid), message));
    }
    if stamps.is_empty() {
        return Ok(list);
    }
    // In the order of the list, where it is found; then by address.
    let mut found: Vec<((usize, u64), TypedCommand)> = Vec::new();
    for entry in readline::entries(&regions, &stamps, &words) {
        let Some(known) = stamps.get(&entry.stamp) else { continue };
        let text = c_string(space, case, entry.line);
        // A text and its end are two pointers as well, and a number may follow the text.
        let ends_there = |text: &Text| entry.line.checked_add(text.0.len() as u64) == Some(entry.stamp);
        if text.as_ref().is_some_and(ends_there) {
            continue;
        }
        let at = if text.is_some() { entry.line } else { entry.stamp };
        let place = (entry.place, entry.address);
        found.push((place, command(Some(known.time), text, at, Found::HistoryEntry)));
    }
    for region in &regions {
        let end = region.start.saturating_add(region.bytes().len() as u64);
        for (_, stamp) in stamps.range(region.start..end).filter(|(_, stamp)| stamp.ends_with == b'\n') {
            let at = stamp.end.saturating_add(1);
            if let Some(line) = text_line(region, at) {
                let line = command(Some(stamp.time), Some(line), at, Found::HistoryText);
                found.push(((usize::MAX, at), line));
            }
        }
    }
    found.sort_by_key(|(place, command)| (command.time, *place, command.found));
    list.extend(found.into_iter().map(|(_, command)| command));
    Ok(list)
}

/// Lines of the editors that keep no times, the oldest first, with where they are.
fn timeless(
    case: &Case<'_>,
    task: &Task<'_>,
    space: &AddressSpace<'_>,
    regions: &[Region<'_>],
    words: &Words,
) -> Vec<(Text, u64)> {
    let exe = task.process.exe.as_ref().map(|exe| exe.0.as_slice()).unwrap_or_default();
    let exe = exe.strip_suffix(b" (deleted)").unwrap_or(exe);
    let line = |at: u64| Some((c_string(space, case, at).filter(is_line)?, at));
    if linenoise::is_in(exe) {
        let is_of_program =
            |vma: &&ckptfx_parser::memory::Vma| vma.permissions() == "rw-p" && vma.name != b"[stack]";
        let variables: Vec<_> = space.vmas.iter().filter(is_of_program).collect();
        return linenoise::lines(regions, &variables, words).into_iter().filter_map(line).collect();
    }
    if libedit::is_in(exe, space.vmas.iter().map(|vma| &vma.name)) {
        return libedit::lines(regions, words).into_iter().filter_map(|(text, _)| line(text)).collect();
    }
    Vec::new()
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
            .bytes(0x60, "#1795472151\0")
            .bytes(0x3040, entry(0xdead_0000, HEAP + 0x60))
            // The list.
            .bytes(0x4000, [HEAP + 0x3020, HEAP + 0x3040, HEAP + 0x3000].map(u64::to_le_bytes).concat())
            // Pairs that no list has: registers that were saved, memory that was freed.
            .bytes(0x5000, entry(HEAP + 0x100, HEAP + 0x10))
            .bytes(0x5020, entry(8, HEAP + 0x40))
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
            .bytes(0x20, "#1795472151\0")
            .bytes(0x30, "#1795472151\0")
            .bytes(0x100, "one\0two\0three\0")
            .bytes(0x1000, entry(HEAP + 0x104, HEAP + 0x10))
            .bytes(0x1020, entry(HEAP + 0x108, HEAP + 0x20))
            .bytes(0x1040, entry(HEAP + 0x100, HEAP + 0x30))
            .bytes(0x2000, pointers(&[0x1000, 0x1040]))
            .bytes(0x3000, pointers(&[0x1040, 0x1000, 0x1020]));
        let list = found(heap, |shell| shell);
        let lines: Vec<_> = list.iter().map(|(_, line, _)| line.as_deref().unwrap()).collect();
        assert_eq!(lines, ["one", "two", "three"]);
    }

    /// Other programs than bash mark the time with NUL, or with what they like.
    #[test]
    fn any_program_with_readline_has_entries() {
        let pointers: Vec<u8> =
            [HEAP + 0x1000, HEAP + 0x1020].iter().flat_map(|at| at.to_le_bytes()).collect();
        let heap = Vma::heap(HEAP, 0x4000)
            .bytes(0x10, "\x001795472151\0")
            .bytes(0x20, ";1795472152\0")
            .bytes(0x100, "select 1;\0select 2;\0")
            // A text, its end and a number behind it are no entry, and neither is one time twice.
            .bytes(0x238, "key\x001795472153\0")
            .bytes(0x1000, entry(HEAP + 0x100, HEAP + 0x10))
            .bytes(0x1020, entry(HEAP + 0x10a, HEAP + 0x20))
            .bytes(0x1040, entry(HEAP + 0x234, HEAP + 0x238))
            .bytes(0x1060, entry(HEAP + 0x10a, HEAP + 0x10))
            .bytes(0x2000, pointers)
            .bytes(0x2040, (HEAP + 0x1040).to_le_bytes())
            .bytes(0x2060, (HEAP + 0x1060).to_le_bytes());
        let line = |text: &str| Some(text.to_owned());
        assert_eq!(
            found(heap, |shell| shell.comm("psql")),
            [
                (Some(1_795_472_151), line("select 1;"), Found::HistoryEntry),
                (Some(1_795_472_152), line("select 2;"), Found::HistoryEntry),
            ]
        );
    }

    /// A ring of libedit: number, text, data, next (older), previous (newer).
    #[test]
    fn libedit_keeps_lines_without_times() {
        let node = |number: u64, text: u64, next: u64, previous: u64| -> Vec<u8> {
            let pointer = |place: u64| if place == 0 { 0 } else { HEAP + place };
            // The upper half beside the number is not written.
            let words = [number | 0xdead << 32, pointer(text), 0, pointer(next), pointer(previous)];
            words.iter().flat_map(|word| word.to_le_bytes()).collect()
        };
        let head: Vec<u8> =
            [0, 0, 0, HEAP + 0x240, HEAP + 0x200].iter().flat_map(|word: &u64| word.to_le_bytes()).collect();
        let heap = Vma::heap(HEAP, 0x2000)
            .bytes(0x20, "show tables;\0drop table t;\0")
            .bytes(0x180, head)
            .bytes(0x200, node(1, 0x20, 0x180, 0x240))
            .bytes(0x240, node(2, 0x2d, 0x200, 0x180))
            // A neighbour that does not lead back.
            .bytes(0x280, node(3, 0x20, 0x240, 0x180));
        let line = |text: &str| Some(text.to_owned());
        let expected = [
            (None, line("show tables;"), Found::HistoryEntry),
            (None, line("drop table t;"), Found::HistoryEntry),
        ];
        assert_eq!(found(heap.clone(), |shell| shell.exe("/usr/bin/mariadb")), expected);
        assert_eq!(found(heap, |shell| shell.exe("/usr/bin/other")), []);
    }

    #[test]
    fn redis_cli_keeps_lines_without_times() {
        let pointers: Vec<u8> = [HEAP + 0x20, HEAP + 0x30].iter().flat_map(|at| at.to_le_bytes()).collect();
        let heap = Vma::heap(HEAP, 0x2000)
            .bytes(0x20, "keys *\0")
            .bytes(0x30, "get secret\0")
            .bytes(0x100, pointers)
            // What follows the room of the array.
            .bytes(0x100 + 800, [0xff; 8]);
        let numbers: Vec<u8> = [100_u32, 2].iter().flat_map(|number| number.to_le_bytes()).collect();
        let variables = Vma::anonymous(0x5554_0000_0000, 0x1000)
            .bytes(0x100, numbers)
            .bytes(0x110, (HEAP + 0x100).to_le_bytes());
        let list = found(heap, |shell| shell.exe("/usr/bin/redis-cli").memory(variables));
        let lines: Vec<_> = list.iter().map(|(_, line, _)| line.as_deref().unwrap()).collect();
        assert_eq!(lines, ["keys *", "get secret"]);
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
