//! The report as one page for a browser: it needs nothing else, loads nothing, and runs nothing but our own small
//! script, which its Content Security Policy names by hash. Everything can be read without that script.

mod findings;
mod graph;
mod memory;
mod parts;

use std::io::Write;

use base64::Engine as _;
use ckptfx_report::untrusted::show;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use crate::{
    dossier::Dossier,
    export::{Export, Result},
};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// One page.
#[derive(Default)]
pub struct Html {
    /// Checkpoints that are on it.
    count: usize,
}

impl Export for Html {
    fn begin(&mut self, name: &str, out: &mut dyn Write) -> Result<()> {
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
        writeln!(out, "{}\n<html lang=\"en\">\n{}\n<body>", DOCTYPE.into_string(), head.into_string())?;
        writeln!(out, "{}", html! { a.skip href="#content" { "Skip to the report" } }.into_string())?;
        writeln!(out, "<main id=\"content\">")?;
        Ok(())
    }

    /// Section by section; names of links tell the checkpoint from others on the page.
    fn checkpoint(&mut self, dossier: &Dossier<'_>, out: &mut dyn Write) -> Result<()> {
        let tables = dossier.sections;
        let index = self.count;
        self.count += 1;
        let id = |name: &str| format!("c{index}-{name}");
        let mut links: Vec<(&str, &str)> = vec![("summary", "Summary"), ("findings", "Findings")];
        for table in tables {
            links.push((table.id, table.title));
            if table.id == "processes" {
                links.push(("memory", "Memory"));
            }
            if table.id == "files" {
                links.push(("queues", "Unread data"));
            }
        }
        links.extend([("limits", "Not looked at"), ("warnings", "Warnings"), ("custody", "Custody")]);
        writeln!(out, "<article>")?;
        let mut put = |markup: Markup| writeln!(out, "{}", markup.into_string());
        put(parts::header(dossier))?;
        put(html! {
            nav aria-label="Sections" { ul { @for (name, title) in &links { li { a href={ "#" (id(name)) } { (title) } } } } }
        })?;
        put(parts::summary(dossier, &id("summary"), &id("")))?;
        put(findings::section(dossier, &id("findings"), &id("")))?;
        for table in tables {
            let picture = if table.id == "connections" {
                dossier.graph.map(graph::picture).unwrap_or_default()
            } else {
                html! {}
            };
            put(parts::table_section(table, &id(table.id), picture))?;
            if table.id == "processes" {
                put(memory::section(dossier.mappings, &id("memory")))?;
            }
            if table.id == "files" {
                put(parts::queues(dossier, &id("queues"))?)?;
            }
        }
        put(parts::limits(dossier, &id("limits")))?;
        put(parts::warnings(dossier, &id("warnings")))?;
        put(parts::custody(dossier, &id("custody")))?;
        writeln!(out, "</article>")?;
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Write) -> Result<()> {
        writeln!(out, "</main>\n<script>{SCRIPT}</script>\n</body>\n</html>")?;
        Ok(())
    }
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
