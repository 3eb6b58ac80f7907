//! `ckptfx scan`: triage of many archives, one line each, the worst first, and what they have in common.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use anyhow::{Context as _, Result};
use ckptfx_analysis::{
    Case, Text,
    examination::{Examination, Wish},
    finding::{Facts, Finding, Severity},
    recover::{self, Limits, Purpose, contents::file_type},
};
use ckptfx_parser::{Checkpoint, Diagnostic};
use ckptfx_report::{
    DocumentHead, Head, Status, Warning,
    fleet::{Counts, Shared, Top, Verdict},
    schema::{About, Document, List, of},
    untrusted::{show, show_short},
};
use clap::Args;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use crate::{
    args::{Common, Format, Level},
    diagnostics::finish_diagnostics,
    evidence::{self, Opened},
    named::{Candidate, Named, NotRead},
    nested::open_member,
    outcome::Outcome,
    progress::Bars,
    render::{Output, table::Emphasis},
    spec::{Command, Group},
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "scan",
    aliases: &[],
    group: Group::Start,
    about: "Triage many archives: one line each, worst first, and what they share",
    usage: None,
    notes: "Directories are searched for archives; quoted patterns with *, ? or [] are expanded. An unreadable archive is reported on standard error and skipped; the
exit status is then 3. SHARED lists what several checkpoints have in common: a recovered or dropped program, a program with a finding, a remote address,
or a finding about the same file.",
    examples: &["ckptfx scan /var/lib/kubelet/checkpoints", "ckptfx scan --fail-on high 'cases/*.tar'", "ckptfx scan -o json cases | jq '.shared[] | select(.kind == \"sha256\")'", "ckptfx scan -o csv cases > verdicts.csv"],
    arguments: FleetArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[VIEW.collection, List::only::<Shared>("shared")]).about(About::None)),
    run: |call| run(&call.arguments()?, call.common),
};

/// What `scan` takes.
#[derive(Debug, Args)]
pub struct FleetArgs {
    /// Archives, directories, or patterns.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Do not redact passwords, tokens and keys.
    #[arg(long)]
    pub show_secrets: bool,
    /// Exit with status 1 if there is a finding of this severity or higher.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub fail_on: Option<Level>,
}

/// Zeros of holes that are hashed in one checkpoint, in bytes.
const ZEROS: u64 = 1 << 30;
/// Bytes of a file that its type is told by.
const HEAD: usize = 4 << 10;
/// Names in a cell.
const MAX_NAMES: usize = 4;
/// Longest text of a cell, in characters.
const WIDTH: usize = 60;

const VIEW: View<Verdict> = View {
    name: "scan",
    collection: List {
        name: "checkpoints",
        record: of::<Verdict>,
        columns: &[
            "evidence.name",
            "container.engine",
            "container.namespace",
            "container.pod",
            "container.name",
            "verdict",
            "findings.critical",
            "findings.high",
            "findings.medium",
            "findings.low",
            "findings.info",
            "top.id",
            "top.score",
            "top.title",
            "top.subject.pid",
            "top.subject.exe",
            "top.subject.path",
            "processes",
            "warnings",
            "partial",
            "evidence.path",
            "status",
            "reason",
        ],
    },
    table: &[
        Column::left("VERDICT", |row| match row.status {
            Status::Read => row.verdict.map_or("-", Severity::name).to_owned(),
            status => status.name().to_owned(),
        }),
        Column::right("CRIT", |row| count(row, |counts| counts.critical)),
        Column::right("HIGH", |row| count(row, |counts| counts.high)),
        Column::right("MED", |row| count(row, |counts| counts.medium)),
        Column::right("LOW", |row| count(row, |counts| counts.low)),
        Column::left("ARCHIVE", |row| show(&row.evidence.label().0)),
        Column::left("POD", |row| match (&row.container.namespace, &row.container.pod) {
            (Some(namespace), Some(pod)) => show_short(format!("{namespace}/{pod}").as_bytes(), WIDTH),
            (_, Some(pod)) => show_short(pod.as_bytes(), WIDTH),
            _ => "-".to_owned(),
        }),
        Column::left("CONTAINER", |row| {
            row.container
                .name
                .as_ref()
                .map_or_else(|| "-".to_owned(), |name| show_short(name.as_bytes(), WIDTH))
        }),
        Column::left("NOTE", |row| if row.partial { "partial" } else { "" }.to_owned()),
        Column::left("TOP FINDING", |row| row.top.as_ref().map_or_else(|| "-".to_owned(), line)),
    ],
    emphasis: |row| match row.verdict {
        Some(Severity::Critical | Severity::High) => Emphasis::Grave,
        Some(Severity::Medium) => Emphasis::Odd,
        _ => Emphasis::None,
    },
};

const SHARED: View<Shared> = View {
    name: "scan",
    collection: VIEW.collection,
    table: &[
        Column::left("SHARED", |shared| shared.kind.to_owned()),
        Column::right("IN", |shared| shared.count.to_string()),
        Column::cut("VALUE", 2 * WIDTH, |shared| show(&shared.value.0)),
        Column::left("NAMES", |shared| some(shared.names.iter().map(|name| show_short(&name.0, WIDTH)))),
        Column::left("ARCHIVES", |shared| {
            some(shared.checkpoints.iter().map(|name| show_short(name.as_bytes(), WIDTH)))
        }),
    ],
    emphasis: |_| Emphasis::None,
};

/// The first of several texts, and how many more there are.
fn some(texts: impl ExactSizeIterator<Item = String>) -> String {
    let more = texts.len().saturating_sub(MAX_NAMES);
    let names: Vec<String> = texts.take(MAX_NAMES).collect();
    let names = names.join(", ");
    if more > 0 { format!("{names} and {more} more") } else { names }
}

fn line(top: &Top) -> String {
    let subject = top.subject.path.as_ref().or(top.subject.exe.as_ref());
    let subject = subject.map(|text| format!(" {}", show_short(&text.0, WIDTH))).unwrap_or_default();
    format!("{}{subject}", top.id)
}

fn count(row: &Verdict, of: impl Fn(&Counts) -> usize) -> String {
    row.findings.as_ref().map_or_else(|| "-".to_owned(), |counts| of(counts).to_string())
}

/// What is told of evidence that was not read.
fn not_read(not_read: NotRead) -> Verdict {
    Verdict::not_read(not_read.head(VIEW.name), not_read.status, not_read.reason)
}

/// Kind, value and name of what a checkpoint may share with others.
type Indicator = (&'static str, Text, Text);

/// What is known of one checkpoint when its archive is closed again.
struct Examined {
    verdict: Verdict,
    indicators: BTreeSet<Indicator>,
    diagnostics: Vec<Diagnostic>,
}

/// What became of one path.
enum Read {
    Checkpoints(Vec<Examined>),
    Unreadable { candidate: Candidate, error: anyhow::Error },
}

pub fn run(args: &FleetArgs, common: &Common) -> Result<Outcome> {
    let mut named = Named::find(&args.paths, common)?;
    // What is twice there would share everything with itself.
    named.candidates.sort_by(|one, other| one.path.cmp(&other.path));
    named.candidates.dedup_by(|one, other| one.path == other.path);
    evidence::refuse_to_overwrite(&args.paths, common)?;
    let paths: Vec<_> = named.candidates.iter().map(|candidate| &candidate.path).collect();
    evidence::refuse_to_overwrite(&paths, common)?;
    // Archives and what is in them are worked on by one pool of threads; the order of the results is that of the paths.
    let read: Vec<Read> =
        named.candidates.par_iter().map(|candidate| examine(candidate, args, common)).collect();
    let mut outcome = Outcome::Done;
    let (mut examined, mut not_read) = (Vec::new(), Vec::new());
    for result in read {
        match result {
            Read::Checkpoints(checkpoints) => examined.extend(checkpoints),
            Read::Unreadable { candidate, error } => {
                let (is_loss, known) = named.not_read(&candidate, error, common)?;
                if is_loss {
                    outcome = Outcome::Partly;
                }
                not_read.extend(known);
            }
        }
    }
    named.finish(common)?;
    let mut diagnostics: Vec<Diagnostic> =
        examined.iter().flat_map(|one| one.diagnostics.iter().cloned()).collect();
    diagnostics.extend(not_read.iter().map(NotRead::diagnostic));
    let warnings = finish_diagnostics(&diagnostics, common);
    outcome = outcome.max(Outcome::of(&warnings));
    let shared = shared(&examined);
    let mut rows: Vec<Verdict> = examined.into_iter().map(|one| one.verdict).collect();
    rows.extend(not_read.into_iter().map(self::not_read));
    rows.sort_by_cached_key(|row| {
        let counts = row.findings.as_ref().map(|counts| (counts.critical, counts.high, counts.medium));
        let weight = (row.verdict, row.top.as_ref().map(|top| top.score), counts);
        (row.status, std::cmp::Reverse(weight), row.evidence.label())
    });
    write(&rows, &shared, &warnings, common)?;
    let limit = args.fail_on.map(Severity::from);
    // That the condition is met is certain, whatever could not be read.
    let met = limit.is_some_and(|limit| rows.iter().any(|row| row.verdict >= Some(limit)));
    Ok(if met { Outcome::NothingMatched } else { outcome })
}

fn write(rows: &[Verdict], shared: &[Shared], warnings: &[Warning], common: &Common) -> Result<()> {
    let mut output = Output::new(common, VIEW.collection, false)?;
    if output.is_table() {
        view::write_table(&VIEW, rows.iter(), &mut output)?;
        if !shared.is_empty() {
            std::io::Write::write_all(&mut output, b"\n")?;
            view::write_table(&SHARED, shared.iter(), &mut output)?;
        }
    } else {
        output.begin_document(&DocumentHead::new(VIEW.name))?;
        view::write(&VIEW, rows, &mut output)?;
        if output.is_document() {
            output.next_list("shared")?;
            shared.iter().try_for_each(|item| output.record(item))?;
        }
        output.end(warnings)?;
    }
    output.finish()
}

fn examine(candidate: &Candidate, args: &FleetArgs, common: &Common) -> Read {
    // Bars of several archives at once would write over each other.
    let bars = Bars::new(true);
    // Each archive has limits of its own.
    let common = &Common { given: Arc::default(), ..common.clone() };
    let examined = candidate.open_plainly(common, &bars).and_then(|opened| {
        let checkpoints = opened.evidence.checkpoints.iter();
        checkpoints.map(|checkpoint| examine_one(checkpoint, &opened, args, common, &bars)).collect()
    });
    match examined {
        Ok(checkpoints) => Read::Checkpoints(checkpoints),
        Err(error) => Read::Unreadable { candidate: candidate.clone(), error },
    }
}

fn examine_one(
    checkpoint: &Checkpoint,
    opened: &Opened,
    args: &FleetArgs,
    common: &Common,
    bars: &Bars,
) -> Result<Examined> {
    let mut case = Case::read(checkpoint);
    case.diagnostics.splice(0..0, opened.evidence.diagnostics.iter().cloned());
    let open = |member: &_, diagnostics: &mut _| open_member(member, common, bars, diagnostics);
    let wish = Wish { show_secrets: args.show_secrets, ..Wish::default() };
    let Examination { facts, findings, .. } =
        Examination::of(&mut case, &open, &wish).context("cannot put scattered pieces together")?;
    let indicators = indicators(&mut case, &facts, &findings);
    let head = Head::new(VIEW.name, &opened.evidence, checkpoint, opened.sha256.clone());
    let of = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let mut warnings: Vec<Warning> = case.diagnostics.iter().map(Warning::from).collect();
    warnings.dedup();
    let worst = findings.iter().max_by_key(|finding| (finding.severity, finding.score));
    let verdict = Verdict {
        status: Status::Read,
        reason: None,
        verdict: worst.map(|finding| finding.severity),
        findings: Some(Counts {
            critical: of(Severity::Critical),
            high: of(Severity::High),
            medium: of(Severity::Medium),
            low: of(Severity::Low),
            info: of(Severity::Info),
        }),
        top: findings.first().map(|finding| Top {
            id: finding.id.clone(),
            title: finding.title.clone(),
            score: finding.score,
            subject: finding.subject.clone(),
        }),
        processes: Some(facts.processes.len()),
        warnings: warnings.len(),
        partial: warnings.iter().any(|warning| warning.partial),
        evidence: head.evidence,
        container: head.container,
    };
    let name = verdict.evidence.label().escaped().into_owned();
    let diagnostics = case.diagnostics.into_iter().map(|mut diagnostic| {
        diagnostic.subject = format!("{name}: {}", diagnostic.subject);
        diagnostic
    });
    Ok(Examined { indicators, diagnostics: diagnostics.collect(), verdict })
}

/// What a checkpoint may share with others: what an intruder brings along, and not what images have in common.
fn indicators(case: &mut Case<'_>, facts: &Facts<'_>, findings: &[Finding]) -> BTreeSet<Indicator> {
    let mut found: BTreeSet<Indicator> = BTreeSet::new();
    let grave = || findings.iter().filter(|finding| finding.severity >= Severity::Medium);
    let limits = Limits { shared_memory: false, zeros: ZEROS };
    for item in recover::find(case, &|_| true, true, limits, &|_, _| None) {
        let facts = item.facts;
        let is_program = matches!(facts.purpose, Purpose::Executable | Purpose::Library)
            || matches!(facts.r#type, "elf" | "script");
        if let Some(hash) = facts.sha256.filter(|_| is_program) {
            found.insert(("sha256", hash.into(), facts.name.unwrap_or_else(|| facts.id.into())));
        }
    }
    let mut zeros = ZEROS;
    for file in &facts.dropped {
        if matches!(file_type(&file.contents.head(HEAD)), "elf" | "script")
            && let Some(hash) = file.contents.sha256(&mut zeros)
        {
            found.insert(("sha256", hash.into(), file.path.clone()));
        }
    }
    let subjects: BTreeSet<&Text> = grave()
        .flat_map(|finding| [finding.subject.exe.as_ref(), finding.subject.path.as_ref()])
        .flatten()
        .collect();
    for file in &facts.files {
        // Shells and interpreters that an intruder uses are those of the image.
        let is_foreign = |path: &Text| file.deleted == Some(true) || facts.was_changed(&path.0);
        if let (Some(id), Some(path)) = (&file.build_id, &file.path)
            && subjects.contains(path)
            && is_foreign(path)
        {
            found.insert(("build-id", id.as_str().into(), path.clone()));
        }
    }
    for socket in &facts.sockets {
        if let Some(remote) = &socket.remote
            && let (Some(address), Some(1..)) = (&remote.address, remote.port)
            && let Ok(ip) = address.parse::<std::net::IpAddr>()
            && !ip.is_loopback()
            && !ip.is_unspecified()
        {
            let value = super::sockets::address(remote);
            found.insert(("endpoint", value.into(), socket.protocol.clone().unwrap_or_default().into()));
        }
    }
    for finding in grave() {
        let Some(about) = finding.subject.path.as_ref().or(finding.subject.exe.as_ref()) else { continue };
        let value = Text([finding.id.as_bytes(), b" ", &about.0].concat());
        found.insert(("finding", value, finding.title.as_str().into()));
    }
    found
}

/// Names of an indicator, and the checkpoints that have it.
type Holders<'e> = (BTreeSet<&'e Text>, BTreeSet<usize>);

/// What more than one checkpoint has; what most have comes first.
fn shared(examined: &[Examined]) -> Vec<Shared> {
    let mut holders: BTreeMap<(&'static str, &Text), Holders<'_>> = BTreeMap::new();
    for (index, one) in examined.iter().enumerate() {
        for (kind, value, name) in &one.indicators {
            let (names, places) = holders.entry((*kind, value)).or_default();
            names.insert(name);
            places.insert(index);
        }
    }
    // The order of the words is that of weight.
    let rank =
        |kind: &str| ["sha256", "build-id", "endpoint", "finding"].iter().position(|word| *word == kind);
    let mut shared: Vec<(Option<usize>, Shared)> = holders
        .into_iter()
        .filter(|(_, (_, places))| places.len() > 1)
        .map(|((kind, value), (names, places))| {
            let checkpoints = places.iter().filter_map(|index| examined.get(*index));
            let shared = Shared {
                kind,
                value: value.clone(),
                names: names.into_iter().cloned().collect(),
                count: places.len(),
                checkpoints: checkpoints
                    .map(|one| one.verdict.evidence.label().escaped().into_owned())
                    .collect(),
            };
            (rank(kind), shared)
        })
        .collect();
    shared
        .sort_by_cached_key(|(rank, shared)| (*rank, std::cmp::Reverse(shared.count), shared.value.clone()));
    shared.into_iter().map(|(_, shared)| shared).collect()
}
