//! A picture of who talks to whom in the language of Mermaid.

use std::io::{self, Write};

use ckptfx_analysis::graph::{Graph, NodeKind};

use crate::{
    dossier::Dossier,
    export::{Export, Result},
    graph::{edge_label, lines},
};

/// A graph for Mermaid.
pub struct Mermaid;

impl Export for Mermaid {
    fn checkpoint(&mut self, dossier: &Dossier<'_>, out: &mut dyn Write) -> Result<()> {
        Ok(dossier.graph.map_or(Ok(()), |graph| mermaid(graph, out))?)
    }
}

/// A flowchart of Mermaid.
fn mermaid(graph: &Graph, output: &mut dyn Write) -> io::Result<()> {
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
    use super::mermaid_text;

    #[test]
    fn a_name_cannot_end_the_string_it_is_in() {
        let text = mermaid_text("x\"]; click p1 \"javascript:0\" `<b>` %% #quot;\\n");
        assert!(!text.contains(['"', '<', '>', '`', '%', '\\', ']']), "{text}");
        assert!(text.starts_with("x#34;#93;#59; click"));
    }
}
