//! `ckptfx queues`: bytes that nobody had read.

use std::io::Write;

use anyhow::{Context as _, Result, bail};
use ckptfx_analysis::{Case, network::queue};
use ckptfx_report::{
    listing,
    queue::{heading, hexdump},
    schema::{Document, List},
};
use clap::Args;

use crate::{
    args::{Common, Format, ViewArgs},
    checkpoints::{for_each_checkpoint, only_checkpoint},
    diagnostics::finish_diagnostics,
    named::open_one,
    outcome::Outcome,
    progress::Bars,
    render::Output,
    spec::{Command, Group},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "queues",
    aliases: &[],
    group: Group::Network,
    about: "Show unread data in pipes, sockets, terminals and message queues",
    usage: None,
    notes: "",
    examples: &[
        "ckptfx queues archive.tar",
        "ckptfx queues -o json archive.tar | jq -r '.queues[].text'",
        "ckptfx queues --raw 1 archive.tar --out-file unread.bin",
    ],
    arguments: QueuesArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[COLLECTION])),
    run: |call| run(&call.arguments()?, call.common),
};

/// What `queues` takes.
#[derive(Debug, Args)]
pub struct QueuesArgs {
    #[command(flatten)]
    pub view: ViewArgs,
    /// Write only the bytes of queue N.
    #[arg(long, value_name = "N")]
    pub raw: Option<usize>,
}

const COLLECTION: List = listing::QUEUES.list();

pub fn run(args: &QueuesArgs, common: &Common) -> Result<Outcome> {
    if let Some(number) = args.raw {
        return raw(args, number, common);
    }
    for_each_checkpoint(&args.view.archives, common, "queues", COLLECTION, |case, output, _| {
        args.view.filter.check(case)?;
        let queues = queue::queues(case, &|task| args.view.filter.accepts(task));
        if !output.is_table() {
            return queues.iter().try_for_each(|queue| output.record(queue));
        }
        let mut is_first = true;
        for queue in &queues {
            if !is_first {
                writeln!(output)?;
            }
            is_first = false;
            writeln!(output, "{}", heading(queue, &|pid| case.task(pid)?.process.comm.as_ref()))?;
            hexdump(&queue.bytes_b64.0, output)?;
        }
        Ok(())
    })
}

/// Writes the bytes of one queue as they are.
fn raw(args: &QueuesArgs, number: usize, common: &Common) -> Result<Outcome> {
    let [archive] = args.view.archives.as_slice() else { bail!("--raw takes one archive") };
    let bars = Bars::new(common.quiet);
    let opened = open_one(archive, common, &bars)?;
    let mut case = Case::read(only_checkpoint(&opened)?);
    case.diagnostics.splice(0..0, opened.evidence.diagnostics.iter().cloned());
    args.view.filter.check(&case)?;
    let queues = queue::queues(&mut case, &|task| args.view.filter.accepts(task));
    let queue = queues
        .iter()
        .find(|queue| queue.number == number)
        .with_context(|| format!("there is no queue {number}; see ckptfx queues without --raw"))?;
    let mut output = Output::raw(common, COLLECTION)?;
    output.write_all(&queue.bytes_b64.0)?;
    output.finish()?;
    let warnings = finish_diagnostics(&case.diagnostics, common);
    Ok(Outcome::of(&warnings))
}
