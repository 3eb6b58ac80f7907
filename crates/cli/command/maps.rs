//! `ckptfx maps`: the mappings of each process.

use anyhow::Result;
use ckptfx_analysis::memory::{
    anomaly::Anomaly,
    mapping::{self, Mapping},
};

use super::{
    Outcome,
    view::{self, Column, View},
};
use crate::{
    args::{Common, MapsArgs},
    render::{Collection, table},
};
use ckptfx_report::untrusted::show;
pub use ckptfx_report::words::range as address;

const COLLECTION: Collection = Collection {
    name: "maps",
    columns: &[
        "pid",
        "comm",
        "start",
        "end",
        "perms",
        "offset",
        "path",
        "kind",
        "deleted",
        "captured_bytes",
        "file_id",
        "file_size",
        "build_id",
        "shared_object",
        "criu_page",
        "anomalies",
        "advice",
    ],
};

pub const VIEW: View<Mapping> = View {
    name: "maps",
    collection: COLLECTION,
    table: &[
        Column::right("PID", |mapping| mapping.pid.to_string()),
        Column::left("ADDRESS", address),
        Column::left("PERM", |mapping| mapping.perms.clone()),
        Column::right("OFFSET", |mapping| format!("{:08x}", mapping.offset)),
        Column::right("CAPTURED", |mapping| table::size(mapping.captured_bytes)),
        Column::left("PATH", |mapping| show(&mapping.path.0)),
    ],
};

const ANOMALIES: View<Mapping> = View {
    table: &[
        Column::right("PID", |mapping| mapping.pid.to_string()),
        Column::left("COMM", |mapping| view::text(mapping.comm.as_ref())),
        Column::left("ADDRESS", address),
        Column::left("PERM", |mapping| mapping.perms.clone()),
        Column::right("CAPTURED", |mapping| table::size(mapping.captured_bytes)),
        Column::left("PATH", |mapping| {
            if mapping.path.0.is_empty() { mapping.kind.to_owned() } else { show(&mapping.path.0) }
        }),
        Column::left("SEVERITY", |mapping| {
            mapping
                .anomalies
                .iter()
                .map(|odd| odd.severity)
                .max()
                .map_or_else(String::new, |worst| worst.name().to_owned())
        }),
        Column::left("FINDING", |mapping| {
            mapping.anomalies.iter().map(finding).collect::<Vec<_>>().join("; ")
        }),
    ],
    ..VIEW
};

/// An anomaly in one line.
pub fn finding(anomaly: &Anomaly) -> String {
    let thread = anomaly.evidence.iter().find(|fact| fact.what == "thread");
    let thread = thread.map(|fact| format!(" (thread {})", show(&fact.value.0))).unwrap_or_default();
    format!("{}: {}{thread}", anomaly.rule, anomaly.why)
}

pub fn run(args: &MapsArgs, common: &Common) -> Result<Outcome> {
    let view = if args.anomalies { &ANOMALIES } else { &VIEW };
    view::run_filtered(view, &args.archives, &args.filter, common, &mut |case, wanted| {
        let mut mappings = mapping::mappings(case, wanted);
        if args.anomalies {
            mappings.retain(|mapping| !mapping.anomalies.is_empty());
        }
        Ok(mappings)
    })
}
