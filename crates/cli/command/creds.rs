//! `ckptfx creds`: who processes are and what they may do.

use std::io::Write as _;

use anyhow::Result;
use ckptfx_analysis::{
    process::{Capabilities, Ids},
    security::credential::{self, Credentials},
};
use ckptfx_report::{listing, schema::Document};
use clap::Args;

use crate::{
    args::{Common, Format, ViewArgs},
    checkpoints::for_each_checkpoint,
    outcome::Outcome,
    spec::{Command, Group},
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "creds",
    aliases: &[],
    group: Group::Processes,
    about: "Show credentials, capabilities, seccomp filters and security labels",
    usage: None,
    notes: "",
    examples: &["ckptfx creds archive.tar", "ckptfx creds --pid 1 --filters archive.tar"],
    arguments: CredsArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[VIEW.collection])),
    run: |call| run(&call.arguments()?, call.common),
};

/// What `creds` takes.
#[derive(Debug, Args)]
pub struct CredsArgs {
    #[command(flatten)]
    pub view: ViewArgs,
    /// Disassemble the seccomp filters.
    #[arg(long)]
    pub filters: bool,
}

pub const VIEW: View<Credentials> = View::of(
    &listing::CREDENTIALS,
    &[
        Column::right("PID", |creds| creds.pid.to_string()),
        Column::right("TID", |creds| creds.tid.to_string()),
        Column::left("COMM", |creds| view::text(creds.comm.as_ref())),
        Column::left("UID", |creds| ids(creds.uid)),
        Column::left("GID", |creds| ids(creds.gid)),
        Column::left("GROUPS", |creds| match creds.groups.as_deref() {
            None | Some([]) => "-".to_owned(),
            Some(groups) => groups.iter().map(u32::to_string).collect::<Vec<_>>().join(","),
        }),
        Column::left("CAPABILITIES", |creds| {
            creds.capabilities.as_ref().map_or_else(|| "-".to_owned(), capabilities)
        }),
        Column::left("NO_NEW_PRIVS", |creds| match creds.no_new_privs {
            Some(true) => "yes".to_owned(),
            Some(false) => "no".to_owned(),
            None => "?".to_owned(),
        }),
        Column::left("SECCOMP", |creds| match creds.filters.len() {
            0 => seccomp(creds).to_owned(),
            count => format!("{} ({count})", seccomp(creds)),
        }),
        Column::left("LABEL", |creds| view::text(creds.lsm_label.as_ref())),
        Column::left("DIFFERS IN", |creds| creds.differs_in.join(" ")),
    ],
);

fn seccomp(creds: &Credentials) -> &'static str {
    creds.seccomp.unwrap_or("?")
}

/// One number when all four are the same, or else all of them.
fn ids(ids: Option<Ids>) -> String {
    let Some(ids) = ids else { return "-".to_owned() };
    let all = [ids.real, ids.effective, ids.saved, ids.fs];
    match all {
        [first, rest @ ..] if rest.iter().all(|id| *id == first) => view::number(first),
        all => all.map(view::number).join("/"),
    }
}

/// The effective set in short.
fn capabilities(sets: &Capabilities) -> String {
    let names = &sets.effective;
    let short: Vec<&str> = names.iter().map(|name| name.trim_start_matches("CAP_")).collect();
    match names.len() {
        0 => "none".to_owned(),
        40.. => format!("all {}", names.len()),
        _ => short.join(",").to_lowercase(),
    }
}

pub fn run(args: &CredsArgs, common: &Common) -> Result<Outcome> {
    if !args.filters || common.output != Format::Table {
        return view::run_filtered(
            &VIEW,
            &args.view.archives,
            &args.view.filter,
            common,
            &mut |case, wanted| Ok(credential::credentials(case, args.filters, wanted)),
        );
    }
    for_each_checkpoint(&args.view.archives, common, VIEW.name, VIEW.collection, |case, output, _| {
        args.view.filter.check(case)?;
        let mut shown: Vec<(u32, u32)> = Vec::new();
        for creds in credential::credentials(case, true, &|task| args.view.filter.accepts(task)) {
            let comm = view::text(creds.comm.as_ref());
            writeln!(output, "process {} thread {} {comm}: {}", creds.pid, creds.tid, seccomp(&creds))?;
            for filter in &creds.filters {
                let flags = if filter.flags.is_empty() { "-".to_owned() } else { filter.flags.join(" | ") };
                write!(
                    output,
                    "  filter {}, {} instructions, flags {flags}",
                    filter.position, filter.instructions
                )?;
                // A filter that many processes inherited is printed once.
                if let Some((_, pid)) = shown.iter().find(|(position, _)| *position == filter.position) {
                    writeln!(output, ": as in process {pid}")?;
                    continue;
                }
                shown.push((filter.position, creds.pid));
                writeln!(output)?;
                for (index, line) in
                    filter.disassembly.iter().flat_map(|listing| listing.0.iter()).enumerate()
                {
                    writeln!(output, "  {index:6}: {line}")?;
                }
            }
        }
        Ok(())
    })
}
