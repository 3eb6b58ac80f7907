//! `ckptfx report`: everything in one document, with a record of custody.

mod json;
mod sections;

use std::{
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use ckptfx_analysis::{
    Case, Text,
    examination::{Examination, Wish},
    finding,
    graph::{self, Node},
    recover,
    secret::{Rules, Secret},
    timeline,
};
use ckptfx_parser::{Checkpoint, archive::Archive};
use ckptfx_report::{
    Head,
    custody::{Custody, MemberHash, RuleSet},
    listing,
    schema::{Document, List, of},
};
use clap::Args;
use jiff::Timestamp;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::secrets;
use crate::{
    args::{Attack, Common, Format},
    diagnostics::finish_diagnostics,
    evidence::{self, Opened},
    named::open_one,
    nested::open_member,
    outcome::Outcome,
    progress::Bars,
    render::{Dossier, Output},
    spec::{Command, Group},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "report",
    aliases: &[],
    group: Group::Start,
    about: "Write a full report with a chain-of-custody record",
    usage: None,
    notes: "Formats: -o html (a self-contained page), -o markdown (default, for tickets) and -o json (everything, for programs; verify reads its custody record). -o ecs,
ocsf, sarif and stix are those of triage, with all processes, files and sockets.

Passwords, tokens and keys are redacted unless --show-secrets is given. The evidence is hashed member by member and never modified. The chain-of-custody
record has the arguments and, unless --no-times is given, start and end by this machine's clock.",
    examples: &["ckptfx report -o html archive.tar --out-file report.html", "ckptfx report -o html --case 2026-17 --examiner 'J. Doe' archive.tar --out-file report.html", "ckptfx report archive.tar | less", "ckptfx report -o json archive.tar --out-file report.json; ckptfx verify report.json archive.tar"],
    arguments: ReportArgs::augment_args,
    formats: &[Format::Table, Format::Json, Format::Html, Format::Markdown, Format::Ecs, Format::Ocsf, Format::Sarif, Format::Stix],
    result: Some(Document::of(&[
        COLLECTION,
        List::only::<finding::NotExamined>("not_examined"),
        listing::PROCESSES.list(),
        listing::THREADS.list(),
        listing::FILES.list(),
        listing::SOCKETS.list(),
        listing::MAPS.list(),
        listing::QUEUES.list(),
        listing::RECOVERABLE.list(),
        listing::CHANGES.list(),
        listing::MOUNTS.list(),
        List::only::<Secret>("secrets"),
        listing::EVENTS.list(),
        listing::EDGES.list(),
        List::only::<Node>("nodes"),
    ])
    .heads(&[List::only::<Custody>("custody")])),
    run: |call| run(&call.arguments()?, call.common),
};

/// What `report` takes.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Archive or directory.
    #[arg(value_name = "ARCHIVE")]
    pub archive: PathBuf,
    /// Case name or number, for the chain-of-custody record.
    #[arg(long, value_name = "ID")]
    pub case: Option<String>,
    /// Examiner, for the chain-of-custody record.
    #[arg(long, value_name = "NAME")]
    pub examiner: Option<String>,
    /// Machine, for the chain-of-custody record.
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Do not redact passwords, tokens and keys.
    #[arg(long)]
    pub show_secrets: bool,
    /// Redact passwords, tokens and keys (default).
    #[arg(long, conflicts_with = "show_secrets")]
    pub redact: bool,
    /// Omit start and end times, for reproducible output.
    #[arg(long)]
    pub no_times: bool,
    /// MITRE ATT&CK version for technique IDs.
    #[arg(long, value_enum, default_value_t = Attack::V19, value_name = "VERSION")]
    pub attack: Attack,
}

const COLLECTION: List = List { name: "findings", record: of::<finding::Finding>, columns: &[] };

/// Zeros of holes that are hashed, in bytes.
const ZEROS: u64 = 4 << 30;

pub fn run(args: &ReportArgs, common: &Common) -> Result<Outcome> {
    let started = (!args.no_times).then(Timestamp::now);
    if args.archive == Path::new("-") {
        bail!("a report needs a file or directory: what comes through a pipe cannot be hashed again");
    }
    // The table of a report is text with tables in it.
    let common = &match common.output {
        Format::Table => Common { output: Format::Markdown, ..common.clone() },
        _ => common.clone(),
    };
    evidence::refuse_to_overwrite(std::slice::from_ref(&args.archive), common)?;
    let bars = Bars::new(common.quiet);
    let opened = open_one(&args.archive, &Common { hash: true, ..common.clone() }, &bars)?;
    let checkpoints = &opened.evidence.checkpoints;
    let mut output = Output::new(common, COLLECTION, checkpoints.len() > 1)?;
    let mut outcome = Outcome::Done;
    for checkpoint in checkpoints {
        let reporter = Reporter { args, common, bars: &bars, opened: &opened, started };
        outcome = outcome.max(reporter.report(checkpoint, &mut output)?);
    }
    output.finish()?;
    Ok(outcome)
}

/// One checkpoint on its way into a report.
struct Reporter<'e> {
    args: &'e ReportArgs,
    common: &'e Common,
    bars: &'e Bars,
    opened: &'e Opened,
    started: Option<Timestamp>,
}

impl Reporter<'_> {
    fn report(&self, checkpoint: &Checkpoint, output: &mut Output) -> Result<Outcome> {
        let Self { args, common, bars, opened, .. } = self;
        let mut case = Case::read(checkpoint);
        case.diagnostics.splice(0..0, opened.evidence.diagnostics.iter().cloned());
        let open = |member: &_, diagnostics: &mut _| open_member(member, common, bars, diagnostics);
        let wish = Wish { attack: args.attack.into(), show_secrets: args.show_secrets, ..Wish::default() };
        let Examination { facts, findings, not_examined, sources, mut redactor } =
            Examination::of(&mut case, &open, &wish).context("cannot put scattered pieces together")?;
        let wish = timeline::Wish {
            sources: &sources,
            kinds: &timeline::Kind::ALL,
            wanted: &|_| true,
            filtered: false,
        };
        let mut events = timeline::events(&mut case, &wish)?;
        let graph = graph::graph(&mut case, graph::Wish { parents: false, may_trace: false }, &|_| true);
        let limits = recover::Limits { shared_memory: false, zeros: ZEROS };
        let recoverable: Vec<_> = recover::find(&mut case, &|_| true, true, limits, &open)
            .into_iter()
            .map(|found| found.facts)
            .collect();
        let secrets = secrets::find(&mut case, &open, args.show_secrets)?;
        if let Some(redactor) = &mut redactor {
            redactor.events(&mut events);
        }
        let warnings = finish_diagnostics(&case.diagnostics, common);
        let head = Head::new("report", &opened.evidence, checkpoint, opened.sha256.clone());
        let custody =
            self.custody(members(checkpoint.archive()), redactor.map_or(0, |redactor| redactor.count))?;
        let dossier = Dossier {
            findings: &findings,
            secrets: &secrets,
            events: &events,
            graph: Some(&graph),
            custody: Some(&custody),
            inventory: true,
            warnings: &warnings,
            not_examined: &not_examined,
            ..Dossier::new(&head).with_facts(&facts)
        };
        if output.is_export() {
            let sections = sections::all(&dossier, &facts, &graph, &recoverable);
            output.export(&Dossier { sections: &sections, ..dossier })?;
        } else {
            let parts =
                json::Parts { facts: &facts, custody: &custody, graph: &graph, recoverable: &recoverable };
            json::write(&dossier, &parts, output)?;
        }
        Ok(Outcome::of(&warnings))
    }

    fn custody(&self, members: Vec<MemberHash>, redacted_values: u64) -> Result<Custody> {
        let args = self.args;
        let secret_rules = Rules::load(&[], &[])?;
        Ok(Custody {
            case: args.case.clone(),
            examiner: args.examiner.clone(),
            host: args.host.clone(),
            arguments: std::env::args_os().skip(1).map(|argument| Text::from(argument.as_bytes())).collect(),
            started: self.started,
            ended: self.started.is_some().then(Timestamp::now),
            rules: vec![RuleSet::detections(), RuleSet::secrets(&secret_rules)],
            redacted: !args.show_secrets,
            redacted_values,
            members,
        })
    }
}

/// Hashes all members, on all cores.
pub fn members(archive: &Archive) -> Vec<MemberHash> {
    archive.members().par_iter().map(|member| MemberHash::of(archive, member)).collect()
}
