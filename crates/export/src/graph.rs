//! What pictures of a graph have in common.

use ckptfx_analysis::graph::{Edge, Node};
use ckptfx_report::untrusted::show_short;

/// Longest part of a label, in characters.
const MAX_LABEL: usize = 60;

/// Lines of a node's label, not escaped for any language yet.
pub fn lines(node: &Node) -> Vec<String> {
    let mut lines = vec![show_short(&node.name().0, MAX_LABEL)];
    lines.extend(node.exe.as_ref().map(|exe| show_short(&exe.0, MAX_LABEL)));
    lines.extend(node.uid.map(|uid| format!("uid {uid}")));
    lines.extend(node.listens.iter().map(|at| format!("listens {}", show_short(&at.0, MAX_LABEL))));
    lines
}

/// The label of an edge, not escaped either.
pub fn edge_label(edge: &Edge) -> String {
    let unread = edge.unread_bytes.filter(|bytes| *bytes > 0);
    let unread = unread.map(|bytes| format!(" ({bytes} unread)")).unwrap_or_default();
    let label = show_short(&edge.label.0, MAX_LABEL);
    let space = if label.is_empty() { "" } else { " " };
    format!("{}{space}{label}{unread}", edge.kind.name())
}
