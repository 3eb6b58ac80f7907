//! `ckptfx limits`: resource limits.

use ckptfx_analysis::process::limits::Limit;
use ckptfx_report::{listing, schema::Document};
use clap::Args;

use crate::{
    args::{Format, ViewArgs},
    spec::{Command, Group},
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "limits",
    aliases: &[],
    group: Group::Processes,
    about: "Show the resource limits of each process",
    usage: None,
    notes: "",
    examples: &["ckptfx limits archive.tar", "ckptfx limits --comm nginx -o json archive.tar"],
    arguments: ViewArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[VIEW.collection])),
    run: |call| view::list(&VIEW, &listing::LIMITS, call),
};

pub const VIEW: View<Limit> = View::of(
    &listing::LIMITS,
    &[
        Column::right("PID", |limit| limit.pid.to_string()),
        Column::left("COMM", |limit| view::text(limit.comm.as_ref())),
        Column::left("LIMIT", |limit| limit.limit.clone()),
        Column::right("SOFT", |limit| value(limit.soft)),
        Column::right("HARD", |limit| value(limit.hard)),
    ],
);

fn value(value: Option<u64>) -> String {
    value.map_or_else(|| "unlimited".to_owned(), |value| value.to_string())
}
