//! `ckptfx queues`: bytes that nobody had read.

use std::io::Write;

use anyhow::{Context as _, Result, bail};
use ckptfx_analysis::{Case, network::queue};

use super::{Outcome, finish_diagnostics, for_each_checkpoint, only_checkpoint};
use crate::{
    args::{Common, QueuesArgs},
    named::open_one,
    progress::Bars,
    render::{Collection, Output},
};
use ckptfx_report::queue::{heading, hexdump};

const COLLECTION: Collection = Collection {
    name: "queues",
    columns: &[
        "number",
        "kind",
        "direction",
        "id",
        "path",
        "local.address",
        "local.port",
        "remote.address",
        "remote.port",
        "writers",
        "readers",
        "bytes",
        "capacity",
        "first_sequence",
        "unsent_bytes",
        "message",
        "message_type",
        "in_flight_fds",
        "member",
        "text",
        "bytes_b64",
        "senders",
    ],
};

pub fn run(args: &QueuesArgs, common: &Common) -> Result<Outcome> {
    if let Some(number) = args.raw {
        return raw(args, number, common);
    }
    for_each_checkpoint(&args.archives, common, "queues", COLLECTION, |case, output, _| {
        args.filter.check(case)?;
        let queues = queue::queues(case, &|task| args.filter.accepts(task));
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
    let [archive] = args.archives.as_slice() else { bail!("--raw takes one archive") };
    let bars = Bars::new(common.quiet);
    let opened = open_one(archive, common, &bars)?;
    let mut case = Case::read(only_checkpoint(&opened)?);
    case.diagnostics.splice(0..0, opened.evidence.diagnostics.iter().cloned());
    args.filter.check(&case)?;
    let queues = queue::queues(&mut case, &|task| args.filter.accepts(task));
    let queue = queues
        .iter()
        .find(|queue| queue.number == number)
        .with_context(|| format!("there is no queue {number}; see ckptfx queues without --raw"))?;
    let mut output = Output::raw(common, COLLECTION)?;
    output.write_all(&queue.bytes_b64.0)?;
    output.finish()?;
    let warnings = finish_diagnostics(&case.diagnostics, common);
    Ok(if warnings.iter().any(|warning| warning.partial) { Outcome::Partly } else { Outcome::Done })
}
