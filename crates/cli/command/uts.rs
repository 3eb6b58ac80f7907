//! `ckptfx uts`: host names.

use ckptfx_analysis::container::uts::Uts;
use ckptfx_report::{listing, schema::Document};
use clap::Args;

use crate::{
    args::{Format, ViewArgs},
    spec::{Command, Group},
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "uts",
    aliases: &[],
    group: Group::Container,
    about: "Show host and domain name of each UTS namespace",
    usage: None,
    notes: "",
    examples: &["ckptfx uts archive.tar"],
    arguments: ViewArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[VIEW.collection])),
    run: |call| view::list(&VIEW, &listing::UTS, call),
};

pub const VIEW: View<Uts> = View::of(
    &listing::UTS,
    &[
        Column::right("NAMESPACE", |uts| uts.namespace.to_string()),
        Column::left("HOST NAME", |uts| view::text(uts.nodename.as_ref())),
        Column::left("DOMAIN NAME", |uts| view::text(uts.domainname.as_ref())),
        Column::left("PIDS", |uts| uts.pids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")),
    ],
);
