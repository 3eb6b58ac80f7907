//! The report as Markdown, for tickets: what matters, with the rest left to the other forms. Text from the evidence
//! stands in code spans that it cannot leave.

use std::io::Write;

use ckptfx_analysis::finding::{Finding, Severity, stories};
use ckptfx_report::{
    untrusted::{show, show_short},
    words::{count, headline},
};

use crate::{
    dossier::Dossier,
    export::{Export, Result},
    verdict,
};

/// Most rows of a table, and longest text of a cell in characters.
const MAX_ROWS: usize = 50;
const MAX_CELL: usize = 160;
/// Most facts of a finding.
const MAX_FACTS: usize = 8;
/// Sections that a ticket has, by name; the others are in the other forms.
const TABLES: [&str; 5] = ["processes", "sockets", "recoverable", "changes", "timeline"];

/// Text for a ticket.
pub struct Markdown;

impl Export for Markdown {
    fn checkpoint(&mut self, dossier: &Dossier<'_>, out: &mut dyn Write) -> Result<()> {
        let head = dossier.head;
        let findings = dossier.findings;
        let name = head.container.name.as_ref().unwrap_or(&head.evidence.name);
        writeln!(out, "# Checkpoint report: {}\n", span(name))?;
        let (level, sentence) = verdict::verdict(dossier);
        let parts: Vec<String> = Severity::ALL
            .iter()
            .map(|severity| {
                (severity, findings.iter().filter(|finding| finding.severity == *severity).count())
            })
            .filter(|(_, number)| *number > 0)
            .map(|(severity, number)| format!("{number} {}", severity.name()))
            .collect();
        let list = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
        writeln!(out, "**Verdict: {level}.** {sentence} {}{list}.\n", count("finding", findings.len()))?;
        if let Some(reservation) = verdict::reservation(dossier) {
            writeln!(out, "**{reservation}**\n")?;
        }
        pairs(&verdict::subject(dossier), out)?;
        writeln!(out, "\n## Findings")?;
        for story in stories(findings) {
            write_story(story, dossier, out)?;
        }
        for section in dossier.sections.iter().filter(|section| TABLES.contains(&section.id)) {
            writeln!(out, "\n## {} ({})\n", section.title, section.total)?;
            if section.rows.is_empty() {
                writeln!(out, "None.")?;
                continue;
            }
            let names: Vec<&str> = section.columns.iter().map(|(name, _)| *name).collect();
            let lines: Vec<&str> =
                section.columns.iter().map(|(_, right)| if *right { "--:" } else { "---" }).collect();
            writeln!(out, "| {} |\n| {} |", names.join(" | "), lines.join(" | "))?;
            for row in section.rows.iter().take(MAX_ROWS) {
                let cells: Vec<String> = row.iter().map(|cell| cell_span(cell)).collect();
                writeln!(out, "| {} |", cells.join(" | "))?;
            }
            if section.total > MAX_ROWS {
                writeln!(out, "\n{} more: `ckptfx {}`.", section.total - MAX_ROWS, section.command)?;
            }
        }
        writeln!(out, "\n## Not looked at\n")?;
        for item in dossier.not_examined {
            writeln!(out, "- {}: {}", span(&item.what), span(&item.why))?;
        }
        writeln!(out, "\n## Warnings ({})\n", dossier.warnings.len())?;
        for warning in dossier.warnings.iter().take(MAX_ROWS) {
            let weight = if warning.partial { "**warning**" } else { "note" };
            writeln!(
                out,
                "- {weight} {} {}: {}",
                span(warning.code),
                span(&warning.subject),
                span(&warning.message)
            )?;
        }
        if dossier.warnings.is_empty() {
            writeln!(out, "Everything could be read.")?;
        }
        writeln!(out, "\n## Custody\n")?;
        pairs(&verdict::custody(dossier), out)?;
        writeln!(
            out,
            "- Members: {}, each with its SHA-256 in the report of `-o json` and `-o html`",
            dossier.custody.map_or(0, |custody| custody.members.len())
        )?;
        Ok(())
    }
}

fn pairs(rows: &[(&'static str, String)], out: &mut dyn Write) -> Result<()> {
    for (name, value) in rows {
        writeln!(out, "- {name}: {}", shown_span(value))?;
    }
    Ok(())
}

fn write_story(story: &[Finding], dossier: &Dossier<'_>, out: &mut dyn Write) -> Result<()> {
    let Some(first) = story.first() else { return Ok(()) };
    let worst = story.iter().map(|finding| finding.severity).max().unwrap_or(first.severity);
    writeln!(out, "\n### {}: {}\n", worst.name(), shown_span(&headline(first, |pid| dossier.process(pid))))?;
    for finding in story {
        let why = span(&finding.why);
        writeln!(
            out,
            "- **{}** {} (score {}): {why}",
            finding.severity.name(),
            span(&finding.id),
            finding.score
        )?;
        if let Some(path) = &finding.subject.path {
            writeln!(out, "  - subject: {}", shown_span(&show_short(&path.0, MAX_CELL)))?;
        }
        for fact in finding.evidence.iter().take(MAX_FACTS) {
            let place = shown_span(&show_short(fact.r#where.as_bytes(), MAX_CELL));
            writeln!(
                out,
                "  - {} ({place}): {}",
                fact.what,
                shown_span(&show_short(&fact.value.0, MAX_CELL))
            )?;
        }
        if finding.evidence.len() > MAX_FACTS {
            writeln!(out, "  - and {} more", count("fact", finding.evidence.len() - MAX_FACTS))?;
        }
        if let Some(caveat) = &finding.caveat {
            writeln!(out, "  - but: {}", span(caveat))?;
        }
        let attack: Vec<&str> = finding.attack.iter().map(|technique| technique.technique.as_ref()).collect();
        if !attack.is_empty() {
            writeln!(out, "  - ATT&CK {}", attack.join(", "))?;
        }
    }
    Ok(())
}

/// Text in a code span.
fn span(text: &str) -> String {
    shown_span(&show(text.as_bytes()))
}

/// The same, of text that is fit to be shown. The fence is longer than any run of backticks in it, so that the text
/// cannot end the span; in a span nothing else has a meaning, and `show` left no line breaks.
fn shown_span(text: &str) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    let longest = text.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    // A space keeps backticks at the ends apart from the fence; readers take one off at each end.
    let needs_space = text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']);
    let space = if needs_space { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

/// A cell of a table, in which a bar ends the cell even in a code span, unless it is escaped. A backslash before the bar
/// could itself be taken for an escaped one, so it is shown by its number.
fn cell_span(text: &str) -> String {
    let mut cell = String::new();
    for character in shorten(text).chars() {
        if character == '|' {
            let kept = cell.trim_end_matches('\\').len();
            let backslashes = cell.len() - kept;
            cell.truncate(kept);
            cell.push_str(&"\\x5c".repeat(backslashes));
            cell.push('\\');
        }
        cell.push(character);
    }
    shown_span(&cell)
}

/// Shortens what is fit to be shown already.
fn shorten(text: &str) -> String {
    if text.chars().count() <= MAX_CELL {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(MAX_CELL - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_span() {
        assert_eq!(shown_span("plain"), "`plain`");
        assert_eq!(shown_span("a`b"), "``a`b``");
        assert_eq!(shown_span("``x``"), "``` ``x`` ```");
        assert_eq!(span("a\n\n# heading"), "`a\\x0a\\x0a# heading`");
        assert_eq!(span(""), "-");
        assert_eq!(cell_span("a|b"), "`a\\|b`");
        assert_eq!(cell_span("a\\\\|b"), "`a\\x5c\\x5c\\|b`");
    }
}
