//! The report as a JSON document: the lists of the commands that show one each, under the same keys.

use anyhow::Result;
use ckptfx_report::heads::ReportHead;
use serde::Serialize;

use super::Report;
use crate::render::Output;

/// Writes it; the first list of the collection is `findings`.
pub fn write(report: &Report<'_>, output: &mut Output) -> Result<()> {
    let Report { dossier, custody, graph, recoverable } = report;
    let facts = dossier.facts;
    output.begin_document(&ReportHead { head: dossier.head, custody })?;
    records(dossier.findings, output)?;
    list("not_examined", dossier.not_examined, output)?;
    list("processes", &facts.processes, output)?;
    list("threads", &facts.threads, output)?;
    list("files", &facts.files, output)?;
    list("sockets", &facts.sockets, output)?;
    list("maps", &facts.mappings, output)?;
    list("queues", &facts.queues, output)?;
    list("recoverable", recoverable, output)?;
    list("changes", &facts.changes, output)?;
    list("mounts", &facts.mounts, output)?;
    list("secrets", dossier.secrets, output)?;
    list("events", dossier.events, output)?;
    list("edges", &graph.edges, output)?;
    list("nodes", &graph.nodes, output)?;
    output.end(dossier.warnings)
}

fn list<R: Serialize>(name: &str, items: &[R], output: &mut Output) -> Result<()> {
    output.next_list(name)?;
    records(items, output)
}

fn records<R: Serialize>(items: &[R], output: &mut Output) -> Result<()> {
    items.iter().try_for_each(|item| output.record(item))
}
