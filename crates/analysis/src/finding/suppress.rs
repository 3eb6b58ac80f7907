//! Findings that somebody has looked at before and found harmless: they are counted, and not shown.

use serde_json::Value;

use super::Finding;

/// A finding that is not to be shown: an id, and what it is about unless all of them are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignore {
    /// Id of the detection.
    pub id: String,
    /// Path, executable or name of the process.
    pub subject: Option<String>,
    /// All of these must be the finding's, where a report says more than one.
    exact: Option<[Option<String>; 3]>,
}

/// Findings that are shown, and how many are not.
#[derive(Debug, Default)]
pub struct Suppressed {
    /// Those that are left.
    pub findings: Vec<Finding>,
    /// How many were taken out.
    pub count: usize,
}

impl Ignore {
    /// Reads `ID` or `ID:SUBJECT`.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, subject) = match text.split_once(':') {
            Some((id, subject)) => (id, Some(subject.to_owned())),
            None => (text, None),
        };
        (!id.trim().is_empty()).then(|| Self { id: id.trim().to_owned(), subject, exact: None })
    }

    /// Reads a baseline: the JSON of an earlier `triage`, its JSON lines, or lines of `ID` and `ID:SUBJECT`.
    pub fn read_baseline(text: &str) -> Result<Vec<Self>, String> {
        let trimmed = text.trim_start();
        if !trimmed.starts_with(['{', '[']) {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            return lines
                .map(|line| Self::parse(line).ok_or_else(|| format!("{line} names no finding")))
                .collect();
        }
        let mut found = Vec::new();
        for document in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
            let document = document.map_err(|error| error.to_string())?;
            let documents = match document {
                Value::Array(documents) => documents,
                document => vec![document],
            };
            for document in documents {
                match document.get("findings").and_then(Value::as_array) {
                    Some(findings) => found.extend(findings.iter().filter_map(Self::of_finding)),
                    None => found.extend(Self::of_finding(&document)),
                }
            }
        }
        Ok(found)
    }

    /// Pids and addresses change from run to run: a finding is the same if its program and path are.
    fn of_finding(value: &Value) -> Option<Self> {
        let id = value.get("id")?.as_str()?.to_owned();
        let subject = value.get("subject");
        let part = |key: &str| subject?.get(key)?.as_str().map(str::to_owned);
        Some(Self { id, subject: None, exact: Some([part("comm"), part("exe"), part("path")]) })
    }

    fn matches(&self, finding: &Finding) -> bool {
        if self.id != finding.id {
            return false;
        }
        let subject = &finding.subject;
        let parts = [&subject.comm, &subject.exe, &subject.path]
            .map(|part| part.as_ref().map(|text| text.escaped().into_owned()));
        if let Some(exact) = &self.exact {
            return *exact == parts;
        }
        self.subject.as_ref().is_none_or(|wanted| {
            parts.iter().flatten().any(|part| part == wanted)
                || subject.pid.is_some_and(|pid| format!("pid={pid}") == *wanted)
        })
    }
}

/// Takes out what is known.
pub fn suppress(findings: Vec<Finding>, known: &[Ignore]) -> Suppressed {
    let before = findings.len();
    let findings: Vec<Finding> =
        findings.into_iter().filter(|finding| !known.iter().any(|ignore| ignore.matches(finding))).collect();
    Suppressed { count: before - findings.len(), findings }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Confidence, Origin, Severity, Story, Subject};

    fn finding(id: &str, pid: u32, exe: &str) -> Finding {
        let subject = Subject { pid: Some(pid), exe: Some(exe.into()), ..Subject::default() };
        Finding {
            id: id.to_owned(),
            title: String::new(),
            severity: Severity::High,
            confidence: Confidence::High,
            attack: Vec::new(),
            subject,
            evidence: Vec::new(),
            why: String::new(),
            caveat: None,
            score: 0,
            story: Story::Container,
            more: None,
            origin: Origin::Rule,
        }
    }

    fn left(known: &[Ignore]) -> Vec<u32> {
        let all = vec![finding("EXE-DELETED", 7, "/usr/bin/a"), finding("EXE-DELETED", 8, "/tmp/b")];
        let suppressed = suppress(all, known);
        assert_eq!(suppressed.count + suppressed.findings.len(), 2);
        suppressed.findings.iter().filter_map(|finding| finding.subject.pid).collect()
    }

    #[test]
    fn ids_and_subjects() {
        let ignore = |text| [Ignore::parse(text).unwrap()];
        assert_eq!(left(&ignore("EXE-DELETED")), Vec::<u32>::new());
        assert_eq!(left(&ignore("EXE-DELETED:/usr/bin/a")), [8]);
        assert_eq!(left(&ignore("EXE-DELETED:pid=8")), [7]);
        assert_eq!(left(&ignore("EXE-DELETED:/usr/bin")), [7, 8], "a part of a path is another path");
        assert_eq!(left(&ignore("EXE-MEMFD")), [7, 8]);
        assert_eq!(Ignore::parse(":x"), None);
    }

    #[test]
    fn an_earlier_report_knows_findings_by_program_and_path() {
        let report = r#"{"schema": "ckptfx.triage.v1", "findings": [
            {"id": "EXE-DELETED", "subject": {"pid": 4711, "comm": null, "exe": "/tmp/b", "path": null}}]}"#;
        assert_eq!(left(&Ignore::read_baseline(report).unwrap()), [7]);
        let line = r#"{"id": "EXE-DELETED", "subject": {"pid": 1, "exe": "/usr/bin/a"}}"#;
        assert_eq!(left(&Ignore::read_baseline(&format!("{line}\n{line}\n")).unwrap()), [8]);
        assert_eq!(left(&Ignore::read_baseline("# known\nEXE-DELETED:/tmp/b\n\n").unwrap()), [7]);
        assert!(Ignore::read_baseline("{\"id\": ").is_err());
    }
}
