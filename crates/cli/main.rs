//! The `ckptfx` program.
#![forbid(unsafe_code)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "it reads no bytes of the evidence itself: what it counts and looks up are rows and keys of its own"
)]
#![allow(unused_qualifications, reason = "a path in full does no harm")]

mod args;
mod checkpoints;
mod command;
mod command_line;
mod diagnostics;
mod evidence;
mod hash;
mod named;
mod nested;
mod operands;
mod outcome;
mod progress;
mod render;
mod rules;
mod scanning;
mod sealed;
mod spec;
mod sysroot;
mod view;

use std::{ffi::OsString, path::Path, process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result, bail};
use ckptfx_analysis::finding::quoted;
use ckptfx_report::untrusted;
use clap::{
    ArgMatches, FromArgMatches as _,
    error::{ContextKind, ErrorKind},
};

use crate::{
    args::{Common, Format, Workers},
    outcome::Outcome,
    spec::Call,
};

/// What the exit status of `docs/output.md` means.
const USAGE_OR_UNREADABLE: u8 = 2;

fn main() -> ExitCode {
    let words = with_pem_markers(std::env::args_os());
    let matches = match command_line::parser(command::ALL).try_get_matches_from(&words) {
        Ok(matches) => matches,
        Err(error) => return refuse(&error, &words),
    };
    let common = Common::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let asked = common.output;
    let common = common.resolved();
    if let Err(error) = guard() {
        eprintln!("ckptfx: {error}");
        return ExitCode::from(USAGE_OR_UNREADABLE);
    }
    match run(&matches, asked, &common) {
        Ok(Outcome::Partly) if common.strict => ExitCode::from(USAGE_OR_UNREADABLE),
        Ok(outcome) => ExitCode::from(outcome as u8),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ckptfx: {}", diagnostics::error_text(&error));
            ExitCode::from(USAGE_OR_UNREADABLE)
        }
    }
}

/// Says what is wrong with the command line, and what may have been meant.
fn refuse(error: &clap::Error, words: &[OsString]) -> ExitCode {
    let unknown = matches!(error.kind(), ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument);
    let name = error.get(ContextKind::InvalidSubcommand).map(ToString::to_string).filter(|_| unknown);
    let Some(name) = name else { error.exit() };
    let shown = untrusted::show(name.as_bytes());
    let rest = words.iter().skip_while(|word| word.as_os_str() != name.as_str()).skip(1);
    let is_path = Path::new(&name).exists() || name.contains(['/', '.']);
    if is_path {
        let path = quoted(&shown);
        eprintln!("ckptfx: a command is missing before {path}; try: ckptfx triage {path}");
    } else if let Some(meant) = command_line::meant(&name) {
        let rest: Vec<String> = rest.map(|word| quoted(&untrusted::show(word.as_encoded_bytes()))).collect();
        eprintln!(
            "ckptfx: there is no command {shown}; try: {}",
            ["ckptfx", meant, &rest.join(" ")].join(" ").trim_end()
        );
    } else {
        error.exit();
    }
    ExitCode::from(USAGE_OR_UNREADABLE)
}

/// Runs what the command line says.
fn run(matches: &ArgMatches, asked: Format, common: &Common) -> Result<Outcome> {
    let (name, own) = matches.subcommand().context("a command is needed")?;
    let command =
        command::ALL.iter().find(|command| command.name == name).context("there is no such command")?;
    match common.workers() {
        Workers::Some(count) => rayon::ThreadPoolBuilder::new().num_threads(count).build_global()?,
        Workers::NotSaid { .. } if name != "ps" => bail!("--threads needs a number"),
        Workers::NotSaid { .. } | Workers::Usual => {}
    }
    if !command.has(asked) {
        bail!("`{name}` cannot write {}: use {}", asked.name(), command.forms());
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
