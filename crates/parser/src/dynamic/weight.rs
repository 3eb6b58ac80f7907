//! How much memory a message will take once it is decoded, told from its encoding: a list of empty messages is two
//! bytes an item in the file and hundreds in memory.

use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor};

use super::schema;
use crate::wire::{Fields, Value};

/// Messages within messages are weighed as deep as prost decodes them.
const MAX_DEPTH: usize = 100;
/// Nested structs are measured so deep; a message that holds itself is behind a pointer.
const MAX_STRUCT_DEPTH: usize = 6;
/// A `Vec`, and what its allocation costs.
const BYTES: u64 = 40;
/// The largest number with its `Option`.
const NUMBER: u64 = 16;
/// A list that grows has room for twice what it holds.
const GROWTH: u64 = 2;

/// Weighs messages of one type.
#[derive(Debug, Clone)]
pub(crate) struct Weigher {
    /// None when a message of the type is no larger than its struct and its bytes.
    message: Option<MessageDescriptor>,
}

impl Weigher {
    /// For CRIU's name of a message.
    pub fn of(name: &str) -> Self {
        let message = schema::schema().and_then(|schema| schema.message(name));
        Self { message: message.filter(|message| has_lists(message, 0)) }
    }

    /// Bytes that the lists and texts of a message take in memory, at most, besides its struct.
    pub fn weigh(&self, body: &[u8]) -> u64 {
        let lists = self.message.as_ref().map_or(0, |message| lists(message, body, 0));
        lists.saturating_add(body.len() as u64)
    }
}

/// Bytes that a message may take while it is shown as JSON: each field is a name and a value of its own there,
/// unknown ones too.
pub(super) fn shown(message: &MessageDescriptor, body: &[u8]) -> u64 {
    shown_at(Some(message), body, 0).saturating_add(body.len() as u64)
}

fn shown_at(message: Option<&MessageDescriptor>, body: &[u8], depth: usize) -> u64 {
    /// An object's member with its name, or an object of an unknown field.
    const MEMBER: u64 = 600;
    /// A number in a list.
    const ITEM: u64 = 160;
    if depth > MAX_DEPTH {
        return 0;
    }
    let mut total = 0_u64;
    for field in Fields::new(body).map_while(Result::ok) {
        let descriptor = message.and_then(|message| message.get_field(field.number));
        let inside = match (descriptor.map(|field| field.kind()), field.value) {
            (Some(Kind::Message(inner)), Value::Bytes(bytes)) => shown_at(Some(&inner), bytes, depth + 1),
            (Some(Kind::String | Kind::Bytes), _) => 0,
            (Some(_), Value::Bytes(bytes)) => ITEM.saturating_mul(bytes.len() as u64),
            // A group is shown field by field.
            (_, Value::Group(bytes)) => shown_at(None, bytes, depth + 1),
            _ => 0,
        };
        total = total.saturating_add(MEMBER).saturating_add(inside);
    }
    total
}

fn has_lists(message: &MessageDescriptor, depth: usize) -> bool {
    depth > MAX_STRUCT_DEPTH
        || message.fields().any(|field| {
            field.cardinality() == Cardinality::Repeated
                || matches!(field.kind(), Kind::Message(inner) if has_lists(&inner, depth + 1))
        })
}

fn lists(message: &MessageDescriptor, body: &[u8], depth: usize) -> u64 {
    if depth > MAX_DEPTH {
        return 0;
    }
    let mut total = 0_u64;
    // Consecutive items are mostly of one field.
    let mut last: Option<(FieldDescriptor, u64)> = None;
    // What is malformed is not decoded either.
    for field in Fields::new(body).map_while(Result::ok) {
        if last.as_ref().is_none_or(|(before, _)| before.number() != field.number) {
            let Some(found) = message.get_field(field.number) else { continue };
            let cost = if found.cardinality() == Cardinality::Repeated { item(&found.kind(), 0) } else { 0 };
            last = Some((found, cost.saturating_mul(GROWTH)));
        }
        let Some((descriptor, cost)) = &last else { continue };
        total = total.saturating_add(match (descriptor.kind(), field.value) {
            (Kind::Message(inner), Value::Bytes(bytes)) => {
                cost.saturating_add(lists(&inner, bytes, depth + 1))
            }
            (Kind::String | Kind::Bytes | Kind::Message(_), _) => *cost,
            // Packed numbers take a byte each at least.
            (_, Value::Bytes(bytes)) => cost.saturating_mul(bytes.len() as u64),
            _ => *cost,
        });
    }
    total
}

/// Size of a value in a list.
fn item(kind: &Kind, depth: usize) -> u64 {
    match kind {
        Kind::String | Kind::Bytes => BYTES,
        Kind::Message(message) => structure(message, depth),
        _ => NUMBER,
    }
}

/// Size of a message's struct.
fn structure(message: &MessageDescriptor, depth: usize) -> u64 {
    if depth > MAX_STRUCT_DEPTH {
        return NUMBER;
    }
    let fields = message.fields().map(|field| {
        if field.cardinality() == Cardinality::Repeated { BYTES } else { item(&field.kind(), depth + 1) }
    });
    fields.fold(NUMBER, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto;

    #[test]
    fn the_estimate_of_a_struct_is_no_smaller_than_the_struct() {
        let size = |name: &str| structure(&schema::schema().unwrap().message(name).unwrap(), 0);
        for (name, real) in [
            ("vma_entry", size_of::<proto::VmaEntry>()),
            ("pstree_entry", size_of::<proto::PstreeEntry>()),
            ("file_entry", size_of::<proto::FileEntry>()),
            ("core_entry", size_of::<proto::CoreEntry>()),
            ("mm_entry", size_of::<proto::MmEntry>()),
            ("cgroup_dir_entry", size_of::<proto::CgroupDirEntry>()),
            ("scm_entry", size_of::<proto::ScmEntry>()),
            ("net_device_entry", size_of::<proto::NetDeviceEntry>()),
        ] {
            assert!(size(name) >= real as u64, "{name}: {} < {real}", size(name));
        }
    }

    #[test]
    fn empty_items_weigh_what_their_structs_do() {
        // Field 14 of mm_entry is its list of mappings.
        let body: Vec<u8> = [0x72, 0].repeat(1000);
        let mm = Weigher::of("mm_entry");
        let real = 1000 * size_of::<proto::VmaEntry>() as u64;
        assert!(mm.weigh(&body) >= real, "{}", mm.weigh(&body));
        assert!(mm.weigh(&body) <= 8 * real, "{}", mm.weigh(&body));
        let message = schema::schema().unwrap().message("mm_entry").unwrap();
        assert!(shown(&message, &body) >= mm.weigh(&body) / 2);
        // Fields that nobody knows are shown too.
        assert!(shown(&message, &[0xf8, 0x7f, 1].repeat(1000)) >= 100_000);
        // Packed numbers of one byte each.
        let threads = [&[0x2a, 100][..], &[1; 100]].concat();
        assert!(Weigher::of("pstree_entry").weigh(&threads) >= 400);
        // A pagemap entry has numbers only.
        assert_eq!(Weigher::of("pagemap_entry").weigh(&[8; 10]), 10);
    }
}
