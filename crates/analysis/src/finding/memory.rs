//! Strings and secrets that are searched in all memory, queues and files of the archive, in one pass.

use std::{collections::BTreeMap, io, sync::LazyLock};

use ckptfx_parser::Diagnostic;
use ckptfx_scan::{Hit, Options, Region};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Case, Text,
    files::nested,
    search::{self, SearchRegion},
    secret::{Confidence, Filter, Hunt, Rules, Secret},
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
    /// Cryptocurrency miner strings.
    pub miner: Vec<StringHit>,
    /// Lines in the memory of any process that may be commands.
    pub commands: Vec<StringHit>,
    /// Keys, tokens and passwords, masked.
    pub secrets: Vec<Secret>,
    /// Bytes that were searched.
    pub searched_bytes: u64,
}

/// The rules for secrets with the strings beside them, compiled once however many archives are looked at.
static RULES: LazyLock<Result<Rules, String>> = LazyLock::new(|| {
    let strings: Vec<String> = STRINGS.iter().map(|(_, text)| any_case(text)).collect();
    Rules::load_beside(&[], &[], &strings).map_err(|error| error.to_string())
});

/// Searches captured memory, queues and files for strings and secrets, in one pass.
pub(super) fn search(case: &mut Case<'_>, file_systems: &[nested::Source]) -> io::Result<MemorySignals> {
    let found = search::all_content(case, file_systems)?;
    let regions: Vec<Region<'_>> = found.iter().map(|it| Region::new(it.base(), it.bytes())).collect();
    let rules = RULES.as_ref().map_err(|error| io::Error::other(error.clone()))?;
    let mut strings = Strings::default();
    let hunt = Hunt { rules, least: Confidence::Low, show: false };
    let everywhere = Filter { prefers: &|_, _, _| true, accepts: &|_| true };
    let mut take = |hit: &Hit| {
        if let (Some(owner), Some(region)) = (found.get(hit.region), regions.get(hit.region)) {
            strings.take(case, owner, region, hit);
        }
    };
    let secrets = hunt.run_beside(case, &found, &regions, &Options::default(), &everywhere, &mut take);
    if secrets.overflow {
        let message = "there are more secrets than are held; those behind that place are not judged";
        case.diagnostics.push(Diagnostic::loss("too-many-findings", "triage", message));
    }
    let Strings { miner, commands, .. } = strings;
    let searched_bytes = secrets.summary.bytes_scanned;
    Ok(MemorySignals { miner, commands, secrets: secrets.secrets, searched_bytes })
}

/// An expression for a string in any case of ASCII letters.
fn any_case(text: &str) -> String {
    let mut expression = String::from("(?i)");
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            expression.push(char::from(byte));
        } else {
            expression.push_str(&format!(r"\x{byte:02x}"));
        }
    }
    expression
}

/// Strings that were found, and how many of each family of each owner.
#[derive(Default)]
struct Strings {
    miner: Vec<StringHit>,
    commands: Vec<StringHit>,
    seen: BTreeMap<(&'static str, Option<u32>, Option<Text>), usize>,
}

impl Strings {
    fn take(&mut self, case: &Case<'_>, owner: &SearchRegion<'_>, region: &Region<'_>, hit: &Hit) {
        let Some((family, literal)) = STRINGS.get(hit.pattern).copied() else { return };
        let is_file = owner.source.is_file_system();
        if owner.source.is_queue() {
            // Detections of queues read them themselves.
            return;
        }
        let address = region.address(hit.offset);
        let place = owner.place(case, address, &|_, _, _| true);
        let path = place.facts().map(|facts| facts.path).filter(|path| !path.0.is_empty());
        let first = place.task.map(|task| task.process.pid).filter(|_| !is_file);
        let others = if is_file { Vec::new() } else { place.shared_with };
        let pids: Vec<u32> = first.into_iter().chain(others).collect();
        let owner = pids.first().copied();
        let count = self.seen.entry((family, owner, path.clone().filter(|_| owner.is_none()))).or_default();
        // Lines that may be commands are judged one by one.
        *count = count.saturating_add(1);
        let most = if family == COMMAND { MAX_HITS * 16 } else { MAX_HITS };
        if *count > most {
            return;
        }
        let text = Text(line(region.bytes, hit.offset, hit.length).to_vec());
        let found = StringHit { family, literal, pids, path, address: format!("{address:#x}"), text };
        if family == COMMAND {
            self.commands.push(found);
        } else {
            self.miner.push(found);
        }
    }
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
