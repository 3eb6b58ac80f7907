//! `ckptfx diff`: what differs between checkpoints.

use std::path::PathBuf;

use anyhow::{Result, bail};
use ckptfx_analysis::{
    Case, Task,
    compare::{self, Change, Difference, Input, Kind, StringWish, Wish},
    files::nested::{Source, sources},
};
use ckptfx_parser::{Checkpoint, Diagnostic};
use ckptfx_report::{
    Head,
    heads::{DiffHead, Earlier},
    schema::{Document, List, of},
    untrusted::{show, show_short},
};
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::{
    args::{Common, Format, ProcessFilter},
    diagnostics::finish_diagnostics,
    evidence::Opened,
    named::open_one,
    nested::open_member,
    outcome::Outcome,
    progress::Bars,
    render::{Output, table::Emphasis},
    sealed,
    spec::{Command, Group},
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "diff",
    aliases: &[],
    group: Group::Cases,
    about: "Compare checkpoints",
    usage: None,
    notes: "Each checkpoint is compared with the one before it. Processes are matched by program, arguments and place in the
tree, and by pid where both checkpoints are of one container; sockets by their addresses; files and mounts by
path; mappings and memory by address where a process kept its layout, else by name. Inodes, pids, addresses and
directories of the node and times of files are compared only between checkpoints of one container. What belongs to a process that
only one checkpoint has is summed up by that process, unless --all is given. A fact that one checkpoint did not
record is not compared.

A directory that capture --every wrote to stands for its archives in the order of the chain, and a manifest for its
archive: seals and links are checked, and what does not agree is a warning.

Exit status: 0, whether there are differences or not; with --exit-code 1 if there are any.",
    examples: &["ckptfx diff monday.tar tuesday.tar", "ckptfx diff --kind process,socket,rootfs monday.tar tuesday.tar wednesday.tar", "ckptfx diff --kind memory,string --strings --pid 14 monday.tar tuesday.tar", "ckptfx diff chain/", "ckptfx diff --exit-code -q golden.tar suspect.tar -o json"],
    arguments: DiffArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[VIEW.collection]).heads(&[List::only::<Earlier>("earlier")])),
    run: |call| run(&call.arguments()?, call.common),
};

/// What `diff` takes.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Archives, manifests or directories, oldest first; one with several checkpoints may be given alone.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    /// Compare only these kinds.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KIND")]
    pub kind: Vec<KindArg>,
    /// List strings that appeared or disappeared in changed memory.
    #[arg(long)]
    pub strings: bool,
    /// Minimum string length for --strings, in bytes.
    #[arg(long, default_value_t = 6, value_name = "BYTES")]
    pub min_length: usize,
    /// Maximum strings listed per region, appeared and disappeared each.
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub max_strings: usize,
    /// Also list what belongs to processes in only one checkpoint.
    #[arg(long)]
    pub all: bool,
    /// Exit with status 1 if there are differences.
    #[arg(long)]
    pub exit_code: bool,
    #[command(flatten)]
    pub filter: ProcessFilter,
}

/// A kind of thing that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindArg(pub Kind);

impl ValueEnum for KindArg {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [KindArg; Kind::ALL.len()] = {
            let mut all = [KindArg(Kind::Container); Kind::ALL.len()];
            let mut index = 0;
            while index < all.len() {
                all[index] = KindArg(Kind::ALL[index]);
                index += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.0.name()))
    }
}

/// Longest value in a cell of the table, in characters.
const MAX_VALUE: usize = 60;
/// Longer lists are not taken apart.
const MAX_ELEMENTS: usize = 1_000;
/// Zeros of holes of files that are hashed in all, in bytes.
const MAX_ZEROS: u64 = 1 << 30;

pub const VIEW: View<Change> = View {
    name: "diff",
    collection: List {
        name: "changes",
        record: of::<Change>,
        columns: &[
            "from",
            "to",
            "kind",
            "change",
            "subject.pid",
            "subject.pid_before",
            "subject.comm",
            "subject.name",
            "before",
            "after",
            "memory",
        ],
    },
    table: &[
        Column::left("+-~", |change| sign(change.change).to_owned()),
        Column::left("KIND", |change| change.kind.name().to_owned()),
        Column::right("PID", pid),
        Column::left("COMM", |change| view::text(change.subject.comm.as_ref())),
        Column::cut("WHAT", 2 * MAX_VALUE, |change| show(&change.subject.name.0)),
        Column::left("CHANGE", difference),
    ],
    emphasis: |_| Emphasis::None,
};

const fn sign(change: Difference) -> &'static str {
    match change {
        Difference::Added => "+",
        Difference::Removed => "-",
        Difference::Changed => "~",
    }
}

/// `14`, or `14>20` where the pid was another one before.
fn pid(change: &Change) -> String {
    match (change.subject.pid_before, change.subject.pid) {
        (Some(before), Some(pid)) if before != pid => format!("{before}>{pid}"),
        (before, pid) => view::number(pid.or(before)),
    }
}

/// What became of it, in one line.
fn difference(change: &Change) -> String {
    if let Some(memory) = &change.memory {
        let counts = [
            (memory.pages_added, "added"),
            (memory.pages_removed, "removed"),
            (memory.pages_changed, "changed"),
            (memory.pages_not_compared, "not compared"),
        ];
        let pages: Vec<String> =
            counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
        let bytes = match memory.bytes_changed {
            0 => String::new(),
            bytes => format!(" ({bytes} bytes)"),
        };
        return format!("pages: {}{bytes}", pages.join(", "));
    }
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => {
            let one = |(key, value): (&String, &Value)| match (value, after.get(key)) {
                (Value::Array(old), Some(Value::Array(new))) if old.len().max(new.len()) <= MAX_ELEMENTS => {
                    format!("{key}: {}", elements(old, new))
                }
                (_, new) => format!("{key}: {} -> {}", cell(value), new.map_or_else(String::new, cell)),
            };
            before.iter().map(one).collect::<Vec<_>>().join("; ")
        }
        (Some(facts), None) | (None, Some(facts)) if change.kind == Kind::String => {
            facts.get("text").map_or_else(String::new, cell)
        }
        (Some(facts), None) | (None, Some(facts)) => {
            let worth = |value: &Value| match value {
                Value::Null | Value::Bool(false) => false,
                Value::Array(items) => !items.is_empty(),
                Value::Object(_) => false,
                _ => true,
            };
            let one = |(key, value): (&String, &Value)| format!("{key}={}", cell(value));
            facts.iter().filter(|(_, value)| worth(value)).map(one).collect::<Vec<_>>().join(" ")
        }
        (None, None) => String::new(),
    }
}

/// What a list lost and got; where only the order differs, both.
fn elements(old: &[Value], new: &[Value]) -> String {
    let mut left = old.to_vec();
    let mut came = Vec::new();
    for item in new {
        match left.iter().position(|other| other == item) {
            Some(index) => drop(left.remove(index)),
            None => came.push(item),
        }
    }
    if left.is_empty() && came.is_empty() {
        return format!("{} -> {}", cell(&old.into()), cell(&new.into()));
    }
    let gone = left.iter().map(|item| format!("-{}", cell(item)));
    let words: Vec<String> = gone.chain(came.into_iter().map(|item| format!("+{}", cell(item)))).collect();
    words.join(" ")
}

/// A value in short; lists are joined by commas.
fn cell(value: &Value) -> String {
    let mut value = value.clone();
    // Text that is not UTF-8 is an object until it is unfolded.
    let mut holder = serde_json::json!({ "value": value.take() });
    ckptfx_analysis::unfold(&mut holder);
    fn plain(value: &Value) -> String {
        match value {
            Value::Null => "none".to_owned(),
            Value::String(text) => text.clone(),
            Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
            other => other.to_string(),
        }
    }
    show_short(plain(&holder["value"]).as_bytes(), MAX_VALUE)
}

pub fn run(args: &DiffArgs, common: &Common) -> Result<Outcome> {
    let bars = Bars::new(common.quiet);
    let opened = sealed::expand(&args.archives, true)?
        .iter()
        .map(|path| open_one(path, common, &bars))
        .collect::<Result<Vec<Opened>>>()?;
    let steps = steps(&opened)?;
    let mut output = Output::new(common, VIEW.collection, steps.len() > 1)?;
    let mut outcome = Outcome::Done;
    for (before, after) in steps {
        let (partial, differs) = compare(before, after, args, common, &bars, &mut output)?;
        if differs && args.exit_code {
            outcome = outcome.max(Outcome::DIFFERENT);
        }
        if partial {
            outcome = outcome.max(Outcome::Partly);
        }
    }
    output.finish()?;
    Ok(outcome)
}

/// A checkpoint, and the evidence that it is in.
type Place<'o> = (&'o Opened, &'o Checkpoint);

/// What is compared with what. The checkpoints of one archive follow one another; those of several archives are
/// paired by the name of the container, or taken as they are if each archive has one.
fn steps(opened: &[Opened]) -> Result<Vec<(Place<'_>, Place<'_>)>> {
    let of = |opened: &'_ Opened| opened.evidence.checkpoints.len();
    if let [only] = opened {
        let places: Vec<Place<'_>> = only.evidence.checkpoints.iter().map(|one| (only, one)).collect();
        let steps: Vec<_> = places.windows(2).map(|pair| (pair[0], pair[1])).collect();
        if steps.is_empty() {
            bail!("two checkpoints are needed, the older one first; see ckptfx diff --help");
        }
        return Ok(steps);
    }
    let mut steps = Vec::new();
    for pair in opened.windows(2) {
        let (one, other) = (&pair[0], &pair[1]);
        if of(one) == 1 && of(other) == 1 {
            steps.push(((one, &one.evidence.checkpoints[0]), (other, &other.evidence.checkpoints[0])));
            continue;
        }
        let mut left: Vec<&Checkpoint> = one.evidence.checkpoints.iter().collect();
        let mut unmatched = Vec::new();
        for checkpoint in &other.evidence.checkpoints {
            let same = |earlier: &&Checkpoint| earlier.container.name == checkpoint.container.name;
            match left.iter().position(same) {
                Some(index) => steps.push(((one, left.remove(index)), (other, checkpoint))),
                None => unmatched.push((other, checkpoint)),
            }
        }
        unmatched.extend(left.into_iter().map(|checkpoint| (one, checkpoint)));
        for place in unmatched {
            eprintln!("ckptfx: {} has no partner and is not compared", show(name(place).as_bytes()));
        }
    }
    if steps.is_empty() {
        bail!("the archives have no container of one name");
    }
    Ok(steps)
}

fn head((opened, checkpoint): Place<'_>) -> Head {
    Head::new(VIEW.name, &opened.evidence, checkpoint, opened.sha256.clone())
}

/// What a checkpoint is called in the result.
fn name(place: Place<'_>) -> String {
    let evidence = head(place).evidence;
    evidence.part.map_or(evidence.name.clone(), |part| format!("{} [{part}]", evidence.name))
}

/// Compares two checkpoints. Gives whether something could not be read, and whether they differ.
fn compare(
    before: Place<'_>,
    after: Place<'_>,
    args: &DiffArgs,
    common: &Common,
    bars: &Bars,
    output: &mut Output,
) -> Result<(bool, bool)> {
    let kinds: Vec<Kind> = match args.kind.as_slice() {
        [] => Kind::ALL.to_vec(),
        some => some.iter().map(|kind| kind.0).collect(),
    };
    let mut cases = [Case::read(before.1), Case::read(after.1)];
    let [old, new] = &mut cases;
    if args.filter.is_set() && ![&*old, &*new].iter().any(|case| args.filter.check(case).is_ok()) {
        args.filter.check(new)?;
    }
    let needs_sources = kinds.contains(&Kind::Rootfs) && !args.filter.is_set();
    let open = |case: &mut Case<'_>| -> Vec<Source> {
        if !needs_sources {
            return Vec::new();
        }
        sources(case, &|member, diagnostics| open_member(member, common, bars, diagnostics))
    };
    let (old_sources, new_sources) = (open(old), open(new));
    let has_strings = args.strings || args.kind.iter().any(|kind| kind.0 == Kind::String);
    // Text is found with the memory that it is in.
    let needs_memory = has_strings && !kinds.contains(&Kind::Memory);
    let wish = Wish {
        kinds: if needs_memory { [kinds.as_slice(), &[Kind::Memory]].concat() } else { kinds.clone() },
        all: args.all,
        filtered: args.filter.is_set(),
        strings: has_strings.then_some(StringWish { min: args.min_length, max: args.max_strings }),
        zeros: MAX_ZEROS,
    };
    let (from, to) = (name(before), name(after));
    let wanted = |task: &Task<'_>| args.filter.accepts(task);
    let mut changes = compare::changes(
        &mut Input { case: &mut *old, sources: &old_sources, name: &from, wanted: &wanted },
        &mut Input { case: &mut *new, sources: &new_sources, name: &to, wanted: &wanted },
        &wish,
    );
    changes.retain(|change| kinds.contains(&change.kind));
    let (earlier, later) = (head(before), head(after));
    let title = format!("{from} -> {to}");
    let heads = DiffHead {
        head: later,
        earlier: Earlier { evidence: earlier.evidence, container: earlier.container },
    };
    output.begin_titled(&heads, &title)?;
    view::write(&VIEW, &changes, output)?;
    let diagnostics = diagnostics(before, after, old, new, &from);
    let warnings = finish_diagnostics(&diagnostics, common);
    output.end(&warnings)?;
    Ok((warnings.iter().any(|warning| warning.partial), !changes.is_empty()))
}

/// What was noticed in both; of the earlier one with its name.
fn diagnostics(
    before: Place<'_>,
    after: Place<'_>,
    old: &Case<'_>,
    new: &Case<'_>,
    from: &str,
) -> Vec<Diagnostic> {
    let earlier = before.0.evidence.diagnostics.iter().chain(&old.diagnostics);
    let earlier = earlier.map(|one| {
        let mut one = one.clone();
        one.subject = format!("{from}: {}", one.subject);
        one
    });
    let later = after.0.evidence.diagnostics.iter().chain(&new.diagnostics);
    earlier.chain(later.cloned()).collect()
}
