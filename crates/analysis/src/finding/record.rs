//! A finding, and what a detection says of one.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    attack::Technique,
    next_step::NextStep,
    origin::{Origin, Story},
};
use crate::{
    Text,
    memory::anomaly::{Evidence, Severity},
    process::Process,
};

/// How sure it is that the fact means what the finding says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Ordinary software often does the same.
    Low,
    /// Ordinary software sometimes does the same.
    Medium,
    /// Ordinary software hardly ever does this.
    High,
}

impl Confidence {
    /// The word used in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What a finding is about. Of a finding about the container as a whole all keys are null.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct Subject {
    /// The process; null when it is about none, or about the container as a whole.
    pub pid: Option<u32>,
    /// Its name.
    pub comm: Option<Text>,
    /// Its executable, as `ps` gives it.
    pub exe: Option<Text>,
    /// The file, socket or mount that it is about.
    pub path: Option<Text>,
    /// Start of the mapping, or the address that it is about.
    pub address: Option<String>,
}

/// What was found, why it matters and what proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// Stable name of the detection, such as `EXE-DELETED`; `SIGMA-…` and `YARA-…` for rules that
    /// were given with --sigma and --yara.
    pub id: String,
    /// What it is, in a few words.
    pub title: String,
    /// How bad it is if it is what it looks like, known harmless causes taken into account.
    pub severity: Severity,
    /// How sure it is that it is what it looks like.
    pub confidence: Confidence,
    /// Techniques of MITRE ATT&CK.
    pub attack: Vec<Technique>,
    /// What it is about.
    pub subject: Subject,
    /// The facts that it rests on.
    pub evidence: Vec<Evidence>,
    /// Why it matters, in one sentence.
    pub why: String,
    /// Harmless causes that cannot be ruled out, or what the finding cannot tell; null when none is known.
    pub caveat: Option<String>,
    /// 0 to 100: severity and confidence, and what else was found of the same subject. Higher is worse.
    pub score: u32,
    /// Findings with the same story belong together: `process-14`, `file-system` or `container`.
    pub story: Story,
    /// Arguments of the `ckptfx` command that shows more; the archive is to be added.
    pub more: Option<NextStep>,
    /// Who found it.
    pub origin: Origin,
}

/// What a detection found: the parts of a [`Finding`] that the table does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// What it is about.
    pub subject: Subject,
    /// Severity, when it is not the table's.
    pub severity: Option<Severity>,
    /// Confidence, when it is not the table's.
    pub confidence: Option<Confidence>,
    /// Why it matters.
    pub why: String,
    /// Caveat, when it is not the table's.
    pub caveat: Option<String>,
    /// What proves it.
    pub evidence: Vec<Evidence>,
    /// What shows more.
    pub more: Option<NextStep>,
}

impl Hit {
    /// A hit with the severity and confidence of the table.
    pub fn new(subject: Subject, why: impl Into<String>) -> Self {
        Self {
            subject,
            severity: None,
            confidence: None,
            why: why.into(),
            caveat: None,
            evidence: Vec::new(),
            more: None,
        }
    }

    /// Sets the severity.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }

    /// Sets the confidence.
    #[must_use]
    pub fn confidence(mut self, confidence: Confidence) -> Self {
        self.confidence = Some(confidence);
        self
    }

    /// Sets what cannot be ruled out.
    #[must_use]
    pub fn caveat(mut self, caveat: impl Into<String>) -> Self {
        self.caveat = Some(caveat.into());
        self
    }

    /// Explains the hit by a known harmless cause: it stays, at a severity that nobody has to act on.
    #[must_use]
    pub fn harmless(self, severity: Severity, caveat: impl Into<String>) -> Self {
        self.severity(severity).confidence(Confidence::Low).caveat(caveat)
    }

    /// Adds a fact.
    #[must_use]
    pub fn fact(mut self, what: &'static str, r#where: impl Into<String>, value: impl Into<Text>) -> Self {
        self.evidence.push(Evidence { what, r#where: r#where.into(), value: value.into() });
        self
    }

    /// Adds facts.
    #[must_use]
    pub fn facts(mut self, facts: impl IntoIterator<Item = Evidence>) -> Self {
        self.evidence.extend(facts);
        self
    }

    /// Sets what shows more.
    #[must_use]
    pub fn more(mut self, next: NextStep) -> Self {
        self.more = Some(next);
        self
    }
}

/// The subject of a finding about a process.
pub fn about(process: &Process) -> Subject {
    Subject {
        pid: Some(process.pid),
        comm: process.comm.clone(),
        exe: process.exe.clone(),
        ..Subject::default()
    }
}

/// The subject of a finding about a file.
pub fn about_path(path: &Text) -> Subject {
    Subject { path: Some(path.clone()), ..Subject::default() }
}

impl Subject {
    /// The same, about a path.
    #[must_use]
    pub fn path(mut self, path: impl Into<Text>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// The same, about an address.
    #[must_use]
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into());
        self
    }
}
