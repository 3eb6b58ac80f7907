//! All forms there are: a new one is a file and a line here.

use std::{fmt, io::Write};

use crate::{
    bodyfile::Bodyfile,
    cyclonedx::CycloneDx,
    dossier::Dossier,
    dot::Dot,
    ecs::Ecs,
    export::{Export, Result},
    html::Html,
    markdown::Markdown,
    mermaid::Mermaid,
    ocsf::Ocsf,
    sarif::Sarif,
    stix::Stix,
    timesketch::Timesketch,
};

/// A form that results have.
#[derive(Clone, Copy)]
pub struct Form {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    new: fn() -> Box<dyn Export>,
}

/// All of them.
pub const FORMS: &[Form] = &[
    Form { name: "ecs", about: "Elastic Common Schema, an event a line", new: || Box::new(Ecs) },
    Form {
        name: "ocsf",
        about: "Open Cybersecurity Schema Framework, an event a line",
        new: || Box::new(Ocsf),
    },
    Form {
        name: "sarif",
        about: "Static Analysis Results Interchange Format 2.1.0, one log",
        new: || Box::new(Sarif::default()),
    },
    Form { name: "stix", about: "STIX 2.1, one bundle", new: || Box::new(Stix::default()) },
    Form { name: "html", about: "one page for a browser", new: || Box::new(Html::default()) },
    Form { name: "markdown", about: "text for a ticket", new: || Box::new(Markdown) },
    Form { name: "cyclonedx", about: "a CycloneDX 1.6 bill of materials", new: || Box::new(CycloneDx) },
    Form { name: "bodyfile", about: "lines for mactime of the Sleuth Kit", new: || Box::new(Bodyfile) },
    Form { name: "timesketch", about: "JSON lines for Timesketch", new: || Box::new(Timesketch) },
    Form { name: "dot", about: "a graph for Graphviz", new: || Box::new(Dot) },
    Form { name: "mermaid", about: "a graph for Mermaid", new: || Box::new(Mermaid) },
];

impl Form {
    /// The form of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        FORMS.iter().find(|form| form.name == name)
    }

    /// Begins a document.
    #[must_use]
    pub fn exporter(&self) -> Exporter {
        Exporter { export: (self.new)(), begun: false }
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

/// Writes one document, which begins when there is something to write.
pub struct Exporter {
    export: Box<dyn Export>,
    begun: bool,
}

impl Exporter {
    /// Writes what is known of one checkpoint.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, dossier: &Dossier<'_>, out: &mut dyn Write) -> Result<()> {
        self.begin(&dossier.head.evidence.name, out)?;
        self.export.checkpoint(dossier, out)
    }

    /// Ends the document.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self, out: &mut dyn Write) -> Result<()> {
        self.begin("", out)?;
        self.export.finish(out)
    }

    fn begin(&mut self, name: &str, out: &mut dyn Write) -> Result<()> {
        if std::mem::replace(&mut self.begun, true) { Ok(()) } else { self.export.begin(name, out) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use ckptfx_analysis::{
        Case,
        finding::Facts,
        search::Source,
        secret::{self, Secret, SecretPlace},
        timeline::{Event, Kind, Reliability, Subject},
    };
    use ckptfx_parser::input::{self, Input, OpenOptions};
    use ckptfx_report::Head;
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
    fn written(form: &str, secret: &Secret) -> String {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(&Container::new(Checkpoint::sample()).podman(PodmanVersion::V5).to_tar())
            .expect("written");
        let options = OpenOptions::default();
        let evidence = input::open(&Input::Path(file.path().to_path_buf()), &options).expect("an archive");
        let checkpoint = &evidence.checkpoints[0];
        let mut case = Case::read(checkpoint);
        let facts = Facts::read(&mut case, &[]).expect("facts");
        let head = Head::new("report", &evidence, checkpoint, None);
        let (events, secrets) = ([event()], std::slice::from_ref(secret));
        let dossier = Dossier { secrets, events: &events, ..Dossier::new(&head).with_facts(&facts) };
        let mut out = Vec::new();
        let mut exporter = Form::named(form).expect("a form").exporter();
        exporter.write(&dossier, &mut out).expect("written");
        exporter.finish(&mut out).expect("written");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn secrets_are_told_and_never_given_away() {
        for form in ["ecs", "ocsf", "sarif", "stix"] {
            let text = written(form, &secret(false));
            assert!(text.contains("Key of a cloud") && text.contains("00112233aabbccdd"), "{form}: {text}");
            assert!(text.contains("AKIA…"), "{form}: {text}");
            let text = written(form, &secret(true));
            assert!(text.contains("00112233aabbccdd") && !text.contains("AKIA"), "{form}: {text}");
        }
    }

    #[test]
    fn events_have_their_own_time() {
        let text = written("ecs", &secret(false));
        let events: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
        let event =
            events.iter().find(|event| event["event"]["dataset"] == "ckptfx.timeline").expect("the event");
        assert_eq!(event["@timestamp"], "2026-01-02T03:04:05Z");
        assert_eq!(event["event"]["action"], "file-modified");
        assert_eq!(event["ckptfx"]["timeline"]["reliability"], "recorded");
    }

    #[test]
    fn each_form_has_a_name_of_its_own() {
        for form in FORMS {
            assert_eq!(FORMS.iter().filter(|other| other.name == form.name).count(), 1, "{form:?}");
        }
    }
}
