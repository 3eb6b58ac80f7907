//! Times that the engine, the dump and the archive recorded.

use ckptfx_parser::Diagnostic;
use jiff::Timestamp;

use super::{Event, Kind, Reliability};
use crate::{
    Case,
    container::{clues, dated, summary},
};

/// Creation, start, restore, checkpoint and boot.
pub(super) fn engine(case: &Case<'_>, list: &mut Vec<Event>, diagnostics: &mut Vec<Diagnostic>) {
    let container = &case.checkpoint.container;
    let name = container.name.as_deref().unwrap_or("container");
    for time in summary::times(case, diagnostics) {
        let (kind, message) = match time.what {
            "node-booted" => (Kind::NodeBooted, "the node was booted".to_owned()),
            "container-created" => (Kind::ContainerCreated, format!("container {name} was created")),
            "container-started" => (Kind::ContainerStarted, format!("container {name} was started")),
            "container-restored" => {
                (Kind::ContainerRestored, format!("container {name} was restored from a checkpoint"))
            }
            _ => (Kind::Checkpointed, format!("container {name} was checkpointed")),
        };
        let reliability = if time.derived { Reliability::Derived } else { Reliability::Recorded };
        let source = time.source.into_bytes();
        list.push(Event::new(time.time, kind, source, reliability).saying(message.into_bytes()));
    }
}

/// What bounds the dump: the netlink images, and when images were written as far as the archive has it.
pub(super) fn images(case: &Case<'_>, list: &mut Vec<Event>) {
    let images = &case.checkpoint.images;
    if let Some((time, source)) = clues::netlink_time(images) {
        let event = Event::new(time, Kind::NetworkDumped, source.into_bytes(), Reliability::Recorded);
        list.push(event.saying("CRIU saved addresses and routes"));
    }
    if dated::doubt(case.checkpoint).is_some() {
        return;
    }
    let mut written: Vec<(i64, &str)> = images
        .files()
        .filter_map(|(name, member)| Some((member.archived_mtime().filter(|time| *time > 0)?, name)))
        .collect();
    written.sort_unstable();
    for (kind, image) in
        [(Kind::FirstImageWritten, written.first()), (Kind::LastImageWritten, written.last())]
    {
        let Some((seconds, name)) = image else { continue };
        let Ok(time) = Timestamp::from_second(*seconds) else { continue };
        let message = format!("image {name} was written");
        list.push(Event::new(time, kind, *name, Reliability::Derived).saying(message.into_bytes()));
    }
}
