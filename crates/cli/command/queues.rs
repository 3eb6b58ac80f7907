//! `ckptfx queues`: bytes that nobody had read.

use std::{io::Write, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use ckptfx_analysis::{
    Case, Text,
    network::queue::{self, Direction, Queue},
};
use ckptfx_report::{
    listing,
    schema::{Document, List},
    untrusted::show,
};
use clap::Args;

use super::sockets::address;
use crate::{
    args::{Common, Format, ProcessFilter},
    checkpoints::{for_each_checkpoint, only_checkpoint},
    diagnostics::finish_diagnostics,
    named::open_one,
    outcome::Outcome,
    progress::Bars,
    render::Output,
    spec::Command,
    view,
};

/// The command.
pub const COMMAND: Command = Command {
    name: "queues",
    aliases: &[],
    about: "Show bytes that nobody had read yet: pipes, sockets, terminals, message queues",
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
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    #[command(flatten)]
    pub filter: ProcessFilter,
    /// Write the bytes of the queue with this number, and nothing else.
    #[arg(long, value_name = "N")]
    pub raw: Option<usize>,
}

/// Bytes in a line of the hexdump.
const LINE: usize = 16;

const COLLECTION: List = listing::QUEUES.list();

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
    Ok(Outcome::of(&warnings))
}

/// What the bytes are: `#2 tcp received, 36 bytes, 127.0.0.1:31337 <- 127.0.0.1:51216, python3(11) -> sh(24)`.
pub fn heading<'n>(queue: &Queue, comm: &dyn Fn(u32) -> Option<&'n Text>) -> String {
    let mut text = format!("#{} {}", queue.number, queue.kind.name());
    let mut add = |part: String| {
        text.push_str(", ");
        text.push_str(&part);
    };
    if let Some(direction) = queue.direction {
        add(direction.name().to_owned());
    }
    if let Some(id) = queue.id {
        add(match queue.kind {
            queue::Kind::Pipe => format!("pipe:[{id}]"),
            queue::Kind::SysvMessage => format!("queue {id}"),
            queue::Kind::Unix | queue::Kind::Tcp | queue::Kind::Socket => format!("socket:[{id}]"),
            queue::Kind::Fifo | queue::Kind::Tty => format!("inode {id}"),
        });
    }
    if let Some(path) = &queue.path {
        add(show(&path.0));
    }
    if let (Some(local), Some(remote)) = (&queue.local, &queue.remote) {
        let arrow = if queue.direction == Some(Direction::Sent) { "->" } else { "<-" };
        add(format!("{} {arrow} {}", address(local), address(remote)));
    }
    if let Some(message) = queue.message {
        add(match queue.message_type {
            Some(kind) => format!("message {message} of type {kind}"),
            None => format!("message {message}"),
        });
    }
    add(format!("{} bytes", queue.bytes));
    if let Some(sequence) = queue.first_sequence {
        add(format!("from sequence {sequence}"));
    }
    if let Some(unsent @ 1..) = queue.unsent_bytes {
        add(format!("the last {unsent} never sent"));
    }
    if queue.in_flight_fds > 0 {
        add(format!("with {} descriptors", queue.in_flight_fds));
    }
    add(format!("{} -> {}", names(&queue.writers, comm), names(&queue.readers, comm)));
    text
}

/// Processes with their names; `?` when they are not known or outside of the container.
fn names<'n>(pids: &[u32], comm: &dyn Fn(u32) -> Option<&'n Text>) -> String {
    let name = |pid: &u32| format!("{}({pid})", view::text(comm(*pid)));
    if pids.is_empty() { "?".to_owned() } else { pids.iter().map(name).collect::<Vec<_>>().join(" ") }
}

/// Offset, sixteen bytes, and the same as ASCII, as `hexdump -C` prints them.
pub fn hexdump(bytes: &[u8], output: &mut dyn Write) -> Result<()> {
    for (index, line) in bytes.chunks(LINE).enumerate() {
        let mut hex = String::new();
        for (place, byte) in line.iter().enumerate() {
            hex.push_str(if place == LINE / 2 { "  " } else { " " });
            hex.push_str(&format!("{byte:02x}"));
        }
        let ascii: String = line
            .iter()
            .map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' })
            .collect();
        writeln!(output, "{:08x} {hex:<49}  |{ascii}|", index * LINE)?;
    }
    Ok(())
}
