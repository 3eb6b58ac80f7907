//! Reads the events.

use ckptfx_parser::Diagnostic;

use super::{
    container, credentials,
    event::{Event, Kind, Wish},
    files, logs, typed,
};
use crate::Case;

/// All events, in order of time; those of one moment in order of kind and source, and then as the source has them.
///
/// # Errors
/// When captured pages cannot be joined.
pub fn events(case: &mut Case<'_>, wish: &Wish<'_>) -> std::io::Result<Vec<Event>> {
    let mut list = Vec::new();
    let mut diagnostics = Vec::new();
    if !wish.filtered {
        container::engine(case, &mut list, &mut diagnostics);
        container::images(case, &mut list);
        if wish.wants(&[Kind::LogEntry]) {
            logs::container(case, &mut list);
        }
        if wish.wants(&[Kind::DumpLogEntry]) {
            logs::dump(case, &mut list);
        }
    }
    if wish.wants(&[Kind::FileModified]) {
        files::changed(case, wish, &mut list);
    }
    if wish.wants(&[Kind::GhostModified, Kind::GhostAccessed]) {
        files::ghosts(case, wish, &mut list);
    }
    if wish.wants(&[Kind::CommandTyped]) {
        typed::commands(case, wish.wanted, &mut list)?;
    }
    if wish.wants(&Kind::CREDENTIALS) {
        credentials::times(case, wish, &mut list)?;
    }
    case.diagnostics.append(&mut diagnostics);
    list.retain(|event| wish.kinds.contains(&event.kind));
    // What has one time stays in the order of its source: lines of a log, commands of a shell.
    list.sort_by(|one, other| {
        (one.time, one.kind, &one.source).cmp(&(other.time, other.kind, &other.source))
    });
    note_order(case, &list);
    Ok(list)
}

/// Says which events are later than the checkpoint: a clock that was changed, or a time that was made up.
fn note_order(case: &mut Case<'_>, list: &[Event]) {
    let Some(checkpointed) = crate::container::dated::checkpointed(case.checkpoint).map(|found| found.time)
    else {
        return;
    };
    // The engine's stamp is taken before the dump, which may last a while.
    let end = list.iter().filter(|event| event.kind == Kind::LastImageWritten).map(|event| event.time).max();
    let end = end.map_or(checkpointed, |end| end.max(checkpointed));
    let Ok(limit) = end.checked_add(jiff::SignedDuration::from_mins(1)) else { return };
    // What expires usually does so later.
    let is_past = |event: &&Event| !matches!(event.kind, Kind::TokenExpires | Kind::CertificateExpires);
    let later = list.iter().filter(is_past).filter(|event| event.time > limit).count();
    if later > 0 {
        let message = format!(
            "{later} events are dated after the checkpoint: a clock was wrong, or the times were set"
        );
        case.diagnostics.push(Diagnostic::note("time-after-checkpoint", "timeline", message));
    }
}
