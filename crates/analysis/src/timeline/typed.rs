//! Commands with their times.

use super::{Event, Kind, Reliability, Subject};
use crate::{Case, Task, Text, process::history};

/// Commands that GNU history keeps in memory. What was typed and not read has no time.
pub(super) fn commands(
    case: &mut Case<'_>,
    wanted: &dyn Fn(&Task<'_>) -> bool,
    list: &mut Vec<Event>,
) -> std::io::Result<()> {
    for command in history::commands(case, wanted)? {
        let Some(time) = command.time else { continue };
        let mut source = b"memory of process ".to_vec();
        source.extend(command.pid.map_or_else(|| "?".to_owned(), |pid| pid.to_string()).into_bytes());
        let message = command.line.unwrap_or_else(|| Text::from("a command whose line is not captured"));
        let subject = Subject { pid: command.pid, comm: command.comm, ..Subject::default() };
        let event = Event::new(time, Kind::CommandTyped, source, Reliability::Claimed);
        list.push(event.saying(message).about(subject));
    }
    Ok(())
}
