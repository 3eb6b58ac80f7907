//! A picture of who talks to whom: processes on the left and right of the lines that join them, in the order of the
//! process tree.

use std::{collections::BTreeMap, fmt::Write as _};

use ckptfx_analysis::graph::{Edge, Graph, NodeKind};
use ckptfx_report::untrusted::show_short;
use maud::{Markup, PreEscaped, html};

/// A picture of more nodes or edges says nothing.
const MAX_NODES: usize = 40;
const MAX_EDGES: usize = 120;
/// Longest name, in characters.
const MAX_NAME: usize = 28;
/// Measures of the picture.
const ROW: usize = 30;
const WIDTH: usize = 900;
const NODE: usize = 230;
const OUTSIDE: usize = WIDTH - NODE;

/// Draws the nodes that have edges: processes in a column on the left with arcs between them, what is outside of the
/// container and shared objects on the right.
pub fn picture(graph: &Graph) -> Markup {
    let joined = |id: &str| graph.edges.iter().any(|edge| edge.from == id || edge.to == id);
    let nodes: Vec<_> = graph.nodes.iter().filter(|node| joined(&node.id)).take(MAX_NODES + 1).collect();
    if nodes.is_empty() || nodes.len() > MAX_NODES || graph.edges.len() > MAX_EDGES {
        return html! {};
    }
    let mut places: BTreeMap<&str, (bool, usize)> = BTreeMap::new();
    let (mut left, mut right) = (0, 0);
    let mut boxes = String::new();
    for node in &nodes {
        let is_process = node.kind == NodeKind::Process;
        let column = if is_process { &mut left } else { &mut right };
        let y = *column * ROW;
        *column += 1;
        places.insert(&node.id, (is_process, y + ROW / 2));
        let x = if is_process { 0 } else { OUTSIDE };
        let name = html! { (show_short(&node.name().0, MAX_NAME)) }.into_string();
        let class = if is_process { "process" } else { "other" };
        // Writing to a String cannot fail.
        let _ = write!(
            boxes,
            "<g class=\"node {class}\"><rect x=\"{x}\" y=\"{}\" width=\"{NODE}\" height=\"{}\" rx=\"5\"/>\
             <text x=\"{}\" y=\"{}\">{name}</text></g>",
            y + 3,
            ROW - 6,
            x + 10,
            y + ROW / 2 + 4,
        );
    }
    let mut lines = String::new();
    for edge in &graph.edges {
        if let (Some(from), Some(to)) = (places.get(edge.from.as_str()), places.get(edge.to.as_str())) {
            line(edge, *from, *to, &mut lines);
        }
    }
    let height = left.max(right) * ROW;
    html! {
        svg.graph viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label="Who talks to whom; the table below says the same" {
            (PreEscaped(lines)) (PreEscaped(boxes))
        }
    }
}

/// A curve; between processes it bulges the more, the farther they are apart.
fn line(edge: &Edge, from: (bool, usize), to: (bool, usize), out: &mut String) {
    let end = |(is_process, y): (bool, usize)| (if is_process { NODE } else { OUTSIDE }, y);
    let ((x1, y1), (x2, y2)) = (end(from), end(to));
    // What talks to itself gets a loop.
    let (y1, y2) = if (x1, y1) == (x2, y2) { (y1.saturating_sub(7), y2 + 7) } else { (y1, y2) };
    let bulge = 30 + y1.abs_diff(y2) / 2;
    let bend = |is_process: bool, x: usize| {
        if is_process { (x + bulge).min(OUTSIDE) } else { x.saturating_sub(bulge) }
    };
    let (c1, c2) = (bend(from.0, x1), bend(to.0, x2));
    let text = format!(
        "{} {} {} {}",
        show_short(&edge.from_name.0, MAX_NAME),
        if edge.directed { "->" } else { "--" },
        show_short(&edge.to_name.0, MAX_NAME),
        show_short(&edge.label.0, 2 * MAX_NAME),
    );
    let title = html! { title { (edge.kind.name()) ": " (text) } }.into_string();
    let _ = write!(
        out,
        "<g class=\"edge e-{}\">{title}<path d=\"M{x1} {y1} C{c1} {y1} {c2} {y2} {x2} {y2}\"/>",
        edge.kind.name()
    );
    if edge.directed {
        // An arrow that points at the node.
        let tip = if to.0 { x2 + 9 } else { x2.saturating_sub(9) };
        let _ = write!(
            out,
            "<path class=\"tip\" d=\"M{x2} {y2} L{tip} {} L{tip} {} Z\"/>",
            y2.saturating_sub(4),
            y2 + 4
        );
    }
    out.push_str("</g>");
}
