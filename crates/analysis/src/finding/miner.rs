//! Miners of cryptocurrencies (`format.md §16.2`, rule 44).

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Confidence, Facts, Hit, Severity, StringHit, Subject,
    memory::PROTOCOL,
    next_step::{NextStep, Topic},
    record::about,
};
use crate::Text;

/// Threads that a miner has at least.
const MANY_THREADS: usize = 2;

/// Strings of miners, by process or file.
pub fn strings(facts: &Facts<'_>) -> Vec<Hit> {
    let mut owners: BTreeMap<(Option<u32>, Option<&Text>), Vec<&StringHit>> = BTreeMap::new();
    for found in &facts.memory.miner {
        if found.pids.is_empty() {
            owners.entry((None, found.path.as_ref())).or_default().push(found);
        }
        for pid in &found.pids {
            owners.entry((Some(*pid), None)).or_default().push(found);
        }
    }
    let mut hits = Vec::new();
    for ((pid, path), found) in owners {
        let subject = match pid.and_then(|pid| facts.process(pid)) {
            Some(process) => about(process),
            None => Subject { path: path.cloned(), ..Subject::default() },
        };
        let families: BTreeSet<&str> = found.iter().map(|hit| hit.family).collect();
        let list = families.iter().copied().collect::<Vec<_>>().join(", ");
        let is_file = pid.is_none();
        let mut hit = Hit::new(subject, format!("contains cryptocurrency miner strings ({list})"));
        let mut shown = BTreeSet::new();
        for string in found {
            if shown.insert((string.family, string.literal)) {
                hit = hit.fact("string", string.address.clone(), string.text.clone());
            }
        }
        hit = match pid {
            Some(pid) => hit.more(NextStep::Memory { pid, text: "stratum", ignore_case: true }),
            None => hit,
        };
        let several = families.len() > 1;
        hits.push(match (several, families.contains(PROTOCOL)) {
            (true, _) if is_file => hit.severity(Severity::High),
            (true, _) => hit,
            (false, true) => hit.severity(Severity::Medium).confidence(Confidence::Medium),
            (false, false) => hit.severity(Severity::Info).confidence(Confidence::Low),
        });
    }
    hits
}

/// Processes all of whose threads take the time that nobody else wants.
pub fn idle_threads(facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for process in facts.living() {
        let threads: Vec<_> = facts.threads_of(process.pid).collect();
        let polite = threads.iter().filter(|thread| {
            thread.nice.is_some_and(|nice| nice >= 19)
                || thread.scheduler.as_deref().is_some_and(|policy| policy == "SCHED_IDLE")
        });
        let count = polite.count();
        if count > MANY_THREADS && count * 2 > threads.len() {
            hits.push(
                Hit::new(about(process), "its threads run at idle priority, as miners' do")
                    .fact("threads of lowest priority", "core images", count.to_string())
                    .more(Topic::Threads.of(process.pid)),
            );
        }
    }
    hits
}
