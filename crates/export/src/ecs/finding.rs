//! Findings and secrets as alerts.

use std::collections::BTreeSet;

use ckptfx_analysis::{
    finding::{Finding, Origin, detection},
    secret::Secret,
};
use serde_json::{Value, json};

use super::{Writer, field, path_fields};
use crate::{
    attack,
    common::{rank, ruleset, shown},
    record::{Record, clipped},
};

impl Writer<'_> {
    /// A finding. `event.severity` is 1 (information) to 5 (critical).
    pub fn finding(&self, finding: &Finding) -> Value {
        let subject = &finding.subject;
        let mut id: Vec<&[u8]> = vec![finding.id.as_bytes()];
        let pid = subject.pid.map(|pid| pid.to_string()).unwrap_or_default();
        id.push(pid.as_bytes());
        id.push(subject.path.as_ref().map_or(b"", |path| &path.0));
        id.push(subject.address.as_deref().unwrap_or_default().as_bytes());
        let mut record = self.begin("alert", "finding", &id);
        record.set("message", field(&format!("{}: {}", finding.title, finding.why)));
        record.set("event.action", "finding");
        record.set("event.code", field(&finding.id));
        record.set("event.severity", rank(finding.severity));
        record.set("event.risk_score", f64::from(finding.score));
        record.set("event.reason", field(&finding.why));
        let mut category = vec!["intrusion_detection"];
        if finding.id.starts_with("MINER-") {
            category.push("malware");
        }
        if let Some(process) = finding.subject.pid.and_then(|pid| self.index.process(pid)) {
            category.push("process");
            self.about(&mut record, process);
        }
        if let Some(path) = subject.path.as_ref().filter(|path| path.0.starts_with(b"/")) {
            category.push("file");
            path_fields(&mut record, path);
            record.put("file.hash.sha256", self.hashes.of(&path.0));
        }
        let program = finding
            .subject
            .pid
            .and_then(|pid| self.index.process(pid))
            .and_then(|process| self.hashes.of_program(process));
        let file = subject.path.as_ref().and_then(|path| self.hashes.of(&path.0));
        record.list("related.hash", BTreeSet::from_iter(program.into_iter().chain(file)));
        record.list("event.category", category);
        record.list("event.type", ["info"]);

        record.set("rule.id", field(&finding.id));
        record.set("rule.name", field(&finding.title));
        // Rules that are not of the table were given by the analyst.
        record.set("rule.ruleset", ruleset(&finding.origin));
        match &finding.origin {
            Origin::Rule => {
                record.set("rule.version", self.dossier.head.document.tool.version);
                let known = detection(&finding.id);
                record.put("rule.description", known.and_then(|known| harmless(known.harmless)));
            }
            Origin::Sigma { version, .. } => record.put("rule.version", version.as_deref().map(field)),
            Origin::Yara { namespace, .. } => record.set("rule.category", field(namespace)),
        }
        threat(&mut record, finding);

        record.set("ckptfx.finding.severity", finding.severity.name());
        record.set("ckptfx.finding.confidence", finding.confidence.name());
        record.set("ckptfx.finding.story", finding.story.to_string());
        record.put("ckptfx.finding.caveat", finding.caveat.as_deref().map(field));
        record.put("ckptfx.finding.more", finding.more.as_ref().map(|more| field(&more.to_string())));
        record.put("ckptfx.finding.address", subject.address.clone());
        record.text("ckptfx.finding.subject", subject.path.as_ref());
        record.list(
            "ckptfx.finding.evidence",
            finding.evidence.iter().map(|fact| {
                json!({"what": fact.what, "where": field(&fact.r#where), "value": clipped(&fact.value.0)})
            }),
        );
        record.finish()
    }

    /// A secret: what it is, where it is first, its masked text and its fingerprint.
    pub fn secret(&self, secret: &Secret) -> Value {
        let mut record =
            self.begin("alert", "secret", &[secret.rule.as_bytes(), secret.fingerprint.as_bytes()]);
        record.set("message", field(&secret.title));
        record.set("event.action", "secret");
        record.set("event.code", field(&secret.rule));
        record.list("event.category", ["intrusion_detection"]);
        record.list("event.type", ["info"]);
        record.set("rule.id", field(&secret.rule));
        record.set("rule.name", field(&secret.title));
        record.set("rule.ruleset", "ckptfx-secrets");
        let place = &secret.first;
        match place.pid.and_then(|pid| self.index.process(pid)) {
            Some(process) => self.about(&mut record, process),
            None => record.put("process.pid", place.pid),
        }
        record.set("ckptfx.secret.kind", field(&secret.rule));
        record.set("ckptfx.secret.confidence", secret.confidence.name());
        record.set("ckptfx.secret.fingerprint", secret.fingerprint.clone());
        record.set("ckptfx.secret.length", secret.length);
        record.text("ckptfx.secret.masked", shown(secret));
        record.set("ckptfx.secret.count", secret.count);
        record.set("ckptfx.secret.source", place.source.name());
        record.put("ckptfx.secret.address", place.address.clone());
        record.put("ckptfx.secret.offset", place.offset);
        record.put("ckptfx.secret.member", place.member.as_deref().map(field));
        record.finish()
    }
}

/// What is known to cause the same without an intruder.
fn harmless(causes: &[&str]) -> Option<String> {
    (!causes.is_empty()).then(|| format!("Known harmless causes: {}", causes.join("; ")))
}

/// Tactics and techniques, each once. Those without a known name have a number only.
fn threat(record: &mut Record, finding: &Finding) {
    fn once<'a>(list: &mut Vec<&'a str>, item: &'a str) {
        if !list.contains(&item) {
            list.push(item);
        }
    }
    let (mut tactics, mut tactic_names) = (Vec::new(), Vec::new());
    let (mut techniques, mut parts) = (Vec::new(), Vec::new());
    for technique in &finding.attack {
        if let Some((id, name)) = attack::tactic(technique) {
            once(&mut tactics, id);
            once(&mut tactic_names, name);
        }
        once(&mut techniques, attack::parent(&technique.technique));
        if technique.technique.contains('.') {
            once(&mut parts, &technique.technique);
        }
    }
    if techniques.is_empty() {
        return;
    }
    record.set("threat.framework", "MITRE ATT&CK");
    record.put("ckptfx.attack_version", finding.attack.first().map(|technique| technique.version));
    record.list("threat.tactic.id", tactics);
    record.list("threat.tactic.name", tactic_names);
    record.list("threat.technique.name", techniques.iter().filter_map(|id| attack::name(id)));
    record.list("threat.technique.id", techniques);
    record.list("threat.technique.subtechnique.name", parts.iter().filter_map(|id| attack::name(id)));
    record.list("threat.technique.subtechnique.id", parts);
}
