//! Strings that are searched in all memory and in all files of the archive, in one pass.

use std::{collections::BTreeMap, io, ops::ControlFlow};

use ckptfx_scan::{Options, PatternKind, Plan, Region};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Case, Text,
    finding::DroppedFile,
    search::{self, Source},
};

/// Hits that are kept of one family in one process or file; more of the same prove nothing more.
const MAX_HITS: usize = 4;
/// Bytes shown before and after a hit, as far as they are text.
const CONTEXT: usize = 96;
/// The family of what a miner says to its pool.
pub const PROTOCOL: &str = "protocol";
/// Commands, which count only in the memory of a shell.
pub const COMMAND: &str = "command";

/// Families of strings. Of miners each family by itself may be a word in somebody's data; two are not.
const STRINGS: [(&str, &str); 40] = [
    (PROTOCOL, "stratum+tcp://"),
    (PROTOCOL, "stratum+ssl://"),
    (PROTOCOL, "stratum2+tcp://"),
    (PROTOCOL, "\"mining.subscribe\""),
    (PROTOCOL, "\"mining.authorize\""),
    ("software", "xmrig"),
    ("software", "xmr-stak"),
    ("software", "cpuminer"),
    ("software", "ethminer"),
    ("software", "nbminer"),
    ("software", "lolminer"),
    ("software", "cgminer"),
    ("settings", "donate-level"),
    ("settings", "\"randomx\""),
    ("settings", "cryptonight"),
    ("settings", "--coin=monero"),
    ("settings", "nicehash"),
    ("pool", "minexmr."),
    ("pool", "supportxmr."),
    ("pool", "nanopool.org"),
    ("pool", "moneroocean."),
    ("pool", "hashvault.pro"),
    ("pool", "2miners.com"),
    ("pool", "herominers.com"),
    ("pool", "c3pool."),
    ("pool", "unmineable.com"),
    ("pool", "f2pool.com"),
    ("pool", "dwarfpool."),
    ("wallet", "wallet="),
    ("wallet", "--wallet"),
    ("wallet", "\"wallet\":"),
    (COMMAND, "curl -"),
    (COMMAND, "wget -"),
    (COMMAND, "/dev/tcp/"),
    (COMMAND, "/var/log/"),
    (COMMAND, "base64 -d"),
    (COMMAND, "mkfifo "),
    (COMMAND, "unset HISTFILE"),
    (COMMAND, "history -c"),
    (COMMAND, "/etc/shadow"),
];

/// A string that was searched for, and what stands around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StringHit {
    /// What kind of string it is.
    pub family: &'static str,
    /// The string.
    pub literal: &'static str,
    /// Processes that see the byte; none for files.
    pub pids: Vec<u32>,
    /// The file, or the name of the mapping, if it has one.
    pub path: Option<Text>,
    /// Address in the process, or offset in the file.
    pub address: String,
    /// The line around it.
    pub text: Text,
}

/// What searches of memory and files found, as plain data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemorySignals {
    /// Strings of cryptocurrency miners.
    pub miner: Vec<StringHit>,
    /// Lines in the memory of any process that may be commands.
    pub commands: Vec<StringHit>,
    /// Bytes that were searched.
    pub searched_bytes: u64,
}

/// What is searched besides the files.
const SEARCHED: [Source; 4] = [Source::Memory, Source::SharedMemory, Source::Memfd, Source::GhostFile];

/// Where a region of the search comes from.
enum Place<'s, 'c> {
    Memory(&'s search::SearchRegion<'c>),
    File(&'s DroppedFile),
}

/// Searches captured memory and the files.
pub(super) fn search(case: &mut Case<'_>, files: &[DroppedFile]) -> io::Result<MemorySignals> {
    // The files of the archive are at hand already.
    let memory = search::regions(case, &SEARCHED, &|_, _| None)?;
    let case = &*case;
    let mut places: Vec<Place<'_, '_>> = Vec::new();
    let mut regions: Vec<Region<'_>> = Vec::new();
    for region in &memory {
        places.push(Place::Memory(region));
        regions.push(Region::new(region.base(), region.bytes()));
    }
    for file in files {
        for (offset, bytes) in file.contents.pieces() {
            places.push(Place::File(file));
            regions.push(Region::new(offset, bytes));
        }
    }
    let patterns = STRINGS.iter().map(|(_, text)| PatternKind::Literal(text.as_bytes().to_vec()));
    let plan = Plan::builder().patterns(patterns).ignore_case(true).build().map_err(io::Error::other)?;
    let mut signals = MemorySignals::default();
    let mut seen: BTreeMap<(&str, Option<u32>, Option<Text>), usize> = BTreeMap::new();
    let summary = plan.scan(&regions, &Options::default(), &mut |hit| {
        let (Some(place), Some(region), Some((family, literal))) =
            (places.get(hit.region), regions.get(hit.region), STRINGS.get(hit.pattern))
        else {
            return ControlFlow::Continue(());
        };
        let address = region.address(hit.offset);
        let (pids, path) = match place {
            Place::Memory(found) => {
                let place = found.place(case, address, &|_, _, _| true);
                let first = place.task.map(|task| task.process.pid);
                let name = place.facts().map(|facts| facts.path).filter(|path| !path.0.is_empty());
                (first.into_iter().chain(place.shared_with).collect(), name)
            }
            Place::File(file) => (Vec::new(), Some(file.path.clone())),
        };
        let pids: Vec<u32> = pids;
        let owner = pids.first().copied();
        let count = seen.entry((family, owner, path.clone().filter(|_| owner.is_none()))).or_default();
        // Lines that may be commands are judged one by one.
        *count += 1;
        let most = if *family == COMMAND { MAX_HITS * 16 } else { MAX_HITS };
        if *count > most {
            return ControlFlow::Continue(());
        }
        let text = Text(line(region.bytes, hit.offset, hit.length).to_vec());
        let found = StringHit { family, literal, pids, path, address: format!("{address:#x}"), text };
        if *family == COMMAND {
            signals.commands.push(found)
        } else {
            signals.miner.push(found)
        }
        ControlFlow::Continue(())
    });
    signals.searched_bytes = summary.bytes_scanned;
    Ok(signals)
}

/// The printable text around a place, up to the end of its line.
fn line(bytes: &[u8], offset: usize, length: usize) -> &[u8] {
    let is_text = |byte: &u8| (b' '..=b'~').contains(byte) || *byte == b'\t';
    let before = bytes.get(..offset).unwrap_or_default();
    let start = before.iter().rev().take(CONTEXT).take_while(|byte| is_text(byte)).count();
    let after = bytes.get(offset.saturating_add(length)..).unwrap_or_default();
    let end = after.iter().take(CONTEXT).take_while(|byte| is_text(byte)).count();
    let end = offset.saturating_add(length).saturating_add(end);
    bytes.get(offset.saturating_sub(start)..end).unwrap_or_default()
}
