//! `ckptfx graph`: who talks to whom, as a list, for Graphviz, or for Mermaid.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use ckptfx_analysis::graph::{self, Edge, Node, Wish};
use ckptfx_report::{
    listing,
    schema::{Document, List},
    untrusted::show,
};
use clap::Args;

use crate::{
    args::{Common, Format, ProcessFilter},
    checkpoints::for_each_checkpoint,
    outcome::Outcome,
    render::Dossier,
    spec::{Command, Group},
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "graph",
    aliases: &[],
    group: Group::Network,
    about: "Show who talks to whom: pipes, sockets, shared memory, parents",
    usage: None,
    notes: "Arrows go from writer to reader, from client to server, from parent to child. A dashed line has no direction.
Addresses and sockets outside the container are separate nodes.",
    examples: &["ckptfx graph archive.tar", "ckptfx graph -o dot archive.tar | dot -Tsvg > graph.svg", "ckptfx graph -o mermaid --no-parents archive.tar", "ckptfx graph --may-trace -o json archive.tar | jq '.edges[] | select(.kind == \"may-trace\")'"],
    arguments: GraphArgs::augment_args,
    formats: &[Format::Table, Format::Wide, Format::Json, Format::Jsonl, Format::Csv, Format::Dot, Format::Mermaid],
    result: Some(Document::of(&[VIEW.collection, List::only::<Node>("nodes")])),
    run: |call| run(&call.arguments()?, call.common),
};

/// What `graph` takes.
#[derive(Debug, Args)]
pub struct GraphArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    /// Omit parent-child edges.
    #[arg(long)]
    pub no_parents: bool,
    /// Show which processes may ptrace which others.
    #[arg(long)]
    pub may_trace: bool,
    #[command(flatten)]
    pub filter: ProcessFilter,
}

/// Longest part of a cell, in characters.
const MAX_LABEL: usize = 60;

pub const VIEW: View<Edge> = View::of(
    &listing::EDGES,
    &[
        Column::left("KIND", |edge| edge.kind.name().to_owned()),
        Column::cut("FROM", MAX_LABEL, |edge| show(&edge.from_name.0)),
        Column::left("", |edge| if edge.directed { "->" } else { "--" }.to_owned()),
        Column::cut("TO", MAX_LABEL, |edge| show(&edge.to_name.0)),
        Column::right("UNREAD", |edge| view::number(edge.unread_bytes)),
        Column::cut("THROUGH", 2 * MAX_LABEL, |edge| show(&edge.label.0)),
    ],
);

pub fn run(args: &GraphArgs, common: &Common) -> Result<Outcome> {
    let wish = Wish { parents: !args.no_parents, may_trace: args.may_trace };
    for_each_checkpoint(&args.archives, common, VIEW.name, VIEW.collection, |case, output, _| {
        args.filter.check(case)?;
        let graph = graph::graph(case, wish, &|task| args.filter.accepts(task));
        if output.is_export() {
            let head = output.about().context("a result about no checkpoint")?.clone();
            return output.export(&Dossier { graph: Some(&graph), ..Dossier::new(&head) });
        }
        view::write(&VIEW, &graph.edges, output)?;
        // Only a document has a second list.
        if output.is_document() {
            output.next_list("nodes")?;
            graph.nodes.iter().try_for_each(|node| output.record(node))?;
        }
        Ok(())
    })
}
