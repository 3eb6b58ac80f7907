//! Finds patterns in memory.

use std::{collections::BTreeMap, ops::ControlFlow};

use ckptfx_analysis::{
    Case,
    search::{self, Stop},
};
use ckptfx_parser::{Diagnostic, archive::Member};
use ckptfx_scan::{Options, Outcome, Plan, Region};

use crate::{Coverage, Error, Pattern, RegionFacts, Result, Source, Text, checkpoint::Nested};

/// Memory of processes, shared and not.
const MEMORY: [Source; 3] = [Source::Memory, Source::SharedMemory, Source::Memfd];

/// Matches that are kept. What repeats more often than this is no needle.
const MAX_HITS: usize = 1_000_000;

/// What a search found, and where it looked.
#[derive(Debug)]
pub struct Found {
    /// Every match, by address; a million at most, after which the search stops and `coverage` says so.
    pub hits: Vec<Hit>,
    /// What was searched, and what was not: memory that is not captured is not memory without a match.
    pub coverage: Coverage,
}

/// One match.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hit {
    /// The process; none when none maps it.
    pub pid: Option<u32>,
    /// Its name.
    pub comm: Option<Text>,
    /// What kind of memory it is in.
    pub source: Source,
    /// Address of the first byte, in this process.
    pub address: Option<u64>,
    /// Offset in the shared object.
    pub offset: Option<u64>,
    /// The bytes that match.
    pub bytes: Vec<u8>,
    /// The mapping.
    pub region: Option<RegionFacts>,
    /// The member of the archive that holds the first byte.
    pub member: Option<String>,
    /// Its offset there; none where the byte does not lie there as it is.
    pub member_offset: Option<u64>,
    /// Other processes that see the same byte.
    pub shared_with: Vec<u32>,
}

pub(crate) fn find(case: &mut Case<'_>, nested: Nested<'_>, pattern: Pattern) -> Result<Found> {
    let plan = Plan::builder().pattern(pattern.0).build()?;
    let open = |member: &Member, diagnostics: &mut Vec<Diagnostic>| nested.open(member, diagnostics);
    let regions = search::regions(case, &MEMORY, &open).map_err(Error::Storage)?;
    let mut coverage = Coverage::new(case, &MEMORY, &regions, &BTreeMap::new(), &|_| true);
    let bytes: Vec<Region<'_>> =
        regions.iter().map(|region| Region { base: region.base(), bytes: region.bytes() }).collect();
    let mut hits = Vec::new();
    let summary = plan.scan(&bytes, &Options::default(), &mut |hit| {
        if let Some((region, scanned)) = regions.get(hit.region).zip(bytes.get(hit.region)) {
            let place = region.place(case, scanned.address(hit.offset), &|_, _, _| true);
            hits.push(Hit {
                pid: place.task.map(|task| task.process.pid),
                comm: place.task.and_then(|task| task.process.comm.clone()),
                source: region.source,
                address: place.address,
                offset: place.offset,
                bytes: scanned.bytes.iter().skip(hit.offset).take(hit.length).copied().collect(),
                region: place.facts(),
                member: place.member.as_ref().map(|member| member.clone().into_owned()),
                member_offset: place.member_offset,
                shared_with: place.shared_with,
            });
        }
        if hits.len() < MAX_HITS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    if summary.outcome == Outcome::Stopped {
        coverage.stop(Stop::MaxCount, summary.bytes_scanned);
    }
    Ok(Found { hits, coverage })
}
