//! When the checkpoint was made, where the engine does not say so (`format.md §2.1`). The times of the archive's members
//! are those of the dump only if nobody packed it anew: what is known otherwise is held against them.

use ckptfx_parser::{Checkpoint, archive::MemberKind};
use jiff::{SignedDuration, Timestamp};

use crate::container::{clues, statistics};

/// How far clocks and roundings may lie apart.
const LEEWAY: SignedDuration = SignedDuration::from_secs(60);
/// How much longer than it was measured a dump may take: writing goes on after the measured parts.
const UNMEASURED: SignedDuration = SignedDuration::from_secs(30);
/// As many members may have one time by chance.
const FEW: usize = 2;

/// What says when the checkpoint was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The engine recorded it.
    Engine,
    /// Calculated from something else.
    Derived,
}

/// The time of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpointed {
    /// When.
    pub time: Timestamp,
    /// What says so.
    pub source: String,
    /// Whether it was recorded as such.
    pub basis: Basis,
}

/// When the checkpoint was made: by the engine; else by the netlink images; else by the time that the archive recorded
/// for the inventory, which is written when the dump ends, unless that time is in doubt.
pub fn checkpointed(checkpoint: &Checkpoint) -> Option<Checkpointed> {
    if let Some(time) = checkpoint.container.checkpointed {
        return Some(Checkpointed { time, source: "config.dump".to_owned(), basis: Basis::Engine });
    }
    if let Some((time, source)) = clues::netlink_time(&checkpoint.images) {
        return Some(Checkpointed { time, source, basis: Basis::Derived });
    }
    let time = archived(checkpoint, "inventory.img").filter(|_| doubt(checkpoint).is_none())?;
    let source = "archived time of inventory.img".to_owned();
    Some(Checkpointed { time, source, basis: Basis::Derived })
}

/// The time that the archive recorded for an image.
fn archived(checkpoint: &Checkpoint, image: &str) -> Option<Timestamp> {
    let seconds = checkpoint.images.member(image)?.archived_mtime().filter(|seconds| *seconds > 0)?;
    Timestamp::from_second(seconds).ok()
}

/// Why the times of the archive's members are not those of the dump; none where nothing speaks against them.
pub(crate) fn doubt(checkpoint: &Checkpoint) -> Option<String> {
    let last = archived(checkpoint, "inventory.img")?;
    let container = &checkpoint.container;
    // What others recorded settles it, either way.
    if let Some(recorded) = container.checkpointed {
        return is_apart(recorded, last).then(|| format!("the engine dates the checkpoint {recorded}"));
    }
    if let Some((recorded, image)) = clues::netlink_time(&checkpoint.images) {
        return is_apart(recorded, last).then(|| format!("{image} was written {recorded}"));
    }
    let before =
        [(container.created, "created"), (container.started, "started"), (container.restored, "restored")];
    let later = |time: Option<Timestamp>| time.filter(|time| time.duration_since(last) > LEEWAY);
    if let Some((time, what)) = before.into_iter().find_map(|(time, what)| Some((later(time)?, what))) {
        return Some(format!("the container was {what} {time}, after that"));
    }
    let members =
        || checkpoint.archive().members().iter().filter_map(ckptfx_parser::archive::Member::archived_mtime);
    if members().count() > FEW && members().all(|time| time == last.as_second()) {
        return Some("all members have the same time".to_owned());
    }
    bundle(checkpoint).or_else(|| duration(checkpoint))
}

fn is_apart(one: Timestamp, other: Timestamp) -> bool {
    one.duration_since(other).abs() > LEEWAY
}

/// Podman makes a directory with the container, and writes the time of each line of its log: their members' times are
/// known.
fn bundle(checkpoint: &Checkpoint) -> Option<String> {
    let created = checkpoint.container.created?;
    let has_directory = |name: &[u8]| {
        let members = checkpoint.archive().members().iter();
        members.filter(|member| member.kind == MemberKind::Directory).find(|member| member.path == name)
    };
    let artifacts = has_directory(b"artifacts").and_then(|member| member.archived_mtime());
    let artifacts = artifacts.and_then(|seconds| Timestamp::from_second(seconds).ok());
    if let Some(time) = artifacts.filter(|time| is_apart(*time, created)) {
        return Some(format!("artifacts/ was made with the container {created}, and has the time {time}"));
    }
    let log = checkpoint.engine_file("ctr.log")?;
    let written = Timestamp::from_second(log.archived_mtime()?).ok()?;
    let bytes = log.bytes();
    let lines = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let line = lines.rsplit(|byte| *byte == b'\n').next()?;
    let stamp = line.split(|byte| *byte == b' ').next().and_then(|stamp| std::str::from_utf8(stamp).ok())?;
    let stamp: Timestamp = stamp.parse().ok()?;
    let said = || format!("the last line of ctr.log is of {stamp}, and the file has the time {written}");
    is_apart(stamp, written).then(said)
}

/// Images that were written over a longer time than the dump took were not written by it.
fn duration(checkpoint: &Checkpoint) -> Option<String> {
    let times = || checkpoint.images.files().filter_map(|(_, member)| member.archived_mtime());
    let spread = SignedDuration::from_secs(times().max()?.checked_sub(times().min()?)?);
    let dump = statistics::read(checkpoint, "stats-dump", &mut Vec::new())?.dump?;
    let parts = [dump.freezing_time, dump.frozen_time, dump.memdump_time, dump.memwrite_time];
    let measured: i64 = parts.into_iter().flatten().map(i64::from).sum();
    let longest = SignedDuration::from_micros(measured).checked_add(UNMEASURED)?;
    let said =
        || format!("the images have times {} seconds apart, and the dump was shorter", spread.as_secs());
    (spread > longest).then(said)
}

#[cfg(test)]
mod tests {
    use ckptfx_testkit::{Checkpoint, Container, PodmanVersion, Process, TIME};

    use super::*;

    /// Time, source and doubt of a Podman archive whose members were given other times.
    fn read(change: impl Fn(&str) -> u64) -> (Option<i64>, Option<String>) {
        let container = Container::new(Checkpoint::new().process(Process::new(1)));
        let mut members = container.podman(PodmanVersion::V5);
        for member in &mut members.list {
            member.mtime = change(&String::from_utf8_lossy(&member.path));
        }
        crate::tests::with_archive(&members.to_tar(), |case| {
            let found = checkpointed(case.checkpoint).map(|found| found.time.as_second());
            (found, doubt(case.checkpoint))
        })
    }

    #[test]
    fn times_of_members_count_unless_something_contradicts_them() {
        let created = TIME - 60;
        let genuine = |path: &str| match path.trim_end_matches('/') {
            "artifacts" | "ctr.log" => created,
            _ => TIME,
        };
        let (time, doubt) = read(genuine);
        assert_eq!((time, doubt), (Some(i64::try_from(TIME).unwrap()), None));
        // Packed anew: everything has about the time of the copy, in more than one second.
        let copied = |path: &str| TIME + 86_400 + path.len() as u64 % 2;
        assert!(read(copied).1.unwrap().contains("artifacts/"));
        assert_eq!(read(copied).0, None);
        assert_eq!(read(|_| TIME), (None, Some("all members have the same time".to_owned())));
        assert_eq!(read(|path| created - 3600 - path.len() as u64).0, None);
        let slow = |path: &str| if path.contains("core-") { TIME - 600 } else { genuine(path) };
        assert!(read(slow).1.unwrap().contains("600 seconds apart"));
    }
}
