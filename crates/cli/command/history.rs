//! `ckptfx history`: commands that were typed.

use anyhow::Result;
use ckptfx_analysis::process::history::{self, TypedCommand};
use clap::Args;

use crate::{
    args::{Common, Format, ViewArgs},
    outcome::Outcome,
    render::Collection,
    spec::Command,
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "history",
    aliases: &["bash"],
    about: "Show commands that were typed: shell history in memory, and unread terminal input",
    usage: None,
    notes: "Bash and other programs with GNU history keep what was typed in memory, also when they write no history file.
Shells without it (dash, BusyBox) keep nothing but the line that they work on.",
    examples: &["ckptfx history archive.tar", "ckptfx history --pid 6 -o json archive.tar"],
    arguments: ViewArgs::augment_args,
    formats: Format::RECORDS,
    run: |call| run(&call.arguments()?, call.common),
};

pub const VIEW: View<TypedCommand> = View {
    name: "history",
    collection: Collection {
        name: "commands",
        columns: &["pid", "comm", "exe", "time", "line", "address", "found"],
    },
    table: &[
        Column::right("PID", |command| view::number(command.pid)),
        Column::left("COMM", |command| view::text(command.comm.as_ref())),
        Column::left("TIME", |command| view::number(command.time)),
        Column::left("FOUND", |command| command.found.name().to_owned()),
        Column::left("COMMAND", |command| view::text(command.line.as_ref())),
    ],
};

pub fn run(args: &ViewArgs, common: &Common) -> Result<Outcome> {
    view::run(&VIEW, args, common, |case, wanted| Ok(history::commands(case, wanted)?))
}
