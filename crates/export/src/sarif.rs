//! One run of a SARIF 2.1.0 log for each checkpoint. The archive is the artifact; what is in it are artifacts and
//! logical locations below it. The inventory has no place here.

use std::{collections::HashMap, io::Write};

use ckptfx_analysis::{
    finding::{AttackVersion, DETECTIONS, Detection, Evidence, Finding, Severity, Technique},
    secret::Secret,
};
use ckptfx_report::json;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    attack,
    common::shown,
    dossier::Dossier,
    export::{Export, Result},
    id,
    record::{Record, clipped},
};

/// What comes before the runs, and after them.
const OPENING: &str = "{\n  \"$schema\": \"https://json.schemastore.org/sarif-2.1.0.json\",\n  \
                           \"version\": \"2.1.0\",\n  \"runs\": [";
const CLOSING: &str = "\n  ]\n}\n";

/// The taxonomy that rules refer to.
const TAXONOMY: &str = "MITRE ATT&CK";
/// Longest value of a fact in the text of a location.
const SHORT: usize = 200;

/// A SARIF log.
#[derive(Default)]
pub struct Sarif {
    /// Whether a run is written.
    any: bool,
}

impl Export for Sarif {
    fn begin(&mut self, _: &str, out: &mut dyn Write) -> Result<()> {
        Ok(out.write_all(OPENING.as_bytes())?)
    }

    fn checkpoint(&mut self, dossier: &Dossier<'_>, out: &mut dyn Write) -> Result<()> {
        let comma = if std::mem::replace(&mut self.any, true) { "," } else { "" };
        write!(out, "{comma}\n    ")?;
        Ok(json::write_pretty(out, &run(dossier), "    ")?)
    }

    fn finish(&mut self, out: &mut dyn Write) -> Result<()> {
        Ok(out.write_all(CLOSING.as_bytes())?)
    }
}

/// The run about one checkpoint.
fn run(dossier: &Dossier<'_>) -> Value {
    let head = dossier.head;
    let version = version(dossier.findings);
    let rules = rules(dossier, version);
    let mut artifacts = Artifacts { list: vec![archive(dossier)], images: HashMap::new() };
    let checkpoint = id::checkpoint(head);
    let results: Vec<Value> = dossier
        .findings
        .iter()
        .map(|finding| result(finding, dossier, checkpoint, &rules, &mut artifacts))
        .chain(dossier.secrets.iter().map(|found| secret(found, dossier, checkpoint, &rules)))
        .collect();
    let mut run = Record::new("properties");
    run.set("tool.driver.name", "ckptfx");
    run.set("tool.driver.version", head.document.tool.version);
    run.set("tool.driver.semanticVersion", head.document.tool.version);
    run.set("tool.driver.rules", rules);
    run.set("tool.driver.supportedTaxonomies", json!([{"name": TAXONOMY, "index": 0}]));
    run.set("automationDetails.id", format!("ckptfx/{checkpoint}"));
    run.set("automationDetails.guid", checkpoint.to_string());
    run.set("invocations", json!([invocation(dossier)]));
    run.set("artifacts", artifacts.list);
    run.set("logicalLocations", json!([]));
    run.set("results", results);
    run.set("taxonomies", json!([taxonomy(version)]));
    run.set("columnKind", "unicodeCodePoints");
    run.set("properties.container", json::to_value(&head.container).unwrap_or_default());
    run.finish()
}

fn archive(dossier: &Dossier<'_>) -> Value {
    let evidence = &dossier.head.evidence;
    let mut artifact = Record::new("properties");
    artifact.set("location.uri", uri(evidence.name.as_bytes()));
    artifact.set("length", evidence.bytes);
    artifact.list("roles", ["analysisTarget"]);
    artifact.put("hashes.sha-256", evidence.sha256.clone());
    artifact.set("properties.format", clipped(evidence.format.as_bytes()));
    artifact.put("properties.part", evidence.part.as_ref().map(|part| clipped(part.as_bytes())));
    artifact.finish()
}

/// Warnings, and what was not looked at.
fn invocation(dossier: &Dossier<'_>) -> Value {
    let note = |level: &str, code: &str, what: &str, why: &str| {
        let text = clipped(format!("{what}: {why}").as_bytes());
        json!({"level": level, "descriptor": {"id": code}, "message": {"text": text}})
    };
    let warnings = dossier.warnings.iter().map(|warning| {
        let level = if warning.partial { "warning" } else { "note" };
        note(level, warning.code, &warning.subject, &warning.message)
    });
    let gaps = dossier.not_examined.iter().map(|item| note("note", "not-examined", &item.what, &item.why));
    let notes: Vec<Value> = warnings.chain(gaps).collect();
    // A log that lacks something is told by a warning of its own.
    json!({"executionSuccessful": true, "toolExecutionNotifications": notes})
}

/// The version of ATT&CK that the findings follow.
fn version(findings: &[Finding]) -> AttackVersion {
    match findings.iter().find_map(|finding| finding.attack.first()) {
        Some(technique) if technique.version == AttackVersion::V18.name() => AttackVersion::V18,
        _ => AttackVersion::V19,
    }
}

/// All detections, whether they found something or not, then rules that the analyst gave.
fn rules(dossier: &Dossier<'_>, version: AttackVersion) -> Vec<Value> {
    let mut rules: Vec<Value> = DETECTIONS.iter().map(|detection| rule(detection, version)).collect();
    for secret in dossier.secrets {
        let id = secret_rule(secret);
        if rules.iter().all(|rule| rule["id"] != id.as_str()) {
            rules.push(json!({"id": id, "shortDescription": {"text": clipped(secret.title.as_bytes())}}));
        }
    }
    for finding in dossier.findings {
        if rules.iter().all(|rule| rule["id"] != finding.id.as_str()) {
            let mut rule = Record::new("properties");
            rule.set("id", clipped(finding.id.as_bytes()));
            rule.set("shortDescription.text", clipped(finding.title.as_bytes()));
            rule.set("defaultConfiguration.level", level(finding.severity));
            relationships(&mut rule, &finding.attack);
            rules.push(rule.finish());
        }
    }
    rules
}

fn rule(detection: &Detection, version: AttackVersion) -> Value {
    let mut rule = Record::new("properties");
    rule.set("id", detection.id);
    rule.set("name", pascal(detection.id));
    rule.set("shortDescription.text", detection.title);
    let mut help = Vec::new();
    if !detection.harmless.is_empty() {
        help.push(format!("Known harmless causes: {}.", detection.harmless.join("; ")));
    }
    help.extend(detection.caveat.map(|caveat| format!("Caveat: {caveat}.")));
    rule.put("help.text", (!help.is_empty()).then(|| help.join(" ")));
    rule.set("defaultConfiguration.level", level(detection.severity));
    relationships(&mut rule, &detection.techniques(version));
    rule.list("properties.tags", ["security"]);
    rule.set("properties.precision", detection.confidence.name());
    rule.set("properties.severity", detection.severity.name());
    rule.finish()
}

fn relationships(rule: &mut Record, techniques: &[Technique]) {
    let known = techniques.iter().filter(|technique| attack::name(&technique.technique).is_some());
    rule.list(
        "relationships",
        known.map(|technique| {
            json!({
                "target": {"id": technique.technique, "toolComponent": {"name": TAXONOMY, "index": 0}},
                "kinds": ["relevant"]
            })
        }),
    );
}

/// The techniques of all detections.
fn taxonomy(version: AttackVersion) -> Value {
    let mut techniques: Vec<String> = DETECTIONS
        .iter()
        .flat_map(|detection| detection.techniques(version))
        .map(|technique| technique.technique.into_owned())
        .collect();
    techniques.sort_unstable();
    techniques.dedup();
    let taxa: Vec<Value> = techniques
        .into_iter()
        .map(|id| json!({"id": id, "name": attack::name(&id), "helpUri": attack::reference(&id)}))
        .collect();
    json!({"name": TAXONOMY, "version": version.name(), "organization": "MITRE", "isComprehensive": false, "taxa": taxa})
}

fn result(
    finding: &Finding,
    dossier: &Dossier<'_>,
    checkpoint: Uuid,
    rules: &[Value],
    artifacts: &mut Artifacts,
) -> Value {
    let subject = &finding.subject;
    let mut result = Record::new("properties");
    result.set("ruleId", clipped(finding.id.as_bytes()));
    result.put("ruleIndex", rules.iter().position(|rule| rule["id"] == finding.id.as_str()));
    result.set("kind", if finding.severity == Severity::Info { "informational" } else { "fail" });
    result.set("level", level(finding.severity));
    result.set("rank", f64::from(finding.score));
    result.set("message.text", clipped(format!("{}: {}", finding.title, finding.why).as_bytes()));

    let pid = subject.pid.map(|pid| pid.to_string()).unwrap_or_default();
    let path = subject.path.as_ref().map_or(b"".as_slice(), |path| &path.0);
    let address = subject.address.as_deref().unwrap_or_default();
    let parts: [&[u8]; 5] = [b"sarif", finding.id.as_bytes(), pid.as_bytes(), path, address.as_bytes()];
    result.set("guid", id::of(checkpoint, &parts).to_string());
    // The same finding in another checkpoint of the container has other pids and addresses.
    let exe = subject.exe.as_ref().map_or(b"".as_slice(), |exe| &exe.0);
    let same = id::constant(&[&finding.id, &clipped(exe), &clipped(path)]);
    result.set("partialFingerprints", json!({"subject/v1": same.to_string()}));

    let mut location = Record::new("properties");
    location.set("physicalLocation.artifactLocation.uri", uri(dossier.head.evidence.name.as_bytes()));
    location.set("physicalLocation.artifactLocation.index", 0);
    location.list("logicalLocations", logical(finding));
    result.list("locations", [location.finish()]);
    result.list(
        "relatedLocations",
        finding.evidence.iter().enumerate().map(|(index, fact)| related(index, fact, artifacts)),
    );
    result.set("properties.origin", finding.origin.kind());
    result.set("properties.severity", finding.severity.name());
    result.set("properties.confidence", finding.confidence.name());
    result.set("properties.story", finding.story.to_string());
    result.put("properties.caveat", finding.caveat.as_ref().map(|text| clipped(text.as_bytes())));
    result.put(
        "properties.more",
        finding.more.as_ref().map(|more| format!("ckptfx {}", clipped(more.to_string().as_bytes()))),
    );
    result.finish()
}

/// Rules about secrets have names of their own.
fn secret_rule(secret: &Secret) -> String {
    format!("secret/{}", clipped(secret.rule.as_bytes()))
}

fn secret(secret: &Secret, dossier: &Dossier<'_>, checkpoint: Uuid, rules: &[Value]) -> Value {
    let (rule, place) = (secret_rule(secret), &secret.first);
    let mut result = Record::new("properties");
    result.put("ruleIndex", rules.iter().position(|known| known["id"] == rule.as_str()));
    result.set("ruleId", rule);
    result.set("level", "warning");
    result.set("message.text", clipped(secret.title.as_bytes()));
    let guid = id::of(checkpoint, &["sarif", "secret", &secret.rule, &secret.fingerprint]);
    result.set("guid", guid.to_string());
    result.set("partialFingerprints", json!({"secret/v1": secret.fingerprint}));
    let mut location = Record::new("properties");
    location.set("physicalLocation.artifactLocation.uri", uri(dossier.head.evidence.name.as_bytes()));
    location.set("physicalLocation.artifactLocation.index", 0);
    let process = place.pid.map(|pid| format!("process/{pid}"));
    let full = match (process, &place.address) {
        (Some(process), Some(address)) => format!("{process}/memory/{address}"),
        (Some(process), None) => format!("{process}/{}", place.source.name()),
        (None, _) => place.source.name().to_owned(),
    };
    location.list("logicalLocations", [json!({"fullyQualifiedName": full})]);
    result.list("locations", [location.finish()]);
    result.set("properties.confidence", secret.confidence.name());
    result.set("properties.count", secret.count);
    result.text("properties.masked", shown(secret));
    result.finish()
}

/// Container, process, file and address, as far as the finding is about one.
fn logical(finding: &Finding) -> Vec<Value> {
    let subject = &finding.subject;
    let mut places = Vec::new();
    if let Some(pid) = subject.pid {
        let name = subject.comm.as_ref().map_or_else(|| pid.to_string(), |comm| clipped(&comm.0));
        places.push(json!({"name": name, "fullyQualifiedName": format!("process/{pid}"), "kind": "process"}));
    }
    if let Some(path) = &subject.path {
        let name = clipped(&path.0);
        places.push(json!({"name": name, "fullyQualifiedName": format!("path/{name}"), "kind": "resource"}));
    }
    if let (Some(pid), Some(address)) = (subject.pid, &subject.address) {
        let full = format!("process/{pid}/memory/{address}");
        places.push(json!({"name": address, "fullyQualifiedName": full, "kind": "address"}));
    }
    if places.is_empty() {
        places.push(json!({"name": "container", "fullyQualifiedName": "container", "kind": "container"}));
    }
    places
}

/// The archive, and the images in it that facts stand in, each once.
struct Artifacts {
    list: Vec<Value>,
    images: HashMap<String, usize>,
}

impl Artifacts {
    /// The place of an image in the list.
    fn image(&mut self, uri: &str) -> usize {
        let next = self.list.len();
        let index = *self.images.entry(uri.to_owned()).or_insert(next);
        if index == next {
            self.list.push(json!({"location": {"uri": uri}, "parentIndex": 0}));
        }
        index
    }
}

/// A fact: an image that it stands in is an artifact in the archive.
fn related(index: usize, fact: &Evidence, artifacts: &mut Artifacts) -> Value {
    let place = clipped(fact.r#where.as_bytes());
    let value: String = clipped(&fact.value.0).chars().take(SHORT).collect();
    let mut location = Record::new("properties");
    location.set("id", index);
    location.set("message.text", format!("{} ({place}): {value}", fact.what));
    let image = place.split_once(", ").map_or(place.as_str(), |(image, _)| image);
    if image.ends_with(".img") && !image.contains(' ') {
        let uri = uri(image.as_bytes());
        let index = artifacts.image(&uri);
        location.set("physicalLocation.artifactLocation.uri", uri);
        location.set("physicalLocation.artifactLocation.index", index);
    } else {
        location.list("logicalLocations", [json!({"fullyQualifiedName": place})]);
    }
    location.finish()
}

/// A relative URI reference: everything but unreserved characters and the slash is escaped.
fn uri(path: &[u8]) -> String {
    let mut uri = String::new();
    for byte in path.iter().take(super::record::MAX_TEXT / 3) {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(*byte))
            }
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
        // A result that is informational only has no level.
        Severity::Info => "none",
    }
}

/// `ExeDeleted` of `EXE-DELETED`.
fn pascal(id: &str) -> String {
    id.split('-')
        .flat_map(|word| {
            word.chars().take(1).chain(word.chars().skip(1).map(|letter| letter.to_ascii_lowercase()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{pascal, uri};

    #[test]
    fn names_and_uris() {
        assert_eq!(pascal("RWX-ANON-CODE"), "RwxAnonCode");
        assert_eq!(uri(b"a b/\x1b\xff%.tar"), "a%20b/%1B%FF%25.tar");
    }
}
