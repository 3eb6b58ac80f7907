//! Counting what is there, and finding what is listed.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use ckptfx_scan::{Encodings, Options, PatternError, PatternKind, Plan, Region, Summary};

use super::{FilePlace, Indicator, Kind, Matched, SocketPlace, Term, kind};
use crate::{
    Case, Text,
    files::{
        nested::{self, OpenNested},
        rootfs::{self, Wish},
    },
    network::socket::{self, Endpoint, Socket},
    recover::{self, Limits},
    search::{SearchRegion, Source},
    secret::{Filter, SecretPlace, tell},
};

/// Most different indicators that are held.
const MOST: usize = 200_000;
/// Most places told of one.
const MOST_PLACES: usize = 20;
/// Bytes ahead of a match that say what it is.
const AHEAD: usize = 320;
/// Bytes behind a match that say what it is.
const AFTER: usize = 2;

/// What a scan found.
#[derive(Debug)]
pub struct Found {
    /// By kind; within it the most frequent first, then by value.
    pub indicators: Vec<Indicator>,
    /// What the scan did.
    pub summary: Summary,
    /// Whether there were more than are held.
    pub overflow: bool,
}

/// A file whose name and hash are compared.
#[derive(Debug, Clone)]
pub struct KnownFile {
    /// Path or id.
    pub path: Text,
    /// SHA-256 of its content.
    pub sha256: Option<String>,
}

/// What lists are compared with, besides bytes.
#[derive(Debug, Default)]
pub struct Known {
    /// Sockets.
    pub sockets: Vec<Socket>,
    /// Files with their hashes.
    pub files: Vec<KnownFile>,
}

/// What is known of one indicator during a scan.
#[derive(Debug, Default)]
struct Tally {
    count: u64,
    pids: BTreeSet<u32>,
    sources: BTreeSet<Source>,
    places: Vec<SecretPlace>,
}

impl Tally {
    fn add(&mut self, region: &SearchRegion<'_>, place: &SecretPlace) {
        self.count = self.count.saturating_add(1);
        self.pids.extend(place.pid.iter().chain(&place.shared_with));
        self.sources.insert(region.source);
        if self.places.len() < MOST_PLACES {
            self.places.push(place.clone());
        }
    }

    fn into_indicator(self, kind: Kind, value: String) -> Indicator {
        Indicator {
            kind,
            value,
            count: self.count,
            pids: self.pids.into_iter().collect(),
            sources: self.sources.into_iter().collect(),
            places: self.places,
            sockets: Vec::new(),
            files: Vec::new(),
            matched: Vec::new(),
        }
    }
}

/// Counts the indicators of the wanted kinds.
///
/// # Errors
/// Never, unless a built-in expression is malformed.
pub fn count<'a>(
    case: &Case<'a>,
    regions: &[SearchRegion<'a>],
    bytes: &[Region<'_>],
    kinds: &[Kind],
    options: &Options<'_>,
    wanted: &Filter<'_, 'a>,
) -> Result<Found, PatternError> {
    let plan = kind::plan()?;
    let mut tallies: BTreeMap<(Kind, String), Tally> = BTreeMap::new();
    let mut overflow = false;
    let summary = plan.scan(bytes, options, &mut |hit| {
        let Some((region, scanned)) = regions.get(hit.region).zip(bytes.get(hit.region)) else {
            return ControlFlow::Continue(());
        };
        let end = hit.offset.saturating_add(hit.length);
        let matched = scanned.bytes.get(hit.offset..end).unwrap_or_default();
        let ahead = scanned.bytes.get(hit.offset.saturating_sub(AHEAD)..hit.offset).unwrap_or_default();
        let rest = scanned.bytes.get(end..).unwrap_or_default();
        let found = kind::recognise(hit.pattern, matched, ahead, rest.get(..AFTER).unwrap_or(rest));
        let mut told = None;
        for key in found.into_iter().filter(|(kind, _)| kinds.contains(kind)) {
            let place = match &told {
                Some(place) => place,
                None => {
                    let address = scanned.address(hit.offset);
                    let place = region.place(case, address, wanted.prefers);
                    if !(wanted.accepts)(&place) {
                        break;
                    }
                    told.insert(tell(&place, region, address))
                }
            };
            if tallies.len() >= MOST && !tallies.contains_key(&key) {
                overflow = true;
                return ControlFlow::Break(());
            }
            tallies.entry(key).or_default().add(region, place);
        }
        ControlFlow::Continue(())
    });
    let indicators = tallies.into_iter().map(|((kind, value), tally)| tally.into_indicator(kind, value));
    let mut indicators: Vec<Indicator> = indicators.collect();
    indicators.sort_by_key(|indicator| (indicator.kind, std::cmp::Reverse(indicator.count)));
    Ok(Found { indicators, summary, overflow })
}

/// Finds the indicators of lists: in bytes as words in any case and encoding, as ends of sockets, and as names and
/// hashes of files. Only those that are there are told.
///
/// # Errors
/// When a list has an entry that cannot be searched.
pub fn matching<'a>(
    case: &Case<'a>,
    regions: &[SearchRegion<'a>],
    bytes: &[Region<'_>],
    terms: &[Term],
    known: &Known,
    options: &Options<'_>,
    wanted: &Filter<'_, 'a>,
) -> Result<Found, PatternError> {
    let mut listed: BTreeMap<(Kind, String), BTreeSet<Matched>> = BTreeMap::new();
    for term in terms {
        let matched = Matched { list: term.list.clone(), id: term.id.clone() };
        listed.entry((term.kind, normal(term.kind, &term.value))).or_default().insert(matched);
    }
    let patterns = listed.keys().map(|(_, value)| PatternKind::Literal(value.clone().into_bytes()));
    let plan =
        Plan::builder().patterns(patterns).ignore_case(true).word(true).encodings(Encodings::ALL).build()?;
    let mut tallies: Vec<Tally> = listed.keys().map(|_| Tally::default()).collect();
    let summary = plan.scan(bytes, options, &mut |hit| {
        if let Some((region, scanned)) = regions.get(hit.region).zip(bytes.get(hit.region)) {
            let address = scanned.address(hit.offset);
            let place = region.place(case, address, wanted.prefers);
            if let Some(tally) = tallies.get_mut(hit.pattern).filter(|_| (wanted.accepts)(&place)) {
                tally.add(region, &tell(&place, region, address));
            }
        }
        ControlFlow::Continue(())
    });
    let mut indicators = Vec::new();
    for (((kind, value), matched), tally) in listed.into_iter().zip(tallies) {
        let mut indicator = tally.into_indicator(kind, value);
        indicator.sockets = sockets_with(&known.sockets, &indicator);
        indicator.files = files_with(&known.files, &indicator);
        let pids = indicator.sockets.iter().flat_map(|socket| socket.pids.iter().copied());
        let mut pids: Vec<u32> = pids.chain(indicator.pids.iter().copied()).collect();
        pids.sort_unstable();
        pids.dedup();
        indicator.pids = pids;
        if indicator.count > 0 || !indicator.sockets.is_empty() || !indicator.files.is_empty() {
            indicator.matched = matched.into_iter().collect();
            indicators.push(indicator);
        }
    }
    Ok(Found { indicators, summary, overflow: false })
}

/// As values are compared.
fn normal(kind: Kind, value: &str) -> String {
    match kind {
        Kind::Domain | Kind::Onion | Kind::Md5 | Kind::Sha1 | Kind::Sha256 | Kind::Ipv6 => {
            value.to_ascii_lowercase()
        }
        _ => value.to_owned(),
    }
}

fn sockets_with(sockets: &[Socket], indicator: &Indicator) -> Vec<SocketPlace> {
    let is_end = |end: &Option<Endpoint>| {
        end.as_ref().and_then(|end| end.address.as_deref()) == Some(indicator.value.as_str())
    };
    let is_path = |socket: &Socket| {
        let paths = [&socket.path, &socket.peer_path];
        let mut paths = paths.into_iter().flatten();
        indicator.kind == Kind::File && paths.any(|path| path.0 == indicator.value.as_bytes())
    };
    let is_address = matches!(indicator.kind, Kind::Ipv4 | Kind::Ipv6);
    let meant = sockets.iter().filter(|socket| {
        (is_address && (is_end(&socket.local) || is_end(&socket.remote))) || is_path(socket)
    });
    let name = |end: &Option<Endpoint>| {
        let end = end.as_ref()?;
        let port = end.port.map(|port| format!(":{port}")).unwrap_or_default();
        Some(format!("{}{port}", end.address.as_deref()?))
    };
    let place = |socket: &Socket| SocketPlace {
        protocol: socket.protocol.clone(),
        state: socket.state,
        local: name(&socket.local),
        remote: name(&socket.remote),
        pids: socket.holders.iter().map(|holder| holder.pid).collect::<BTreeSet<_>>().into_iter().collect(),
    };
    meant.map(place).collect()
}

fn files_with(files: &[KnownFile], indicator: &Indicator) -> Vec<FilePlace> {
    let value = indicator.value.as_bytes();
    let by = |file: &KnownFile| match indicator.kind {
        Kind::Sha256 => file.sha256.as_deref().filter(|sha256| sha256.as_bytes() == value).map(|_| "sha256"),
        Kind::File | Kind::Text => {
            let last = file.path.0.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            (file.path.0 == value || last == value).then_some("name")
        }
        _ => None,
    };
    let found = files.iter().filter_map(|file| by(file).map(|by| (file, by)));
    found.map(|(file, by)| FilePlace { path: file.path.clone(), sha256: file.sha256.clone(), by }).collect()
}

/// Sockets, and every file whose content is in the checkpoint: deleted ones, memfds, those of a tmpfs and those that
/// changed on disk. `zeros` bounds the holes that are hashed.
pub fn known_files(case: &mut Case<'_>, zeros: u64, open: &OpenNested<'_>) -> Known {
    let limits = Limits { shared_memory: false, zeros };
    let mut files: Vec<KnownFile> = recover::find(case, &|_| true, true, limits, open)
        .into_iter()
        .map(|found| KnownFile {
            path: found.facts.name.unwrap_or_else(|| Text::from(found.facts.id.as_str())),
            sha256: found.facts.sha256,
        })
        .collect();
    let sources = nested::sources(case, open);
    let wish = Wish { hash: true, diff: false, zeros, base: None };
    let changes = rootfs::changes(case, &sources, &wish, &|_| true, true);
    files.extend(changes.into_iter().map(|change| KnownFile { path: change.path, sha256: change.sha256 }));
    Known { sockets: socket::sockets(case, &|_| true), files }
}
