//! `ckptfx strings`: printable text with its process, address and mapping.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap, hash_map::Entry},
    io::Write as _,
    ops::ControlFlow,
    path::PathBuf,
};

use anyhow::Result;
use ckptfx_analysis::{
    Case, Text,
    search::{
        Place, SearchRegion, Source, Stop,
        strings::{Count, StringFacts, decode, encoding_name},
    },
};
use ckptfx_parser::Diagnostic;
use ckptfx_report::{
    schema::{Document, List, of},
    untrusted::{show, show_into},
};
use ckptfx_scan::{Outcome as ScanOutcome, Strings, Summary, Text as Run, TextEncoding};
use clap::Args;

use crate::{
    args::{Common, EncodingArg, Format, ScanArgs},
    checkpoints::for_each_checkpoint,
    outcome::Outcome,
    progress::Bars,
    render::Output,
    scanning::{Scanner, Selection},
    spec::{Command, Group},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "strings",
    aliases: &[],
    group: Group::Memory,
    about: "List printable strings with process, address and mapping",
    usage: None,
    notes: "Printable are the ASCII characters and the tab; in UTF-8 also every other character that is no control; in UTF-16 also
Latin-1. A string is a maximal run of them and never runs over a gap in captured memory.",
    examples: &["ckptfx strings archive.tar | less", "ckptfx strings -n 12 --pid 14 --encoding all archive.tar", "ckptfx strings --unique --perms rw archive.tar | head", "ckptfx strings --source rootfs,ghost-file,pipe archive.tar"],
    arguments: StringsArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[STRINGS]).or_counts::<Count>("With -c, instead of strings.").covered()),
    run: |call| run(&call.arguments()?, call.common),
};

/// What `strings` takes.
#[derive(Debug, Args)]
pub struct StringsArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    /// Minimum length in characters.
    #[arg(short = 'n', long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub min_length: u16,
    /// Text encodings to try.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "utf-8", value_name = "ENCODING")]
    pub encoding: Vec<EncodingArg>,
    /// Print each distinct string once, with count and first place, most frequent first.
    #[arg(short, long, conflicts_with = "count")]
    pub unique: bool,
    /// With --unique, track at most N distinct strings.
    #[arg(long, default_value_t = 5_000_000, value_name = "N")]
    pub max_unique: usize,
    /// Count strings per process.
    #[arg(short, long)]
    pub count: bool,
    #[command(flatten)]
    pub scan: ScanArgs,
}

const STRINGS: List = List {
    name: "strings",
    record: of::<StringFacts>,
    columns: &[
        "pid",
        "comm",
        "source",
        "address",
        "offset",
        "encoding",
        "text",
        "count",
        "region.start",
        "region.end",
        "region.perms",
        "region.path",
        "region.kind",
    ],
};
const COUNTS: List =
    List { name: "counts", record: of::<Count>, columns: &["pid", "comm", "source", "count"] };

pub fn run(args: &StringsArgs, common: &Common) -> Result<Outcome> {
    let has = |encodings: &[EncodingArg]| args.encoding.iter().any(|encoding| encodings.contains(encoding));
    let strings = Strings {
        minimum: args.min_length.into(),
        bytes: has(&[EncodingArg::Ascii, EncodingArg::Utf8, EncodingArg::All]),
        utf8: has(&[EncodingArg::Utf8, EncodingArg::All]),
        utf16le: has(&[EncodingArg::Utf16Le, EncodingArg::All]),
        utf16be: has(&[EncodingArg::Utf16Be, EncodingArg::All]),
    };
    let scanner = Scanner::new(&args.scan, common)?;
    let collection = if args.count { COUNTS } else { STRINGS };
    for_each_checkpoint(&args.archives, common, "strings", collection, |case, output, bars| {
        let selection = scanner.select(case, bars)?;
        let listing = Listing { case, selection: &selection, scanner: &scanner, strings, bars };
        let (summary, more) = if args.count {
            (listing.count(output)?, None)
        } else if args.unique {
            listing.unique(args.max_unique, output)?
        } else if output.is_table() {
            (listing.write_lines(output)?, None)
        } else {
            (listing.write_records(output)?, None)
        };
        case.diagnostics.extend(more);
        let stopped = match summary.outcome {
            ScanOutcome::Complete => None,
            ScanOutcome::Stopped | ScanOutcome::Cancelled => scanner.stopped(),
        };
        let stopped: Option<(Stop, u64)> = stopped.map(|why| (why, summary.bytes_scanned));
        scanner.finish(case, selection.coverage, stopped, output)
    })
}

struct Listing<'l, 'a> {
    case: &'l Case<'a>,
    selection: &'l Selection<'a>,
    scanner: &'l Scanner<'l>,
    strings: Strings,
    bars: &'l Bars,
}

/// Where strings up to `end` of a region are, if they are wanted.
struct Spot<'l> {
    region: usize,
    end: u64,
    place: Option<Place<'l>>,
}

impl<'l, 'a> Listing<'l, 'a> {
    fn region(&self, run: &Run) -> Option<&'l SearchRegion<'a>> {
        self.selection.regions.get(run.region)
    }

    fn bytes(&self, run: &Run) -> &'l [u8] {
        let bytes = self.region(run).map(SearchRegion::bytes).unwrap_or_default();
        bytes.get(run.offset..run.offset.saturating_add(run.length)).unwrap_or_default()
    }

    /// Where a string is; the answer for one before it is used again as long as it holds.
    fn spot<'s>(&self, run: &Run, last: &'s mut Option<Spot<'l>>) -> Option<(&'s mut Spot<'l>, u64)> {
        let region = self.region(run)?;
        let position = region.base().wrapping_add(run.offset as u64);
        let holds = |spot: &Spot<'_>| spot.region == run.region && position < spot.end;
        if !last.as_ref().is_some_and(holds) {
            let place = region.place(self.case, position, &|task, vma, address| {
                self.scanner.accepts_at(task, vma, address)
            });
            // With a range of addresses every string has to be asked for itself.
            let end = if self.scanner.has_range() {
                position.wrapping_add(1)
            } else {
                region.place_end(self.case, position)
            };
            let place = self.scanner.accepts(&place).then_some(place);
            *last = Some(Spot { region: run.region, end, place });
        }
        Some((last.as_mut()?, position))
    }

    fn scan<T: Send>(
        &self,
        render: &(dyn Fn(&[Run]) -> T + Sync),
        sink: &mut dyn FnMut(&[Run], T) -> ControlFlow<()>,
    ) -> Summary {
        let bytes = self.selection.bytes();
        self.scanner.run("looking for text", self.selection.coverage.bytes(), self.bars, |options| {
            self.strings.render(&bytes, options, render, sink)
        })
    }

    /// The table: written where the strings are found, since there may be hundreds of millions.
    fn write_lines(&self, output: &mut Output) -> Result<Summary> {
        let mut failure = None;
        let mut first = true;
        let render = |runs: &[Run]| {
            let mut lines = Vec::with_capacity(runs.len().saturating_mul(96));
            let mut last: Option<Spot<'l>> = None;
            // What stands before and after the address, made once for each mapping.
            let (mut of, mut head, mut tail) = (None, Vec::new(), Vec::new());
            for run in runs {
                let Some((spot, position)) = self.spot(run, &mut last) else { continue };
                let Some(place) = &spot.place else { continue };
                if of != Some((spot.region, spot.end)) {
                    of = Some((spot.region, spot.end));
                    (head, tail) = around(place);
                }
                let address = match (place.address, place.offset) {
                    (Some(_), None) => position,
                    (Some(address), Some(offset)) => address.wrapping_add(position.wrapping_sub(offset)),
                    (None, _) => position,
                };
                lines.extend_from_slice(&head);
                put_hex(address, place.address.is_some(), &mut lines);
                lines.extend_from_slice(&tail);
                self.put_text(run, &mut lines);
                lines.push(b'\n');
            }
            lines
        };
        let summary = self.scan(&render, &mut |_, lines: Vec<u8>| {
            let written = (|| {
                if first && !lines.is_empty() {
                    first = false;
                    writeln!(output, "{:>7}  {:14}  {:4}  {:24}  TEXT", "PID", "ADDRESS", "PERM", "REGION")?;
                }
                output.write_all(&lines)
            })();
            match written {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        failure.map_or(Ok(summary), |error| Err(error.into()))
    }

    fn put_text(&self, run: &Run, line: &mut Vec<u8>) {
        match run.encoding {
            TextEncoding::Ascii | TextEncoding::Utf8 => show_into(self.bytes(run), line),
            TextEncoding::Utf16Le | TextEncoding::Utf16Be => {
                show_into(decode(self.bytes(run), run.encoding).as_bytes(), line);
            }
        }
    }

    fn facts(&self, run: &Run, count: Option<(u64, Vec<u32>)>) -> Option<StringFacts> {
        let region = self.region(run)?;
        let mut last = None;
        let (spot, _) = self.spot(run, &mut last)?;
        let place = spot.place.as_ref()?;
        let (count, pids) = count.unzip();
        Some(StringFacts {
            pid: place.task.map(|task| task.process.pid),
            comm: place.task.and_then(|task| task.process.comm.clone()),
            source: region.source,
            address: place.address.map(|address| format!("{address:#x}")),
            offset: place.offset,
            encoding: encoding_name(run.encoding),
            text: match run.encoding {
                TextEncoding::Ascii | TextEncoding::Utf8 => Text(self.bytes(run).to_vec()),
                wide => Text(decode(self.bytes(run), wide).into_bytes()),
            },
            count,
            pids,
            region: place.facts(),
            shared_with: place.shared_with.clone(),
        })
    }

    fn write_records(&self, output: &mut Output) -> Result<Summary> {
        let mut failure = None;
        let summary = self.scan(&|_| (), &mut |runs, ()| {
            let written = runs
                .iter()
                .filter_map(|run| self.facts(run, None))
                .try_for_each(|facts| output.record(&facts));
            match written {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        failure.map_or(Ok(summary), Err)
    }

    /// Strings by process and source.
    fn count(&self, output: &mut Output) -> Result<Summary> {
        let mut counts: BTreeMap<(Option<u32>, Source), Count> = BTreeMap::new();
        // A region's strings all have one answer unless mappings are picked out, or an object's users change in it.
        let single = |region: &SearchRegion<'_>| region.owner().is_some() && self.scanner.is_everywhere();
        let mut last = None;
        let mut add = |run: &Run, number: u64, last: &mut Option<Spot<'l>>| {
            let Some(source) = self.region(run).map(|region| region.source) else { return };
            let Some((spot, _)) = self.spot(run, last) else { return };
            let Some(place) = &spot.place else { return };
            let pid = place.task.map(|task| task.process.pid);
            let entry = counts.entry((pid, source)).or_insert_with(|| Count {
                pid,
                comm: place.task.and_then(|task| task.process.comm.clone()),
                source,
                count: 0,
            });
            entry.count += number;
        };
        let summary = self.scan(&|_| (), &mut |runs, ()| {
            match runs.first().zip(runs.first().and_then(|run| self.region(run))) {
                Some((run, region)) if single(region) => add(run, runs.len() as u64, &mut last),
                _ => runs.iter().for_each(|run| add(run, 1, &mut last)),
            }
            ControlFlow::Continue(())
        });
        for (index, count) in counts.values().enumerate() {
            if !output.is_table() {
                output.record(count)?;
                continue;
            }
            if index == 0 {
                writeln!(output, "{:>7}  {:16}  {:13}  COUNT", "PID", "COMM", "SOURCE")?;
            }
            let pid = count.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
            let comm = count.comm.as_ref().map_or_else(|| "-".to_owned(), |comm| show(&comm.0));
            writeln!(output, "{pid:>7}  {comm:16}  {:13}  {}", count.source.name(), count.count)?;
        }
        Ok(summary)
    }

    /// Each text once. What is kept of a text is where it is; its bytes stay in the evidence.
    fn unique(&self, limit: usize, output: &mut Output) -> Result<(Summary, Option<Diagnostic>)> {
        struct Seen {
            first: Run,
            count: u64,
            pids: Vec<u32>,
        }
        let mut seen: HashMap<std::borrow::Cow<'l, [u8]>, Seen> = HashMap::new();
        let mut over = 0_u64;
        let last = RefCell::new(None);
        let summary = self.scan(&|_| (), &mut |runs, ()| {
            for run in runs {
                let mut last = last.borrow_mut();
                let Some((spot, _)) = self.spot(run, &mut last) else { continue };
                let Some(place) = &spot.place else { continue };
                let key = match run.encoding {
                    TextEncoding::Ascii | TextEncoding::Utf8 => self.bytes(run).into(),
                    wide => decode(self.bytes(run), wide).into_bytes().into(),
                };
                let full = seen.len() >= limit;
                let known = match seen.entry(key) {
                    Entry::Vacant(_) if full => {
                        over += 1;
                        continue;
                    }
                    Entry::Vacant(new) => new.insert(Seen { first: *run, count: 0, pids: Vec::new() }),
                    Entry::Occupied(known) => known.into_mut(),
                };
                known.count += 1;
                for pid in
                    place.task.iter().map(|task| task.process.pid).chain(place.shared_with.iter().copied())
                {
                    if !known.pids.contains(&pid) {
                        known.pids.push(pid);
                    }
                }
            }
            ControlFlow::Continue(())
        });
        let mut list: Vec<_> = seen.into_values().collect();
        list.sort_by_key(|seen| (std::cmp::Reverse(seen.count), seen.first.region, seen.first.offset));
        for (index, mut seen) in list.into_iter().enumerate() {
            seen.pids.sort_unstable();
            if !output.is_table() {
                if let Some(facts) = self.facts(&seen.first, Some((seen.count, seen.pids))) {
                    output.record(&facts)?;
                }
                continue;
            }
            if index == 0 {
                writeln!(output, "{:>9}  {:24}  TEXT", "COUNT", "PIDS")?;
            }
            let pids: Vec<String> = seen.pids.iter().map(u32::to_string).collect();
            let mut line = format!("{:>9}  {:24}  ", seen.count, pids.join(",")).into_bytes();
            self.put_text(&seen.first, &mut line);
            line.push(b'\n');
            output.write_all(&line)?;
        }
        let more = (over > 0).then(|| {
            let message =
                format!("{over} strings whose text is none of the first {limit} are left out (--max-unique)");
            Diagnostic::loss("max-unique", "strings", message)
        });
        Ok((summary, more))
    }
}

/// What stands on the line before and after the address.
fn around(place: &Place<'_>) -> (Vec<u8>, Vec<u8>) {
    let pid = place.task.map_or_else(|| "-".to_owned(), |task| task.process.pid.to_string());
    let facts = place.facts();
    let perms =
        facts.as_ref().map(|facts| facts.perms.as_str()).filter(|perms| !perms.is_empty()).unwrap_or("-");
    let name = facts.as_ref().map(|facts| show(&facts.path.0)).filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| facts.as_ref().map_or("-", |facts| facts.kind).to_owned());
    (format!("{pid:>7}  ").into_bytes(), format!("  {perms:4}  {name:24}  ").into_bytes())
}

/// An address in hexadecimal, or an offset with a plus sign, at least 14 wide.
fn put_hex(value: u64, is_address: bool, line: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let prefix: &[u8] = if is_address { b"0x" } else { b"+0x" };
    let digits = (u64::BITS - value.leading_zeros()).div_ceil(4).max(1);
    line.extend_from_slice(prefix);
    for digit in (0..digits).rev() {
        line.push(DIGITS[(value >> (digit * 4) & 15) as usize]);
    }
    for _ in prefix.len() + digits as usize..14 {
        line.push(b' ');
    }
}
