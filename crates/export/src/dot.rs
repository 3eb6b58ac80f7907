//! A picture of who talks to whom in the language of Graphviz.

use std::io::{self, Write};

use ckptfx_analysis::graph::{EdgeKind, Graph, NodeKind};

use crate::{
    dossier::Dossier,
    export::{Export, Result},
    graph::{edge_label, lines},
};

/// A graph for Graphviz.
pub struct Dot;

impl Export for Dot {
    fn checkpoint(&mut self, dossier: &Dossier<'_>, out: &mut dyn Write) -> Result<()> {
        Ok(dossier.graph.map_or(Ok(()), |graph| dot(graph, out))?)
    }
}

/// The DOT language. Ids are our own; everything from the evidence stands in quoted strings.
fn dot(graph: &Graph, output: &mut dyn Write) -> io::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::dot_text;

    #[test]
    fn a_name_cannot_end_the_string_it_is_in() {
        assert_eq!(dot_text(r#"a"]; evil [label=""#), r#"a\"]; evil [label=\""#);
        assert_eq!(dot_text(r#"\"#), r"\\");
        assert_eq!(dot_text(r#"\" ]"#), r#"\\\" ]"#);
    }
}
