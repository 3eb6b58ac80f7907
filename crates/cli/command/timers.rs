//! `ckptfx timers`: interval and POSIX timers.

use ckptfx_analysis::process::timer::{Kind, Timer};
use ckptfx_report::{listing, schema::Document};
use clap::Args;

use crate::{
    args::{Format, ViewArgs},
    spec::{Command, Group},
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "timers",
    aliases: &[],
    group: Group::Processes,
    about: "Show interval and POSIX timers",
    usage: None,
    notes: "",
    examples: &["ckptfx timers archive.tar"],
    arguments: ViewArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[VIEW.collection])),
    run: |call| view::list(&VIEW, &listing::TIMERS, call),
};

pub const VIEW: View<Timer> = View::of(
    &listing::TIMERS,
    &[
        Column::right("PID", |timer| timer.pid.to_string()),
        Column::left("COMM", |timer| view::text(timer.comm.as_ref())),
        Column::left("KIND", |timer| {
            match timer.kind {
                Kind::Real => "real",
                Kind::Virtual => "virtual",
                Kind::Prof => "prof",
                Kind::Posix => "posix",
            }
            .to_owned()
        }),
        Column::right("ID", |timer| view::number(timer.id)),
        Column::left("CLOCK", |timer| timer.clock.clone().unwrap_or_else(|| "-".to_owned())),
        Column::right(
            "REMAINING",
            |timer| if timer.armed { seconds(timer.remaining_ns) } else { "-".to_owned() },
        ),
        Column::right("INTERVAL", |timer| seconds(timer.interval_ns)),
        Column::left("SIGNAL", |timer| timer.signal.clone().unwrap_or_else(|| "-".to_owned())),
        Column::left("NOTIFY", |timer| timer.notify.clone().unwrap_or_else(|| "-".to_owned())),
    ],
);

/// Seconds with as many digits as they need.
fn seconds(nanoseconds: Option<u64>) -> String {
    let Some(nanoseconds) = nanoseconds else { return "?".to_owned() };
    let (whole, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    let text = format!("{whole}.{rest:09}");
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}
