//! Who holds a secret: what a service keeps by rights is odd in a shell, a downloaded program or a miner.

use super::{Facts, known};
use crate::{
    process::Process,
    secret::{Secret, SecretPlace},
};

/// Why a process has no business with keys and tokens of its own; none for programs that are installed.
pub fn suspicion(facts: &Facts<'_>, process: &Process) -> Option<&'static str> {
    let exe = process.exe.as_ref().map(|exe| exe.0.as_slice()).unwrap_or_default();
    if process.exe_memfd == Some(true) {
        (!known::is_runtime_memfd(exe)).then_some("a fileless program")
    } else if process.exe_deleted == Some(true)
        && !(known::is_system(exe) && (facts.was_changed(exe) || facts.packages_changed().is_some()))
    {
        Some("a deleted program")
    } else if is_miner(facts, process) {
        Some("a cryptocurrency miner")
    } else if known::is_temporary(exe) {
        Some("a program in a temporary directory")
    } else if known::is_transfer_tool(process) {
        Some("a data transfer tool")
    } else if known::is_shell(process) {
        Some("a shell")
    } else if known::is_one_liner(process) {
        Some("an interpreter that was given its program as an argument")
    } else {
        None
    }
}

/// Whether strings of miners of more than one family are in its memory.
fn is_miner(facts: &Facts<'_>, process: &Process) -> bool {
    facts.miners_in(process.pid) > 1
}

/// Processes that see a place.
pub fn pids(place: &SecretPlace) -> impl Iterator<Item = u32> + '_ {
    place.pid.into_iter().chain(place.shared_with.iter().copied())
}

/// Whether a process was given the secret in its environment, as the first process was: it is a setting of the
/// container, which every program started in it gets.
pub fn is_setting(facts: &Facts<'_>, secret: &Secret, pid: u32) -> bool {
    let has = |pid: u32| {
        let given = |place: &SecretPlace| place.pid == Some(pid) && place.role == Some("environment");
        secret.places.iter().any(given)
    };
    facts.first().is_some_and(|first| has(first.pid)) && has(pid)
}
