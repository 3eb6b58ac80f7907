//! `ckptfx graph`: who talks to whom, as a list, for Graphviz, or for Mermaid.

use std::{io::Write as _, path::PathBuf};

use anyhow::Result;
use ckptfx_analysis::graph::{self, Edge, EdgeKind, Graph, Node, NodeKind, Wish};
use ckptfx_report::{
    listing,
    schema::{Document, List},
    untrusted::show_short,
};
use clap::Args;

use crate::{
    args::{Common, Format, ProcessFilter},
    checkpoints::for_each_checkpoint,
    outcome::Outcome,
    render::Output,
    spec::Command,
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "graph",
    aliases: &[],
    about: "Show who talks to whom: pipes, sockets, shared memory, parents",
    usage: None,
    notes: "Arrows go from writer to reader, from client to server, from parent to child. A dashed line has no direction.
An address or socket outside of the container is a node of its own.",
    examples: &["ckptfx graph archive.tar", "ckptfx graph -o dot archive.tar | dot -Tsvg > graph.svg", "ckptfx graph -o mermaid --no-parents archive.tar", "ckptfx graph --may-trace -o json archive.tar | jq '.edges[] | select(.kind == \"may-trace\")'"],
    arguments: GraphArgs::augment_args,
    formats: &[Format::Table, Format::Json, Format::Jsonl, Format::Csv, Format::Dot, Format::Mermaid],
    result: Some(Document::of(&[VIEW.collection, List::only::<Node>("nodes")])),
    run: |call| run(&call.arguments()?, call.common),
};

/// What `graph` takes.
#[derive(Debug, Args)]
pub struct GraphArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    /// Leave out who is whose parent.
    #[arg(long)]
    pub no_parents: bool,
    /// Show which processes may trace which others by the kernel's rules.
    #[arg(long)]
    pub may_trace: bool,
    #[command(flatten)]
    pub filter: ProcessFilter,
}

/// Longest part of a label in a picture, in characters.
const MAX_LABEL: usize = 60;

pub const VIEW: View<Edge> = View::of(
    &listing::EDGES,
    &[
        Column::left("KIND", |edge| edge.kind.name().to_owned()),
        Column::left("FROM", |edge| show_short(&edge.from_name.0, MAX_LABEL)),
        Column::left("", |edge| if edge.directed { "->" } else { "--" }.to_owned()),
        Column::left("TO", |edge| show_short(&edge.to_name.0, MAX_LABEL)),
        Column::right("UNREAD", |edge| view::number(edge.unread_bytes)),
        Column::left("THROUGH", |edge| show_short(&edge.label.0, 2 * MAX_LABEL)),
    ],
);

pub fn run(args: &GraphArgs, common: &Common) -> Result<Outcome> {
    let wish = Wish { parents: !args.no_parents, may_trace: args.may_trace };
    for_each_checkpoint(&args.archives, common, VIEW.name, VIEW.collection, |case, output, _| {
        args.filter.check(case)?;
        let graph = graph::graph(case, wish, &|task| args.filter.accepts(task));
        match common.output {
            Format::Dot => dot(&graph, output),
            Format::Mermaid => mermaid(&graph, output),
            _ => {
                view::write(&VIEW, &graph.edges, output)?;
                // Only a document has a second list.
                if output.is_document() {
                    output.next_list("nodes")?;
                    graph.nodes.iter().try_for_each(|node| output.record(node))?;
                }
                Ok(())
            }
        }
    })
}

/// Lines of a node's label, not escaped for any language yet.
fn lines(node: &Node) -> Vec<String> {
    let mut lines = vec![show_short(&node.name().0, MAX_LABEL)];
    lines.extend(node.exe.as_ref().map(|exe| show_short(&exe.0, MAX_LABEL)));
    lines.extend(node.uid.map(|uid| format!("uid {uid}")));
    lines.extend(node.listens.iter().map(|at| format!("listens {}", show_short(&at.0, MAX_LABEL))));
    lines
}

fn edge_label(edge: &Edge) -> String {
    let unread = edge.unread_bytes.filter(|bytes| *bytes > 0);
    let unread = unread.map(|bytes| format!(" ({bytes} unread)")).unwrap_or_default();
    let label = show_short(&edge.label.0, MAX_LABEL);
    let space = if label.is_empty() { "" } else { " " };
    format!("{}{space}{label}{unread}", edge.kind.name())
}

/// The DOT language. Ids are our own; everything from the evidence stands in quoted strings.
fn dot(graph: &Graph, output: &mut Output) -> Result<()> {
    writeln!(output, "digraph checkpoint {{\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];")?;
    writeln!(output, "  edge [fontname=\"sans-serif\", fontsize=10];")?;
    for node in &graph.nodes {
        let shape = match node.kind {
            NodeKind::Process => "box",
            NodeKind::Outside => "ellipse",
            NodeKind::Object => "note",
        };
        // \n is the language's own line break, so it is put between escaped lines.
        let label = lines(node).iter().map(|line| dot_text(line)).collect::<Vec<_>>().join("\\n");
        writeln!(output, "  {} [shape={shape}, label=\"{label}\"];", node.id)?;
    }
    for edge in &graph.edges {
        let style = match (edge.kind, edge.directed) {
            (EdgeKind::Parent, _) => ", color=gray",
            (_, false) => ", dir=none, style=dashed",
            _ => "",
        };
        let label = dot_text(&edge_label(edge));
        writeln!(output, "  {} -> {} [label=\"{label}\"{style}];", edge.from, edge.to)?;
    }
    writeln!(output, "}}")?;
    Ok(())
}

/// In a quoted string of DOT only the quote and the backslash mean something.
fn dot_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// A flowchart of Mermaid.
fn mermaid(graph: &Graph, output: &mut Output) -> Result<()> {
    writeln!(output, "flowchart LR")?;
    for node in &graph.nodes {
        let label = lines(node).iter().map(|line| mermaid_text(line)).collect::<Vec<_>>().join("<br/>");
        let (open, close) = match node.kind {
            NodeKind::Process => ("[", "]"),
            NodeKind::Outside => ("([", "])"),
            NodeKind::Object => ("[(", ")]"),
        };
        writeln!(output, "  {}{open}\"{label}\"{close}", node.id)?;
    }
    for edge in &graph.edges {
        let arrow = if edge.directed { "-->" } else { "-.-" };
        writeln!(output, "  {} {arrow}|\"{}\"| {}", edge.from, mermaid_text(&edge_label(edge)), edge.to)?;
    }
    Ok(())
}

/// Everything but plain characters as a numbered entity, which Mermaid writes with a number sign.
fn mermaid_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_alphanumeric() || " _-./:,@+=".contains(character) {
            out.push(character);
        } else {
            out.push_str(&format!("#{};", u32::from(character)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_end_the_string_it_is_in() {
        assert_eq!(dot_text(r#"a"]; evil [label=""#), r#"a\"]; evil [label=\""#);
        assert_eq!(dot_text(r#"\"#), r"\\");
        assert_eq!(dot_text(r#"\" ]"#), r#"\\\" ]"#);
        let text = mermaid_text("x\"]; click p1 \"javascript:0\" `<b>` %% #quot;\\n");
        assert!(!text.contains(['"', '<', '>', '`', '%', '\\', ']']), "{text}");
        assert!(text.starts_with("x#34;#93;#59; click"));
    }
}
