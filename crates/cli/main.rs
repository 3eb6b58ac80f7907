//! The `ckptfx` program.

mod args;
mod command;
mod evidence;
mod named;
mod progress;
mod render;
mod scanning;
mod sealed;
mod sysroot;

use std::{ffi::OsString, process::ExitCode, sync::Arc};

use clap::{CommandFactory as _, FromArgMatches as _};

use crate::{args::Cli, command::Outcome};

/// What the exit status of `docs/output.md` means.
const USAGE_OR_UNREADABLE: u8 = 2;

fn main() -> ExitCode {
    let matches = Cli::command().get_matches_from(with_pem_markers(std::env::args_os()));
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    if let Err(error) = guard() {
        eprintln!("ckptfx: {error}");
        return ExitCode::from(USAGE_OR_UNREADABLE);
    }
    let strict = cli.common.strict;
    match command::run(cli, matches.subcommand_name().unwrap_or_default()) {
        Ok(Outcome::Partly) if strict => ExitCode::from(USAGE_OR_UNREADABLE),
        Ok(outcome) => ExitCode::from(outcome as u8),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // An error's text may hold names from the evidence.
            eprintln!("ckptfx: {}", ckptfx_report::untrusted::show(format!("{error:#}").as_bytes()));
            ExitCode::from(USAGE_OR_UNREADABLE)
        }
    }
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
