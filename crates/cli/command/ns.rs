//! `ckptfx ns`: namespaces, and which are the host's.

use ckptfx_analysis::container::namespace::{IdRange, NamespaceFacts};
use ckptfx_report::{listing, schema::Document, untrusted::show};
use clap::Args;

use crate::{
    args::{Format, ViewArgs},
    spec::{Command, Group},
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "ns",
    aliases: &[],
    group: Group::Container,
    about: "List namespaces and which are shared with the host",
    usage: None,
    notes: "",
    examples: &["ckptfx ns archive.tar", "ckptfx ns --pid 14 archive.tar"],
    arguments: ViewArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[VIEW.collection])),
    run: |call| view::list(&VIEW, &listing::NAMESPACES, call),
};

pub const VIEW: View<NamespaceFacts> = View::of(
    &listing::NAMESPACES,
    &[
        Column::left("KIND", |one| one.kind.to_owned()),
        Column::right("ID", |one| view::number(one.id)),
        Column::left("SHARED WITH HOST", |one| yes(one.shared_with_host)),
        Column::left("FOREIGN", |one| yes(one.differs_from_root)),
        Column::left("PIDS", |one| pids(&one.pids)),
        Column::left("DETAILS", details),
        Column::left("IMAGES", |one| show(one.images.join(" ").as_bytes())),
    ],
);

fn yes(value: Option<bool>) -> String {
    value.map_or("?", |value| if value { "yes" } else { "no" }).to_owned()
}

/// Process ids with spaces between them.
pub fn pids(pids: &[u32]) -> String {
    if pids.is_empty() {
        return "-".to_owned();
    }
    pids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}

fn details(one: &NamespaceFacts) -> String {
    let mut details = Vec::new();
    details.extend(one.ext_key.as_ref().map(|key| format!("external: {}", show(&key.0))));
    details.extend(one.uid_map.as_ref().map(|map| format!("uids {}", ranges(map))));
    details.extend(one.gid_map.as_ref().map(|map| format!("gids {}", ranges(map))));
    details.extend(one.boottime_ns.map(|time| format!("up {} s", time / 1_000_000_000)));
    if details.is_empty() { "-".to_owned() } else { details.join("; ") }
}

/// Ranges as `inside=outside+count`.
fn ranges(map: &[IdRange]) -> String {
    let range = |range: &IdRange| {
        let number = |value: Option<u32>| value.map_or_else(|| "?".to_owned(), |value| value.to_string());
        format!("{}={}+{}", number(range.inside), number(range.outside), number(range.count))
    };
    map.iter().map(range).collect::<Vec<_>>().join(" ")
}
