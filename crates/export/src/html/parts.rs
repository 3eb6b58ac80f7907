//! Sections that are text and tables.

use ckptfx_analysis::finding::{Severity, stories};
use ckptfx_report::{
    queue::{heading, hexdump},
    untrusted::show,
    words::{count, headline},
};
use maud::{Markup, html};

use crate::{
    dossier::Dossier,
    export::Result,
    section::{MAX_ROWS, Section},
    verdict,
};

/// Cells with more bytes than a hash has may be broken anywhere.
const LONG: usize = 64;
/// Stories that the summary names.
const MAX_STORIES: usize = 12;
/// Bytes of a queue that are shown.
const MAX_QUEUE: usize = 4 << 10;

/// Title and what the page is about.
pub fn header(dossier: &Dossier<'_>) -> Markup {
    let head = dossier.head;
    let container = head.container.name.as_ref().or(head.container.id.as_ref());
    let name = container.unwrap_or(&head.evidence.name);
    html! {
        header {
            p.kicker { "Checkpoint report" }
            h1 { (show(name.as_bytes())) }
            p.sub {
                code { (show(head.evidence.name.as_bytes())) }
                @if let Some(part) = &head.evidence.part { " [" (show(part.as_bytes())) "]" }
                @if let Some(time) = head.container.checkpointed {
                    " · checkpointed " @if head.container.checkpointed_from.is_some() { "about " }
                    time { (format!("{time:.0}")) }
                }
                @if let Some(case) = dossier.custody.and_then(|custody| custody.case.as_ref()) {
                    " · case " (show(case.as_bytes()))
                }
                @if let Some(examiner) = dossier.custody.and_then(|custody| custody.examiner.as_ref()) { " · examined by " (show(examiner.as_bytes())) }
            }
        }
    }
}

/// Verdict, counts, and what was examined.
pub fn summary(dossier: &Dossier<'_>, id: &str, prefix: &str) -> Markup {
    let findings = dossier.findings;
    let (level, verdict) = verdict::verdict(dossier);
    let stories = stories(findings).len();
    let of = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let counts = [
        ("processes", dossier.processes.len()),
        ("threads", dossier.threads.len()),
        ("sockets", dossier.sockets.len()),
        ("open files", dossier.files.len()),
        ("mappings", dossier.mappings.len()),
        ("changed files", dossier.changes.len()),
        ("unread queues", dossier.queues.len()),
        ("warnings", dossier.warnings.len()),
    ];
    html! {
        section id=(id) {
            h2 { "Summary" }
            div class={ "verdict " (level) } {
                p { strong { (verdict) } " " (count("finding", findings.len())) " in " (stories)
                    @if stories == 1 { " story." } @else { " stories." } }
                @if let Some(reservation) = verdict::reservation(dossier) {
                    p { (reservation) " " a href={ "#" (prefix) "warnings" } { "Warnings" } }
                }
                ul.counts {
                    @for severity in Severity::ALL {
                        li { span class={ "badge " (severity.name()) } { (severity.name()) } " " strong { (of(severity)) } }
                    }
                }
            }
            (worst_stories(dossier, prefix))
            div.cards {
                @for (name, number) in counts { div.card { strong { (number) } span { (name) } } }
            }
            (pairs(&verdict::subject(dossier)))
        }
    }
}

/// The stories that matter most, with links to them.
fn worst_stories(dossier: &Dossier<'_>, prefix: &str) -> Markup {
    let stories = stories(dossier.findings).into_iter().enumerate();
    let grave: Vec<_> = stories
        .filter_map(|(index, story)| {
            let worst = story.iter().map(|finding| finding.severity).max()?;
            (worst >= Severity::Medium).then_some((index, worst, story))
        })
        .take(MAX_STORIES)
        .collect();
    html! {
        @if !grave.is_empty() {
            ol.stories {
                @for (index, worst, story) in grave {
                    li {
                        span class={ "badge " (worst.name()) } { (worst.name()) }
                        " "
                        a href={ "#" (prefix) "story-" (index) } {
                            @if let Some(first) = story.first() { (headline(first, |pid| dossier.process(pid))) }
                        }
                        p { @for finding in story.iter().filter(|finding| finding.severity >= Severity::Medium) {
                            span.tag title=(show(finding.title.as_bytes())) { (show(finding.id.as_bytes())) } " "
                        } }
                    }
                }
            }
        }
    }
}

/// Names with values.
pub fn pairs(rows: &[(&'static str, String)]) -> Markup {
    html! { dl { @for (name, value) in rows { dt { (name) } dd { (value) } } } }
}

/// A section with one table, below a picture of it if there is one.
pub fn table_section(section: &Section, id: &str, picture: Markup) -> Markup {
    html! {
        section id=(id) {
            h2 { (section.title) " " span.number { (section.total) } }
            (picture)
            @if section.rows.is_empty() {
                p.none { "There are none in the checkpoint." }
            } @else {
                (table(section.title, &section.columns, &section.rows))
                @if section.total > section.rows.len() {
                    p.note { "Shown are the first " (section.rows.len()) " of " (section.total) "; "
                        code { "ckptfx " (section.command) } " lists all." }
                }
            }
        }
    }
}

/// A table that the script makes sortable and searchable.
pub fn table<'t>(
    name: &str,
    columns: &[(&'static str, bool)],
    rows: impl IntoIterator<Item = &'t Vec<String>>,
) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(name) {
            table.data {
                thead { tr { @for (name, right) in columns { th.r[*right] scope="col" { (name) } } } }
                tbody {
                    @for row in rows {
                        tr { @for (cell, (_, right)) in row.iter().zip(columns) { td.r[*right].l[cell.len() > LONG] { (cell) } } }
                    }
                }
            }
        }
    }
}

/// What nobody had read, as a hexdump.
pub fn queues(dossier: &Dossier<'_>, id: &str) -> Result<Markup> {
    let comm = |pid| dossier.process(pid)?.comm.as_ref();
    let mut shown = Vec::new();
    for queue in dossier.queues {
        let bytes = &queue.bytes_b64.0;
        let mut dump = Vec::new();
        hexdump(bytes.get(..MAX_QUEUE).unwrap_or(bytes), &mut dump)?;
        shown.push((heading(queue, &comm), String::from_utf8_lossy(&dump).into_owned(), bytes.len()));
    }
    Ok(html! {
        section id=(id) {
            h2 { "Unread data " span.number { (shown.len()) } }
            @if shown.is_empty() { p.none { "No pipe, socket or terminal held bytes that nobody had read." } }
            @for (heading, dump, length) in &shown {
                h3.mono { (heading) }
                pre tabindex="0" { (dump) }
                @if *length > MAX_QUEUE {
                    p.note { "Shown are the first " (MAX_QUEUE) " of " (length) " bytes; " code { "ckptfx queues --raw" } " writes all." }
                }
            }
        }
    })
}

/// What the verdict does not rest on.
pub fn limits(dossier: &Dossier<'_>, id: &str) -> Markup {
    html! {
        section id=(id) {
            h2 { "Not looked at" }
            p { "A verdict is worth no more than what was looked at." }
            ul { @for item in dossier.not_examined {
                li { strong { (show(item.what.as_bytes())) } ": " (show(item.why.as_bytes())) }
            } }
        }
    }
}

/// What could not be read.
pub fn warnings(dossier: &Dossier<'_>, id: &str) -> Markup {
    let warnings = dossier.warnings;
    let columns =
        [("WEIGHT", false), ("CODE", false), ("SUBJECT", false), ("OFFSET", true), ("MESSAGE", false)];
    let rows: Vec<Vec<String>> = warnings
        .iter()
        .take(MAX_ROWS)
        .map(|warning| {
            vec![
                if warning.partial { "warning" } else { "note" }.to_owned(),
                warning.code.to_owned(),
                show(warning.subject.as_bytes()),
                warning.offset.map_or_else(|| "-".to_owned(), |offset| offset.to_string()),
                show(warning.message.as_bytes()),
            ]
        })
        .collect();
    html! {
        section id=(id) {
            h2 { "Warnings " span.number { (warnings.len()) } }
            @if rows.is_empty() { p.none { "Everything could be read." } } @else { (table("Warnings", &columns, &rows)) }
        }
    }
}

/// What was examined, with what, by whom and when.
pub fn custody(dossier: &Dossier<'_>, id: &str) -> Markup {
    let members = dossier.custody.map(|custody| custody.members.as_slice()).unwrap_or_default();
    let columns = [("KIND", false), ("BYTES", true), ("SHA-256", false), ("PATH", false)];
    let rows: Vec<Vec<String>> = members
        .iter()
        .take(MAX_ROWS)
        .map(|member| {
            let target =
                member.target.as_ref().map(|target| format!(" -> {}", show(&target.0))).unwrap_or_default();
            vec![
                member.kind.to_owned(),
                member.bytes.to_string(),
                member.sha256.clone().unwrap_or_else(|| "-".to_owned()),
                format!("{}{target}", show(&member.path.0)),
            ]
        })
        .collect();
    html! {
        section id=(id) {
            h2 { "Custody" }
            (pairs(&verdict::custody(dossier)))
            h3 { "Members of the archive " span.number { (members.len()) } }
            (table("Members of the archive", &columns, &rows))
            @if members.len() > rows.len() {
                p.note { "Shown are the first " (rows.len()) " of " (members.len()) "; " code { "ckptfx report -o json" } " has all." }
            }
        }
    }
}
