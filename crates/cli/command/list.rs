//! `ckptfx list`: many checkpoints, one line each.

use std::path::PathBuf;

use anyhow::Result;
use ckptfx_analysis::Case;
use ckptfx_report::{
    ContainerHead, DocumentHead, Head, Status,
    list::Row,
    schema::{About, Document, List, of},
    untrusted::show,
};
use clap::Args;

use crate::{
    args::{Common, Format},
    diagnostics::finish_diagnostics,
    named::Named,
    outcome::Outcome,
    progress::Bars,
    render::{Output, table},
    spec::{Command, Group},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "list",
    aliases: &[],
    group: Group::Start,
    about: "List checkpoints in directories",
    usage: None,
    notes: "",
    examples: &["ckptfx list /var/lib/kubelet/checkpoints", "ckptfx list -o csv cases/*"],
    arguments: ListArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[COLLECTION]).about(About::None)),
    run: |call| run(&call.arguments()?, call.common),
};

/// What `list` takes.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Directories with archives, or archives.
    #[arg(required = true, value_name = "DIR")]
    pub directories: Vec<PathBuf>,
}

const COLLECTION: List = List {
    name: "checkpoints",
    record: of::<Row>,
    columns: &[
        "evidence.name",
        "evidence.format",
        "evidence.bytes",
        "container.engine",
        "container.namespace",
        "container.pod",
        "container.name",
        "container.image",
        "container.checkpointed",
        "processes",
        "captured_bytes",
        "warnings",
        "evidence.path",
        "status",
        "reason",
        "container.checkpointed_from",
    ],
};

pub fn run(args: &ListArgs, common: &Common) -> Result<Outcome> {
    let bars = Bars::new(common.quiet);
    let mut output = Output::new(common, COLLECTION, false)?;
    let mut rows = Vec::new();
    let mut outcome = Outcome::Done;
    let mut named = Named::find(&args.directories, common)?;
    let mut diagnostics = Vec::new();
    for candidate in named.candidates.clone() {
        let opened = match candidate.open_plainly(common, &bars) {
            Ok(opened) => opened,
            Err(error) => {
                let (is_loss, not_read) = named.not_read(&candidate, error, common)?;
                if is_loss {
                    outcome = Outcome::Partly;
                }
                if let Some(not_read) = not_read {
                    let Head { evidence, container, .. } = not_read.head("list");
                    diagnostics.push(not_read.diagnostic());
                    rows.push(Row {
                        evidence,
                        container,
                        processes: None,
                        captured_bytes: None,
                        warnings: 1,
                        status: not_read.status,
                        reason: Some(not_read.reason),
                    });
                }
                continue;
            }
        };
        for checkpoint in &opened.evidence.checkpoints {
            let case = Case::read(checkpoint);
            let head = Head::new("list", &opened.evidence, checkpoint, opened.sha256.clone());
            let all: Vec<_> = opened.evidence.diagnostics.iter().chain(&case.diagnostics).collect();
            diagnostics.extend(all.iter().map(|diagnostic| {
                let mut diagnostic = (*diagnostic).clone();
                diagnostic.subject = format!("{}: {}", head.evidence.label().escaped(), diagnostic.subject);
                diagnostic
            }));
            rows.push(Row {
                evidence: head.evidence,
                container: head.container,
                processes: Some(case.tasks.len()),
                captured_bytes: Some(case.tasks.iter().filter_map(|task| task.process.captured_bytes).sum()),
                warnings: all.len(),
                status: Status::Read,
                reason: None,
            });
        }
    }
    named.finish(common)?;
    let warnings = finish_diagnostics(&diagnostics, common);
    outcome = outcome.max(Outcome::of(&warnings));
    if output.is_table() {
        write_table(&rows, &mut output)?;
    } else {
        output.begin_document(&DocumentHead::new("list"))?;
        for row in &rows {
            output.record(row)?;
        }
        output.end(&warnings)?;
    }
    output.finish()?;
    Ok(outcome)
}

/// The time of the checkpoint, with `~` where it was not recorded but derived.
fn checkpointed(container: &ContainerHead) -> String {
    let Some(time) = container.checkpointed else { return "-".to_owned() };
    let about = if container.checkpointed_from.is_some() { "~" } else { "" };
    format!("{about}{time:.0}")
}

fn write_table(rows: &[Row], output: &mut Output) -> Result<()> {
    let header = [
        "EVIDENCE",
        "FORMAT",
        "SIZE",
        "ENGINE",
        "POD",
        "CONTAINER",
        "CHECKPOINTED",
        "PROCS",
        "CAPTURED",
        "WARNINGS",
        "STATUS",
    ];
    let mut plain = table::Plain::new(&header).right(&[2, 7, 8, 9]);
    let text = |value: &Option<String>| {
        value.as_deref().map_or_else(|| "-".to_owned(), |text| show(text.as_bytes()))
    };
    for row in rows {
        let pod = match (&row.container.namespace, &row.container.pod) {
            (Some(namespace), Some(pod)) => show(format!("{namespace}/{pod}").as_bytes()),
            (_, pod) => text(pod),
        };
        let size = |bytes: Option<u64>| bytes.map_or_else(|| "-".to_owned(), table::size);
        plain.row([
            show(&row.evidence.label().0),
            row.evidence.format.clone(),
            size(row.evidence.bytes),
            row.container.engine.to_owned(),
            pod,
            text(&row.container.name),
            checkpointed(&row.container),
            row.processes.map_or_else(|| "-".to_owned(), |count| count.to_string()),
            size(row.captured_bytes),
            row.warnings.to_string(),
            row.status.name().to_owned(),
        ]);
    }
    output.table(plain)
}
