//! `ckptfx graph`: who talks to whom, as a list, for Graphviz, or for Mermaid.

use std::io::Write as _;

use anyhow::Result;
use ckptfx_analysis::graph::{self, Edge, EdgeKind, Graph, Node, NodeKind, Wish};
use serde::Serialize;

use super::{Outcome, for_each_checkpoint, view};
use crate::{
    args::{Common, Format, GraphArgs},
    render::{Collection, Output, table},
    untrusted::show_short,
};

/// Longest part of a label in a picture, in characters.
const MAX_LABEL: usize = 60;

const COLLECTION: Collection = Collection {
    name: "nodes",
    columns: &[
        "record",
        "kind",
        "id",
        "label",
        "pid",
        "exe",
        "uid",
        "listens",
        "from",
        "to",
        "directed",
        "unread_bytes",
    ],
};

/// A record beside those of the other kind.
#[derive(Serialize)]
struct Of<'r, R> {
    record: &'static str,
    #[serde(flatten)]
    fields: &'r R,
}

pub fn run(args: &GraphArgs, common: &Common) -> Result<Outcome> {
    let wish = Wish { parents: !args.no_parents, may_trace: args.may_trace };
    for_each_checkpoint(&args.archives, common, "graph", COLLECTION, |case, output, _| {
        args.filter.check(case)?;
        let graph = graph::graph(case, wish, &|task| args.filter.accepts(task));
        match common.output {
            Format::Table => write_table(&graph, output),
            Format::Dot => dot(&graph, output),
            Format::Mermaid => mermaid(&graph, output),
            _ => {
                list(&graph.nodes, "node", output)?;
                output.next_list("edges")?;
                list(&graph.edges, "edge", output)
            }
        }
    })
}

/// In a JSON document the name of the list says what a record is; elsewhere each record does.
fn list<R: Serialize>(records: &[R], record: &'static str, output: &mut Output) -> Result<()> {
    records.iter().try_for_each(|fields| {
        if output.is_document() { output.record(fields) } else { output.record(&Of { record, fields }) }
    })
}

/// One line an edge, with the names of both ends.
fn write_table(graph: &Graph, output: &mut Output) -> Result<()> {
    let mut plain = table::Plain::new(&["KIND", "FROM", "", "TO", "UNREAD", "THROUGH"]).right(&[4]);
    let names: std::collections::HashMap<&str, String> =
        graph.nodes.iter().map(|node| (node.id.as_str(), short(node))).collect();
    let name = |id: &str| names.get(id).cloned().unwrap_or_else(|| id.to_owned());
    for edge in &graph.edges {
        plain.row([
            edge.kind.name().to_owned(),
            name(&edge.from),
            if edge.directed { "->" } else { "--" }.to_owned(),
            name(&edge.to),
            view::number(edge.unread_bytes),
            show_short(&edge.label.0, 2 * MAX_LABEL),
        ]);
    }
    let color = output.color;
    plain.write(output, color)?;
    Ok(())
}

/// `nginx(8)`, or the label of what is no process.
fn short(node: &Node) -> String {
    let label = show_short(&node.label.0, MAX_LABEL);
    node.pid.map_or_else(|| label.clone(), |pid| format!("{label}({pid})"))
}

/// Lines of a node's label, not escaped for any language yet.
fn lines(node: &Node) -> Vec<String> {
    let mut lines = vec![short(node)];
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
