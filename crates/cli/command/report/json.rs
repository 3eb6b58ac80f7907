//! The report as a JSON document: the lists of the commands that show one each, under the same keys.

use anyhow::Result;
use ckptfx_analysis::{finding::Facts, graph::Graph, recover::Recoverable};
use ckptfx_report::{custody::Custody, heads::ReportHead};
use serde::Serialize;

use crate::render::{Dossier, Output};

/// What a document has beside the dossier.
pub struct Parts<'d> {
    pub facts: &'d Facts<'d>,
    pub custody: &'d Custody,
    pub graph: &'d Graph,
    pub recoverable: &'d [Recoverable],
}

/// Writes it; the first list of the collection is `findings`.
pub fn write(dossier: &Dossier<'_>, parts: &Parts<'_>, output: &mut Output) -> Result<()> {
    let Parts { facts, custody, graph, recoverable } = parts;
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
