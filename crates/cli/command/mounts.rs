//! `ckptfx mounts`: the mount tree.

use std::collections::VecDeque;

use anyhow::Result;
use ckptfx_analysis::container::mount::{self, Mount};
use ckptfx_report::{
    listing,
    schema::{Document, List},
    untrusted::show,
};
use clap::Args;

use crate::{
    args::{Common, Format, ViewArgs},
    checkpoints::for_each_checkpoint,
    outcome::Outcome,
    render::{Output, table},
    spec::{Command, Group},
    view::{number, text},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "mounts",
    aliases: &[],
    group: Group::Container,
    about: "Show the mount tree",
    usage: None,
    notes: "",
    examples: &[
        "ckptfx mounts archive.tar",
        "ckptfx mounts -o json archive.tar | jq -r \".mounts[] | select(.external) | .mountpoint\"",
    ],
    arguments: ViewArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[COLLECTION])),
    run: |call| run(&call.arguments()?, call.common),
};

const COLLECTION: List = listing::MOUNTS.list();

/// Columns of the table, and those that are aligned to the right.
pub const HEADER: [&str; 8] = ["NS", "ID", "TARGET", "SOURCE", "FSTYPE", "FLAGS", "NOTES", "OPTIONS"];
pub const RIGHT: [usize; 2] = [0, 1];

/// Deeper mounts are drawn as if they were as deep as this.
const MAX_DRAWN: usize = 32;

pub fn run(args: &ViewArgs, common: &Common) -> Result<Outcome> {
    for_each_checkpoint(&args.archives, common, "mounts", COLLECTION, |case, output, _| {
        args.filter.check(case)?;
        let mounts = mount::mounts(case, &|task| args.filter.accepts(task));
        if output.is_table() {
            return write_table(&mounts, output);
        }
        mounts.iter().try_for_each(|mount| output.record(mount))
    })
}

fn write_table(mounts: &[Mount], output: &mut Output) -> Result<()> {
    let mut plain = table::Plain::new(&HEADER).right(&RIGHT);
    for row in rows(mounts) {
        plain.row(row);
    }
    output.table(plain)
}

/// The cells of the table, fit to be shown.
pub fn rows(mounts: &[Mount]) -> impl Iterator<Item = [String; HEADER.len()]> {
    branches(mounts).into_iter().zip(mounts).map(|(branch, mount)| {
        [
            number(mount.namespace),
            number(mount.mount_id),
            format!("{branch}{}", text(mount.mountpoint.as_ref())),
            source(mount),
            text(mount.fstype.as_ref()),
            mount.flags.as_ref().map_or_else(|| "-".to_owned(), |flags| flags.join(",")),
            notes(mount),
            mount.options.as_ref().map_or_else(|| "-".to_owned(), |options| show(&options.0)),
        ]
    })
}

/// What stands before each mount point. From the last line to the first it is known which branches go on.
fn branches(mounts: &[Mount]) -> Vec<String> {
    let mut lines = VecDeque::with_capacity(mounts.len());
    let mut goes_on = [false; MAX_DRAWN + 1];
    for mount in mounts.iter().rev() {
        let depth = mount.depth.min(MAX_DRAWN);
        let mut line = String::new();
        for (level, more) in goes_on.iter().enumerate().take(depth + 1).skip(1) {
            line.push_str(match (level == depth, more) {
                (true, true) => "|-",
                (true, false) => "`-",
                (false, true) => "| ",
                (false, false) => "  ",
            });
        }
        lines.push_front(line);
        for (level, more) in goes_on.iter_mut().enumerate().skip(depth) {
            *more = level == depth;
        }
    }
    lines.into()
}

/// As findmnt shows it: what is mounted of a file system is in brackets.
fn source(mount: &Mount) -> String {
    let source = text(mount.source.as_ref());
    match &mount.root {
        Some(root) if root.0 != b"/" => format!("{source}[{}]", show(&root.0)),
        _ => source,
    }
}

fn notes(mount: &Mount) -> String {
    let mut notes = Vec::new();
    if mount.external {
        notes.push("external".to_owned());
    }
    if mount.deleted == Some(true) {
        notes.push("deleted".to_owned());
    }
    let daemon = mount.autofs.as_ref().and_then(|autofs| autofs.process_group);
    notes.extend(daemon.map(|group| format!("pgrp:{group}")));
    notes.extend(mount.shared_id.map(|id| format!("shared:{id}")));
    notes.extend(mount.master_id.map(|id| format!("master:{id}")));
    if notes.is_empty() { "-".to_owned() } else { notes.join(",") }
}
