//! The `ckptfx` program.

mod args;
mod checkpoints;
mod command;
mod command_line;
mod diagnostics;
mod evidence;
mod hash;
mod named;
mod nested;
mod outcome;
mod progress;
mod render;
mod rules;
mod scanning;
mod sealed;
mod spec;
mod sysroot;
mod view;

use std::{ffi::OsString, process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result, bail};
use clap::{ArgMatches, FromArgMatches as _};

use crate::{
    args::{Common, Workers},
    outcome::Outcome,
    spec::Call,
};

/// What the exit status of `docs/output.md` means.
const USAGE_OR_UNREADABLE: u8 = 2;

fn main() -> ExitCode {
    let matches = command_line::parser(command::ALL).get_matches_from(with_pem_markers(std::env::args_os()));
    let common = Common::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    if let Err(error) = guard() {
        eprintln!("ckptfx: {error}");
        return ExitCode::from(USAGE_OR_UNREADABLE);
    }
    match run(&matches, &common) {
        Ok(Outcome::Partly) if common.strict => ExitCode::from(USAGE_OR_UNREADABLE),
        Ok(outcome) => ExitCode::from(outcome as u8),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // An error's text may hold names from the evidence.
            eprintln!("ckptfx: {}", ckptfx_report::untrusted::show(format!("{error:#}").as_bytes()));
            ExitCode::from(USAGE_OR_UNREADABLE)
        }
    }
}

/// Runs what the command line says.
fn run(matches: &ArgMatches, common: &Common) -> Result<Outcome> {
    let (name, own) = matches.subcommand().context("a command is needed")?;
    let command =
        command::ALL.iter().find(|command| command.name == name).context("there is no such command")?;
    match common.workers() {
        Workers::Some(count) => rayon::ThreadPoolBuilder::new().num_threads(count).build_global()?,
        Workers::NotSaid { .. } if name != "ps" => bail!("--threads needs a number"),
        Workers::NotSaid { .. } | Workers::Usual => {}
    }
    if !command.has(common.output) {
        bail!("{} is not a form of `{name}`; it has {}", common.output.name(), command.forms());
    }
    (command.run)(&Call { matches: own, common, commands: command::ALL })
}

/// What is set up before any evidence is touched: a file that becomes shorter ends the program with a word, a write past
/// the limit of a file's size is an error like any other, and neither a core file nor another process of the same user
/// gets at what was read.
fn guard() -> std::io::Result<()> {
    ckptfx_parser::source::explain_faults()?;
    // With a handler, whatever it does, the write fails instead.
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default())?;
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(rustix::process::Resource::Core, none)?;
    Ok(())
}

/// `-----BEGIN …` is what responders search for most, and no option begins so: it is taken for a pattern
/// wherever it stands.
fn with_pem_markers(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut all: Vec<OsString> = Vec::new();
    for argument in arguments {
        let is_value =
            all.last().is_some_and(|before| before == "-e" || before == "--pattern" || before == "--");
        if argument.as_encoded_bytes().starts_with(b"-----") && !is_value {
            let mut pattern = OsString::from("--pattern=");
            pattern.push(argument);
            all.push(pattern);
        } else {
            all.push(argument);
        }
    }
    all
}

/// Whoever read the output has seen enough.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<std::io::Error>();
        let json = cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
        io.map(std::io::Error::kind).or(json) == Some(std::io::ErrorKind::BrokenPipe)
    })
}
