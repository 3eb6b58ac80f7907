//! `ckptfx explain`: why a checkpoint failed, in plain words.

use std::{
    fs::File,
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use ckptfx_analysis::Text;
use ckptfx_capture::explain::{self, MAX_INPUT, record::Record};
use ckptfx_report::{
    DocumentHead,
    schema::{About, Document, List, of},
    untrusted::show,
};
use clap::Args;

use crate::{
    args::{Common, Format},
    outcome::Outcome,
    render::Output,
    spec::{Command, Group},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "explain",
    aliases: &[],
    group: Group::Capture,
    about: "Explain why a checkpoint failed and what to do",
    usage: None,
    notes: "CRIU logs, runtime errors and answers of kubelets and API servers are matched against a table of known causes. A log of a
successful dump is reported as such: errors in it are kernel probes that CRIU can do without. A process that was already
being traced is marked as a finding: it belongs in the report.

If no cause is known, the error that ended the dump is quoted with its context.

Exit status 1: no known error found.",
    examples: &["ckptfx explain dump.log", "ckptfx explain --message '404 page not found'", "kubectl describe pod shop | ckptfx explain -", "ckptfx logs --source dump archive.tar | ckptfx explain -o json -"],
    arguments: ExplainArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[COLLECTION]).about(About::None)),
    run: |call| run(&call.arguments()?, call.common),
};

/// What `explain` takes.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// CRIU log or any text with the error, or - for standard input.
    #[arg(required_unless_present = "message", conflicts_with = "message", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The error message itself.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub message: Option<String>,
}

const COLLECTION: List = List {
    name: "explanations",
    record: of::<Record>,
    columns: &["code", "stage", "why", "fix", "finding", "retry", "line", "matched", "context"],
};

/// Longest line of a sentence in the table.
const WIDTH: usize = 100;

pub fn run(args: &ExplainArgs, common: &Common) -> Result<Outcome> {
    let input = match (&args.message, &args.file) {
        (Some(message), _) => message.clone().into_bytes(),
        (None, Some(path)) => read(path)?,
        (None, None) => Vec::new(),
    };
    let records: Vec<Record> = explain::explain(&input).into_iter().map(Into::into).collect();
    let known = records.iter().any(|record| record.code != explain::UNKNOWN);
    let mut output = Output::new(common, COLLECTION, false)?;
    output.begin_document(&DocumentHead::new("explain"))?;
    if output.is_table() {
        write_table(&records, &mut output)?;
    }
    records.iter().try_for_each(|record| output.record(record))?;
    output.end(&[])?;
    output.finish()?;
    if !known && !common.quiet {
        eprintln!("ckptfx: note: nothing in this is known");
    }
    Ok(if known { Outcome::Done } else { Outcome::NothingMatched })
}

/// The end of a file, as far as it is looked at.
fn read(path: &Path) -> Result<Vec<u8>> {
    let limit = MAX_INPUT as u64;
    let mut input = Vec::new();
    if path == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut input).context("cannot read standard input")?;
        return Ok(input);
    }
    let at = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(at)?;
    let size = file.metadata().with_context(at)?.len();
    if let Some(skipped) = size.checked_sub(limit) {
        io::Seek::seek(&mut file, io::SeekFrom::Start(skipped)).with_context(at)?;
    }
    file.take(limit).read_to_end(&mut input).with_context(at)?;
    Ok(input)
}

/// Sentences do not fit columns: one paragraph for each explanation.
fn write_table(records: &[Record], output: &mut Output) -> Result<()> {
    for (index, record) in records.iter().enumerate() {
        let blank = if index == 0 { "" } else { "\n" };
        let finding = if record.finding { "  FINDING" } else { "" };
        let retry = if record.retry { "  may pass by itself" } else { "" };
        writeln!(output, "{blank}{} ({}, line {}){finding}{retry}", record.code, record.stage, record.line)?;
        paragraph(output, "why", &record.why)?;
        if let Some(fix) = &record.fix {
            paragraph(output, "fix", fix)?;
        }
        writeln!(output, "  said: {}", show(&record.matched.0))?;
        for line in &record.context {
            writeln!(output, "  with: {}", show(&line.0))?;
        }
    }
    Ok(())
}

fn paragraph(output: &mut Output, title: &str, sentence: &Text) -> Result<()> {
    let mut line = format!("  {title}: ");
    let mut is_empty = true;
    for word in show(&sentence.0).split(' ') {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            writeln!(output, "{line}")?;
            line = " ".repeat(title.len() + 4);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    writeln!(output, "{line}")?;
    Ok(())
}
