//! `ckptfx yara`: YARA rules over processes, shared objects, queues and files.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    ops::Range,
    path::PathBuf,
    time::Instant,
};

use anyhow::{Result, bail};
use ckptfx_analysis::{
    Case, Task,
    search::{
        Coverage, SearchRegion, Source, Unscanned,
        yara::{self, Count, Group, Keep, Match, StringMatch},
    },
};
use ckptfx_parser::{Diagnostic, memory::Vma};
use ckptfx_report::{
    schema::{Document, List, of},
    untrusted::{show, show_short},
};
use ckptfx_scan::yara::{Compiled, Content, End, MAX_PLACES, Options, RuleSet, Unit, UnitResult, Value};
use clap::Args;

use crate::{
    args::{Common, Format, ScanArgs},
    checkpoints::for_each_checkpoint,
    outcome::Outcome,
    progress::Bars,
    render::{Output, table::Plain},
    scanning::Scanner,
    spec::{self, Command},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "yara",
    aliases: &[],
    group: spec::Group::Memory,
    about: "Scan processes and files with YARA rules",
    usage: Some("ckptfx yara [OPTIONS] -r RULES... ARCHIVE..."),
    notes: "Rules are evaluated over one process at a time, with the addresses of its memory, or over one shared object,
queue or file. A rule that does not compile costs a warning and itself. Each file of rules is a namespace. The usual
variables filename, filepath and extension are those of a file, and empty for memory.",
    examples: &["ckptfx yara -r rules.yar archive.tar", "ckptfx yara -r rules/ -s --source all archive.tar", "ckptfx yara -r rules/ --tag webshell --comm php-fpm archive.tar", "ckptfx yara -r rules/ -d max_size=1048576 -o jsonl *.tar | jq -r '[.rule, .pid] | @tsv'"],
    arguments: YaraArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[MATCHES]).or_counts::<Count>("With -c, instead of matches.").covered()),
    run: |call| run(&call.arguments()?, call.common),
};

const MATCHES: List = List {
    name: "matches",
    record: of::<Match>,
    columns: &["rule", "tags", "pid", "comm", "source", "path", "string_count", "shared_with"],
};
const COUNTS: List =
    List { name: "counts", record: of::<Count>, columns: &["pid", "comm", "source", "count"] };

/// Longest text of one string in the table.
const TABLE_TEXT: usize = 96;

/// What `yara` takes.
#[derive(Debug, Args)]
pub struct YaraArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    archives: Vec<PathBuf>,
    /// Rule file, or directory searched for *.yar and *.yara; may be repeated.
    #[arg(short, long = "rules", required = true, value_name = "RULES")]
    rules: Vec<PathBuf>,
    /// Define an external variable (true, false, number or text); may be repeated.
    #[arg(short, long = "define", value_name = "NAME=VALUE", value_parser = parse_definition)]
    define: Vec<(String, Value)>,
    /// Only rules with this tag; may be repeated.
    #[arg(short, long, value_name = "TAG")]
    tag: Vec<String>,
    /// Show where each rule's strings match (table).
    #[arg(short, long)]
    strings: bool,
    /// Count matching rules per process.
    #[arg(short, long)]
    count: bool,
    /// Report at most N places per rule string.
    #[arg(long, value_name = "N", default_value_t = 100)]
    max_strings: usize,
    #[command(flatten)]
    scan: ScanArgs,
}

fn parse_definition(text: &str) -> Result<(String, Value), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), Value::parse(value))),
        _ => Err("NAME=VALUE is expected".to_owned()),
    }
}

pub fn run(args: &YaraArgs, common: &Common) -> Result<Outcome> {
    let started = Instant::now();
    let files = ckptfx_scan::yara::collect(&args.rules)?;
    let Compiled { rules, rejected } = ckptfx_scan::yara::compile(&files, &args.define);
    if rules.rules().is_empty() {
        let reasons = rejected.iter().map(|one| format!("\n  {}:{}", one.file, one.reason));
        bail!("there is no rule to search with{}", reasons.collect::<String>());
    }
    if common.verbose > 0 {
        eprintln!(
            "ckptfx: {} rules of {} files compiled in {:.1?}",
            rules.rules().len(),
            files.len(),
            started.elapsed()
        );
    }
    let mut notices: Vec<Diagnostic> = Vec::new();
    for one in rejected {
        let message = match one.rule {
            Some(rule) => format!("{}: the rule {rule} is not used", one.reason),
            None => format!("{}: what stands there is not used", one.reason),
        };
        notices.push(Diagnostic::loss("bad-rule", one.file, message));
    }
    let scanner = Scanner::new(&args.scan, common)?;
    let search = Search { args, rules: &rules, scanner: &scanner, common };
    if scanner.sources.iter().any(|source| source.is_mapped()) {
        notices.extend(rules.module_notes().iter().map(|note| {
            Diagnostic::note(
                "module-over-memory",
                note.module,
                format!("the module {}: {}", note.module, note.message),
            )
        }));
    }
    let collection = if args.count { COUNTS } else { MATCHES };
    let mut total = 0;
    let outcome = for_each_checkpoint(&args.archives, common, "yara", collection, |case, output, bars| {
        case.diagnostics.extend(notices.iter().cloned());
        total += search.run(case, output, bars)?;
        Ok(())
    })?;
    // A partial reading is told even when nothing matched: the match may be in what is missing.
    Ok(if outcome == Outcome::Done && total == 0 { Outcome::NothingMatched } else { outcome })
}

struct Search<'s> {
    args: &'s YaraArgs,
    rules: &'s RuleSet,
    scanner: &'s Scanner<'s>,
    common: &'s Common,
}

impl Search<'_> {
    /// Scans one checkpoint and writes what matches; gives the number of matches.
    fn run(&self, case: &mut Case<'_>, output: &mut Output, bars: &Bars) -> Result<usize> {
        let started = Instant::now();
        let mut selection = self.scanner.select(case, bars)?;
        let regions = &selection.regions;
        let keep = |task: &Task<'_>, vma: &Vma| self.kept(task, vma);
        let keep: Option<&Keep<'_, '_>> = if self.scanner.is_everywhere() { None } else { Some(&keep) };
        let groups = yara::groups(regions);
        let units: Vec<Unit<'_>> = groups.iter().map(|group| group.unit(case, regions, keep)).collect();
        tell_cuts(&mut selection.coverage, regions, &groups, &units);
        let results = self.scanner.run("scanning", selection.coverage.bytes(), bars, |options| {
            let options = Options {
                most_places: self.args.max_strings,
                cancel: options.cancel,
                progress: options.progress,
                ..Options::default()
            };
            self.rules.scan(&units, &options)
        });
        let mut matches = Vec::new();
        let mut notices = Vec::new();
        let (mut scanned, mut stopped, mut left_out) = (0_u64, false, false);
        for ((group, unit), result) in groups.iter().zip(&units).zip(&results) {
            match result.end {
                End::Complete => scanned = scanned.saturating_add(size(unit)),
                End::Stopped => stopped = true,
                End::Failed(_) => {}
            }
            notices.extend(self.notices(&group.name(case, regions), result));
            for found in &result.matches {
                let Some(rule) = self.rules.rules().get(found.rule) else { continue };
                if !self.args.tag.is_empty() && !rule.tags.iter().any(|tag| self.args.tag.contains(tag)) {
                    continue;
                }
                left_out |= found.strings.iter().any(|string| string.count > string.places.len());
                let wanted = |task: &Task<'_>| self.args.scan.filter.accepts(task);
                matches.extend(group.record(case, regions, rule, found, &wanted));
            }
        }
        drop(units);
        case.diagnostics.extend(notices);
        if left_out {
            let message =
                "not every place of every string is given (--max-strings); string_count counts them all";
            case.diagnostics.push(Diagnostic::note("max-strings", "scan", message));
        }
        if self.common.verbose > 0 {
            eprintln!(
                "ckptfx: scanned {scanned} bytes in {:.1?}, {} matches",
                started.elapsed(),
                matches.len()
            );
        }
        if self.args.count {
            write_counts(&matches, output)?;
        } else {
            self.write(&matches, output)?;
        }
        let stopped = if stopped { self.scanner.stopped().map(|why| (why, scanned)) } else { None };
        self.scanner.finish(case, selection.coverage, stopped, output)?;
        Ok(matches.len())
    }

    /// The part of a mapping that the options mean.
    fn kept(&self, task: &Task<'_>, vma: &Vma) -> Option<Range<u64>> {
        let (from, to) = self.args.scan.range.unwrap_or((0, u64::MAX));
        let (from, to) = (from.max(vma.start), to.min(vma.end));
        (from < to && self.scanner.accepts_at(task, Some(vma), Some(from))).then_some(from..to)
    }

    /// What went wrong with a unit, or was limited.
    fn notices(&self, name: &str, result: &UnitResult) -> Vec<Diagnostic> {
        let mut notices = Vec::new();
        match &result.end {
            End::Complete => {}
            End::Stopped => notices.push(Diagnostic::loss(
                "not-scanned",
                name,
                "the scan was stopped before its end; no rule was decided",
            )),
            End::Failed(reason) => {
                notices.push(Diagnostic::loss(
                    "not-scanned",
                    name,
                    format!("the rule engine failed: {reason}"),
                ));
            }
        }
        if result.left_out > 0 {
            let message =
                format!("{} regions have addresses that this machine cannot count to", result.left_out);
            notices.push(Diagnostic::loss("not-scanned", name, message));
        }
        for limited in &result.limited {
            let rule = self.rules.rules().get(limited.rule).map_or("?", |rule| rule.name.as_str());
            let message = format!(
                "the string ${} of the rule {rule} is in more than {MAX_PLACES} places; the others are not counted",
                limited.string
            );
            notices.push(Diagnostic::loss("too-many-matches", name, message));
        }
        notices
    }

    fn write(&self, matches: &[Match], output: &mut Output) -> Result<()> {
        if !output.is_table() {
            return matches.iter().try_for_each(|found| output.record(found));
        }
        if matches.is_empty() {
            return Ok(());
        }
        if self.args.strings {
            return Ok(matches.iter().try_for_each(|found| write_strings(found, output))?);
        }
        let mut table =
            Plain::new(&["PID", "COMM", "SOURCE", "RULE", "TAGS", "STRINGS", "PATH"]).right(&[0, 5]);
        for found in matches {
            table.row([
                pid(found.pid),
                comm(found),
                found.source.name().to_owned(),
                show(found.rule.as_bytes()),
                if found.tags.is_empty() { "-".to_owned() } else { show(found.tags.join(",").as_bytes()) },
                found.string_count.to_string(),
                format!("{}{}", path(found), shared(found)),
            ]);
        }
        output.table(table)
    }
}

fn size(unit: &Unit<'_>) -> u64 {
    match &unit.content {
        Content::File(bytes) => bytes.len() as u64,
        Content::Process(regions) => {
            regions.iter().map(|region| region.bytes.len() as u64).fold(0, u64::saturating_add)
        }
    }
}

/// Corrects what is covered where mappings were left out, or the padding after a file's end.
fn tell_cuts(coverage: &mut Coverage, regions: &[SearchRegion<'_>], groups: &[Group], units: &[Unit<'_>]) {
    let mut cuts: BTreeMap<Source, u64> = BTreeMap::new();
    for (group, unit) in groups.iter().zip(units) {
        // Nothing but padding follows a file in its last page.
        if matches!(unit.content, Content::File(_)) {
            continue;
        }
        let regions = group.regions(regions);
        let Some(source) = regions.first().map(|region| region.source) else { continue };
        let all = regions.iter().map(|region| region.bytes().len() as u64).fold(0, u64::saturating_add);
        let cut = all.saturating_sub(size(unit));
        if cut > 0 {
            let entry = cuts.entry(source).or_default();
            *entry = entry.saturating_add(cut);
        }
    }
    for (source, bytes) in cuts {
        for scanned in coverage.scanned.iter_mut().filter(|scanned| scanned.source == source) {
            scanned.bytes = scanned.bytes.saturating_sub(bytes);
        }
        let gap = Unscanned { source: Some(source), pid: None, bytes: Some(bytes), why: "left-out" };
        coverage.not_scanned.push(gap);
    }
}

fn pid(pid: Option<u32>) -> String {
    pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string())
}

fn comm(found: &Match) -> String {
    found.comm.as_ref().map_or_else(|| "-".to_owned(), |comm| show(&comm.0))
}

fn path(found: &Match) -> String {
    found.path.as_ref().filter(|path| !path.0.is_empty()).map_or_else(|| "-".to_owned(), |path| show(&path.0))
}

fn shared(found: &Match) -> String {
    if found.shared_with.is_empty() {
        return String::new();
    }
    let pids: Vec<String> = found.shared_with.iter().map(u32::to_string).collect();
    format!("  (also in {})", pids.join(", "))
}

/// A match and below it a line for each place of a string.
fn write_strings(found: &Match, output: &mut Output) -> io::Result<()> {
    let rule = show(found.rule.as_bytes());
    let rule = if output.color {
        let strong = anstyle::AnsiColor::Red.on_default().bold();
        format!("{strong}{rule}{strong:#}")
    } else {
        rule
    };
    let tags = if found.tags.is_empty() {
        String::new()
    } else {
        format!(" [{}]", show(found.tags.join(",").as_bytes()))
    };
    let place = match &found.path {
        Some(_) => format!("{} {}", found.source, path(found)),
        None => found.source.to_string(),
    };
    writeln!(output, "{rule}{tags}  {} {}  {place}{}", pid(found.pid), comm(found), shared(found))?;
    for string in &found.strings {
        writeln!(output, "  {}", line(string, output.is_wide()))?;
    }
    let more = found.string_count.saturating_sub(found.strings.len());
    if more > 0 {
        writeln!(output, "  … and {more} more")?;
    }
    Ok(())
}

fn line(string: &StringMatch, wide: bool) -> String {
    let at = match (&string.address, string.offset) {
        (Some(address), _) => address.clone(),
        (None, Some(offset)) => format!("+{offset:#x}"),
        (None, None) => "?".to_owned(),
    };
    let region = string.region.as_ref().map_or_else(
        || "-".to_owned(),
        |region| if region.path.0.is_empty() { region.kind.to_owned() } else { show(&region.path.0) },
    );
    format!(
        "{at:18}  {:8}  {region:32}  {}",
        show(string.name.as_bytes()),
        show_short(&string.text.0, if wide { usize::MAX } else { TABLE_TEXT })
    )
}

fn write_counts(matches: &[Match], output: &mut Output) -> Result<()> {
    let mut counts: BTreeMap<(Option<u32>, Source), Count> = BTreeMap::new();
    for found in matches {
        let entry = counts.entry((found.pid, found.source)).or_insert_with(|| Count {
            pid: found.pid,
            comm: found.comm.clone(),
            source: found.source,
            count: 0,
        });
        entry.count += 1;
    }
    if !output.is_table() {
        return counts.values().try_for_each(|count| output.record(count));
    }
    let mut table = Plain::new(&["PID", "COMM", "SOURCE", "COUNT"]).right(&[0, 3]);
    for count in counts.values() {
        let comm = count.comm.as_ref().map_or_else(|| "-".to_owned(), |comm| show(&comm.0));
        table.row([pid(count.pid), comm, count.source.name().to_owned(), count.count.to_string()]);
    }
    if !counts.is_empty() {
        output.table(table)?;
    }
    Ok(())
}
