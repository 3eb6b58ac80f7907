//! Code that comes from no file, or is not that of its file (`format.md §16.2`, rules 5–12), from what is odd about
//! mappings and threads.

use super::{
    Facts, Hit, Severity, known,
    next_step::{NextStep, Topic},
    record::about,
};
use crate::{
    memory::{anomaly::Anomaly, mapping::Mapping},
    process::thread::ThreadFacts,
};

/// What a process that has a runtime mapped which makes code is excused with.
const CODE_MAKER: &str = "generates code at run time";

/// A hit for each mapping with an anomaly of a rule, at the severity that `judge` gives.
fn of_rule(
    facts: &Facts<'_>,
    rule: &str,
    judge: impl Fn(&Mapping, &Anomaly) -> Option<Severity>,
) -> Vec<Hit> {
    let mut hits = Vec::new();
    for mapping in &facts.mappings {
        let Some(process) = facts.process(mapping.pid) else { continue };
        for odd in mapping.anomalies.iter().filter(|odd| odd.rule == rule) {
            let Some(severity) = judge(mapping, odd) else { continue };
            let mut subject = about(process).address(mapping.start.clone());
            if !mapping.path.0.is_empty() {
                subject = subject.path(mapping.path.clone());
            }
            let hit = Hit::new(subject, odd.why.clone()).facts(odd.evidence.iter().cloned());
            let hit = match odd.caveat {
                Some(caveat) => hit.caveat(caveat),
                None => hit,
            };
            let hit = if is_explained(odd) { hit.confidence(super::Confidence::Low) } else { hit };
            hits.push(hit.severity(severity).more(NextStep::Anomalies { pid: mapping.pid }));
        }
    }
    hits
}

fn is_explained(odd: &Anomaly) -> bool {
    odd.caveat.is_some_and(|caveat| caveat.contains(CODE_MAKER))
}

fn has_program(odd: &Anomaly) -> bool {
    odd.evidence.iter().any(|fact| fact.what == "starts with")
}

/// Code from a memfd that is not the program itself.
pub fn memfd_code(facts: &Facts<'_>) -> Vec<Hit> {
    of_rule(facts, "memfd-code", |mapping, odd| {
        let process = facts.process(mapping.pid)?;
        let name = mapping.path.0.strip_prefix(b"/").unwrap_or(&mapping.path.0);
        let name = name.strip_suffix(b" (deleted)").unwrap_or(name);
        // The program itself is another finding.
        let is_exe = process.exe.as_ref().is_some_and(|exe| exe.0 == name);
        (!is_exe).then_some(odd.severity)
    })
}

/// Anonymous memory that is writable and executable.
pub fn writable_code(facts: &Facts<'_>) -> Vec<Hit> {
    of_rule(facts, "writable-code", |mapping, odd| {
        if has_program(odd) {
            return Some(odd.severity);
        }
        // Shared memory that merely could hold code: programs ask for it out of habit.
        if mapping.kind == "shared" {
            return None;
        }
        Some(if is_explained(odd) {
            Severity::Info
        } else if mapping.captured_bytes == 0 {
            Severity::Low
        } else {
            odd.severity
        })
    })
}

/// Anonymous memory that is executable and not writable.
pub fn anonymous_code(facts: &Facts<'_>) -> Vec<Hit> {
    of_rule(facts, "anonymous-code", |_, odd| {
        Some(if has_program(odd) || !is_explained(odd) { odd.severity } else { Severity::Info })
    })
}

/// Executable heaps and stacks.
pub fn executable_data(facts: &Facts<'_>) -> Vec<Hit> {
    let judge =
        |_: &Mapping, odd: &Anomaly| Some(if is_explained(odd) { Severity::Low } else { odd.severity });
    let mut hits = of_rule(facts, "executable-heap", judge);
    hits.extend(of_rule(facts, "executable-stack", judge));
    hits
}

/// Mapped files that are writable and executable.
pub fn writable_file(facts: &Facts<'_>) -> Vec<Hit> {
    of_rule(facts, "writable-file-code", |_, odd| Some(odd.severity))
}

/// Code that differs from its file.
pub fn patched(facts: &Facts<'_>) -> Vec<Hit> {
    of_rule(facts, "modified-code", |_, odd| Some(odd.severity))
}

/// A hit for each thread with an anomaly of a rule.
fn of_threads(facts: &Facts<'_>, rule: &str, judge: impl Fn(&ThreadFacts, &Anomaly) -> Severity) -> Vec<Hit> {
    let mut hits = Vec::new();
    for thread in &facts.threads {
        let Some(process) = facts.process(thread.pid) else { continue };
        for odd in thread.anomalies.iter().filter(|odd| odd.rule == rule) {
            let hit = Hit::new(about(process), odd.why.clone())
                .severity(judge(thread, odd))
                .facts(odd.evidence.iter().cloned())
                .more(NextStep::Registers { pid: thread.pid });
            hits.push(match odd.caveat {
                Some(caveat) => hit.caveat(caveat),
                None => hit,
            });
        }
    }
    hits
}

/// Threads that run code which comes from no file.
pub fn running(facts: &Facts<'_>) -> Vec<Hit> {
    of_threads(
        facts,
        "foreign-code-running",
        |_, odd| {
            if is_explained(odd) { Severity::Info } else { odd.severity }
        },
    )
}

/// Threads whose stack pointer is in no stack.
pub fn stack_pivot(facts: &Facts<'_>) -> Vec<Hit> {
    of_threads(facts, "pivoted-stack", |_, odd| odd.severity)
}

/// Open memory of processes: what code is written into others with.
pub fn process_memory(facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for file in facts.files.iter().filter(|file| file.fd.is_some()) {
        let Some(path) = file.path.as_ref() else { continue };
        let is_memory = known::is_below(&path.0, b"/proc") && known::basename(&path.0) == b"mem";
        let Some(process) = file.pid.and_then(|pid| facts.process(pid)).filter(|_| is_memory) else {
            continue;
        };
        let flags = file.flags.clone().unwrap_or_default();
        let writes = flags.iter().any(|flag| flag == "O_RDWR" || flag == "O_WRONLY");
        let hit = Hit::new(about(process).path(path.clone()), "has the memory of a process open as a file")
            .fact("flags", "files.img", flags.join(" "))
            .more(Topic::Files.of(process.pid));
        hits.push(if writes { hit } else { hit.severity(Severity::Medium) });
    }
    hits
}

/// Processes whose addresses are not randomised, as debuggers and exploits like it.
pub fn no_randomize(facts: &Facts<'_>) -> Vec<Hit> {
    let fixed = facts.starts.iter().filter(|start| start.no_randomize);
    fixed
        .filter_map(|start| {
            let process = facts.process(start.pid)?;
            let hit = Hit::new(about(process), "runs without address space randomisation");
            Some(hit.fact("personality", format!("core-{}.img", start.pid), "ADDR_NO_RANDOMIZE"))
        })
        .collect()
}
