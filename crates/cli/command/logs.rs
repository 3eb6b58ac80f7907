//! `ckptfx logs`: what the container and CRIU wrote.

use std::{io::Write as _, path::PathBuf};

use anyhow::Result;
use ckptfx_analysis::container::log::{self, LogLine, Source};
use ckptfx_report::{
    schema::{Document, List, of},
    untrusted::show,
};
use clap::{Args, ValueEnum};

use crate::{
    args::{Common, Format, ProcessFilter},
    checkpoints::for_each_checkpoint,
    outcome::Outcome,
    render::Output,
    spec::{Command, Group},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "logs",
    aliases: &[],
    group: Group::Container,
    about: "Show the container's log and CRIU's log",
    usage: None,
    notes: "Logs belong to containers, not processes: --pid, --comm and --exe select containers that have such a process.",
    examples: &[
        "ckptfx logs archive.tar",
        "ckptfx logs --errors archive.tar",
        "ckptfx logs --source all -o jsonl archive.tar",
    ],
    arguments: LogsArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[COLLECTION])),
    run: |call| run(&call.arguments()?, call.common),
};

/// What `logs` takes.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    /// Which log.
    #[arg(long, value_enum, default_value_t = LogSource::Container, value_name = "LOG")]
    pub source: LogSource,
    /// Only the errors and warnings of CRIU's log.
    #[arg(long, conflicts_with = "source")]
    pub errors: bool,
    #[command(flatten)]
    pub filter: ProcessFilter,
}

/// Whose log `logs` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogSource {
    /// The container's: what it wrote to standard output and error.
    Container,
    /// CRIU's, of the dump.
    Dump,
    /// One after the other.
    All,
}

const COLLECTION: List = List {
    name: "lines",
    record: of::<LogLine>,
    columns: &["source", "member", "line", "time", "offset_us", "stream", "level", "unfinished", "text"],
};

pub fn run(args: &LogsArgs, common: &Common) -> Result<Outcome> {
    let sources: &[Source] = match (args.source, args.errors) {
        (_, true) | (LogSource::Dump, _) => &[Source::Dump],
        (LogSource::Container, _) => &[Source::Container],
        (LogSource::All, _) => &[Source::Container, Source::Dump],
    };
    for_each_checkpoint(&args.archives, common, "logs", COLLECTION, |case, output, _| {
        args.filter.check(case)?;
        if args.filter.is_set() && !case.tasks.iter().any(|task| args.filter.accepts(task)) {
            return Ok(());
        }
        for source in sources {
            log::read(case, *source, &mut |line| {
                if args.errors && line.level.is_none() {
                    return Ok(());
                }
                if output.is_table() { write_line(&line, output) } else { output.record(&line) }
            })?;
        }
        Ok(())
    })
}

/// A line as the log has it, but with the time in UTC.
fn write_line(line: &LogLine, output: &mut Output) -> Result<()> {
    let text = show(&line.text.0);
    let mut head = String::new();
    if let Some(time) = line.time {
        head = format!("{time:.9} ");
    }
    if let Some(offset) = line.offset_us {
        head = format!("({:02}.{:06}) ", offset / 1_000_000, offset % 1_000_000);
    }
    if let Some(stream) = line.stream {
        head.push_str(stream.name());
        head.push(' ');
    }
    Ok(writeln!(output, "{head}{text}")?)
}
