//! Matches of YARA rules: which rule, in which process or object, and where its strings are.

use std::ops::Range;

use base64::Engine as _;
use ckptfx_scan::Region;
use ckptfx_scan::yara::{Content, MetaValue, Place as Found, RuleFacts, RuleMatch, Unit};
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
    /// Where its strings are, by string and address; empty when the condition needs none.
    pub strings: Vec<StringMatch>,
    /// Number of places of the strings, those included that `--max-strings` leaves out of `strings`.
    pub string_count: usize,
    /// Other processes that map the same object.
    pub shared_with: Vec<u32>,
}

/// How often rules matched in a process, in one kind of memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Count {
    /// The process; null for what belongs to none.
    pub pid: Option<u32>,
    /// Its name.
    pub comm: Option<Text>,
    /// The kind of memory.
    pub source: Source,
    /// Number of rules that match.
    pub count: usize,
}

/// What rules are evaluated over at a time: regions of one process, or of one shared object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group(Range<usize>);

/// Puts regions of one owner, which follow one another, together.
pub fn groups(regions: &[SearchRegion<'_>]) -> Vec<Group> {
    let mut start = 0;
    let chunks = regions.chunk_by(SearchRegion::has_owner_of);
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

    /// The group as the engine takes it.
    pub fn unit<'r>(&self, regions: &'r [SearchRegion<'_>]) -> Unit<'r> {
        let regions = self.regions(regions).iter();
        let regions = regions.map(|region| Region::new(region.region.start, region.region.bytes()));
        Unit { content: Content::Process(regions.collect()), variables: Vec::new() }
    }

    /// What to call it in a message.
    pub fn name(&self, case: &Case<'_>, regions: &[SearchRegion<'_>]) -> String {
        let Some(region) = self.regions(regions).first() else { return String::new() };
        match (region.source, region.tasks(case).first()) {
            (Source::Memory, Some(task)) => format!("pid {}", task.process.pid),
            (_, Some(task)) => format!("shared object of pid {}", task.process.pid),
            (_, None) => "shared object".to_owned(),
        }
    }

    /// The record of a match. Of several processes that map an object the first that is `wanted` is named.
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
        let strings =
            found.strings.iter().flat_map(|string| string.places.iter().map(|place| (&string.name, place)));
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
            strings: strings.map(|(name, place)| string(case, regions, pid, name, place)).collect(),
            string_count: found.strings.iter().map(|string| string.count).sum(),
            shared_with: tasks
                .iter()
                .map(|task| task.process.pid)
                .filter(|other| Some(*other) != pid)
                .collect(),
        })
    }
}

fn value(value: &MetaValue) -> Value {
    match value {
        MetaValue::Bytes(bytes) => Value::Text(bytes.as_slice().into()),
        MetaValue::Integer(number) => Value::Integer(*number),
        MetaValue::Boolean(flag) => Value::Boolean(*flag),
    }
}

fn string(
    case: &Case<'_>,
    regions: &[SearchRegion<'_>],
    pid: Option<u32>,
    name: &str,
    found: &Found,
) -> StringMatch {
    let index = regions.partition_point(|region| region.region.start <= found.address).checked_sub(1);
    let place = index
        .and_then(|index| regions.get(index))
        .map(|region| region.place(case, found.address, &|task, _, _| Some(task.process.pid) == pid));
    let place = place.as_ref();
    // A part of an object that another process maps has no address in this one.
    let here = place.filter(|place| place.task.map(|task| task.process.pid) == pid);
    let member = place.and_then(|place| place.member);
    StringMatch {
        name: format!("${name}"),
        address: here.and_then(|place| place.address).map(|address| format!("{address:#x}")),
        offset: place.and_then(|place| place.offset),
        length: found.length,
        text: text(&found.bytes, found.xor_key),
        bytes_b64: base64::engine::general_purpose::STANDARD.encode(&found.bytes),
        xor_key: found.xor_key,
        region: here.and_then(|place| place.facts()),
        member: member.map(|(member, _)| member.name().into_owned()),
        member_offset: member.and_then(|(member, offset)| member.offset.map(|_| offset)),
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
