//! `ckptfx signals`: what processes do on signals, and which wait.

use anyhow::Result;
use ckptfx_analysis::process::signal::{self, Disposition, Pending, Signal};
use ckptfx_report::{listing, schema::Document};
use clap::Args;

use super::threads;
use crate::{
    args::{Common, Format, ViewArgs},
    outcome::Outcome,
    spec::{Command, Group},
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "signals",
    aliases: &[],
    group: Group::Processes,
    about: "Show signal handlers, blocked and pending signals",
    usage: None,
    notes: "",
    examples: &["ckptfx signals --pid 1 archive.tar"],
    arguments: SignalsArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[VIEW.collection])),
    run: |call| run(&call.arguments()?, call.common),
};

/// What `signals` takes.
#[derive(Debug, Args)]
pub struct SignalsArgs {
    #[command(flatten)]
    pub view: ViewArgs,
    /// Include signals with their default action.
    #[arg(long)]
    pub all: bool,
}

pub const VIEW: View<Signal> = View::of(
    &listing::SIGNALS,
    &[
        Column::right("PID", |signal| signal.pid.to_string()),
        Column::left("COMM", |signal| view::text(signal.comm.as_ref())),
        Column::left("SIGNAL", |signal| signal.signal.clone()),
        Column::left("ACTION", |signal| {
            match signal.disposition {
                Some(Disposition::Default) => "default",
                Some(Disposition::Ignored) => "ignored",
                Some(Disposition::Handled) => "handled",
                None => "?",
            }
            .to_owned()
        }),
        Column::left("HANDLER", |signal| threads::location(signal.handler.as_ref())),
        Column::left("FLAGS", |signal| signal.flags.join(" ")),
        Column::left("BLOCKED BY", |signal| {
            signal.blocked_by.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
        }),
        Column::left("PENDING", |signal| signal.pending.iter().map(pending).collect::<Vec<_>>().join(", ")),
    ],
);

fn pending(pending: &Pending) -> String {
    let target = pending.tid.map_or_else(String::new, |tid| format!("thread {tid}: "));
    let sender = pending.sender_pid.map_or_else(String::new, |pid| format!(" from pid {pid}"));
    let uid = pending.sender_uid.map_or_else(String::new, |uid| format!(" uid {uid}"));
    let value = pending.value.as_ref().map_or_else(String::new, |value| format!(" value {value}"));
    format!("{target}{}{sender}{uid}{value}", pending.code)
}

pub fn run(args: &SignalsArgs, common: &Common) -> Result<Outcome> {
    view::run_filtered(&VIEW, &args.view.archives, &args.view.filter, common, &mut |case, wanted| {
        Ok(signal::signals(case, args.all, wanted))
    })
}
