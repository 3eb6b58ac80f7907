//! `ckptfx limits`: resource limits.

use anyhow::Result;
use ckptfx_analysis::process::limits::{self, Limit};
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
    name: "limits",
    aliases: &[],
    about: "Show the resource limits of each process",
    usage: None,
    notes: "",
    examples: &["ckptfx limits archive.tar", "ckptfx limits --comm nginx -o json archive.tar"],
    arguments: ViewArgs::augment_args,
    formats: Format::RECORDS,
    run: |call| run(&call.arguments()?, call.common),
};

pub const VIEW: View<Limit> = View {
    name: "limits",
    collection: Collection { name: "limits", columns: &["pid", "comm", "limit", "soft", "hard"] },
    table: &[
        Column::right("PID", |limit| limit.pid.to_string()),
        Column::left("COMM", |limit| view::text(limit.comm.as_ref())),
        Column::left("LIMIT", |limit| limit.limit.clone()),
        Column::right("SOFT", |limit| value(limit.soft)),
        Column::right("HARD", |limit| value(limit.hard)),
    ],
};

fn value(value: Option<u64>) -> String {
    value.map_or_else(|| "unlimited".to_owned(), |value| value.to_string())
}

pub fn run(args: &ViewArgs, common: &Common) -> Result<Outcome> {
    view::run(&VIEW, args, common, |case, wanted| Ok(limits::limits(case, wanted)))
}
