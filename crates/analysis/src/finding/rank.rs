//! From hits to findings: named, scored, without doubles, and told as one story per process.

use std::collections::{BTreeMap, HashMap};

use super::{
    AttackVersion, Confidence, Detection, Facts, Finding, Hit, Severity, Subject,
    origin::{Origin, Story},
    persistence::user_of,
    table::DETECTIONS,
};

/// Facts of one finding; more of the same prove nothing more.
const MAX_EVIDENCE: usize = 24;
/// What each further finding of medium severity or more of the same subject adds to a score, and how much in all.
const COMPANY: u32 = 2;
const MAX_COMPANY: u32 = 8;

/// Runs all detections.
pub fn rank(facts: &Facts<'_>, version: AttackVersion) -> Vec<Finding> {
    let mut gathered = Gathered::default();
    for detection in DETECTIONS {
        for hit in (detection.run)(facts) {
            let story = story_of(facts, &hit.subject);
            gathered.add(named(detection, hit, story, version));
        }
    }
    gathered.ranked()
}

/// Gives findings their scores and order: stories by their worst finding, findings by their scores.
fn order(mut findings: Vec<Finding>) -> Vec<Finding> {
    let mut company: BTreeMap<Story, u32> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.severity >= Severity::Medium) {
        *company.entry(finding.story).or_default() += 1;
    }
    for finding in &mut findings {
        let others = company.get(&finding.story).copied().unwrap_or_default().saturating_sub(1);
        // A fact of no weight does not get any from others.
        let more = if finding.severity >= Severity::Medium { (others * COMPANY).min(MAX_COMPANY) } else { 0 };
        finding.score = (base(finding.severity, finding.confidence) + more).min(100);
    }
    let mut worst: BTreeMap<Story, (u32, u32)> = BTreeMap::new();
    for finding in &findings {
        let entry = worst.entry(finding.story).or_default();
        entry.0 = entry.0.max(finding.score);
        entry.1 = entry.1.saturating_add(finding.score);
    }
    findings.sort_by_cached_key(|finding| {
        let rank = worst.get(&finding.story).copied().unwrap_or_default();
        (
            std::cmp::Reverse(rank),
            finding.subject.pid,
            finding.story,
            std::cmp::Reverse(finding.score),
            finding.id.clone(),
            finding.subject.clone(),
        )
    });
    // The pid above orders stories of equal rank; inside a story it must not part findings about files from others.
    findings.sort_by_cached_key(|finding| {
        let rank = worst.get(&finding.story).copied().unwrap_or_default();
        (std::cmp::Reverse(rank), finding.story)
    });
    findings
}

fn base(severity: Severity, confidence: Confidence) -> u32 {
    let most = match severity {
        Severity::Critical => 92,
        Severity::High => 76,
        Severity::Medium => 50,
        Severity::Low => 22,
        Severity::Info => 6,
    };
    let less = match confidence {
        Confidence::High => 0,
        Confidence::Medium => most / 12,
        Confidence::Low => most / 6,
    };
    most - less
}

/// What findings of a subject are told with.
pub(super) fn story_of(facts: &Facts<'_>, subject: &Subject) -> Story {
    if let Some(pid) = subject.pid {
        return Story::Process(pid);
    }
    let Some(path) = &subject.path else { return Story::Container };
    match user_of(facts, &path.0).and_then(|user| user.pid) {
        Some(pid) => Story::Process(pid),
        None if facts.dropped_at(&path.0).is_some() || is_changed(facts, &path.0) => Story::FileSystem,
        None => Story::Container,
    }
}

fn is_changed(facts: &Facts<'_>, path: &[u8]) -> bool {
    facts.changes_at(path).next().is_some()
}

fn named(detection: &Detection, hit: Hit, story: Story, version: AttackVersion) -> Finding {
    Finding {
        id: detection.id.to_owned(),
        title: detection.title.to_owned(),
        severity: hit.severity.unwrap_or(detection.severity),
        confidence: hit.confidence.unwrap_or(detection.confidence),
        attack: detection.techniques(version),
        subject: hit.subject,
        evidence: hit.evidence,
        why: hit.why,
        caveat: hit.caveat.or_else(|| detection.caveat.map(str::to_owned)),
        score: 0,
        story,
        more: hit.more,
        origin: Origin::Rule,
    }
}

/// Findings on their way to be ranked.
#[derive(Default)]
pub(super) struct Gathered {
    findings: Vec<Finding>,
    /// Where a finding of an id and a subject is.
    places: HashMap<(String, Subject), usize>,
}

impl From<Vec<Finding>> for Gathered {
    fn from(findings: Vec<Finding>) -> Self {
        let key = |finding: &Finding| (finding.id.clone(), finding.subject.clone());
        let places = findings.iter().enumerate().map(|(place, finding)| (key(finding), place)).collect();
        Self { findings, places }
    }
}

impl Gathered {
    /// Adds a finding; one with the same id and subject takes up its facts.
    pub fn add(&mut self, mut finding: Finding) {
        let key = (finding.id.clone(), finding.subject.clone());
        let same = self.places.get(&key).and_then(|place| self.findings.get_mut(*place));
        let Some(other) = same else {
            finding.evidence.truncate(MAX_EVIDENCE);
            self.places.insert(key, self.findings.len());
            return self.findings.push(finding);
        };
        if (finding.severity, finding.confidence) > (other.severity, other.confidence) {
            other.why = finding.why;
            other.caveat = finding.caveat;
            other.severity = finding.severity;
            other.confidence = finding.confidence;
        }
        for fact in finding.evidence {
            if !other.evidence.contains(&fact) && other.evidence.len() < MAX_EVIDENCE {
                other.evidence.push(fact);
            }
        }
    }

    /// All of them with their scores, in order.
    pub fn ranked(self) -> Vec<Finding> {
        order(self.findings)
    }
}

/// The findings of each story, in their order.
pub fn stories(findings: &[Finding]) -> Vec<&[Finding]> {
    findings.chunk_by(|one, other| one.story == other.story).collect()
}
