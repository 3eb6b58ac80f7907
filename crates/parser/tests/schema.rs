//! Holds the schemas and the registry against the tables of facts in `proto/`, so that neither can drift.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;

use ckptfx_parser::image::{
    Kind,
    registry::{Content, Head},
};
use prost_reflect::{Cardinality, DescriptorPool, Kind as Type, MessageDescriptor};

const FIELDS: &str = include_str!("../../../proto/fields.tsv");
/// Fields of CRIU's next release, which the table of released ones does not have.
const UPCOMING: &str = include_str!("../../../proto/upcoming.tsv");
const ENUMS: &str = include_str!("../../../proto/enums.tsv");
const MAGICS: &str = include_str!("../../../proto/magics.tsv");

fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table.lines().skip(1).map(|line| line.split('\t').collect())
}

fn pool() -> DescriptorPool {
    DescriptorPool::decode(ckptfx_parser::proto::DESCRIPTORS).unwrap()
}

fn messages(pool: &DescriptorPool) -> Vec<MessageDescriptor> {
    pool.all_messages().filter(|message| message.package_name() == "criu").collect()
}

#[track_caller]
fn assert_same(ours: &BTreeSet<Vec<String>>, facts: &BTreeSet<Vec<String>>) {
    let extra: Vec<_> = ours.difference(facts).collect();
    let missing: Vec<_> = facts.difference(ours).collect();
    assert!(extra.is_empty() && missing.is_empty(), "only ours: {extra:#?}\nonly in the table: {missing:#?}");
}

fn strings(row: &[&str]) -> Vec<String> {
    row.iter().map(ToString::to_string).collect()
}

#[test]
fn fields() {
    let pool = pool();
    let required = pool.get_extension_by_name("ckptfx.required").unwrap();
    let mut ours = BTreeSet::new();
    for message in messages(&pool) {
        for field in message.fields() {
            let kind = match field.kind() {
                Type::Message(message) => message.name().to_owned(),
                Type::Enum(enumeration) => enumeration.name().to_owned(),
                kind => format!("{kind:?}").to_lowercase(),
            };
            assert!(!field.is_group() && !matches!(field.kind(), Type::String));
            let label = match (field.cardinality(), field.options().get_extension(&required).as_bool()) {
                (Cardinality::Repeated, Some(false)) => "repeated",
                (Cardinality::Optional, Some(true)) => "required",
                (Cardinality::Optional, Some(false)) => "optional",
                other => panic!("{}: {other:?}", field.full_name()),
            };
            ours.insert(strings(&[message.name(), &field.number().to_string(), label, &kind, field.name()]));
        }
    }
    let facts: BTreeSet<_> = rows(FIELDS)
        .chain(rows(UPCOMING))
        .map(|row| {
            let kind = if row[3] == "string" { "bytes" } else { row[3] };
            let kind = kind.rsplit('.').next().unwrap();
            strings(&[row[0], row[1], row[2], kind, row[4]])
        })
        .collect();
    assert_same(&ours, &facts);
}

#[test]
fn text_is_shown_as_text() {
    let pool = pool();
    let show = pool.get_extension_by_name("ckptfx.show").unwrap();
    for row in rows(FIELDS).filter(|row| row[3] == "string") {
        let message = pool.get_message_by_name(&format!("criu.{}", row[0])).unwrap();
        let options = message.get_field_by_name(row[4]).unwrap().options();
        assert_eq!(options.get_extension(&show).as_enum_number(), Some(3), "{row:?}");
    }
}

#[test]
fn enums() {
    let pool = pool();
    let mut ours = BTreeSet::new();
    for enumeration in pool.all_enums().filter(|enumeration| enumeration.package_name() == "criu") {
        let name = enumeration.full_name().strip_prefix("criu.").unwrap();
        for value in enumeration.values() {
            ours.insert(strings(&[name, value.name(), &value.number().to_string()]));
        }
    }
    assert_same(&ours, &rows(ENUMS).map(|row| strings(&row[..3])).collect());
}

#[test]
fn registry() {
    let pool = pool();
    let mut ours = BTreeSet::new();
    for kind in Kind::ALL {
        let descriptor = kind.descriptor();
        let head = match descriptor.head {
            Head::Common => "common",
            Head::Service => "service",
            Head::Bare | Head::Absent => "none",
            Head::Plugin => "plugin",
        };
        let entries = match descriptor.content {
            Content::Single(_) => "single",
            Content::Repeated(_) => "repeated",
            Content::Headed { .. } => "headed",
            Content::Raw(_) => "raw",
        };
        let messages: Vec<_> = descriptor.head_message().into_iter().chain(descriptor.message()).collect();
        for message in &messages {
            assert!(pool.get_message_by_name(&format!("criu.{message}")).is_some(), "{message}");
        }
        let magic = format!("{:#010x}", descriptor.magic);
        ours.insert(strings(&[
            descriptor.name,
            &magic,
            &descriptor.files.join(" "),
            head,
            entries,
            &messages.join(" "),
        ]));
    }
    assert_same(&ours, &rows(MAGICS).map(|row| strings(&row[..6])).collect());
}
