//! What a search looked at and what it did not: bytes, processes, and why.

use std::collections::BTreeMap;

use ckptfx_parser::memory::Unavailable;
use schemars::JsonSchema;
use serde::Serialize;

use super::{region::SearchRegion, source::Source};
use crate::{Case, container::absent, process::State};

/// Why what an ended search did not come to was not searched.
const STOPPED: &str = "stopped";

/// What of one source was searched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Scanned {
    /// The source.
    pub source: Source,
    /// Contiguous runs of bytes.
    pub regions: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Processes whose memory it is, or who map, hold or use it; ascending.
    pub pids: Vec<u32>,
}

/// What was not searched, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Unscanned {
    /// The source; null when it is about processes as such.
    pub source: Option<Source>,
    /// The process, when it is about one.
    pub pid: Option<u32>,
    /// Bytes; null when the number is not known.
    pub bytes: Option<u64>,
    /// `not-asked-for`, `left-out` (by a filter), `stopped`, `unreadable` (the system could
    /// not read it), `no-memory-image`, `zombie`, `not-captured` (volumes and bind
    /// mounts that are not in the archive), or why memory was not
    /// captured: `only-in-file`, `never-dumped`, `lazy`, `in-missing-parent`, `encoded`, `lost`, `unmarked`,
    /// `unknown-backing`.
    pub why: &'static str,
}

/// Why a search ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// The user said so with a signal.
    Interrupted,
    /// The time that was given is over.
    Timeout,
    /// As many results were found as were asked for.
    MaxCount,
}

impl Stop {
    /// The word used in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::Timeout => "timeout",
            Self::MaxCount => "max-count",
        }
    }
}

/// What a search looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Coverage {
    /// Whether everything that was asked for and is in the evidence was searched to its end.
    pub complete: bool,
    /// Why the search ended early; null when it did not.
    pub stopped: Option<Stop>,
    /// By source, in a fixed order. When the search was stopped this is what was to be searched.
    pub scanned: Vec<Scanned>,
    /// What was not.
    pub not_scanned: Vec<Unscanned>,
}

impl Coverage {
    /// What a search of `regions` looks at, of which a filter has already taken out those that are not wanted:
    /// `left_out` tells their bytes by source. Memory that is not captured is told for the processes in `pids`.
    pub fn new(
        case: &Case<'_>,
        asked: &[Source],
        regions: &[SearchRegion<'_>],
        left_out: &BTreeMap<Source, u64>,
        wanted: &dyn Fn(&crate::Task<'_>) -> bool,
    ) -> Self {
        let mut by_source: BTreeMap<Source, Scanned> = BTreeMap::new();
        let mut unreadable: BTreeMap<Source, u64> = BTreeMap::new();
        for region in regions {
            let source = region.source;
            if region.is_lost() {
                let bytes = unreadable.entry(source).or_default();
                *bytes = bytes.saturating_add(region.length());
                continue;
            }
            let entry =
                by_source.entry(source).or_insert(Scanned { source, regions: 0, bytes: 0, pids: Vec::new() });
            entry.regions = entry.regions.saturating_add(u64::from(!region.goes_on()));
            entry.bytes = entry.bytes.saturating_add(region.length());
            entry.pids.extend(region.tasks(case).iter().map(|task| task.process.pid));
        }
        for entry in by_source.values_mut() {
            entry.pids.sort_unstable();
            entry.pids.dedup();
        }
        let mut not_scanned: Vec<Unscanned> = Source::ALL
            .into_iter()
            .filter(|source| !asked.contains(source))
            .map(|source| Unscanned { source: Some(source), pid: None, bytes: None, why: "not-asked-for" })
            .collect();
        not_scanned.extend(left_out.iter().map(|(source, bytes)| Unscanned {
            source: Some(*source),
            pid: None,
            bytes: Some(*bytes),
            why: "left-out",
        }));
        not_scanned.extend(unreadable.iter().map(|(source, bytes)| Unscanned {
            source: Some(*source),
            pid: None,
            bytes: Some(*bytes),
            why: "unreadable",
        }));
        if asked.contains(&Source::Volume) && !absent::mounts(case).is_empty() {
            let source = Some(Source::Volume);
            not_scanned.push(Unscanned { source, pid: None, bytes: None, why: "not-captured" });
        }
        if asked.contains(&Source::Memory) {
            for task in case.tasks.iter().filter(|task| wanted(task)) {
                not_scanned.extend(uncaptured(case, task));
            }
        }
        Self {
            complete: case.ledger.is_complete() && unreadable.is_empty(),
            stopped: None,
            scanned: by_source.into_values().collect(),
            not_scanned,
        }
    }

    /// Says that the search ended early, having looked at `scanned` bytes. What was said before of it no longer counts.
    pub fn stop(&mut self, why: Stop, scanned: u64) {
        let all = self.bytes();
        self.complete = false;
        self.stopped = Some(why);
        self.not_scanned.retain(|gap| gap.why != STOPPED);
        self.not_scanned.push(Unscanned {
            source: None,
            pid: None,
            bytes: Some(all.saturating_sub(scanned)),
            why: STOPPED,
        });
    }

    /// Bytes that were to be searched.
    pub fn bytes(&self) -> u64 {
        self.scanned.iter().map(|scanned| scanned.bytes).fold(0, u64::saturating_add)
    }

    /// Processes that were to be searched.
    pub fn pids(&self) -> usize {
        let mut pids: Vec<u32> =
            self.scanned.iter().flat_map(|scanned| scanned.pids.iter().copied()).collect();
        pids.sort_unstable();
        pids.dedup();
        pids.len()
    }
}

/// Memory of one process that is not in the evidence. Zeros that were never written are not missing.
fn uncaptured(case: &Case<'_>, task: &crate::Task<'_>) -> Vec<Unscanned> {
    let of = |bytes: Option<u64>, why: &'static str| Unscanned {
        source: Some(Source::Memory),
        pid: Some(task.process.pid),
        bytes,
        why,
    };
    if task.process.state == Some(State::Zombie) {
        return vec![of(Some(0), "zombie")];
    }
    let Some(space) = &task.space else { return vec![of(None, "no-memory-image")] };
    let mut bytes: BTreeMap<_, u64> = BTreeMap::new();
    for vma in &space.vmas {
        for run in space.runs(vma.start, vma.end, &case.shared) {
            if let Err(reason) = run.content
                && reason != Unavailable::Searched
            {
                let entry = bytes.entry(reason).or_default();
                *entry = entry.saturating_add(run.length);
            }
        }
    }
    bytes.into_iter().map(|(reason, bytes)| of(Some(bytes), reason.name())).collect()
}
