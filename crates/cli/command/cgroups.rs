//! `ckptfx cgroups`: control groups and what they are set to.

use anyhow::Result;
use ckptfx_analysis::container::cgroup::{self, Cgroup};

use super::{
    Outcome, ns,
    view::{self, Column, View},
};
use crate::{
    args::{CgroupsArgs, Common},
    render::Collection,
};
use ckptfx_report::untrusted::show;

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

pub fn run(args: &CgroupsArgs, common: &Common) -> Result<Outcome> {
    view::run_filtered(&VIEW, &args.archives, &args.filter, common, &mut |case, wanted| {
        Ok(cgroup::cgroups(case, wanted))
    })
}
