//! `ckptfx cgroups`: control groups and what they are set to.

use ckptfx_analysis::container::cgroup::Cgroup;
use ckptfx_report::{listing, schema::Document, untrusted::show};
use clap::Args;

use super::ns;
use crate::{
    args::{Format, ViewArgs},
    spec::{Command, Group},
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "cgroups",
    aliases: &[],
    group: Group::Container,
    about: "Show control groups and their limits",
    usage: None,
    notes: "",
    examples: &["ckptfx cgroups archive.tar", "ckptfx cgroups -o csv archive.tar"],
    arguments: ViewArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[VIEW.collection])),
    run: |call| view::list(&VIEW, &listing::CGROUPS, call),
};

pub const VIEW: View<Cgroup> = View::of(
    &listing::CGROUPS,
    &[
        Column::left("CONTROLLER", |group| match group.controller.0.as_slice() {
            b"" => "(v2)".to_owned(),
            name => show(name),
        }),
        Column::left("PATH", |group| show(&group.path.0)),
        Column::left("PIDS", |group| ns::pids(&group.pids)),
        Column::left("PROPERTY", |group| view::text(group.property.as_ref())),
        Column::left("VALUE", |group| view::text(group.value.as_ref())),
    ],
);
