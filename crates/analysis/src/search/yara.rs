//! Matches of YARA rules: which rule, in which process or object, and where its strings are.

use std::ops::Range;

use base64::Engine as _;
use ckptfx_parser::memory::Vma;
use ckptfx_scan::{
    Region,
    yara::{Content, MetaValue, Place as Found, RuleFacts, RuleMatch, Unit},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Case, Task, Text,
    search::{RegionFacts, SearchRegion, Source},
};

/// A value in a rule's `meta` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Value {
    /// A string.
    Text(Text),
    /// A number.
    Integer(i64),
    /// `true` or `false`.
    Boolean(bool),
}

/// An entry of a rule's `meta` section; a name may stand there more than once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Meta {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Value,
}

/// A place where a string of the rule is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StringMatch {
    /// Name of the string as in the rule, `$a`; `$` for one without name.
    pub name: String,
    /// Of the first byte, in the process; null where the process does not map it, and in a file.
    pub address: Option<String>,
    /// In the shared object or the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Number of bytes.
    pub length: usize,
    /// The match as text: without the NULs of a wide string and with the key of a `xor` string undone.
    pub text: Text,
    /// The bytes as they are, no more than the first 512.
    pub bytes_b64: String,
    /// The key that a string with the modifier `xor` was found with; null for other strings.
    pub xor_key: Option<u8>,
    /// The mapping.
    pub region: Option<RegionFacts>,
    /// Member of the archive that holds the first byte.
    pub member: Option<String>,
    /// Its offset in the member.
    pub member_offset: Option<u64>,
}

/// A rule that matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Match {
    /// Name of the rule.
    pub rule: String,
    /// The rule's file: its path within the directory that was given, or its name.
    pub namespace: String,
    /// Tags of the rule.
    pub tags: Vec<String>,
    /// The rule's `meta` section.
    pub meta: Vec<Meta>,
    /// The process; null for what belongs to none.
    pub pid: Option<u32>,
    /// Its name.
    pub comm: Option<Text>,
    /// What the rule was held against.
    pub source: Source,
    /// Path of the file, or name of the shared object or queue; null for a process's own memory.
    pub path: Option<Text>,
    /// Where its strings are, by string and address; empty when the condition needs none.
    pub strings: Vec<StringMatch>,
    /// Number of places of the strings, those included that `--max-strings` leaves out of `strings`.
    pub string_count: usize,
    /// Other processes that map, hold or use the same object, queue or file.
    pub shared_with: Vec<u32>,
}

/// How many rules matched in a process, in one kind of thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Count {
    /// The process; null for what belongs to none.
    pub pid: Option<u32>,
    /// Its name.
    pub comm: Option<Text>,
    /// The kind of thing.
    pub source: Source,
    /// Number of rules that match.
    pub count: usize,
}

/// What rules are evaluated over at a time: all regions of one process, shared object, queue or file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group(Range<usize>);

/// The part of a mapping of a process that is meant, if any.
pub type Keep<'k, 'a> = dyn Fn(&Task<'a>, &Vma) -> Option<Range<u64>> + 'k;

/// Puts regions of one owner, which follow one another, together.
pub fn groups(regions: &[SearchRegion<'_>]) -> Vec<Group> {
    let mut start = 0;
    let chunks = regions.chunk_by(SearchRegion::is_part_of_same);
    chunks
        .map(|chunk| {
            let range = start..start + chunk.len();
            start = range.end;
            Group(range)
        })
        .collect()
}

impl Group {
    /// The group's regions.
    pub fn regions<'r, 'a>(&self, regions: &'r [SearchRegion<'a>]) -> &'r [SearchRegion<'a>] {
        regions.get(self.0.clone()).unwrap_or_default()
    }

    /// The group as the engine takes it: a file that is there as a whole as one, everything else as regions. With
    /// `keep`, a process's own memory is cut to what is kept, a shared object is kept if any mapping of it is, and
    /// nothing else is.
    pub fn unit<'r, 'a>(
        &self,
        case: &Case<'a>,
        regions: &'r [SearchRegion<'a>],
        keep: Option<&Keep<'_, 'a>>,
    ) -> Unit<'r> {
        let regions = self.regions(regions);
        let whole = || regions.iter().map(|region| Region::new(region.base(), region.bytes())).collect();
        let first = regions.first();
        let is_mapped = |keep: &Keep<'_, 'a>| {
            let mappings = first.map(|first| first.mappings(case)).unwrap_or_default();
            mappings.iter().any(|(task, vma)| keep(task, vma).is_some())
        };
        let content = match (keep, first.and_then(|first| case.tasks.get(first.owner()?))) {
            (Some(keep), Some(task)) => Content::Process(cut(task, regions, keep)),
            (Some(keep), None) if !is_mapped(keep) => Content::Process(Vec::new()),
            (_, Some(_)) => Content::Process(whole()),
            (_, None) => match first.and_then(|first| file(case, first, regions.len())) {
                Some(bytes) => Content::File(bytes),
                None => Content::Process(whole()),
            },
        };
        Unit { content, variables: variables(case, regions) }
    }

    /// What to call it in a message.
    pub fn name<'a>(&self, case: &Case<'a>, regions: &[SearchRegion<'a>]) -> String {
        let Some(region) = self.regions(regions).first() else { return String::new() };
        match (region.thing(case), region.tasks(case).first()) {
            (Some((name, _)), _) => format!("{} {}", region.source, Text(name.to_vec()).escaped()),
            (None, Some(task)) => format!("pid {}", task.process.pid),
            (None, None) => region.source.to_string(),
        }
    }

    /// The record of a match. Of several processes that see an object the first that is `wanted` is named.
    pub fn record<'a>(
        &self,
        case: &Case<'a>,
        regions: &[SearchRegion<'a>],
        rule: &RuleFacts,
        found: &RuleMatch,
        wanted: &dyn Fn(&Task<'a>) -> bool,
    ) -> Option<Match> {
        let regions = self.regions(regions);
        let first = regions.first()?;
        let tasks = first.tasks(case);
        let task = tasks.iter().find(|task| wanted(task)).or(tasks.first()).copied();
        let pid = task.map(|task| task.process.pid);
        let strings = found.strings.iter().flat_map(|string| {
            string.places.iter().map(|place| string_match(case, regions, pid, &string.name, place))
        });
        Some(Match {
            rule: rule.name.clone(),
            namespace: rule.namespace.clone(),
            tags: rule.tags.clone(),
            meta: rule
                .meta
                .iter()
                .map(|meta| Meta { name: meta.name.clone(), value: value(&meta.value) })
                .collect(),
            pid,
            comm: task.and_then(|task| task.process.comm.clone()),
            source: first.source,
            path: first.thing(case).map(|(name, _)| name.into()),
            strings: strings.collect(),
            string_count: found.strings.iter().map(|string| string.count).sum(),
            shared_with: tasks
                .iter()
                .map(|task| task.process.pid)
                .filter(|other| Some(*other) != pid)
                .collect(),
        })
    }
}

/// What public rules ask of a file by name. Memory has no such thing.
fn variables<'a>(case: &Case<'a>, regions: &[SearchRegion<'a>]) -> Vec<(&'static str, Vec<u8>)> {
    let Some(region) = regions.first() else { return Vec::new() };
    if !region.source.is_file() {
        return Vec::new();
    }
    let Some((path, _)) = region.thing(case) else { return Vec::new() };
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let dot = name.iter().rposition(|byte| *byte == b'.');
    let extension = dot.and_then(|dot| name.get(dot..)).unwrap_or_default();
    vec![("filepath", path.to_vec()), ("filename", name.to_vec()), ("extension", extension.to_vec())]
}

/// The content of a file, queue or memfd, if it is there as one piece.
fn file<'r, 'a>(case: &Case<'a>, first: &'r SearchRegion<'a>, regions: usize) -> Option<&'r [u8]> {
    let (_, size) = first.thing(case)?;
    if regions != 1 || first.base() != 0 || first.source == Source::SharedMemory {
        return None;
    }
    // Captured pages go on to the end of the last page.
    first.bytes().get(..usize::try_from(size?).ok()?)
}

/// The parts of a process's regions that are kept; neighbours stay one region.
fn cut<'r, 'a>(task: &Task<'a>, regions: &'r [SearchRegion<'a>], keep: &Keep<'_, 'a>) -> Vec<Region<'r>> {
    let mut kept: Vec<Range<u64>> = Vec::new();
    for range in task.space.iter().flat_map(|space| &space.vmas).filter_map(|vma| keep(task, vma)) {
        match kept.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => kept.push(range),
        }
    }
    let mut parts = Vec::new();
    for region in regions {
        let (base, bytes) = (region.base(), region.bytes());
        let end = base.saturating_add(bytes.len() as u64);
        for range in &kept {
            let (from, to) = (range.start.max(base), range.end.min(end));
            let offset = |address: u64| usize::try_from(address.checked_sub(base)?).ok();
            let part = offset(from).zip(offset(to)).and_then(|(from, to)| bytes.get(from..to));
            if let Some(part) = part.filter(|part| !part.is_empty()) {
                parts.push(Region::new(from, part));
            }
        }
    }
    parts
}

fn value(value: &MetaValue) -> Value {
    match value {
        MetaValue::Bytes(bytes) => Value::Text(bytes.as_slice().into()),
        MetaValue::Integer(number) => Value::Integer(*number),
        MetaValue::Boolean(flag) => Value::Boolean(*flag),
    }
}

fn string_match<'a>(
    case: &Case<'a>,
    regions: &[SearchRegion<'a>],
    pid: Option<u32>,
    name: &str,
    found: &Found,
) -> StringMatch {
    let index = regions.partition_point(|region| region.base() <= found.address).checked_sub(1);
    let place = index
        .and_then(|index| regions.get(index))
        .map(|region| region.place(case, found.address, &|task, _, _| Some(task.process.pid) == pid));
    let place = place.as_ref();
    // A part of an object that another process maps has no address in this one.
    let here = place.filter(|place| place.task.map(|task| task.process.pid) == pid);
    StringMatch {
        name: format!("${name}"),
        address: here.and_then(|place| place.address).map(|address| format!("{address:#x}")),
        offset: place.and_then(|place| place.offset),
        length: found.length,
        text: text(&found.bytes, found.xor_key),
        bytes_b64: base64::engine::general_purpose::STANDARD.encode(&found.bytes),
        xor_key: found.xor_key,
        region: here.and_then(|place| place.facts()),
        member: place.and_then(|place| place.member.as_deref().map(str::to_owned)),
        member_offset: place.and_then(|place| place.member_offset),
    }
}

/// What a person reads in the bytes.
fn text(bytes: &[u8], xor_key: Option<u8>) -> Text {
    let plain: Vec<u8> = bytes.iter().map(|byte| byte ^ xor_key.unwrap_or(0)).collect();
    let (pairs, rest) = plain.as_chunks::<2>();
    let is_wide =
        rest.is_empty() && !pairs.is_empty() && pairs.iter().all(|[low, high]| *low != 0 && *high == 0);
    if is_wide { Text(pairs.iter().map(|[low, _]| *low).collect()) } else { Text(plain) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_and_hidden_text_is_readable() {
        assert_eq!(text(b"p\0w\0", None), "pw".into());
        assert_eq!(text(&[b'p' ^ 7, 7, b'w' ^ 7, 7], Some(7)), "pw".into());
        assert_eq!(text(b"p\0w", None), Text(b"p\0w".to_vec()));
        assert_eq!(text(b"\0\0", None), Text(b"\0\0".to_vec()));
        assert_eq!(text(b"", None), Text::default());
    }
}
