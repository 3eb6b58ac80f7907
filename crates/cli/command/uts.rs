//! `ckptfx uts`: host names.

use anyhow::Result;
use ckptfx_analysis::container::uts::{self, Uts};

use super::{
    Outcome,
    view::{self, Column, View},
};
use crate::{
    args::{Common, ViewArgs},
    render::Collection,
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
