//! `ckptfx stats`: what CRIU measured.

use std::io::Write as _;

use anyhow::Result;
use ckptfx_analysis::container::statistics::{self, Measured};
use ckptfx_report::{
    listing,
    schema::{Document, List},
};
use clap::Args;
use serde_json::Value;

use crate::{
    args::{Common, Format, ViewArgs},
    checkpoints::for_each_checkpoint,
    outcome::Outcome,
    render::{Output, to_value},
    spec::{Command, Group},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "stats",
    aliases: &[],
    group: Group::Container,
    about: "Show durations and page counts of the dump",
    usage: None,
    notes: "Statistics belong to containers, not processes: --pid, --comm and --exe select containers that have such a process.",
    examples: &["ckptfx stats archive.tar", "ckptfx stats -o csv *.tar"],
    arguments: ViewArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[COLLECTION])),
    run: |call| run(&call.arguments()?, call.common),
};

const COLLECTION: List = listing::STATS.list();

pub fn run(args: &ViewArgs, common: &Common) -> Result<Outcome> {
    for_each_checkpoint(&args.archives, common, "stats", COLLECTION, |case, output, _| {
        args.filter.check(case)?;
        if args.filter.is_set() && !case.tasks.iter().any(|task| args.filter.accepts(task)) {
            return Ok(());
        }
        for measured in statistics::statistics(case) {
            if output.is_table() { write_table(&measured, output) } else { output.record(&measured) }?;
        }
        Ok(())
    })
}

/// Name and value of all that is known, by the names of the other formats.
fn write_table(measured: &Measured, output: &mut Output) -> Result<()> {
    let record = to_value(measured)?;
    for column in COLLECTION.columns {
        match record.get(column) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => writeln!(output, "{column:28}{text:>14}")?,
            Some(value) => writeln!(output, "{column:28}{value:>14}", value = value.to_string())?,
        }
    }
    Ok(())
}
