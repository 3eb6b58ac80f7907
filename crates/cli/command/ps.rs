//! `ckptfx ps`: the process tree.

use std::path::PathBuf;

use anyhow::Result;
use ckptfx_analysis::{
    Case, Text,
    process::{Process, State},
};
use ckptfx_report::{
    listing,
    schema::{Document, List},
    untrusted::show,
};
use clap::Args;

use crate::{
    args::{Common, Format, ProcessFilter, Workers},
    checkpoints::for_each_checkpoint,
    outcome::Outcome,
    render::{
        Output,
        table::{self, Emphasis},
        tree::{self, Line},
    },
    spec::{Command, Group},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "ps",
    aliases: &["pstree"],
    group: Group::Processes,
    about: "Show the process tree",
    usage: None,
    notes: "",
    examples: &[
        "ckptfx ps archive.tar",
        "ckptfx ps --threads --env archive.tar",
        "ckptfx ps --pid 14 -o json archive.tar",
    ],
    arguments: PsArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[COLLECTION])),
    run: |call| run(call.arguments()?, call.common),
};

/// What `ps` takes.
#[derive(Debug, Args)]
pub struct PsArgs {
    /// Archives, directories, or - for standard input.
    #[arg(value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    #[command(flatten)]
    pub filter: ProcessFilter,
    /// Show the environment of each process.
    #[arg(long)]
    pub env: bool,
}

const COLLECTION: List = listing::PROCESSES.list();

pub fn run(mut args: PsArgs, common: &Common) -> Result<Outcome> {
    let workers = common.workers();
    let show_threads = matches!(workers, Workers::NotSaid { .. });
    if let Workers::NotSaid { operand: Some(operand) } = workers {
        args.archives.insert(0, operand.into());
    }
    let args = &args;
    for_each_checkpoint(&args.archives, common, "ps", COLLECTION, |case, output, _| {
        args.filter.check(case)?;
        if output.is_table() {
            return write_table(case, args, show_threads, output);
        }
        for task in case.tasks.iter().filter(|task| args.filter.accepts(task)) {
            let mut process = task.process.clone();
            if !args.env {
                process.environ = None;
            }
            output.record(&process)?;
        }
        Ok(())
    })
}

fn write_table(case: &Case<'_>, args: &PsArgs, show_threads: bool, output: &mut Output) -> Result<()> {
    let header = ["PID", "PPID", "UID", "STATE", "THREADS", "CAPTURED", "EXE", "COMMAND"];
    let mut plain = table::Plain::new(&header).right(&[0, 1, 2, 4, 5]);
    let wanted = case.tasks.iter().filter(|task| args.filter.accepts(task));
    let tasks: Vec<_> = wanted.map(|task| &task.process).collect();
    for Line { branch, process } in tree::lines(&tasks) {
        let mut below = Vec::new();
        if show_threads {
            below.extend(process.threads.iter().skip(1).map(|thread| {
                let comm = thread.comm.as_ref().map_or_else(|| "?".to_owned(), |comm| show(&comm.0));
                format!("        thread {} {comm}", thread.tid)
            }));
        }
        if args.env {
            match &process.environ {
                Some(environ) => below.extend(
                    environ
                        .iter()
                        .filter(|entry| !entry.0.is_empty())
                        .map(|Text(entry)| format!("        {}", show(entry))),
                ),
                None => below.push("        (environment not available)".to_owned()),
            }
        }
        let cells = [
            process.pid.to_string(),
            process.ppid.map_or_else(|| "?".to_owned(), |ppid| ppid.to_string()),
            process.uid.and_then(|uid| uid.effective).map_or_else(|| "?".to_owned(), |uid| uid.to_string()),
            state(process.state, process.exit_code, process.exit_signal),
            process.threads.len().to_string(),
            process.captured_bytes.map_or_else(|| "-".to_owned(), table::size),
            executable(process),
            format!("{}{}", branch, show(&process.command())),
        ];
        plain.row_with(cells, below);
        if process.exe_deleted == Some(true) || process.exe_memfd == Some(true) {
            plain.emphasise(Emphasis::Odd);
        }
    }
    output.table(plain)
}

pub fn state(state: Option<State>, code: Option<u32>, signal: Option<u32>) -> String {
    match (state, code, signal) {
        (Some(State::Zombie), Some(code), _) => format!("zombie, exit {code}"),
        (Some(State::Zombie), _, Some(signal)) => format!("zombie, signal {signal}"),
        (Some(State::Zombie), ..) => "zombie".to_owned(),
        (Some(State::Running), ..) => "running".to_owned(),
        (Some(State::Stopped), ..) => "stopped".to_owned(),
        (None, ..) => "?".to_owned(),
    }
}

/// The executable with what is odd about it.
pub fn executable(process: &Process) -> String {
    let Some(exe) = &process.exe else {
        return if process.state == Some(State::Zombie) { "-".to_owned() } else { "?".to_owned() };
    };
    let note = match (process.exe_memfd, process.exe_deleted) {
        (Some(true), _) | (_, Some(false)) => "",
        (_, Some(true)) => " (deleted)",
        (_, None) => " (deleted?)",
    };
    format!("{}{note}", show(&exe.0))
}
