//! What waits in pipes, sockets and terminals (`format.md §16.2`, rules 22, 36, 37).

use super::{
    Confidence, Facts, Hit, Severity, Subject, known,
    next_step::{NextStep, Topic},
    record::about,
};
use crate::{
    files::file::Role,
    network::queue::{Direction, Kind, Queue},
    recover::contents::file_type,
};

/// Bytes of a queue that are shown as evidence.
const SHOWN: usize = 160;
/// Bytes of a queue that are judged.
const JUDGED: usize = 1 << 20;

/// The process that a finding about a queue is told of: who wrote it, or would have read it.
fn subject(facts: &Facts<'_>, queue: &Queue) -> Subject {
    let mut pids = queue.writers.iter().chain(&queue.readers);
    match pids.find_map(|pid| facts.process(*pid)) {
        Some(process) => about(process),
        None => Subject::default(),
    }
}

fn payload(queue: &Queue) -> &[u8] {
    let bytes = &queue.bytes_b64.0;
    bytes.get(..JUDGED.min(bytes.len())).unwrap_or_default()
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty())
}

/// A finding about a queue, with the part of it that proves it.
pub(super) fn hit(facts: &Facts<'_>, queue: &Queue, why: String, shown: &[u8]) -> Hit {
    let pids = |pids: &[u32]| pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let direction = queue.direction.map_or("", Direction::name);
    Hit::new(subject(facts, queue), why)
        .fact("unread bytes", queue.member.clone(), shown.get(..SHOWN.min(shown.len())).unwrap_or_default())
        .fact(
            "way",
            "files.img",
            format!(
                "{} {direction} from {} to {}",
                queue.kind.name(),
                pids(&queue.writers),
                pids(&queue.readers)
            ),
        )
        .more(NextStep::Queue(queue.number))
}

/// Commands that were typed or sent.
pub fn commands(facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for queue in &facts.queues {
        let judged = lines(payload(queue)).filter_map(|line| Some((line, known::judge_command(line)?)));
        let mut worst: Vec<(&[u8], (Severity, &str))> = judged.collect();
        worst.sort_by_key(|(_, (severity, _))| std::cmp::Reverse(*severity));
        if let Some((line, (severity, what))) = worst.first() {
            let hit = hit(facts, queue, format!("unread command: {what}"), line);
            hits.push(hit.severity(*severity));
        } else if let Some(line) = lines(payload(queue)).find(|line| has_command_word(line)) {
            let why = "unread reconnaissance command".to_owned();
            hits.push(hit(facts, queue, why, line).severity(Severity::Medium).confidence(Confidence::Medium));
        }
    }
    hits
}

/// Whether a message orders a command: `cmd=whoami`.
fn has_command_word(line: &[u8]) -> bool {
    known::contains_any(
        line,
        &[b"cmd=whoami", b"cmd=id", b"exec=id", b"command=whoami", b"cmd=uname", b"cmd=cat"],
    )
}

/// Output of commands with which intruders look around.
pub fn output(facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for queue in &facts.queues {
        if let Some(line) = lines(payload(queue)).find(|line| known::is_output_of_id(line)) {
            hits.push(hit(facts, queue, "unread command output".to_owned(), line));
        }
    }
    hits
}

/// Archives and programs on their way.
pub fn archives(facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for queue in &facts.queues {
        let kind = file_type(payload(queue));
        if matches!(kind, "gzip" | "zstd" | "xz" | "bzip2" | "zip" | "7z" | "rar" | "elf" | "tar") {
            let why = format!("unread data starts like a {kind} file");
            hits.push(hit(facts, queue, why, kind.as_bytes()));
        }
    }
    hits
}

/// Queues with anything in them.
pub fn unread(facts: &Facts<'_>) -> Vec<Hit> {
    let network = facts.queues.iter().filter(|queue| matches!(queue.kind, Kind::Tcp | Kind::Tty));
    network
        .map(|queue| {
            let why = match queue.kind {
                Kind::Tty => "terminal holds unread data",
                _ => "connection holds unread data",
            };
            hit(facts, queue, why.to_owned(), payload(queue))
        })
        .collect()
}

/// Descriptors that travel in messages and are open nowhere.
pub fn in_flight(facts: &Facts<'_>) -> Vec<Hit> {
    let travelling = facts.files.iter().filter(|file| file.role == Role::InFlight);
    travelling
        .map(|file| {
            let subject = file.pid.and_then(|pid| facts.process(pid)).map(about).unwrap_or_default();
            let link = file.link.clone().unwrap_or_default();
            let subject = if link.0.is_empty() { subject } else { subject.path(link.clone()) };
            let hit = Hit::new(subject, "descriptor in flight that no process has open")
                .fact("descriptor in flight", "sk-queues.img", link)
                .more(Topic::Files.all());
            if file.shared_with.is_empty() {
                hit
            } else {
                hit.harmless(
                    Severity::Info,
                    "its sender has it open as well: servers pass descriptors to their workers",
                )
            }
        })
        .collect()
}
