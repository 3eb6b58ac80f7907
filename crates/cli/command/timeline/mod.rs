//! `ckptfx timeline`: every dated fact, in order of time.

mod arguments;

use anyhow::{Context as _, Result};
use ckptfx_analysis::{
    files::nested::sources,
    timeline::{self, Event, Kind, Wish},
};
use ckptfx_report::{listing, schema::Document, untrusted::show};
use clap::Args;

use self::arguments::TimelineArgs;
use crate::{
    args::{Common, Format},
    checkpoints::for_each_checkpoint,
    nested::open_member,
    outcome::Outcome,
    render::Dossier,
    sealed,
    spec::{Command, Group},
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "timeline",
    aliases: &["timeliner"],
    group: Group::Cases,
    about: "List every timestamped fact in order",
    usage: None,
    notes: "Times are UTC. TRUST says who vouches for a time: recorded (engine, kernel or CRIU, on the node), derived
(calculated from recorded times), or claimed (processes of the container could have chosen it).
-o timesketch writes JSON lines to upload to Timesketch, -o bodyfile lines for mactime; both are of several
archives one after another, not sorted over all of them. A directory that capture wrote to stands for its archives,
and a manifest for its archive: seals and links are checked, and what does not agree is a warning.",
    examples: &["ckptfx timeline archive.tar", "ckptfx timeline --kind command-typed,log-entry archive.tar", "ckptfx timeline --from 2026-11-23T22:00:00Z --to 2026-11-24 archive.tar", "ckptfx timeline -o timesketch archive.tar --out-file case.jsonl", "ckptfx timeline -o bodyfile archive.tar | mactime -z UTC -d"],
    arguments: TimelineArgs::augment_args,
    formats: &[Format::Table, Format::Wide, Format::Json, Format::Jsonl, Format::Csv, Format::Bodyfile, Format::Timesketch],
    result: Some(Document::of(&[VIEW.collection])),
    run: |call| run(&call.arguments()?, call.common),
};

/// Longest source in a table, in characters.
const MAX_SOURCE: usize = 28;

pub const VIEW: View<Event> = View::of(
    &listing::EVENTS,
    &[
        Column::left("TIME", |event| event.time.to_string()),
        Column::left("KIND", |event| event.kind.name().to_owned()),
        Column::left("TRUST", |event| event.reliability.name().to_owned()),
        Column::cut("SOURCE", MAX_SOURCE, |event| show(&event.source.0)),
        Column::right("PID", |event| view::number(event.subject.pid)),
        Column::left("EVENT", |event| show(&event.message.0)),
    ],
);

pub fn run(args: &TimelineArgs, common: &Common) -> Result<Outcome> {
    let kinds: Vec<Kind> = match args.kind.as_slice() {
        [] => Kind::ALL.to_vec(),
        some => some.iter().map(|kind| kind.0).collect(),
    };
    let archives = sealed::expand(&args.archives, false)?;
    for_each_checkpoint(&archives, common, VIEW.name, VIEW.collection, |case, output, bars| {
        args.filter.check(case)?;
        let sources = if Kind::OF_FILES.iter().any(|kind| kinds.contains(kind)) {
            sources(case, &|member, diagnostics| open_member(member, common, bars, diagnostics))
        } else {
            Vec::new()
        };
        let wish = Wish {
            sources: &sources,
            kinds: &kinds,
            wanted: &|task| args.filter.accepts(task),
            filtered: args.filter.is_set(),
        };
        let mut events = timeline::events(case, &wish)?;
        events.retain(|event| {
            args.from.is_none_or(|from| event.time >= from) && args.to.is_none_or(|to| event.time < to)
        });
        if output.is_export() {
            let head = output.about().context("a result about no checkpoint")?.clone();
            return output.export(&Dossier { events: &events, ..Dossier::new(&head) });
        }
        view::write(&VIEW, &events, output)
    })
}
