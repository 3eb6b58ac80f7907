//! `ckptfx files`: every open file.

use ckptfx_analysis::files::file::{self, Details, Lock, OpenFile, Role};
use ckptfx_report::{listing, schema::Document, untrusted::show};
use clap::Args;

use super::sockets::address;
use crate::{
    args::{Format, ViewArgs},
    render::table::Emphasis,
    spec::{Command, Group},
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "files",
    aliases: &["lsof"],
    group: Group::Files,
    about: "List open files: descriptors, working directories, executables, mapped files",
    usage: None,
    notes: "",
    examples: &[
        "ckptfx files archive.tar",
        "ckptfx files archive.tar | grep deleted",
        "ckptfx files --pid 14 -o json archive.tar",
    ],
    arguments: ViewArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[VIEW.collection])),
    run: |call| view::list(&VIEW, &listing::FILES, call),
};

pub const VIEW: View<OpenFile> = View::of(
    &listing::FILES,
    &[
        Column::right("PID", |file| view::number(file.pid)),
        Column::left("COMM", |file| view::text(file.comm.as_ref())),
        Column::right("FD", descriptor),
        Column::left("KIND", |file| file.kind.map_or("?", file::Kind::name).to_owned()),
        Column::right("POSITION", |file| view::number(file.position)),
        Column::right("SIZE", |file| view::number(file.size)),
        Column::left("CONTENT", |file| file.content.name().to_owned()),
        Column::left("NAME", name),
    ],
)
.emphasis(|file| if file.deleted == Some(true) { Emphasis::Odd } else { Emphasis::None });

/// The role or, as `lsof` has it, the descriptor with `r`, `w` or `u` for how it is open.
fn descriptor(file: &OpenFile) -> String {
    let Some(fd) = file.fd.filter(|_| file.role == Role::Fd) else {
        return file.role.name().to_owned();
    };
    let has = |name: &str| file.flags.iter().flatten().any(|flag| flag == name);
    let access = match () {
        () if has("O_RDWR") => "u",
        () if has("O_WRONLY") => "w",
        () if has("O_RDONLY") => "r",
        () => "",
    };
    format!("{fd}{access}")
}

/// What readlink shows, and in a few words what that does not say.
fn name(file: &OpenFile) -> String {
    let link = file.link.as_ref().map(|link| show(&link.0));
    let more = file.details.as_ref().and_then(more);
    let mut name = match (link, more) {
        (Some(link), Some(more)) => format!("{link} {more}"),
        (Some(text), None) | (None, Some(text)) => text,
        (None, None) => file.path.as_ref().map_or_else(|| "?".to_owned(), |path| show(&path.0)),
    };
    name.extend(file.locks.iter().map(|lock| format!(" {}", locked(lock))));
    if let Some(owner) = &file.signal_owner {
        let whom = owner.pid.map_or_else(String::new, |pid| format!(" to {pid}"));
        name.push_str(&format!(" ({}{whom})", owner.signal));
    }
    name
}

/// A lock in short, with the bytes where it is not on all of them.
fn locked(lock: &Lock) -> String {
    let state = if lock.breaking { ", being broken" } else { "" };
    match (lock.start, lock.length) {
        (0, None) => format!("({} {}{state})", lock.kind, lock.r#type),
        (start, None) => format!("({} {} from {start}{state})", lock.kind, lock.r#type),
        (start, Some(length)) => format!("({} {} {length} at {start}{state})", lock.kind, lock.r#type),
    }
}

fn more(details: &Details) -> Option<String> {
    Some(match details {
        Details::Pipe { unread_bytes: 0, .. } => return None,
        Details::Pipe { unread_bytes, .. } => format!("({unread_bytes} bytes unread)"),
        Details::Socket(socket) => {
            let protocol = socket.protocol.as_deref().or(socket.family).unwrap_or("?");
            let mut text = match socket.family {
                Some("packet") => format!("packet {protocol}"),
                _ => protocol.to_owned(),
            };
            if let Some(path) = &socket.path {
                text = format!("{text} {}", show(&path.0));
            }
            if let Some(local) = &socket.local {
                text = format!("{text} {}", address(local));
            }
            if let Some(remote) = &socket.remote {
                text = format!("{text}->{}", address(remote));
            }
            match socket.state {
                Some(state) => format!("{text} ({state})"),
                None => text,
            }
        }
        Details::Tty { side: Some(side), index: Some(index), .. } => format!("({side} of pts/{index})"),
        Details::Eventfd { count: Some(count) } => format!("(count {count})"),
        Details::Eventpoll { targets } => {
            let fds: Vec<String> = targets.iter().filter_map(|target| Some(target.fd?.to_string())).collect();
            format!("(fds {})", fds.join(" "))
        }
        Details::Inotify { watches } if watches.is_empty() => return None,
        Details::Inotify { watches } => {
            let paths: Vec<String> = watches
                .iter()
                .map(|watch| match (&watch.path, watch.inode) {
                    (Some(path), _) => show(&path.0),
                    (None, Some(inode)) => format!("inode {inode}"),
                    (None, None) => "?".to_owned(),
                })
                .collect();
            format!("(watches {})", paths.join(" "))
        }
        Details::Signalfd { signals } => format!("({})", signals.join(" ")),
        Details::Pidfd { pid: Some(pid) } => format!("(process {pid})"),
        Details::Pidfd { pid: None } => "(dead process)".to_owned(),
        Details::BpfMap { name: Some(name), .. } => format!("({})", show(&name.0)),
        Details::Namespace { r#type, id: Some(id), .. } => {
            format!("{} namespace {id}", r#type.unwrap_or("?"))
        }
        Details::Tun { interface: Some(interface), .. } => format!("({})", show(&interface.0)),
        Details::Regular(facts) => match (facts.dead_process, &facts.linked_as) {
            (Some(pid), _) => format!("(of dead process {pid})"),
            (None, Some(name)) => format!("(kept as {})", show(&name.0)),
            (None, None) => return None,
        },
        _ => return None,
    })
}
