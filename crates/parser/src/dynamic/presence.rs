//! Which fields that CRIU requires are not in a message: prost reads a missing one as if it were merely not recorded,
//! and whoever clears one would hide what it says (`format.md §1.6`).

use std::sync::LazyLock;

use prost_reflect::{Kind, MessageDescriptor};

use super::schema::{Field, Schema, schema};
use crate::wire::{Fields, Value};

/// Messages within messages are looked at as deep as prost decodes them.
const MAX_DEPTH: usize = 100;

/// Required fields that are younger than their message, so that older images are whole without them: message, field.
const YOUNGER: [(&str, &str); 1] = [("dump_stats_entry", "pages_lazy")];

/// What a message must have, and which messages are in it. Names are looked up when something is missing: the shapes of
/// all messages are made as soon as one is read.
#[derive(Debug)]
struct Shape {
    /// Number of each required field; of more than there are bits in a mask the first.
    required: Vec<u32>,
    /// Number of each field that is a message, and the place of its shape.
    nested: Vec<(u32, usize)>,
}

/// The shapes of all messages, in the order of the schema.
#[derive(Debug)]
struct Shapes(Vec<Shape>);

static SHAPES: LazyLock<Option<Shapes>> = LazyLock::new(|| schema().map(Shapes::of));

impl Shapes {
    fn of(schema: &Schema) -> Self {
        let shape = |(message, fields): &(MessageDescriptor, Vec<Field>)| {
            let younger = YOUNGER.iter().find(|(name, _)| *name == message.name()).map(|(_, field)| *field);
            let is_due = |field: &&Field| field.required && younger != Some(field.descriptor.name());
            let required = fields.iter().filter(is_due).take(u128::BITS as usize);
            let nested = fields.iter().filter_map(|field| match field.descriptor.kind() {
                Kind::Message(inner) => {
                    Some((field.descriptor.number(), schema.place_of(inner.full_name())?))
                }
                _ => None,
            });
            Shape {
                required: required.map(|field| field.descriptor.number()).collect(),
                nested: nested.collect(),
            }
        };
        Self(schema.messages().iter().map(shape).collect())
    }

    /// The place of the first message that lacks fields, and their numbers.
    fn missing(&self, place: usize, body: &[u8], depth: usize) -> Option<(usize, Vec<u32>)> {
        let shape = self.0.get(place).filter(|_| depth <= MAX_DEPTH)?;
        let mut seen = 0_u128;
        // What is malformed is not decoded either.
        for field in Fields::new(body).map_while(Result::ok) {
            if let Some(bit) = shape.required.iter().position(|number| *number == field.number) {
                seen |= 1 << bit;
            }
            if let Value::Bytes(bytes) = field.value
                && let Some((_, inner)) = shape.nested.iter().find(|(number, _)| *number == field.number)
                && let Some(missing) = self.missing(*inner, bytes, depth + 1)
            {
                return Some(missing);
            }
        }
        let absent = shape.required.iter().enumerate().filter(|(bit, _)| seen & (1 << bit) == 0);
        let numbers: Vec<u32> = absent.map(|(_, number)| *number).collect();
        (!numbers.is_empty()).then_some((place, numbers))
    }
}

/// Looks for what is missing in messages of one type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Presence(Option<(&'static Schema, usize)>);

impl Presence {
    /// For CRIU's name of a message.
    pub fn of(message: &str) -> Self {
        let schema = schema();
        Self(schema.zip(schema.and_then(|schema| schema.place(message))))
    }

    /// The required fields that the first message in `body` lacks that lacks any, in words.
    pub fn missing(&self, body: &[u8]) -> Option<String> {
        let (schema, place) = self.0?;
        let (place, numbers) = SHAPES.as_ref()?.missing(place, body, 0)?;
        let message = schema.at(place)?;
        let name = |number| message.get_field(number).map(|field| field.name().to_owned());
        let names: Vec<String> = numbers.into_iter().filter_map(name).collect();
        Some(format!("{} of {}", names.join(", "), message.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_message() {
        // pid, ppid, pgid, sid, and one thread.
        let whole = [0x08, 1, 0x10, 0, 0x18, 1, 0x20, 1, 0x28, 1];
        let tree = Presence::of("pstree_entry");
        assert_eq!(tree.missing(&whole), None);
        assert_eq!(tree.missing(&whole[2..]).as_deref(), Some("pid of pstree_entry"));
        assert_eq!(tree.missing(&[]).as_deref(), Some("pid, ppid, pgid, sid of pstree_entry"));
        // A mapping without anything in a memory map.
        let mm = Presence::of("mm_entry").missing(&[0x72, 0]).unwrap();
        assert!(mm.starts_with("start, end, ") && mm.ends_with(" of vma_entry"), "{mm}");
        assert_eq!(Presence::of("no_such_entry").missing(&[]), None);
    }

    #[test]
    fn messages_in_themselves_end() {
        // Field 2 of cgroup_dir_entry is a list of its own kind.
        let mut body = vec![0x0a, 0];
        for _ in 0..40 {
            body = [&[0x12, u8::try_from(body.len()).unwrap()][..], &body].concat();
        }
        assert!(Presence::of("cgroup_dir_entry").missing(&body).is_some());
    }
}
