//! Shells that keep no history (`format.md §16.2`, rule 14).

use super::{
    Confidence, Facts, Hit, Severity, known,
    next_step::{NextStep, Topic},
    record::about,
};
use crate::process::Process;

/// The variable that keeps a process's commands out of any file.
fn suppression<'p>(facts: &Facts<'_>, process: &'p Process) -> Option<(&'p [u8], &'p [u8])> {
    facts.environment(process).find(|(name, value)| match *name {
        b"HISTFILE" => matches!(*value, b"/dev/null" | b""),
        b"HISTSIZE" | b"HISTFILESIZE" => *value == b"0",
        _ => false,
    })
}

/// Processes that were told to keep no history.
pub fn disabled(facts: &Facts<'_>) -> Vec<Hit> {
    // What the first process has comes from the image or from the pod's definition.
    let inherited = facts.first().and_then(|first| suppression(facts, first));
    facts
        .living()
        .filter_map(|process| {
            let found = suppression(facts, process)?;
            let (name, value) = found;
            let hit = Hit::new(about(process), "shell history is disabled")
                .fact(
                    "variable",
                    format!("mm-{}.img, environment", process.pid),
                    [name, b"=", value].concat(),
                )
                .more(Topic::Environment.of(process.pid));
            Some(if inherited == Some(found) {
                hit.harmless(Severity::Low, "the first process has it too: set for the whole container")
            } else if known::is_shell(process) {
                hit.confidence(Confidence::High)
            } else {
                hit.severity(Severity::Low)
            })
        })
        .collect()
}

/// Commands of intruders in the memory of shells.
pub fn commands(facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for shell in facts.living().filter(|process| known::is_shell(process)) {
        for found in facts.memory.commands.iter().filter(|found| found.pids.contains(&shell.pid)) {
            let Some((severity, what)) = known::judge_command(&found.text.0) else { continue };
            hits.push(
                Hit::new(about(shell), format!("suspicious command in its memory: {what}"))
                    .severity(severity)
                    .fact("command", found.address.clone(), found.text.clone())
                    .more(NextStep::Memory { pid: shell.pid, text: found.literal, ignore_case: false }),
            );
        }
    }
    hits
}
