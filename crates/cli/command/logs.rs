//! `ckptfx logs`: what the container and CRIU wrote.

use std::io::Write as _;

use anyhow::Result;
use ckptfx_analysis::container::log::{self, LogLine, Source};

use super::{Outcome, for_each_checkpoint};
use crate::{
    args::{Common, LogSource, LogsArgs},
    render::{Collection, Output},
};
use ckptfx_report::untrusted::show;

const COLLECTION: Collection = Collection {
    name: "lines",
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
