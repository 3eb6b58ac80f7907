//! `ckptfx history`: commands that were typed.

use anyhow::Result;
use ckptfx_analysis::process::history::{self, TypedCommand};

use super::{
    Outcome,
    view::{self, Column, View},
};
use crate::{
    args::{Common, ViewArgs},
    render::Collection,
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
