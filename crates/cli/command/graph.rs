//! `ckptfx graph`: who talks to whom, as a list, for Graphviz, or for Mermaid.

use anyhow::{Context as _, Result};
use ckptfx_analysis::graph::{self, Edge, Wish};

use super::{
    Outcome, for_each_checkpoint,
    view::{self, Column, View},
};
use crate::{
    args::{Common, GraphArgs},
    render::{Collection, Dossier},
};
use ckptfx_report::untrusted::show_short;

/// Longest part of a cell, in characters.
const MAX_LABEL: usize = 60;

pub const VIEW: View<Edge> = View {
    name: "graph",
    collection: Collection {
        name: "edges",
        columns: &["kind", "from", "from_name", "to", "to_name", "directed", "label", "unread_bytes"],
    },
    table: &[
        Column::left("KIND", |edge| edge.kind.name().to_owned()),
        Column::left("FROM", |edge| show_short(&edge.from_name.0, MAX_LABEL)),
        Column::left("", |edge| if edge.directed { "->" } else { "--" }.to_owned()),
        Column::left("TO", |edge| show_short(&edge.to_name.0, MAX_LABEL)),
        Column::right("UNREAD", |edge| view::number(edge.unread_bytes)),
        Column::left("THROUGH", |edge| show_short(&edge.label.0, 2 * MAX_LABEL)),
    ],
};

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
