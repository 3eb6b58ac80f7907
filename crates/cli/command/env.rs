//! `ckptfx env`: the environment of each process.

use ckptfx_analysis::process::environment::Variable;
use ckptfx_report::{listing, schema::Document, untrusted::show};
use clap::Args;

use crate::{
    args::{Format, ViewArgs},
    spec::{Command, Group},
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "env",
    aliases: &["envars"],
    group: Group::Processes,
    about: "Show the environment of each process",
    usage: None,
    notes: "",
    examples: &["ckptfx env archive.tar", "ckptfx env --pid 1 archive.tar | grep -i token"],
    arguments: ViewArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[VIEW.collection])),
    run: |call| view::list(&VIEW, &listing::VARIABLES, call),
};

pub const VIEW: View<Variable> = View::of(
    &listing::VARIABLES,
    &[
        Column::right("PID", |variable| variable.pid.to_string()),
        Column::left("COMM", |variable| view::text(variable.comm.as_ref())),
        Column::left("VARIABLE", |variable| {
            let name = show(&variable.name.0);
            variable.value.as_ref().map_or(name.clone(), |value| format!("{name}={}", show(&value.0)))
        }),
    ],
);
