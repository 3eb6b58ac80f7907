//! `ckptfx ipc`: System V objects.

use ckptfx_analysis::container::ipc::{Kind, Object};
use ckptfx_report::{listing, schema::Document};
use clap::Args;

use super::ns;
use crate::{
    args::{Format, ViewArgs},
    render::table,
    spec::{Command, Group},
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "ipc",
    aliases: &[],
    group: Group::Container,
    about: "Show System V shared memory, semaphores and message queues",
    usage: None,
    notes: "",
    examples: &["ckptfx ipc archive.tar", "ckptfx ipc -o json archive.tar"],
    arguments: ViewArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[VIEW.collection])),
    run: |call| view::list(&VIEW, &listing::IPC, call),
};

pub const VIEW: View<Object> = View::of(
    &listing::IPC,
    &[
        Column::right("NS", |object| view::number(object.namespace)),
        Column::left("KIND", |object| {
            match object.kind {
                Kind::Shm => "shm",
                Kind::Msg => "msg",
                Kind::Sem => "sem",
                Kind::Limit => "limit",
            }
            .to_owned()
        }),
        Column::left("KEY", |object| object.key.clone().unwrap_or_else(|| "-".to_owned())),
        Column::right("ID", |object| view::number(object.id)),
        Column::right("UID", |object| view::number(object.uid)),
        Column::left("MODE", |object| object.mode.clone().unwrap_or_else(|| "-".to_owned())),
        Column::left("PIDS", |object| object.pids.as_deref().map_or_else(|| "-".to_owned(), ns::pids)),
        Column::left("DETAILS", details),
    ],
);

/// Most messages or values that a table shows.
const SHOWN: usize = 16;

fn details(object: &Object) -> String {
    match object.kind {
        Kind::Shm => {
            let bytes = |value: Option<u64>| value.map_or_else(|| "?".to_owned(), table::size);
            format!("{}, captured {}", bytes(object.size), bytes(object.captured_bytes))
        }
        Kind::Msg => {
            let messages = object.messages.as_deref().unwrap_or_default();
            let list = shown(messages, |message| {
                format!("type {} {} bytes", view::number(message.r#type), view::number(message.bytes))
            });
            format!("{} messages{}{list}", messages.len(), if list.is_empty() { "" } else { ": " })
        }
        Kind::Sem => shown(object.values.as_deref().unwrap_or_default(), u16::to_string),
        Kind::Limit => {
            format!("{} = {}", object.name.unwrap_or("?"), object.value.as_deref().unwrap_or("?"))
        }
    }
}

fn shown<T>(list: &[T], show: impl Fn(&T) -> String) -> String {
    let mut text = list.iter().take(SHOWN).map(show).collect::<Vec<_>>().join(", ");
    if list.len() > SHOWN {
        text.push_str(", …");
    }
    text
}
