//! The report as one page for a browser: it needs nothing else, loads nothing, and runs nothing but our own small
//! script, which its Content Security Policy names by hash. Everything can be read without that script.

mod findings;
mod graph;
mod memory;
mod parts;

use std::io::Write as _;

use anyhow::Result;
use base64::Engine as _;
use ckptfx_report::untrusted::show;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::{Report, sections};
use crate::render::Output;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Writes what comes before the first checkpoint.
pub fn begin(name: &str, output: &mut Output) -> Result<()> {
    let title = format!("{} - ckptfx report", show(name.as_bytes()));
    let head = html! {
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(policy());
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="referrer" content="no-referrer";
            meta name="color-scheme" content="light dark";
            title { (title) }
            style { (PreEscaped(STYLE)) }
        }
    };
    writeln!(output, "{}\n<html lang=\"en\">\n{}\n<body>", DOCTYPE.into_string(), head.into_string())?;
    writeln!(output, "{}", html! { a.skip href="#content" { "Skip to the report" } }.into_string())?;
    writeln!(output, "<main id=\"content\">")?;
    Ok(())
}

/// Writes the report of one checkpoint, section by section; `index` tells it from others on the page.
pub fn write(report: &Report<'_>, index: usize, output: &mut Output) -> Result<()> {
    let id = |name: &str| format!("c{index}-{name}");
    let tables = sections::all(report);
    let mut links: Vec<(&str, &str)> = vec![("summary", "Summary"), ("findings", "Findings")];
    for table in &tables {
        links.push((table.id, table.title));
        if table.id == "processes" {
            links.push(("memory", "Memory"));
        }
        if table.id == "files" {
            links.push(("queues", "Unread data"));
        }
    }
    links.extend([("limits", "Not looked at"), ("warnings", "Warnings"), ("custody", "Custody")]);
    writeln!(output, "<article>")?;
    let mut put = |markup: Markup| writeln!(output, "{}", markup.into_string());
    put(parts::header(report))?;
    put(html! {
        nav aria-label="Sections" { ul { @for (name, title) in &links { li { a href={ "#" (id(name)) } { (title) } } } } }
    })?;
    put(parts::summary(report, &id("summary"), &id("")))?;
    put(findings::section(report, &id("findings"), &id("")))?;
    for table in &tables {
        let picture = if table.id == "connections" {
            graph::picture(report.graph)
        } else {
            html! {}
        };
        put(parts::table_section(table, &id(table.id), picture))?;
        if table.id == "processes" {
            put(memory::section(report.dossier.facts, &id("memory")))?;
        }
        if table.id == "files" {
            put(parts::queues(report.dossier.facts, &id("queues"))?)?;
        }
    }
    put(parts::limits(report, &id("limits")))?;
    put(parts::warnings(report, &id("warnings")))?;
    put(parts::custody(report, &id("custody")))?;
    writeln!(output, "</article>")?;
    Ok(())
}

/// Writes what comes after the last checkpoint.
pub fn end(output: &mut Output) -> Result<()> {
    writeln!(output, "</main>\n<script>{SCRIPT}</script>\n</body>\n</html>")?;
    Ok(())
}

/// Nothing may be loaded, sent or framed; only this style and this script count.
fn policy() -> String {
    let hash = |text: &str| {
        format!(
            "'sha256-{}'",
            base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text.as_bytes()))
        )
    };
    format!(
        "default-src 'none'; style-src {}; script-src {}; img-src data:; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn style_and_script_cannot_end_their_elements() {
        for text in [STYLE, SCRIPT] {
            assert!(!text.contains("</") && !text.contains("<!--"));
        }
    }

    #[test]
    fn the_policy_allows_nothing_from_elsewhere() {
        let policy = policy();
        assert!(policy.starts_with("default-src 'none'; "));
        assert!(!policy.contains("unsafe") && !policy.contains("http"));
    }
}
