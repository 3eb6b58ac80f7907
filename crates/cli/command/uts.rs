//! `ckptfx uts`: host names.

use anyhow::Result;
use ckptfx_analysis::container::uts::{self, Uts};
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
    name: "uts",
    aliases: &[],
    about: "Show host and domain name of each UTS namespace",
    usage: None,
    notes: "",
    examples: &["ckptfx uts archive.tar"],
    arguments: ViewArgs::augment_args,
    formats: Format::RECORDS,
    run: |call| run(&call.arguments()?, call.common),
};

pub const VIEW: View<Uts> = View {
    name: "uts",
    collection: Collection { name: "uts", columns: &["namespace", "nodename", "domainname", "pids"] },
    table: &[
        Column::right("NAMESPACE", |uts| uts.namespace.to_string()),
        Column::left("HOST NAME", |uts| view::text(uts.nodename.as_ref())),
        Column::left("DOMAIN NAME", |uts| view::text(uts.domainname.as_ref())),
        Column::left("PIDS", |uts| uts.pids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")),
    ],
};

pub fn run(args: &ViewArgs, common: &Common) -> Result<Outcome> {
    view::run(&VIEW, args, common, |case, wanted| Ok(uts::namespaces(case, wanted)))
}
