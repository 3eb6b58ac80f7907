//! Findings and facts in the forms that other systems take: Elastic Common Schema, OCSF, SARIF and STIX.
//!
//! Each form is one file with one function that writes a [`Dossier`]. Nothing here has a clock or draws random
//! numbers: ids are UUIDs (version 5) of the checkpoint and of what they name.

mod attack;
mod ecs;
mod flow;
mod hashes;
mod id;
mod ocsf;
mod record;
mod sarif;
mod stix;

use std::{collections::BTreeSet, io::Write};

use super::json;
use anyhow::Result;
use ckptfx_analysis::{
    Text,
    finding::{Confidence, Facts, Finding, NotExamined, Severity},
    process::Process,
    report::{Head, Warning},
    secret::Secret,
    timeline::Event,
};

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

impl Dossier<'_> {
    /// The process that a finding is about.
    fn process(&self, finding: &Finding) -> Option<&Process> {
        finding.subject.pid.and_then(|pid| self.facts.process(pid))
    }
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
