//! `ckptfx env`: the environment of each process.

use anyhow::Result;
use ckptfx_analysis::process::environment::{self, Variable};
use ckptfx_report::untrusted::show;
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
    name: "env",
    aliases: &["envars"],
    about: "Show the environment of each process",
    usage: None,
    notes: "",
    examples: &["ckptfx env archive.tar", "ckptfx env --pid 1 archive.tar | grep -i token"],
    arguments: ViewArgs::augment_args,
    formats: Format::RECORDS,
    run: |call| run(&call.arguments()?, call.common),
};

pub const VIEW: View<Variable> = View {
    name: "env",
    collection: Collection { name: "variables", columns: &["pid", "comm", "name", "value"] },
    table: &[
        Column::right("PID", |variable| variable.pid.to_string()),
        Column::left("COMM", |variable| view::text(variable.comm.as_ref())),
        Column::left("VARIABLE", |variable| {
            let name = show(&variable.name.0);
            variable.value.as_ref().map_or(name.clone(), |value| format!("{name}={}", show(&value.0)))
        }),
    ],
};

pub fn run(args: &ViewArgs, common: &Common) -> Result<Outcome> {
    view::run(&VIEW, args, common, |case, wanted| Ok(environment::variables(case, wanted)))
}
