//! `ckptfx limits`: resource limits.

use anyhow::Result;
use ckptfx_analysis::process::limits::{self, Limit};

use super::{
    Outcome,
    view::{self, Column, View},
};
use crate::{
    args::{Common, ViewArgs},
    render::Collection,
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
