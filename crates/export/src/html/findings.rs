//! Findings, story by story.

use ckptfx_analysis::finding::{Evidence, Finding, quoted, stories};
use ckptfx_report::{
    untrusted::{show, show_short},
    words::headline,
};
use maud::{Markup, html};

use crate::dossier::Dossier;

/// Stories that are shown open.
const OPEN: usize = 50;
/// Longest fact, in characters.
const MAX_FACT: usize = 1_000;

pub fn section(dossier: &Dossier<'_>, id: &str, prefix: &str) -> Markup {
    let findings = dossier.findings;
    html! {
        section id=(id) {
            h2 { "Findings " span.number { (findings.len()) } }
            @if findings.is_empty() { p.none { "No findings." } }
            @for (index, story) in stories(findings).into_iter().enumerate() {
                @if let Some(first) = story.first() {
                    @let worst = story.iter().map(|finding| finding.severity).max().unwrap_or(first.severity);
                    details.story id={ (prefix) "story-" (index) } open[index < OPEN] {
                        summary {
                            span class={ "badge " (worst.name()) } { (worst.name()) }
                            " " strong { (headline(first, |pid| dossier.process(pid))) }
                            " " span.number { (story.len()) }
                        }
                        @for finding in story { (one(finding, &dossier.head.evidence.name)) }
                    }
                }
            }
        }
    }
}

fn one(finding: &Finding, archive: &str) -> Markup {
    let subject = &finding.subject;
    html! {
        div class={ "finding " (finding.severity.name()) } {
            h3 {
                span class={ "badge " (finding.severity.name()) } { (finding.severity.name()) }
                " " (show(finding.title.as_bytes()))
                " " code.id { (show(finding.id.as_bytes())) }
                " " span.score { "score " (finding.score) " · confidence " (finding.confidence.name()) }
            }
            p { (show(finding.why.as_bytes())) }
            @if subject.path.is_some() || subject.address.is_some() {
                p.subject {
                    @if let Some(path) = &subject.path { code { (show(&path.0)) } }
                    @if let Some(address) = &subject.address { " at " code { (show(address.as_bytes())) } }
                }
            }
            @if !finding.evidence.is_empty() { ul.facts { @for fact in &finding.evidence { (evidence(fact)) } } }
            @if let Some(caveat) = &finding.caveat { p.caveat { strong { "But: " } (show(caveat.as_bytes())) } }
            p.foot {
                @for technique in &finding.attack {
                    span.tag { (technique.technique.as_ref()) " " (technique.tactic.as_deref().unwrap_or_default()) }
                    " "
                }
                @if let Some(more) = &finding.more { code { (show(format!("ckptfx {more} {}", quoted(archive)).as_bytes())) } }
            }
        }
    }
}

fn evidence(fact: &Evidence) -> Markup {
    html! {
        li {
            (fact.what) " " span.place { "(" (show_short(fact.r#where.as_bytes(), MAX_FACT)) ")" } ": "
            code { (show_short(&fact.value.0, MAX_FACT)) }
        }
    }
}
