//! `ckptfx cgroups`: control groups and what they are set to.

use anyhow::Result;
use ckptfx_analysis::container::cgroup::{self, Cgroup};
use ckptfx_report::untrusted::show;
use clap::Args;

use super::ns;
use crate::{
    args::{Common, Format, ViewArgs},
    outcome::Outcome,
    render::Collection,
    spec::Command,
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "cgroups",
    aliases: &[],
    about: "Show control groups and their limits",
    usage: None,
    notes: "",
    examples: &["ckptfx cgroups archive.tar", "ckptfx cgroups -o csv archive.tar"],
    arguments: ViewArgs::augment_args,
    formats: Format::RECORDS,
    run: |call| run(&call.arguments()?, call.common),
};

pub const VIEW: View<Cgroup> = View {
    name: "cgroups",
    collection: Collection {
        name: "cgroups",
        columns: &["controller", "path", "outside", "property", "value", "mode", "uid", "gid", "pids"],
    },
    table: &[
        Column::left("CONTROLLER", |group| match group.controller.0.as_slice() {
            b"" => "(v2)".to_owned(),
            name => show(name),
        }),
        Column::left("PATH", |group| show(&group.path.0)),
        Column::left("PIDS", |group| ns::pids(&group.pids)),
        Column::left("PROPERTY", |group| view::text(group.property.as_ref())),
        Column::left("VALUE", |group| view::text(group.value.as_ref())),
    ],
};

pub fn run(args: &ViewArgs, common: &Common) -> Result<Outcome> {
    view::run_filtered(&VIEW, &args.archives, &args.filter, common, &mut |case, wanted| {
        Ok(cgroup::cgroups(case, wanted))
    })
}
