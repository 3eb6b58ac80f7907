//! `ckptfx list`: many checkpoints, one line each.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
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
    let mut others = Vec::new();
    let mut diagnostics = Vec::new();
    for path in args.directories.iter().map(|path| candidates(path, 0)).collect::<Result<Vec<_>>>()?.concat()
    {
        let opened = match evidence::open(&path, common, &bars) {
            Ok(opened) => opened,
            // What the user named must be one; what lies in a directory need not.
            Err(error) if args.directories.contains(&path) => {
                if let [_] = args.directories.as_slice() {
                    return Err(error);
                }
                eprintln!("ckptfx: {}", show(format!("{error:#}").as_bytes()));
                outcome = Outcome::Partly;
                continue;
            }
            Err(error) => {
                if common.verbose > 0 {
                    eprintln!("ckptfx: note: {}", show(format!("{error:#}").as_bytes()));
                }
                others.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
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
    if !others.is_empty() && !common.quiet {
        let names = show(others.join(", ").as_bytes());
        eprintln!("ckptfx: note: no checkpoints ({}; -v says why): {names}", others.len());
    }
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

/// Directories below this many others are not looked into.
const MAX_DEPTH: usize = 8;

/// What may be a checkpoint: the files of a directory that is none itself, in order of name, and those of
/// the directories in it.
pub(super) fn candidates(path: &Path, depth: usize) -> Result<Vec<PathBuf>> {
    const MARKS: [&str; 7] = [
        "index.json",
        "config.dump",
        "spec.dump",
        "inventory.img",
        "pstree.img",
        "checkpoint",
        "pre-checkpoint",
    ];
    let is_evidence = MARKS.iter().any(|name| path.join(name).exists());
    if !path.is_dir() || is_evidence || depth >= MAX_DEPTH {
        return Ok(vec![path.to_path_buf()]);
    }
    let context = || format!("cannot read {}", path.display());
    let entries = std::fs::read_dir(path).with_context(context)?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .with_context(context)?;
    // A link to a directory could lead in a circle.
    paths.retain(|path| path.is_file() || path.is_dir() && !path.is_symlink());
    paths.sort();
    let found = paths.iter().map(|path| candidates(path, depth + 1)).collect::<Result<Vec<_>>>()?;
    Ok(found.concat())
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
            row.container.checkpointed.map_or_else(|| "-".to_owned(), |time| format!("{time:.0}")),
            row.processes.to_string(),
            table::size(row.captured_bytes),
            row.warnings.to_string(),
        ]);
    }
    let color = output.color;
    plain.write(output, color)?;
    Ok(())
}
