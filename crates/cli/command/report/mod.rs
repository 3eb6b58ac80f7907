//! `ckptfx report`: everything in one document, with a record of custody.

mod json;
mod sections;

use std::{os::unix::ffi::OsStrExt as _, path::Path};

use anyhow::{Context as _, Result, bail};
use ckptfx_analysis::{
    Case, Text,
    files::nested::sources,
    finding::{self, Facts},
    graph, recover,
    redact::Redactor,
    secret::Rules,
    timeline,
};
use ckptfx_parser::{Checkpoint, archive::Archive};
use ckptfx_report::{
    Head,
    custody::{Custody, MemberHash, RuleSet},
};
use jiff::Timestamp;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::{Outcome, finish_diagnostics, rootfs::open_member, secrets};
use crate::{
    args::{Common, Format, ReportArgs},
    evidence::{self, Opened},
    named::open_one,
    progress::Bars,
    render::{Collection, Dossier, Output},
};

const COLLECTION: Collection = Collection { name: "findings", columns: &[] };

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
        let examination = Examination { args, common, bars: &bars, opened: &opened, started };
        outcome = outcome.max(examination.report(checkpoint, &mut output)?);
    }
    output.finish()?;
    Ok(outcome)
}

/// One checkpoint on its way into a report.
struct Examination<'e> {
    args: &'e ReportArgs,
    common: &'e Common,
    bars: &'e Bars,
    opened: &'e Opened,
    started: Option<Timestamp>,
}

impl Examination<'_> {
    fn report(&self, checkpoint: &Checkpoint, output: &mut Output) -> Result<Outcome> {
        let Self { args, common, bars, opened, .. } = self;
        let mut case = Case::read(checkpoint);
        case.diagnostics.splice(0..0, opened.evidence.diagnostics.iter().cloned());
        let open = |member: &_, diagnostics: &mut _| open_member(member, common, bars, diagnostics);
        let sources = sources(&mut case, &open);
        let mut facts =
            Facts::read(&mut case, &sources).context("cannot put pages of the parent dump together")?;
        let mut findings = finding::rank(&facts, args.attack.into());
        let not_examined = finding::not_examined(&mut case, &facts);
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
        let mut redactor = Redactor::default();
        if !args.show_secrets {
            redactor.facts(&mut facts);
            redactor.findings(&mut findings);
            redactor.events(&mut events);
        }
        let warnings = finish_diagnostics(&case.diagnostics, common);
        let head = Head::new("report", &opened.evidence, checkpoint, opened.sha256.clone());
        let custody = self.custody(members(checkpoint.archive()), redactor.count)?;
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
        Ok(if warnings.iter().any(|warning| warning.partial) { Outcome::Partly } else { Outcome::Done })
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
