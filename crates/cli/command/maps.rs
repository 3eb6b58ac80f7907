//! `ckptfx maps`: the mappings of each process.

use anyhow::Result;
use ckptfx_analysis::memory::{
    anomaly::Anomaly,
    mapping::{self, Mapping},
};
use ckptfx_report::{listing, schema::Document, untrusted::show};
use clap::Args;

pub use ckptfx_report::words::range as address;

use crate::{
    args::{Common, Format, ViewArgs},
    outcome::Outcome,
    render::table,
    spec::{Command, Group},
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "maps",
    aliases: &[],
    group: Group::Memory,
    about: "List the mappings of each process",
    usage: None,
    notes: "",
    examples: &["ckptfx maps --pid 14 archive.tar", "ckptfx maps --anomalies archive.tar"],
    arguments: MapsArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[VIEW.collection])),
    run: |call| run(&call.arguments()?, call.common),
};

/// What `maps` takes.
#[derive(Debug, Args)]
pub struct MapsArgs {
    #[command(flatten)]
    pub view: ViewArgs,
    /// Only mappings with anomalies, with the reason.
    #[arg(long)]
    pub anomalies: bool,
}

pub const VIEW: View<Mapping> = View::of(
    &listing::MAPS,
    &[
        Column::right("PID", |mapping| mapping.pid.to_string()),
        Column::left("ADDRESS", address),
        Column::left("PERM", |mapping| mapping.perms.clone()),
        Column::right("OFFSET", |mapping| format!("{:08x}", mapping.offset)),
        Column::right("CAPTURED", |mapping| table::size(mapping.captured_bytes)),
        Column::left("PATH", |mapping| show(&mapping.path.0)),
    ],
);

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
    view::run_filtered(view, &args.view.archives, &args.view.filter, common, &mut |case, wanted| {
        let mut mappings = mapping::mappings(case, wanted);
        if args.anomalies {
            mappings.retain(|mapping| !mapping.anomalies.is_empty());
        }
        Ok(mappings)
    })
}
