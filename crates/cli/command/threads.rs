//! `ckptfx threads`: where each thread was.

use std::io::Write as _;

use anyhow::Result;
use ckptfx_analysis::{
    memory::location::Location,
    process::{
        State,
        thread::{self, Outcome as CallOutcome, Syscall, ThreadFacts},
    },
};
use ckptfx_report::{listing, schema::Document, untrusted::show};
use clap::Args;

use super::maps;
use crate::{
    args::{Common, Format, ViewArgs},
    checkpoints::for_each_checkpoint,
    outcome::Outcome,
    spec::{Command, Group},
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "threads",
    aliases: &[],
    group: Group::Processes,
    about: "Show where each thread was, with its registers",
    usage: None,
    notes: "",
    examples: &["ckptfx threads archive.tar", "ckptfx threads --pid 14 -o json archive.tar"],
    arguments: ThreadsArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[VIEW.collection])),
    run: |call| run(&call.arguments()?, call.common),
};

/// What `threads` takes.
#[derive(Debug, Args)]
pub struct ThreadsArgs {
    #[command(flatten)]
    pub view: ViewArgs,
    /// Show the registers of each thread.
    #[arg(long)]
    pub registers: bool,
}

pub const VIEW: View<ThreadFacts> = View::of(
    &listing::THREADS,
    &[
        Column::right("PID", |thread| thread.pid.to_string()),
        Column::right("TID", |thread| thread.tid.to_string()),
        Column::left("COMM", |thread| view::text(thread.comm.as_ref())),
        Column::left("STATE", |thread| {
            match thread.state {
                Some(State::Running) => "running",
                Some(State::Stopped) => "stopped",
                Some(State::Zombie) => "zombie",
                None => "?",
            }
            .to_owned()
        }),
        Column::left("SYSCALL", |thread| thread.syscall.as_ref().map_or_else(|| "-".to_owned(), syscall)),
        Column::left("INSTRUCTION POINTER", |thread| location(thread.ip.as_ref())),
        Column::left("STACK POINTER", |thread| location(thread.sp.as_ref())),
        Column::right("NICE", |thread| view::number(thread.nice)),
        Column::left("FINDING", |thread| {
            thread.anomalies.iter().map(|odd| odd.rule).collect::<Vec<_>>().join(" ")
        }),
    ],
);

fn syscall(call: &Syscall) -> String {
    let name = call.name.map_or_else(|| call.number.to_string(), str::to_owned);
    let doubt = if call.certain { "" } else { "?" };
    let outcome = match call.outcome {
        Some(CallOutcome::Interrupted) => " (EINTR)",
        Some(CallOutcome::Restart) | None => "",
    };
    format!("{name}{doubt}{outcome}")
}

/// An address with what lies there.
pub fn location(location: Option<&Location>) -> String {
    let Some(location) = location else { return "-".to_owned() };
    let address = &location.address;
    match (&location.path, location.file_offset, location.kind) {
        (None, ..) => format!("{address} (not mapped)"),
        (Some(path), Some(offset), _) => format!("{address} {}+{offset:#x}", show(&path.0)),
        (Some(path), None, Some(kind)) if path.0.is_empty() => {
            format!("{address} {kind} {}", location.perms.as_deref().unwrap_or_default())
        }
        (Some(path), None, _) => format!("{address} {}", show(&path.0)),
    }
}

pub fn run(args: &ThreadsArgs, common: &Common) -> Result<Outcome> {
    if !args.registers || common.output != Format::Table {
        return view::run_filtered(
            &VIEW,
            &args.view.archives,
            &args.view.filter,
            common,
            &mut |case, wanted| Ok(thread::threads(case, wanted)),
        );
    }
    for_each_checkpoint(&args.view.archives, common, VIEW.name, VIEW.collection, |case, output, _| {
        args.view.filter.check(case)?;
        for thread in thread::threads(case, &|task| args.view.filter.accepts(task)) {
            write!(
                output,
                "process {} thread {} {}",
                thread.pid,
                thread.tid,
                view::text(thread.comm.as_ref())
            )?;
            writeln!(output, " {}", thread.architecture.unwrap_or("(no registers)"))?;
            writeln!(output, "  at {}", location(thread.ip.as_ref()))?;
            for odd in &thread.anomalies {
                writeln!(output, "  {} {}", odd.severity.name(), maps::finding(odd))?;
            }
            let registers = thread.registers.unwrap_or_default().0;
            for row in registers.chunks(4) {
                let cells = row.iter().map(|(name, value)| format!("{name:>8} {value:016x}"));
                writeln!(output, "{}", cells.collect::<Vec<_>>().join(" "))?;
            }
        }
        Ok(())
    })
}
