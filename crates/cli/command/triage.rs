//! `ckptfx triage`: findings, ranked, one story per process.

use std::{fs, io::Write as _, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use ckptfx_analysis::{
    Task,
    examination::{Examination, Wish},
    finding::{
        self, AttackVersion, DETECTIONS, Detection, Facts, Finding, Ignore, NotExamined, Severity, Technique,
        detection,
    },
};
use ckptfx_report::{
    schema::{Document, List, of},
    untrusted::{show, show_short},
    words::{count, headline},
};
use clap::Args;

use crate::{
    args::{Attack, Common, Format, Level, ProcessFilter},
    checkpoints::for_each_checkpoint,
    diagnostics::warnings,
    nested::open_member,
    outcome::Outcome,
    render::{Dossier, Output, table},
    rules,
    spec::{Command, Group},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "triage",
    aliases: &[],
    group: Group::Start,
    about: "Rank signs of compromise, with evidence, grouped by process",
    usage: None,
    notes: "Each finding names the facts that prove it, harmless causes that are known, and the command that shows more. Known harmless causes (code that runtimes make, upgrades, rotation of logs, allocators that are preloaded, what CRIU itself leaves) lower the severity. The list ends with what was not looked at.",
    examples: &[
        "ckptfx triage archive.tar",
        "ckptfx triage --min-severity medium -o json archive.tar | jq -r '.findings[] | [.score, .id, .subject.pid] | @tsv'",
        "ckptfx triage --fail-on high archive.tar",
        "ckptfx triage -o json archive.tar > known.json; ckptfx triage --baseline known.json later.tar",
        "ckptfx triage --ignore SECCOMP-OFF --ignore LISTENER:/usr/sbin/nginx archive.tar",
        "ckptfx triage --sigma rules/linux/process_creation archive.tar",
        "ckptfx triage -o ecs --inventory archive.tar | gzip > events.ndjson.gz",
        "ckptfx triage -o sarif archive.tar --out-file triage.sarif",
        "ckptfx triage --yara rules/ archive.tar",
        "ckptfx triage --explain TEXT-PATCHED",
    ],
    arguments: TriageArgs::augment_args,
    formats: &[
        Format::Table,
        Format::Wide,
        Format::Json,
        Format::Jsonl,
        Format::Csv,
        Format::Ecs,
        Format::Ocsf,
        Format::Sarif,
        Format::Stix,
    ],
    result: Some(Document::of(&[COLLECTION, List::only::<NotExamined>("not_examined")])),
    run: |call| run(&call.arguments()?, call.common),
};

/// What `triage` takes.
#[derive(Debug, Default, Args)]
pub struct TriageArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required_unless_present_any = ["explain", "list_rules"], value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    #[command(flatten)]
    pub filter: ProcessFilter,
    /// Hide findings below this severity (default: low in tables, info elsewhere).
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub min_severity: Option<Level>,
    /// Exit with status 1 if there is a finding of this severity or higher.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub fail_on: Option<Level>,
    /// Hide findings of an earlier report (JSON), or of a list with one ID or ID:SUBJECT per line.
    #[arg(long, value_name = "FILE")]
    pub baseline: Vec<PathBuf>,
    /// Hide findings with this ID and subject (a path, executable, process name, or pid=N).
    #[arg(long, value_name = "ID[:SUBJECT]")]
    pub ignore: Vec<String>,
    /// Also match Sigma rules (a directory or file) against processes.
    #[arg(long, value_name = "DIR")]
    pub sigma: Vec<PathBuf>,
    /// Also match YARA rules (a file, or a directory of *.yar and *.yara) against memory, queues and files; may be
    /// repeated. Severity and technique are those of the rule's meta section.
    #[arg(long, value_name = "RULES")]
    pub yara: Vec<PathBuf>,
    /// MITRE ATT&CK version for technique IDs.
    #[arg(long, value_enum, default_value_t, value_name = "VERSION")]
    pub attack: Attack,
    /// Do not redact passwords, tokens and keys.
    #[arg(long)]
    pub show_secrets: bool,
    /// Describe a detection and exit.
    #[arg(long, value_name = "ID", conflicts_with_all = ["archives", "list_rules"])]
    pub explain: Option<String>,
    /// With -o ecs, ocsf or stix: also export all processes, files and sockets.
    #[arg(long, conflicts_with_all = ["pid", "comm", "exe"])]
    pub inventory: bool,
    /// List all detections and exit.
    #[arg(long, conflicts_with = "archives")]
    pub list_rules: bool,
}

const COLLECTION: List = List {
    name: "findings",
    record: of::<Finding>,
    columns: &[
        "id",
        "title",
        "severity",
        "confidence",
        "score",
        "story",
        "subject.pid",
        "subject.comm",
        "subject.exe",
        "subject.path",
        "subject.address",
        "why",
        "caveat",
        "more",
        "attack",
        "evidence",
    ],
};

/// Widest value of a fact in the table.
const WIDTH: usize = 100;

pub fn run(args: &TriageArgs, common: &Common) -> Result<Outcome> {
    if let Some(id) = &args.explain {
        return explain(id);
    }
    if args.list_rules {
        return list_rules(common);
    }
    if args.inventory && !matches!(common.output, Format::Ecs | Format::Ocsf | Format::Stix) {
        bail!("--inventory is for -o ecs, ocsf and stix; ps, files and sockets list it in other forms");
    }
    let known = known(args)?;
    let sigma = rules::sigma(&args.sigma, common)?;
    let yara = rules::yara(&args.yara)?;
    let least = args.min_severity.map(Severity::from);
    let accepts = |task: &Task<'_>| args.filter.accepts(task);
    let wish = Wish {
        attack: args.attack.into(),
        sigma: Some(&sigma),
        yara: yara.as_ref(),
        known: &known,
        wanted: args.filter.is_set().then_some(&accepts),
        show_secrets: args.show_secrets,
    };
    let mut met = false;
    let outcome = for_each_checkpoint(&args.archives, common, "triage", COLLECTION, |case, output, bars| {
        args.filter.check(case)?;
        let open = |member: &_, diagnostics: &mut _| open_member(member, common, bars, diagnostics);
        let Examination { facts, findings, not_examined, .. } =
            Examination::of(case, &open, &wish).context("cannot put scattered pieces together")?;
        if let Some(level) = args.fail_on {
            met |= findings.iter().any(|finding| finding.severity >= level.into());
        }
        let default = if output.is_table() { Severity::Low } else { Severity::Info };
        let (shown, hidden): (Vec<Finding>, Vec<Finding>) =
            findings.into_iter().partition(|finding| finding.severity >= least.unwrap_or(default));
        if output.is_table() {
            return write_table(&shown, hidden.len(), &not_examined, &facts, output);
        }
        if output.is_export() {
            let warnings = warnings(&case.diagnostics, common);
            let head = output.about().context("a result about no checkpoint")?.clone();
            return output.export(&Dossier {
                findings: &shown,
                inventory: args.inventory,
                warnings: &warnings,
                not_examined: &not_examined,
                ..Dossier::new(&head).with_facts(&facts)
            });
        }
        shown.iter().try_for_each(|finding| output.record(finding))?;
        if output.is_document() {
            output.next_list("not_examined")?;
            not_examined.iter().try_for_each(|item| output.record(item))?;
        }
        Ok(())
    })?;
    // That the condition is met is certain, whatever could not be read.
    Ok(if met { Outcome::NothingMatched } else { outcome })
}

/// What --baseline and --ignore name.
fn known(args: &TriageArgs) -> Result<Vec<Ignore>> {
    let mut known = Vec::new();
    for path in &args.baseline {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let read = Ignore::read_baseline(&text);
        known.extend(read.map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?);
    }
    for text in &args.ignore {
        known.push(Ignore::parse(text).with_context(|| format!("--ignore {text} names no finding"))?);
    }
    Ok(known)
}

fn style(severity: Severity) -> anstyle::Style {
    use anstyle::{AnsiColor, Style};
    let color = match severity {
        Severity::Critical => AnsiColor::BrightRed,
        Severity::High => AnsiColor::Red,
        Severity::Medium => AnsiColor::Yellow,
        Severity::Low => AnsiColor::Cyan,
        Severity::Info => AnsiColor::BrightBlack,
    };
    Style::new().fg_color(Some(color.into())).bold()
}

fn write_table(
    findings: &[Finding],
    hidden: usize,
    not_examined: &[NotExamined],
    facts: &Facts<'_>,
    output: &mut Output,
) -> Result<()> {
    let counts = Severity::ALL
        .map(|level| (level, findings.iter().filter(|finding| finding.severity == level).count()));
    let parts: Vec<String> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(level, count)| format!("{count} {}", level.name()))
        .collect();
    match parts.as_slice() {
        [] => writeln!(output, "no findings")?,
        parts => writeln!(output, "{}: {}", count("finding", findings.len()), parts.join(", "))?,
    }
    for story in finding::stories(findings) {
        write_story(story, facts, output)?;
    }
    writeln!(output)?;
    if hidden > 0 {
        let hidden = count("finding", hidden);
        writeln!(output, "{hidden} hidden (--min-severity info)")?;
    }
    writeln!(output, "Not covered:")?;
    for item in not_examined {
        writeln!(output, "  - {}: {}", show(item.what.as_bytes()), show(item.why.as_bytes()))?;
    }
    Ok(())
}

/// The headline of a story, and its findings.
fn write_story(story: &[Finding], facts: &Facts<'_>, output: &mut Output) -> Result<()> {
    let Some(first) = story.first() else { return Ok(()) };
    let worst = story.iter().map(|finding| finding.severity).max().unwrap_or(first.severity);
    let headline = headline(first, |pid| facts.process(pid));
    let style = if output.color { style(worst) } else { anstyle::Style::new() };
    writeln!(output, "\n{style}{}{style:#}  {headline}", worst.name().to_uppercase())?;
    for finding in story {
        write_finding(finding, output)?;
    }
    Ok(())
}

fn write_finding(finding: &Finding, output: &mut Output) -> Result<()> {
    let subject = match (&finding.subject.path, &finding.subject.address) {
        (Some(path), Some(address)) => format!(" [{} at {address}]", show_short(&path.0, WIDTH)),
        (Some(path), None) => format!(" [{}]", show_short(&path.0, WIDTH)),
        (None, Some(address)) => format!(" [{address}]"),
        (None, None) => String::new(),
    };
    let style = if output.color { style(finding.severity) } else { anstyle::Style::new() };
    writeln!(
        output,
        "  {style}{:<8}{style:#} {:>3}  {}: {}{subject}",
        finding.severity.name(),
        finding.score,
        finding.id,
        show(finding.why.as_bytes())
    )?;
    for fact in &finding.evidence {
        let place = show_short(fact.r#where.as_bytes(), WIDTH);
        writeln!(output, "                - {} ({place}): {}", fact.what, show_short(&fact.value.0, WIDTH))?;
    }
    if let Some(caveat) = &finding.caveat {
        writeln!(output, "                but: {}", show(caveat.as_bytes()))?;
    }
    let techniques: Vec<&str> = finding.attack.iter().map(|technique| technique.technique.as_ref()).collect();
    let attack =
        if techniques.is_empty() { String::new() } else { format!("ATT&CK {}", techniques.join(" ")) };
    let more = finding.more.as_ref().map(|more| show(output.command_line(more).as_bytes()));
    let last: Vec<String> = [attack].into_iter().filter(|part| !part.is_empty()).chain(more).collect();
    if !last.is_empty() {
        writeln!(output, "                {}", last.join("; "))?;
    }
    Ok(())
}

/// The names of a detection's techniques in both versions, if they differ.
fn attack(detection: &Detection) -> String {
    let names = |version: AttackVersion| -> Vec<String> {
        let techniques = detection.techniques(version);
        let tactic = |technique: &Technique| technique.tactic.as_deref().unwrap_or("-").to_owned();
        techniques.iter().map(|one| format!("{} ({})", one.technique, tactic(one))).collect()
    };
    let [new, old] = [AttackVersion::V19, AttackVersion::V18].map(names);
    match (new.is_empty(), new == old) {
        (true, _) => "-".to_owned(),
        (false, true) => new.join(", "),
        (false, false) => format!("{}; in version 18 {}", new.join(", "), old.join(", ")),
    }
}

fn explain(id: &str) -> Result<Outcome> {
    let Some(found) = detection(id) else {
        bail!("there is no detection {id}; --list-rules names them all");
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}: {}", found.id, found.title)?;
    writeln!(out, "severity    {}, unless the facts say otherwise", found.severity.name())?;
    writeln!(out, "confidence  {}", found.confidence.name())?;
    writeln!(out, "ATT&CK      {}", attack(found))?;
    writeln!(out, "caveat      {}", found.caveat.unwrap_or("-"))?;
    match found.harmless {
        [] => writeln!(out, "harmless    no cause is known")?,
        causes => {
            for (index, cause) in causes.iter().enumerate() {
                writeln!(out, "{:<11} {cause}", if index == 0 { "harmless" } else { "" })?;
            }
        }
    }
    Ok(Outcome::Done)
}

fn list_rules(common: &Common) -> Result<Outcome> {
    let mut plain = table::Plain::new(&["ID", "SEVERITY", "CONFIDENCE", "ATT&CK", "TITLE"]);
    for detection in DETECTIONS {
        let techniques = detection.techniques(AttackVersion::default());
        let techniques: Vec<&str> = techniques.iter().map(|technique| technique.technique.as_ref()).collect();
        plain.row([
            detection.id.to_owned(),
            detection.severity.name().to_owned(),
            detection.confidence.name().to_owned(),
            if techniques.is_empty() { "-".to_owned() } else { techniques.join(" ") },
            detection.title.to_owned(),
        ]);
    }
    plain.write(&mut std::io::stdout().lock(), &common.layout())?;
    Ok(Outcome::Done)
}
