//! Findings and facts in the forms that other systems take: Elastic Common Schema, OCSF, SARIF and STIX.
//!
//! Each form is one file with one function that writes a [`Dossier`]. Nothing here has a clock or draws random
//! numbers: ids are UUIDs (version 5) of the checkpoint and of what they name.

mod attack;
mod ecs;
mod flow;
mod hashes;
mod id;
mod index;
mod ocsf;
mod record;
mod sarif;
mod stix;

use std::{collections::BTreeSet, io::Write};

use anyhow::Result;
use ckptfx_analysis::{
    Text,
    finding::{Confidence, Facts, Finding, NotExamined, Severity},
    secret::Secret,
    timeline::Event,
};
use ckptfx_report::{Head, Warning};

use super::json;

/// What an export is made of: all that is known of one checkpoint.
pub struct Dossier<'d> {
    /// Evidence and container.
    pub head: &'d Head,
    /// What findings rest on, and the inventory.
    pub facts: &'d Facts<'d>,
    /// What speaks for an intrusion, the worst first.
    pub findings: &'d [Finding],
    /// Secrets; only their masked text gets into an export.
    pub secrets: &'d [Secret],
    /// Dated facts.
    pub events: &'d [Event],
    /// Whether processes, files and sockets are exported too, or only findings.
    pub inventory: bool,
    /// What the reader must know about the result.
    pub warnings: &'d [Warning],
    /// What findings do not rest on.
    pub not_examined: &'d [NotExamined],
}

/// A form that other systems take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Elastic Common Schema, an event a line.
    Ecs,
    /// Open Cybersecurity Schema Framework, an event a line.
    Ocsf,
    /// Static Analysis Results Interchange Format 2.1.0, one log.
    Sarif,
    /// STIX 2.1, one bundle.
    Stix,
}

/// Writes the dossiers of one or more checkpoints in one form.
pub struct Exporter {
    form: Form,
    begun: bool,
    /// STIX objects that are written; each stands once in a bundle.
    known: BTreeSet<String>,
    /// Whether something that commas separate is written.
    any: bool,
}

impl Exporter {
    /// Nothing is written yet.
    pub fn new(form: Form) -> Self {
        Self { form, begun: false, known: BTreeSet::new(), any: false }
    }

    fn begin(&mut self, out: &mut dyn Write) -> Result<()> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        match self.form {
            Form::Ecs | Form::Ocsf => {}
            Form::Sarif => out.write_all(sarif::OPENING.as_bytes())?,
            Form::Stix => out.write_all(stix::OPENING.as_bytes())?,
        }
        Ok(())
    }

    /// Writes what is known of one checkpoint.
    pub fn write(&mut self, dossier: &Dossier<'_>, out: &mut dyn Write) -> Result<()> {
        self.begin(out)?;
        match self.form {
            Form::Ecs => ecs::write(dossier, out),
            Form::Ocsf => ocsf::write(dossier, out),
            Form::Sarif => {
                self.separate(out)?;
                json::write_pretty(out, &sarif::run(dossier), "    ")
            }
            Form::Stix => stix::objects(dossier, &mut |object| {
                if self.known.insert(object["id"].as_str().unwrap_or_default().to_owned()) {
                    self.separate(out)?;
                    json::write_pretty(out, &object, "    ")?;
                }
                Ok(())
            }),
        }
    }

    fn separate(&mut self, out: &mut dyn Write) -> Result<()> {
        let comma = if std::mem::replace(&mut self.any, true) { "," } else { "" };
        write!(out, "{comma}\n    ")?;
        Ok(())
    }

    /// Ends the document.
    pub fn finish(mut self, out: &mut dyn Write) -> Result<()> {
        self.begin(out)?;
        match self.form {
            Form::Ecs | Form::Ocsf => {}
            Form::Sarif => out.write_all(sarif::CLOSING.as_bytes())?,
            // The id comes last: it is made of those of all objects.
            Form::Stix => out.write_all(stix::closing(&self.known).as_bytes())?,
        }
        Ok(())
    }
}

/// 1 to 5, from information to critical.
fn rank(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 1,
        Severity::Low => 2,
        Severity::Medium => 3,
        Severity::High => 4,
        Severity::Critical => 5,
    }
}

/// The word for a severity.
fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

/// 1 to 3, from low to high.
fn sureness(confidence: Confidence) -> u8 {
    match confidence {
        Confidence::Low => 1,
        Confidence::Medium => 2,
        Confidence::High => 3,
    }
}

/// The text of a secret, unless the analyst asked not to have it masked: an export goes to where many can read it.
fn shown(secret: &Secret) -> Option<&Text> {
    secret.secret.is_none().then_some(&secret.text)
}

/// Directory and name of a path, if it is one that begins at the root.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = path.iter().rposition(|byte| *byte == b'/').filter(|_| path.starts_with(b"/"))?;
    Some((if slash == 0 { b"/" } else { &path[..slash] }, &path[slash + 1..]))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use ckptfx_analysis::{
        Case,
        search::Source,
        secret::{self, SecretPlace},
        timeline::{Kind, Reliability, Subject},
    };
    use ckptfx_parser::input::{self, Input, OpenOptions};
    use ckptfx_testkit::{Checkpoint, Container, PodmanVersion};

    use super::*;

    fn secret(shown: bool) -> Secret {
        let place = SecretPlace {
            pid: Some(1),
            comm: None,
            source: Source::Memory,
            role: None,
            address: Some("0x1000".to_owned()),
            offset: None,
            region: None,
            member: None,
            member_offset: None,
            shared_with: Vec::new(),
        };
        Secret {
            rule: "aws-key".to_owned(),
            title: "Key of a cloud".to_owned(),
            confidence: secret::Confidence::High,
            first: place.clone(),
            length: 20,
            text: if shown { "AKIAWHOLESECRET" } else { "AKIA…" }.into(),
            fingerprint: "00112233aabbccdd".to_owned(),
            details: serde_json::Map::new(),
            secret: shown.then(|| "AKIAWHOLESECRET".into()),
            count: 3,
            places: vec![place],
        }
    }

    fn event() -> Event {
        Event {
            time: "2026-01-02T03:04:05Z".parse().expect("a time"),
            source: "stats-dump".into(),
            kind: Kind::FileModified,
            message: "something happened".into(),
            subject: Subject::default(),
            reliability: Reliability::Recorded,
            meaning: Kind::FileModified.meaning(),
        }
    }

    /// Writes a dossier with one secret and one event.
    fn written(form: Form, secret: &Secret) -> String {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(&Container::new(Checkpoint::sample()).podman(PodmanVersion::V5).to_tar())
            .expect("written");
        let options = OpenOptions::default();
        let evidence = input::open(&Input::Path(file.path().to_path_buf()), &options).expect("an archive");
        let checkpoint = &evidence.checkpoints[0];
        let mut case = Case::read(checkpoint);
        let facts = Facts::read(&mut case, &[]).expect("facts");
        let dossier = Dossier {
            head: &Head::new("report", &evidence, checkpoint, None),
            facts: &facts,
            findings: &[],
            secrets: std::slice::from_ref(secret),
            events: &[event()],
            inventory: false,
            warnings: &[],
            not_examined: &[],
        };
        let mut out = Vec::new();
        let mut exporter = Exporter::new(form);
        exporter.write(&dossier, &mut out).expect("written");
        exporter.finish(&mut out).expect("written");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn secrets_are_told_and_never_given_away() {
        for form in [Form::Ecs, Form::Ocsf, Form::Sarif, Form::Stix] {
            let text = written(form, &secret(false));
            assert!(text.contains("Key of a cloud") && text.contains("00112233aabbccdd"), "{form:?}: {text}");
            assert!(text.contains("AKIA…"), "{form:?}: {text}");
            let text = written(form, &secret(true));
            assert!(text.contains("00112233aabbccdd") && !text.contains("AKIA"), "{form:?}: {text}");
        }
    }

    #[test]
    fn events_have_their_own_time() {
        let text = written(Form::Ecs, &secret(false));
        let events: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
        let event =
            events.iter().find(|event| event["event"]["dataset"] == "ckptfx.timeline").expect("the event");
        assert_eq!(event["@timestamp"], "2026-01-02T03:04:05Z");
        assert_eq!(event["event"]["action"], "file-modified");
        assert_eq!(event["ckptfx"]["timeline"]["reliability"], "recorded");
    }
}
