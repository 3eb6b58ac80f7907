//! `ckptfx grep-mem`: search the memory of all processes.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    io::{self, Write as _},
    ops::{ControlFlow, Range},
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, Result, bail};
use ckptfx_analysis::{
    Case, Task,
    search::{
        Place, SearchRegion, Source, Stop,
        pattern::{Context, Count, Match, PatternFacts, decode, encoding_name},
    },
};
use ckptfx_parser::{input::Sieve, memory::Vma};
use ckptfx_report::{
    schema::{Document, List, of},
    untrusted::{show, show_short},
};
use ckptfx_scan::{Encoding, Encodings, Hit, Outcome as ScanOutcome, PatternKind, Plan, Region};
use clap::Args;

use crate::{
    args::{Common, EncodingArg, Format, ScanArgs},
    checkpoints::for_each_opened,
    evidence,
    operands::are_swapped,
    outcome::Outcome,
    progress::Bars,
    render::Output,
    scanning::Scanner,
    spec::{Command, Group},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "grep-mem",
    aliases: &[],
    group: Group::Memory,
    about: "Search the memory of all processes",
    usage: Some("ckptfx grep-mem [OPTIONS] PATTERN ARCHIVE...\n       ckptfx grep-mem [OPTIONS] -e PATTERN... ARCHIVE..."),
    notes: "A pattern is literal unless --regex or --hex is given. Expressions match bytes; (?u) turns Unicode on.
Every match is reported with process, address and mapping. Matches may cross page and mapping borders between contiguous
captured bytes, but never a gap.",
    examples: &["ckptfx grep-mem 'BEGIN OPENSSH PRIVATE KEY' archive.tar", "ckptfx grep-mem -i -e passwd -e secret --encoding all archive.tar", "ckptfx grep-mem -E 'https?://[^ ]+' -C 16 archive.tar", "ckptfx grep-mem --hex '7f 45 4c 46 ?? 01' --perms rwx archive.tar", "ckptfx grep-mem --source all --timeout 60 10.0.0.7 archive.tar", "ckptfx grep-mem -c -f indicators.txt -o json archive.tar"],
    arguments: GrepArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[MATCHES]).or_counts::<Count>("With -c or -l, instead of matches.").covered()),
    run: |call| run(call.arguments()?, call.common),
};

/// What `grep-mem` takes.
#[derive(Debug, Args)]
pub struct GrepArgs {
    /// Pattern (unless -e or -f is given), then archives, directories, or - for standard input.
    #[arg(required = true, value_name = "PATTERN ARCHIVE")]
    pub operands: Vec<PathBuf>,
    /// Pattern; may be repeated.
    #[arg(short = 'e', long = "pattern", value_name = "PATTERN", allow_hyphen_values = true)]
    pub patterns: Vec<std::ffi::OsString>,
    /// Read patterns from FILE, one per line; empty lines are skipped.
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Patterns are regular expressions.
    #[arg(short = 'E', long, conflicts_with = "hex")]
    pub regex: bool,
    /// Patterns are hex bytes; ? matches any nibble.
    #[arg(long)]
    pub hex: bool,
    /// Ignore the case of ASCII letters.
    #[arg(short, long)]
    pub ignore_case: bool,
    /// Match whole words only.
    #[arg(short, long)]
    pub word: bool,
    /// Text encodings to try.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "utf-8", value_name = "ENCODING")]
    pub encoding: Vec<EncodingArg>,
    /// Count matches per process.
    #[arg(short, long, conflicts_with = "list")]
    pub count: bool,
    /// List only the processes that match.
    #[arg(short, long)]
    pub list: bool,
    /// Stop after N matches per archive.
    #[arg(short, long, value_name = "N")]
    pub max_count: Option<u64>,
    /// Bytes shown after a match.
    #[arg(short = 'A', long, value_name = "BYTES")]
    pub after_context: Option<usize>,
    /// Bytes shown before a match.
    #[arg(short = 'B', long, value_name = "BYTES")]
    pub before_context: Option<usize>,
    /// Bytes shown before and after a match.
    #[arg(short = 'C', long, value_name = "BYTES")]
    pub context: Option<usize>,
    #[command(flatten)]
    pub scan: ScanArgs,
}

const MATCHES: List = List {
    name: "matches",
    record: of::<Match<'static>>,
    columns: &[
        "pid",
        "comm",
        "source",
        "address",
        "offset",
        "length",
        "pattern.text",
        "encoding",
        "text",
        "region.start",
        "region.end",
        "region.perms",
        "region.path",
        "region.kind",
        "member",
        "member_offset",
        "shared_with",
    ],
};
const COUNTS: List =
    List { name: "counts", record: of::<Count>, columns: &["pid", "comm", "source", "count"] };

/// Bytes around a match in the table when no context was asked for.
const TABLE_CONTEXT: usize = 24;
/// Bytes that tell whether a match is a whole word, in any encoding.
const NEIGHBOUR: usize = 2;
/// Beyond this, what is shown around a match is more than what is left out.
const LONGEST_MARGIN: usize = 32 << 10;
/// Longest text of one match in the table.
const TABLE_TEXT: usize = 160;

pub fn run(mut args: GrepArgs, common: &Common) -> Result<Outcome> {
    let patterns = patterns(&mut args)?;
    let texts: Vec<String> = patterns.iter().map(PatternKind::text).collect();
    let plan = Plan::builder()
        .patterns(patterns)
        .ignore_case(args.ignore_case)
        .word(args.word)
        .encodings(encodings(&args.encoding))
        .skip_unencodable(args.encoding.contains(&EncodingArg::All))
        .build()
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    if !common.quiet {
        for note in plan.notes() {
            let pattern =
                texts.get(note.index).map(|text| show_short(text.as_bytes(), 40)).unwrap_or_default();
            eprintln!("ckptfx: note: pattern {pattern:?}: {}", show(note.message.as_bytes()));
        }
    }
    let scanner = Scanner::new(&args.scan, common)?;
    let find = |bytes: &[u8], report: &mut dyn FnMut(Range<usize>)| plan.sift(bytes, report);
    let sieve = longest_wanted(&args, &plan).map(|(longest, margin)| Sieve { longest, margin, find: &find });
    let open = |path: &Path, bars: &Bars| evidence::open_to_search(path, common, bars, sieve.as_ref());
    let search = Search { args: &args, plan: &plan, texts: &texts, scanner: &scanner, common };
    let counting = args.count || args.list;
    let collection = if counting { COUNTS } else { MATCHES };
    let mut total = 0;
    let outcome =
        for_each_opened(&args.operands, common, "grep-mem", collection, &open, |case, output, bars| {
            total += search.run(case, output, bars)?;
            Ok(())
        })?;
    // A partial reading is told even when nothing matched: the match may be in what is missing.
    Ok(if outcome == Outcome::Done && total == 0 { Outcome::NothingMatched } else { outcome })
}

/// The longest match and how much around it is shown or looked at, when memory can be searched before it is known whose
/// it is: what are no literals may match anything, and a search that ends early tells how far it came.
fn longest_wanted(args: &GrepArgs, plan: &Plan) -> Option<(usize, usize)> {
    let longest = plan.longest_literal()?;
    let shown = [args.context, args.before_context, args.after_context].into_iter().flatten().max();
    let margin = longest.max(shown.unwrap_or(0)).max(TABLE_CONTEXT) + NEIGHBOUR;
    (args.max_count.is_none() && margin <= LONGEST_MARGIN).then_some((longest, margin))
}

/// The patterns from -e, -f or the first operand, which leaves only archives in `operands`.
fn patterns(args: &mut GrepArgs) -> Result<Vec<PatternKind>> {
    let mut patterns: Vec<OsString> = std::mem::take(&mut args.patterns);
    for path in &args.files {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        patterns.extend(lines.filter(|line| !line.is_empty()).map(|line| OsString::from_vec(line.to_vec())));
    }
    if patterns.is_empty() && args.files.is_empty() {
        if let [first, second] = args.operands.as_slice()
            && are_swapped(first, second)
        {
            args.operands.swap(0, 1);
        }
        patterns.push(args.operands.remove(0).into_os_string());
    }
    if args.operands.is_empty() {
        bail!("an archive is needed after the pattern; see ckptfx grep-mem --help");
    }
    if patterns.is_empty() {
        bail!("the pattern files hold no pattern");
    }
    patterns
        .into_iter()
        .map(|pattern| {
            if !args.regex && !args.hex {
                return Ok(PatternKind::Literal(pattern.into_vec()));
            }
            let text = pattern.into_string().map_err(|pattern| {
                anyhow::anyhow!("the pattern {} is not UTF-8", show(pattern.as_bytes()))
            })?;
            Ok(if args.regex { PatternKind::Regex(text) } else { PatternKind::Hex(text) })
        })
        .collect()
}

fn encodings(chosen: &[EncodingArg]) -> Encodings {
    let has = |encodings: &[EncodingArg]| chosen.iter().any(|encoding| encodings.contains(encoding));
    Encodings {
        raw: has(&[EncodingArg::Ascii, EncodingArg::Utf8, EncodingArg::All]),
        utf16le: has(&[EncodingArg::Utf16Le, EncodingArg::All]),
        utf16be: has(&[EncodingArg::Utf16Be, EncodingArg::All]),
    }
}

struct Search<'s> {
    args: &'s GrepArgs,
    plan: &'s Plan,
    texts: &'s [String],
    scanner: &'s Scanner<'s>,
    common: &'s Common,
}

impl Search<'_> {
    /// Searches one checkpoint and writes what is found; gives the number of matches.
    fn run(&self, case: &mut Case<'_>, output: &mut Output, bars: &Bars) -> Result<u64> {
        let selection = self.scanner.select(case, bars)?;
        let regions = &selection.regions;
        let bytes = selection.bytes();
        let total = selection.coverage.bytes();
        // What was searched while it was decompressed is done already.
        let stored: u64 = bytes.iter().map(|region| region.bytes.len() as u64).sum();
        let started = Instant::now();
        let mut found = 0;
        let mut counts: BTreeMap<(Option<u32>, Source), Count> = BTreeMap::new();
        let mut failure = None;
        let summary = self.scanner.run("searching", stored, bars, |options| {
            self.plan.scan(&bytes, options, &mut |hit| {
                let Some((region, scanned)) = regions.get(hit.region).zip(bytes.get(hit.region)) else {
                    return ControlFlow::Continue(());
                };
                let place = region.place(case, scanned.address(hit.offset), &|task, vma, address| {
                    self.scanner.accepts_at(task, vma, address)
                });
                if !self.scanner.accepts(&place) {
                    return ControlFlow::Continue(());
                }
                found += 1;
                let written = if self.args.count || self.args.list {
                    count(&mut counts, region.source, &place);
                    Ok(())
                } else {
                    self.write(&hit, region, scanned, &place, found == 1, output)
                };
                if let Err(error) = written {
                    failure = Some(error);
                    return ControlFlow::Break(());
                }
                match self.args.max_count {
                    Some(limit) if found >= limit => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                }
            })
        });
        if let Some(error) = failure {
            return Err(error);
        }
        if self.common.verbose > 0 {
            eprintln!(
                "ckptfx: searched {} bytes of {stored} in {} regions in {:.1?}, {found} matches",
                summary.bytes_scanned,
                regions.len(),
                started.elapsed()
            );
        }
        self.write_counts(&counts, output)?;
        let stopped = match summary.outcome {
            ScanOutcome::Complete => None,
            ScanOutcome::Stopped => Some(Stop::MaxCount),
            ScanOutcome::Cancelled => self.scanner.stopped(),
        };
        let stopped = stopped.map(|why| (why, summary.bytes_scanned + (total - stored)));
        self.scanner.finish(case, selection.coverage, stopped, output)?;
        Ok(found)
    }

    fn write(
        &self,
        hit: &Hit,
        region: &SearchRegion<'_>,
        scanned: &Region<'_>,
        place: &Place<'_>,
        first: bool,
        output: &mut Output,
    ) -> Result<()> {
        let end = hit.offset + hit.length;
        let bytes = scanned.bytes.get(hit.offset..end).unwrap_or_default();
        let wide = if output.is_table() { TABLE_CONTEXT } else { 0 };
        let wanted = |side: Option<usize>| side.or(self.args.context).unwrap_or(wide);
        let before_from = hit.offset.saturating_sub(wanted(self.args.before_context));
        let after_to = end.saturating_add(wanted(self.args.after_context)).min(scanned.bytes.len());
        let before = scanned.bytes.get(before_from..hit.offset).unwrap_or_default();
        let after = scanned.bytes.get(end..after_to).unwrap_or_default();
        if output.is_table() {
            let explicit =
                self.args.context.or(self.args.before_context).or(self.args.after_context).is_some();
            return write_line(bytes, (before, after), explicit, hit, place, first, output)
                .map_err(Into::into);
        }
        output.record(&Match {
            pid: place.task.map(|task| task.process.pid),
            comm: place.task.and_then(|task| task.process.comm.clone()),
            source: region.source,
            address: place.address.map(|address| format!("{address:#x}")),
            offset: place.offset,
            length: hit.length,
            pattern: PatternFacts {
                index: hit.pattern,
                text: self.texts.get(hit.pattern).map(String::as_str).unwrap_or_default(),
            },
            encoding: encoding_name(hit.encoding),
            text: decode(bytes, hit.encoding),
            bytes_b64: base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes),
            context: Context { before: before.into(), after: after.into() },
            region: place.facts(),
            member: place.member.as_deref().map(str::to_owned),
            member_offset: place.member_offset,
            shared_with: place.shared_with.clone(),
        })
    }

    fn write_counts(
        &self,
        counts: &BTreeMap<(Option<u32>, Source), Count>,
        output: &mut Output,
    ) -> Result<()> {
        for (index, count) in counts.values().enumerate() {
            if !output.is_table() {
                output.record(count)?;
                continue;
            }
            let pid = count.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
            let comm = count.comm.as_ref().map_or_else(|| "-".to_owned(), |comm| show(&comm.0));
            let source = count.source.name();
            if self.args.list {
                if index == 0 {
                    writeln!(output, "{:>7}  {:16}  SOURCE", "PID", "COMM")?;
                }
                writeln!(output, "{pid:>7}  {comm:16}  {source}")?;
            } else {
                if index == 0 {
                    writeln!(output, "{:>7}  {:16}  {:13}  COUNT", "PID", "COMM", "SOURCE")?;
                }
                writeln!(output, "{pid:>7}  {comm:16}  {source:13}  {}", count.count)?;
            }
        }
        Ok(())
    }
}

fn count(counts: &mut BTreeMap<(Option<u32>, Source), Count>, source: Source, place: &Place<'_>) {
    let pid = place.task.map(|task: &Task<'_>| task.process.pid);
    let entry = counts.entry((pid, source)).or_insert_with(|| Count {
        pid,
        comm: place.task.and_then(|task| task.process.comm.clone()),
        source,
        count: 0,
    });
    entry.count += 1;
}

/// One match as a line: where, then the text with what is around it.
fn write_line(
    bytes: &[u8],
    (before, after): (&[u8], &[u8]),
    explicit: bool,
    hit: &Hit,
    place: &Place<'_>,
    first: bool,
    output: &mut Output,
) -> io::Result<()> {
    if first {
        writeln!(output, "{:>7}  {:16}  {:18}  PERM  {:32}  MATCH", "PID", "COMM", "ADDRESS", "REGION")?;
    }
    let pid = place.task.map_or_else(|| "-".to_owned(), |task| task.process.pid.to_string());
    let comm = place.task.and_then(|task| task.process.comm.as_ref());
    let comm = comm.map_or_else(|| "-".to_owned(), |comm| show(&comm.0));
    let address = match (place.address, place.offset) {
        (Some(address), _) => format!("{address:#x}"),
        (None, Some(offset)) => format!("+{offset:#x}"),
        (None, None) => "?".to_owned(),
    };
    let perms = place.vma.map_or_else(|| "-".to_owned(), Vma::permissions);
    let facts = place.facts();
    let name = facts.as_ref().map(|facts| show(&facts.path.0)).filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| facts.map_or_else(|| "-".to_owned(), |facts| facts.kind.to_owned()));
    let text =
        show_short(&decode(bytes, hit.encoding).0, if output.is_wide() { usize::MAX } else { TABLE_TEXT });
    let text = if output.color {
        let strong = anstyle::AnsiColor::Red.on_default().bold();
        format!("{strong}{text}{strong:#}")
    } else {
        text
    };
    // A unit of UTF-16 must not be cut in two.
    let unit = if hit.encoding == Encoding::Raw { 1 } else { 2 };
    let before = decode(&before[before.len() % unit..], hit.encoding).0;
    let after = decode(&after[..after.len() / unit * unit], hit.encoding).0;
    // Without being asked for, only readable surroundings are shown, and no further than they reach.
    let (before, after) = if explicit {
        (before.as_slice(), after.as_slice())
    } else {
        (readable_end(&before), readable_start(&after))
    };
    let shared = if place.shared_with.is_empty() {
        String::new()
    } else {
        let pids: Vec<String> = place.shared_with.iter().map(u32::to_string).collect();
        format!("  (also in {})", pids.join(", "))
    };
    writeln!(
        output,
        "{pid:>7}  {comm:16}  {address:18}  {perms:4}  {name:32}  {}{text}{}{shared}",
        show(before),
        show(after)
    )
}

fn is_readable(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}

fn readable_end(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().rposition(|byte| !is_readable(*byte)).map_or(0, |last| last + 1);
    &bytes[start..]
}

fn readable_start(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| !is_readable(*byte)).unwrap_or(bytes.len());
    &bytes[..end]
}
