//! Pictures of address spaces: mappings from the lowest to the highest address, coloured by what they are, filled as far
//! as they are captured.

use std::fmt::Write as _;

use ckptfx_analysis::{finding::Severity, memory::mapping::Mapping};
use ckptfx_report::{
    untrusted::show,
    words::{range, size},
};
use maud::{Markup, PreEscaped, html};

use super::parts::table;
use crate::section::MAX_ROWS;

/// Most processes with a picture, and most mappings of one.
const MAX_PICTURES: usize = 200;
const MAX_BARS: usize = 1_000;
/// Size of a picture in units of its own.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 48.0;
/// Share of the width that goes to the gaps between mappings.
const GAPS: f64 = 0.08;

/// Colours with their meaning.
const LEGEND: [(&str, &str); 8] = [
    ("code", "code"),
    ("wx", "writable and executable"),
    ("heap", "heap"),
    ("stack", "stack"),
    ("file", "data of files"),
    ("shared", "shared"),
    ("anon", "anonymous"),
    ("kernel", "of the kernel"),
];

pub fn section(mappings: &[Mapping], id: &str) -> Markup {
    let spaces: Vec<&[Mapping]> = mappings.chunk_by(|one, other| one.pid == other.pid).collect();
    let mut rows_left = MAX_ROWS;
    let mut spaces_shown = Vec::new();
    for space in spaces.iter().take(MAX_PICTURES) {
        let rows: Vec<Vec<String>> = space.iter().take(rows_left).map(row).collect();
        rows_left -= rows.len();
        spaces_shown.push((*space, rows));
    }
    html! {
        section id=(id) {
            h2 { "Memory " span.number { (spaces.len()) } }
            p { "Mappings in the order of their addresses; a wider bar is a larger mapping, not to scale. Bars are filled as far as \
                 the checkpoint has their bytes: the rest is in files of the container, or was never written. A red frame marks \
                 what a finding is about." }
            ul.legend aria-label="Colours" {
                @for (class, name) in LEGEND { li { span class={ "swatch k-" (class) } {} " " (name) } }
            }
            @for (space, rows) in &spaces_shown { (picture(space, rows)) }
            @if spaces.len() > spaces_shown.len() {
                p.note { "Shown are " (spaces_shown.len()) " of " (spaces.len()) " processes; " code { "ckptfx maps" } " lists all." }
            }
        }
    }
}

fn row(mapping: &Mapping) -> Vec<String> {
    let odd: Vec<&str> = mapping.anomalies.iter().map(|anomaly| anomaly.rule).collect();
    vec![
        range(mapping),
        mapping.perms.clone(),
        size(length(mapping)),
        size(mapping.captured_bytes),
        show(&mapping.path.0),
        odd.join(" "),
    ]
}

fn picture(space: &[Mapping], rows: &[Vec<String>]) -> Markup {
    let Some(first) = space.first() else { return html! {} };
    let total: u64 = space.iter().map(length).fold(0, u64::saturating_add);
    let captured: u64 = space.iter().map(|mapping| mapping.captured_bytes).fold(0, u64::saturating_add);
    let comm = first.comm.as_ref().map_or_else(|| "?".to_owned(), |comm| show(&comm.0));
    let label = format!(
        "{comm}({}): {} mappings, {}, {} captured",
        first.pid,
        space.len(),
        size(total),
        size(captured)
    );
    let columns = [
        ("ADDRESS", false),
        ("PERM", false),
        ("SIZE", true),
        ("CAPTURED", true),
        ("PATH", false),
        ("ODD", false),
    ];
    html! {
        figure {
            figcaption { strong { (comm) "(" (first.pid) ")" } " " (space.len()) " mappings, " (size(total)) ", " (size(captured)) " captured" }
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(label) {
                (PreEscaped(bars(space)))
            }
            @if space.len() > MAX_BARS { p.note { "Drawn are the first " (MAX_BARS) " mappings." } }
            details {
                summary { "Mappings" }
                (table("Mappings", &columns, rows))
                @if rows.len() < space.len() {
                    p.note { "Shown are the first " (rows.len()) " of " (space.len()) "; " code { "ckptfx maps --pid " (first.pid) } " lists all." }
                }
            }
        }
    }
}

/// The bars. Numbers and names of classes are ours; what is from the evidence is escaped.
#[expect(clippy::cast_precision_loss, reason = "the picture is some hundred pixels wide")]
fn bars(space: &[Mapping]) -> String {
    let drawn = space.get(..MAX_BARS).unwrap_or(space);
    // Sizes differ by a factor of a million: their logarithms can be seen side by side.
    let weight = |mapping: &Mapping| (1.0 + (length(mapping) >> 12) as f64).log2() + 1.0;
    let weights: f64 = drawn.iter().map(weight).sum();
    let is_apart: Vec<bool> = std::iter::once(false)
        .chain(drawn.windows(2).map(|pair| matches!(pair, [one, other] if one.end != other.start)))
        .collect();
    let gaps = is_apart.iter().filter(|is_apart| **is_apart).count();
    let gap = if gaps == 0 { 0.0 } else { (WIDTH * GAPS / gaps as f64).min(6.0) };
    let unit = (WIDTH - gap * gaps as f64) / weights.max(1.0);
    let mut x = 0.0;
    let mut svg = String::new();
    for (mapping, is_apart) in drawn.iter().zip(is_apart) {
        if is_apart {
            x += gap;
        }
        let width = weight(mapping) * unit;
        let share = mapping.captured_bytes as f64 / length(mapping).max(1) as f64;
        // What is captured at all is to be seen.
        let least = if mapping.captured_bytes > 0 { 2.0 } else { 0.0 };
        let height = (share.min(1.0) * HEIGHT).max(least);
        let is_odd = mapping.anomalies.iter().any(|anomaly| anomaly.severity >= Severity::Medium);
        let class = if is_odd { " odd" } else { "" };
        let title = format!(
            "{} {} {} {}, {} captured",
            range(mapping),
            mapping.perms,
            show(&mapping.path.0),
            size(length(mapping)),
            size(mapping.captured_bytes)
        );
        let title = html! { title { (title) } }.into_string();
        // Writing to a String cannot fail.
        let _ = write!(
            svg,
            "<g class=\"k-{}{class}\">{title}<rect class=\"all\" x=\"{x:.2}\" y=\"0\" width=\"{width:.2}\" height=\"{HEIGHT}\"/>\
             <rect class=\"captured\" x=\"{x:.2}\" y=\"{:.2}\" width=\"{width:.2}\" height=\"{height:.2}\"/></g>",
            kind(mapping),
            HEIGHT - height,
        );
        x += width;
    }
    svg
}

/// Which colour a mapping has.
fn kind(mapping: &Mapping) -> &'static str {
    let has = |letter: char| mapping.perms.contains(letter);
    let path = mapping.path.0.as_slice();
    match () {
        () if has('w') && has('x') => "wx",
        () if path.starts_with(b"[v") => "kernel",
        () if has('x') => "code",
        () if path == b"[heap]" => "heap",
        () if path.starts_with(b"[stack") => "stack",
        () if has('s') => "shared",
        () if path.starts_with(b"/") => "file",
        () => "anon",
    }
}

fn length(mapping: &Mapping) -> u64 {
    let address = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or_default();
    address(&mapping.end).saturating_sub(address(&mapping.start))
}
