//! `ckptfx history`: commands that were typed.

use ckptfx_analysis::process::history::TypedCommand;
use ckptfx_report::{listing, schema::Document};
use clap::Args;

use crate::{
    args::{Format, ViewArgs},
    spec::{Command, Group},
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "history",
    aliases: &["bash"],
    group: Group::Processes,
    about: "Show typed commands: shell history in memory and unread terminal input",
    usage: None,
    notes: "Bash and other programs with GNU history keep typed commands in memory, even if they write no history file. Shells without it
(dash, BusyBox) keep only the current line.",
    examples: &["ckptfx history archive.tar", "ckptfx history --pid 6 -o json archive.tar"],
    arguments: ViewArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[VIEW.collection])),
    run: |call| view::list(&VIEW, &listing::COMMANDS, call),
};

pub const VIEW: View<TypedCommand> = View::of(
    &listing::COMMANDS,
    &[
        Column::right("PID", |command| view::number(command.pid)),
        Column::left("COMM", |command| view::text(command.comm.as_ref())),
        Column::left("TIME", |command| view::number(command.time)),
        Column::left("FOUND", |command| command.found.name().to_owned()),
        Column::left("COMMAND", |command| view::text(command.line.as_ref())),
    ],
);
