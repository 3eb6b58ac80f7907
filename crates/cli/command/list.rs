//! `ckptfx list`: many checkpoints, one line each.

use anyhow::Result;
use ckptfx_analysis::{
    Case,
    report::{ContainerHead, DocumentHead, EvidenceHead, Head},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Outcome, finish_diagnostics};
use crate::{
    args::{Common, ListArgs},
    evidence,
    named::Named,
    progress::Bars,
    render::{Collection, Output, table},
    untrusted::show,
};

const COLLECTION: Collection = Collection {
    name: "checkpoints",
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
        "container.checkpointed_from",
    ],
};

/// One checkpoint.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Row {
    /// Where it lies.
    evidence: EvidenceHead,
    /// Of which container.
    container: ContainerHead,
    /// Number of processes.
    processes: usize,
    /// Captured memory of all processes; shared objects do not count.
    captured_bytes: u64,
    /// Number of warnings and notes that reading gave.
    warnings: usize,
}

pub fn run(args: &ListArgs, common: &Common) -> Result<Outcome> {
    let bars = Bars::new(common.quiet);
    let mut output = Output::new(common, COLLECTION, false)?;
    let mut rows = Vec::new();
    let mut outcome = Outcome::Done;
    let mut named = Named::find(&args.directories, common)?;
    let mut diagnostics = Vec::new();
    for path in named.paths.clone() {
        let opened = match evidence::open(&path, common, &bars) {
            Ok(opened) => opened,
            Err(error) => {
                if named.unreadable(&path, error, common)? {
                    outcome = Outcome::Partly;
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
                diagnostic.subject = format!("{}: {}", opened.evidence.name, diagnostic.subject);
                diagnostic
            }));
            rows.push(Row {
                evidence: head.evidence,
                container: head.container,
                processes: case.tasks.len(),
                captured_bytes: case.tasks.iter().filter_map(|task| task.process.captured_bytes).sum(),
                warnings: all.len(),
            });
        }
    }
    named.finish(common)?;
    let warnings = finish_diagnostics(&diagnostics, common);
    if warnings.iter().any(|warning| warning.partial) {
        outcome = Outcome::Partly;
    }
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
        let part = row.evidence.part.as_deref().map(|part| format!(" [{part}]")).unwrap_or_default();
        plain.row([
            show(format!("{}{part}", row.evidence.name).as_bytes()),
            row.evidence.format.clone(),
            table::size(row.evidence.bytes),
            row.container.engine.to_owned(),
            pod,
            text(&row.container.name),
            checkpointed(&row.container),
            row.processes.to_string(),
            table::size(row.captured_bytes),
            row.warnings.to_string(),
        ]);
    }
    let color = output.color;
    plain.write(output, color)?;
    Ok(())
}
