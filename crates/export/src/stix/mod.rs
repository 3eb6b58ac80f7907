//! STIX 2.1: what was observed (processes, files, connections), a note on each finding, and sightings of ATT&CK's
//! techniques; a grouping ties together what is of one checkpoint.

mod observable;

use std::{collections::BTreeSet, io::Write};

use ckptfx_analysis::{
    finding::{Confidence, Finding, Origin, quoted},
    secret::Secret,
};
use ckptfx_report::json;
use serde_json::{Value, json};
use uuid::Uuid;

use self::observable::Observables;
use crate::{
    attack,
    common::shown,
    dossier::Dossier,
    export::{Export, Result},
    id,
    record::{MAX_TEXT, Record, clipped},
};

/// What comes before the objects.
const OPENING: &str = "{\n  \"type\": \"bundle\",\n  \"objects\": [";

/// Objects need a time; this one says that none is recorded.
const NO_TIME: &str = "1970-01-01T00:00:00.000Z";

/// A STIX bundle.
#[derive(Default)]
pub struct Stix {
    /// Objects that are written; each stands once in a bundle.
    known: BTreeSet<String>,
}

impl Export for Stix {
    fn begin(&mut self, _: &str, out: &mut dyn Write) -> Result<()> {
        Ok(out.write_all(OPENING.as_bytes())?)
    }

    fn checkpoint(&mut self, dossier: &Dossier<'_>, out: &mut dyn Write) -> Result<()> {
        objects(dossier, &mut |object| {
            if self.known.insert(id_of(&object).to_owned()) {
                let comma = if self.known.len() > 1 { "," } else { "" };
                write!(out, "{comma}\n    ")?;
                json::write_pretty(out, &object, "    ")?;
            }
            Ok(())
        })
    }

    fn finish(&mut self, out: &mut dyn Write) -> Result<()> {
        // The id comes last: it is made of those of all objects.
        Ok(out.write_all(closing(&self.known).as_bytes())?)
    }
}

/// What comes after the objects.
fn closing(objects: &BTreeSet<String>) -> String {
    let names: Vec<&str> = objects.iter().map(String::as_str).collect();
    format!("\n  ],\n  \"id\": \"bundle--{}\"\n}}\n", id::constant(&names))
}

/// The id of an object.
fn id_of(object: &Value) -> &str {
    object.get("id").and_then(Value::as_str).unwrap_or_default()
}

/// Gives all objects of a dossier, each after those that it refers to.
fn objects(dossier: &Dossier<'_>, give: &mut dyn FnMut(Value) -> Result<()>) -> Result<()> {
    let maker = Maker::new(dossier);
    let mut all: Vec<String> = Vec::new();
    let mut add = |object: Value| {
        all.push(id_of(&object).to_owned());
        give(object)
    };
    add(maker.tool())?;
    let mut observables = Observables::new(dossier, maker.checkpoint);
    let archive = observables.archive();
    for object in observables.take() {
        add(object)?;
    }
    for finding in dossier.findings {
        let mut subjects = observables.subjects(finding);
        for object in observables.take() {
            add(object)?;
        }
        // What is about the container as a whole is about the archive.
        if subjects.is_empty() {
            subjects.push(archive.clone());
        }
        for object in maker.finding(finding, &subjects) {
            add(object)?;
        }
    }
    for secret in dossier.secrets {
        let holder = observables.holder(secret.first.pid);
        let subject = holder.unwrap_or_else(|| archive.clone());
        for object in observables.take() {
            add(object)?;
        }
        add(maker.secret(secret, subject))?;
    }
    if dossier.inventory {
        let seen = observables.inventory();
        for object in observables.take() {
            add(object)?;
        }
        if !seen.is_empty() {
            add(maker.observed(&["inventory"], &seen))?;
        }
    }
    if let Some(note) = maker.limits(&archive) {
        add(note)?;
    }
    give(maker.grouping(&all))
}

/// Makes the objects that are no observables.
struct Maker<'d> {
    dossier: &'d Dossier<'d>,
    checkpoint: Uuid,
    time: String,
}

impl<'d> Maker<'d> {
    fn new(dossier: &'d Dossier<'d>) -> Self {
        let time = dossier.head.container.checkpointed;
        // Other tools expect milliseconds.
        let time = time
            .map_or_else(|| NO_TIME.to_owned(), |time| time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string());
        Self { dossier, checkpoint: id::checkpoint(dossier.head), time }
    }

    /// A domain object with an id made of what it is.
    fn object(&self, kind: &str, uuid: Uuid, created: &str) -> Record {
        let mut object = Record::new("x");
        object.set("type", kind);
        object.set("spec_version", "2.1");
        object.set("id", format!("{kind}--{uuid}"));
        object.set("created_by_ref", tool_id());
        object.set("created", created);
        object.set("modified", created);
        object
    }

    fn own(&self, kind: &str, parts: &[&[u8]]) -> Record {
        let parts: Vec<&[u8]> = [b"stix", kind.as_bytes()].into_iter().chain(parts.iter().copied()).collect();
        self.object(kind, id::of(self.checkpoint, &parts), &self.time)
    }

    /// Who made the objects.
    fn tool(&self) -> Value {
        let mut identity = Record::new("x");
        identity.set("type", "identity");
        identity.set("spec_version", "2.1");
        identity.set("id", tool_id());
        identity.set("created", NO_TIME);
        identity.set("modified", NO_TIME);
        identity.set("name", "ckptfx");
        identity.set("identity_class", "system");
        identity.finish()
    }

    /// That something was there at the time of the checkpoint.
    fn observed(&self, what: &[&str], subjects: &[String]) -> Value {
        let parts: Vec<&[u8]> = what.iter().map(|part| part.as_bytes()).collect();
        let mut observed = self.own("observed-data", &parts);
        observed.set("first_observed", self.time.clone());
        observed.set("last_observed", self.time.clone());
        observed.set("number_observed", 1);
        observed.list("object_refs", subjects.iter().cloned());
        observed.finish()
    }

    /// Observation, note, and the techniques that were seen.
    fn finding(&self, finding: &Finding, subjects: &[String]) -> Vec<Value> {
        let subject = &finding.subject;
        let pid = subject.pid.map(|pid| pid.to_string()).unwrap_or_default();
        let path = subject.path.as_ref().map(|path| clipped(&path.0)).unwrap_or_default();
        let what = [finding.id.as_str(), &pid, &path, subject.address.as_deref().unwrap_or_default()];
        let parts: Vec<&[u8]> = what.iter().map(|part| part.as_bytes()).collect();
        let observed = self.observed(&what, subjects);
        let seen = id_of(&observed).to_owned();

        let mut note = self.own("note", &parts);
        note.set("abstract", clipped(format!("{}: {}", finding.id, finding.title).as_bytes()));
        note.set("content", content(finding, &self.dossier.head.evidence.name));
        note.list("labels", [finding.severity.name()]);
        note.set("confidence", confidence(finding.confidence));
        note.list("object_refs", [seen.clone()].into_iter().chain(subjects.iter().cloned()));
        note.set(
            "external_references",
            json!([{"source_name": "ckptfx", "external_id": clipped(finding.id.as_bytes())}]),
        );
        let mut objects = vec![observed, note.finish()];

        for technique in &finding.attack {
            // The same in every bundle, so that its time is the same, too.
            let (number, tactic) = (technique.technique.as_ref(), technique.tactic.as_deref());
            let uuid =
                id::constant(&["attack-pattern", number, tactic.unwrap_or_default(), technique.version]);
            let mut pattern = self.object("attack-pattern", uuid, NO_TIME);
            pattern.set("name", attack::name(number).unwrap_or(number));
            pattern.set(
                "external_references",
                json!([{
                    "source_name": "mitre-attack",
                    "external_id": number,
                    "url": attack::reference(number)
                }]),
            );
            if let Some(tactic) = tactic {
                pattern.set(
                    "kill_chain_phases",
                    json!([{"kill_chain_name": "mitre-attack", "phase_name": tactic}]),
                );
            }
            let pattern = pattern.finish();
            let id = id_of(&pattern).to_owned();
            let parts: Vec<&[u8]> = parts.iter().copied().chain([id.as_bytes()]).collect();
            let mut sighting = self.own("sighting", &parts);
            sighting.set("first_seen", self.time.clone());
            sighting.set("last_seen", self.time.clone());
            sighting.set("count", 1);
            sighting.set("confidence", confidence(finding.confidence));
            sighting.set("sighting_of_ref", id);
            sighting.list("observed_data_refs", [seen.clone()]);
            objects.extend([pattern, sighting.finish()]);
        }
        objects
    }

    /// A note on a secret.
    fn secret(&self, secret: &Secret, subject: String) -> Value {
        let parts = ["secret", &secret.rule, &secret.fingerprint].map(str::as_bytes);
        let mut note = self.own("note", &parts);
        note.set("abstract", clipped(secret.title.as_bytes()));
        let masked = shown(secret).map(|text| format!("\n{}", clipped(&text.0))).unwrap_or_default();
        let content = format!(
            "{} in {}, {} times, fingerprint {}.{masked}",
            secret.rule,
            secret.first.source.name(),
            secret.count,
            secret.fingerprint
        );
        note.set("content", clipped(content.as_bytes()));
        note.list("labels", ["secret"]);
        note.list("object_refs", [subject]);
        note.finish()
    }

    /// What was not looked at, and what could not be read.
    fn limits(&self, archive: &str) -> Option<Value> {
        let gaps = self.dossier.not_examined.iter().map(|item| format!("{}: {}", item.what, item.why));
        let warnings = self.dossier.warnings.iter().map(|warning| {
            let kind = if warning.partial { "could not be read" } else { "note" };
            format!("{kind}: {}: {} [{}]", warning.subject, warning.message, warning.code)
        });
        let lines: Vec<String> = gaps.chain(warnings).collect();
        if lines.is_empty() {
            return None;
        }
        let mut note = self.own("note", &[b"limits"]);
        note.set("abstract", "What the findings do not rest on");
        note.set("content", clipped(lines.join("\n").as_bytes()));
        note.list("object_refs", [archive]);
        Some(note.finish())
    }

    fn grouping(&self, all: &[String]) -> Value {
        let container = &self.dossier.head.container;
        let mut grouping = self.own("grouping", &[b"checkpoint"]);
        let name = container.name.as_deref().or(container.id.as_deref()).unwrap_or("unknown");
        grouping.set("name", clipped(format!("checkpoint of container {name}").as_bytes()));
        let mut lines = Vec::new();
        for (key, value) in [
            ("engine", Some(container.engine)),
            ("container", container.id.as_deref()),
            ("namespace", container.namespace.as_deref()),
            ("pod", container.pod.as_deref()),
            ("image", container.image.as_deref()),
        ] {
            lines.extend(value.map(|value| format!("{key}: {value}")));
        }
        if container.checkpointed.is_none() {
            lines.push("its time is not recorded; 1970 stands for it".to_owned());
        }
        grouping.set("description", clipped(lines.join("\n").as_bytes()));
        grouping.set("context", "suspicious-activity");
        let mut known = BTreeSet::new();
        grouping.list("object_refs", all.iter().filter(|id| known.insert(id.as_str())).cloned());
        grouping.finish()
    }
}

fn tool_id() -> String {
    format!("identity--{}", id::constant(&["identity", "ckptfx"]))
}

/// The middle of the ranges that the specification gives to high, medium and low.
fn confidence(confidence: Confidence) -> u32 {
    match confidence {
        Confidence::High => 85,
        Confidence::Medium => 50,
        Confidence::Low => 15,
    }
}

/// A finding in words.
fn content(finding: &Finding, archive: &str) -> String {
    let mut lines = vec![finding.why.clone()];
    for fact in &finding.evidence {
        lines.push(format!("- {} ({}): {}", fact.what, fact.r#where, clipped(&fact.value.0)));
        if lines.iter().map(String::len).sum::<usize>() > MAX_TEXT {
            break;
        }
    }
    match &finding.origin {
        Origin::Rule => {}
        Origin::Sigma { rule, .. } => lines.push(format!("Found by the Sigma rule {rule}.")),
        Origin::Yara { rule, namespace } => {
            lines.push(format!("Found by the YARA rule {rule} of {namespace}."));
        }
    }
    lines.extend(finding.caveat.as_ref().map(|caveat| format!("But: {caveat}")));
    lines.push(format!(
        "Severity {}, confidence {}, score {}.",
        finding.severity.name(),
        finding.confidence.name(),
        finding.score
    ));
    lines.extend(finding.more.as_ref().map(|more| format!("More: ckptfx {more} {}", quoted(archive))));
    clipped(lines.join("\n").as_bytes())
}
