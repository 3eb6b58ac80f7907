//! `ckptfx timeline`: every dated fact, in order of time.

use anyhow::{Context as _, Result};
use ckptfx_analysis::{
    files::nested::sources,
    timeline::{self, Event, Kind, Wish},
};

use super::{
    Outcome, for_each_checkpoint,
    rootfs::open_member,
    view::{self, Column, View},
};
use crate::{
    args::{Common, TimelineArgs},
    render::{Collection, Dossier},
    sealed,
};
use ckptfx_report::untrusted::{show, show_short};

/// Longest source in a table, in characters.
const MAX_SOURCE: usize = 28;

pub const VIEW: View<Event> = View {
    name: "timeline",
    collection: Collection {
        name: "events",
        columns: &[
            "time",
            "kind",
            "source",
            "reliability",
            "message",
            "subject.pid",
            "subject.comm",
            "subject.path",
            "subject.file_kind",
            "subject.size",
            "subject.mode",
            "subject.uid",
            "subject.gid",
            "subject.holders",
        ],
    },
    table: &[
        Column::left("TIME", |event| event.time.to_string()),
        Column::left("KIND", |event| event.kind.name().to_owned()),
        Column::left("TRUST", |event| event.reliability.name().to_owned()),
        Column::left("SOURCE", |event| show_short(&event.source.0, MAX_SOURCE)),
        Column::right("PID", |event| view::number(event.subject.pid)),
        Column::left("EVENT", |event| show(&event.message.0)),
    ],
};

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
