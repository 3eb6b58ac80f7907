//! Lines of the container's log, and what CRIU complained of.

use std::convert::Infallible;

use super::{Event, Kind, Reliability};
use crate::{Case, Text, container::log};

/// Lines that the container wrote and the engine dated.
pub(super) fn container(case: &mut Case<'_>, list: &mut Vec<Event>) {
    each(case, log::Source::Container, &mut |line| {
        let Some(time) = line.time else { return };
        let stream = line.stream.map_or("log", log::Stream::name);
        let message = Text([stream.as_bytes(), b": ", &line.text.0].concat());
        list.push(Event::new(time, Kind::LogEntry, line.member, Reliability::Recorded).saying(message));
    });
}

/// Errors and warnings of CRIU, whose log counts from its own start: about when the engine dates the checkpoint.
pub(super) fn dump(case: &mut Case<'_>, list: &mut Vec<Event>) {
    // Other sources of that time are from the end of the dump.
    let Some(start) = case.checkpoint.container.checkpointed else { return };
    each(case, log::Source::Dump, &mut |line| {
        let Some(offset) = line.offset_us.filter(|_| line.level.is_some()) else { return };
        let offset = i64::try_from(offset).map(jiff::SignedDuration::from_micros);
        let Some(time) = offset.ok().and_then(|offset| start.checked_add(offset).ok()) else { return };
        let event = Event::new(time, Kind::DumpLogEntry, line.member, Reliability::Derived);
        list.push(event.saying(line.text));
    });
}

/// Reads a log, without the note that there is none: a timeline needs no log.
fn each(case: &mut Case<'_>, source: log::Source, take: &mut dyn FnMut(log::LogLine)) {
    let before = case.diagnostics.len();
    let Ok(()) = log::read::<Infallible>(case, source, &mut |line| {
        take(line);
        Ok(())
    });
    let new = case.diagnostics.split_off(before);
    case.diagnostics.extend(new.into_iter().filter(|one| one.code != "missing-log"));
}
