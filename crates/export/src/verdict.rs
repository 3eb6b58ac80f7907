//! The verdict in words, and the head of a report.

use ckptfx_analysis::finding::Severity;
use ckptfx_report::untrusted::show;

use crate::dossier::Dossier;

/// What a reader of the verdict must know when not everything could be read.
pub fn reservation(dossier: &Dossier<'_>) -> Option<&'static str> {
    let is_partial = dossier.warnings.iter().any(|warning| warning.partial);
    is_partial
        .then_some("Some evidence could not be read (see the warnings): there may be more than was found.")
}

/// The verdict in one sentence.
pub fn verdict(dossier: &Dossier<'_>) -> (&'static str, &'static str) {
    let findings = dossier.findings;
    let worst = findings.iter().map(|finding| finding.severity).max();
    let words = match worst {
        Some(Severity::Critical) => "Strong evidence of compromise.",
        Some(Severity::High) => "Evidence of compromise, unless a benign cause listed below explains it.",
        Some(Severity::Medium) => "Some findings need review.",
        Some(Severity::Low | Severity::Info) => "No significant findings.",
        None => "No findings.",
    };
    (worst.map_or("none", Severity::name), words)
}

/// Names and values of the head: what was examined.
pub fn subject(dossier: &Dossier<'_>) -> Vec<(&'static str, String)> {
    let head = dossier.head;
    let container = &head.container;
    let mut rows: Vec<(&'static str, Option<String>)> = vec![
        ("Evidence", Some(head.evidence.name.clone())),
        ("Part of it", head.evidence.part.clone()),
        ("Format", Some(head.evidence.format.clone())),
        ("Size", head.evidence.bytes.map(|bytes| format!("{bytes} bytes"))),
        ("SHA-256", head.evidence.sha256.clone()),
        ("Engine", Some(container.engine.to_owned())),
        ("Container", container.name.clone()),
        ("Id", container.id.clone()),
        ("Pod", container.pod.clone()),
        ("Namespace", container.namespace.clone()),
        ("Image", container.image.clone()),
        ("Image digest", container.image_digest.clone()),
        ("Runtime", container.runtime.clone()),
        ("Created", container.created.map(|time| time.to_string())),
        ("Checkpointed", container.checkpointed.map(|time| time.to_string())),
        ("Time derived from", container.checkpointed_from.clone()),
    ];
    rows.retain(|(_, value)| value.is_some());
    rows.into_iter().map(|(name, value)| (name, show(value.unwrap_or_default().as_bytes()))).collect()
}

/// Names and values of the record of custody, the members left out.
pub fn custody(dossier: &Dossier<'_>) -> Vec<(&'static str, String)> {
    let Some(custody) = dossier.custody else { return Vec::new() };
    let head = dossier.head;
    let text = |value: &Option<String>| value.as_ref().map(|value| show(value.as_bytes()));
    let arguments: Vec<String> = custody.arguments.iter().map(|argument| show(&argument.0)).collect();
    let redacted = match (custody.redacted, custody.redacted_values) {
        (false, _) => "none was taken out (--show-secrets)".to_owned(),
        (true, count) => format!("{count} taken out of this report"),
    };
    let rules: Vec<String> = custody
        .rules
        .iter()
        .map(|set| format!("{} {}, sha256 {}", set.count, set.name, set.sha256))
        .collect();
    let hash = "- (a directory has none; its files are below)".to_owned();
    let mut rows = vec![
        ("Case", text(&custody.case)),
        ("Examiner", text(&custody.examiner)),
        ("Machine", text(&custody.host)),
        ("Evidence", Some(show(head.evidence.name.as_bytes()))),
        ("Size", head.evidence.bytes.map(|bytes| format!("{bytes} bytes"))),
        ("SHA-256", Some(head.evidence.sha256.clone().unwrap_or(hash))),
        ("Tool", Some(format!("{} {}", head.document.tool.name, head.document.tool.version))),
        ("Rules", Some(rules.join("; "))),
        ("Arguments", Some(arguments.join(" "))),
        ("Started", custody.started.map(|time| time.to_string())),
        ("Ended", custody.ended.map(|time| time.to_string())),
        ("Secrets", Some(redacted)),
    ];
    rows.retain(|(_, value)| value.is_some());
    rows.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect()
}
