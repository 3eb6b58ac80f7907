//! Rules of files, and what they find.

use super::{fields::Fields, rule::Rule};
use crate::{
    Text,
    finding::{
        AttackVersion, Confidence, Evidence, Facts, Finding, Origin, Story, Topic, known, rank::Gathered,
        record::about, tags,
    },
};

/// Rules, and what is to be said of those that cannot be used.
#[derive(Debug, Default)]
pub struct Rules {
    /// Those that can be used.
    pub rules: Vec<Rule>,
    /// Title or file of each that cannot, and why.
    pub unsupported: Vec<(String, String)>,
    /// How many are about something else than processes of Linux.
    pub others: usize,
}

impl Rules {
    /// Adds the rules of a YAML file.
    pub fn add(&mut self, name: &str, text: &str) {
        let documents: Vec<serde_json::Value> = match serde_saphyr::from_multiple(text) {
            Ok(documents) => documents,
            Err(error) => {
                let error = error.to_string();
                let first = error.lines().next().unwrap_or_default().to_owned();
                self.unsupported.push((name.to_owned(), format!("not readable as YAML: {first}")));
                return;
            }
        };
        for document in &documents {
            match Rule::read(document) {
                Ok(Some(rule)) => self.rules.push(rule),
                Ok(None) => self.others += 1,
                Err(why) => {
                    let title = document.get("title").and_then(serde_json::Value::as_str).unwrap_or(name);
                    self.unsupported.push((format!("{title} ({name})"), why));
                }
            }
        }
    }

    /// Adds what the rules find to the findings.
    pub fn run(&self, facts: &Facts<'_>, findings: Vec<Finding>, version: AttackVersion) -> Vec<Finding> {
        let mut gathered = Gathered::from(findings);
        for rule in &self.rules {
            for process in facts.living() {
                let fields = Fields { facts, process };
                if rule.matches(&fields) {
                    gathered.add(finding(rule, &fields, version));
                }
            }
        }
        gathered.ranked()
    }
}

fn finding(rule: &Rule, fields: &Fields<'_>, version: AttackVersion) -> Finding {
    let process = fields.process;
    let fact =
        |what: &'static str, r#where: String, value: Vec<u8>| Evidence { what, r#where, value: Text(value) };
    let mut evidence = vec![fact("rule", "sigma".to_owned(), rule.id.clone().into_bytes())];
    for (what, name) in [("Image", "Image"), ("CommandLine", "CommandLine"), ("ParentImage", "ParentImage")] {
        if let Some(value) = fields.get(name) {
            evidence.push(fact(what, format!("pid {}", process.pid), value));
        }
    }
    Finding {
        id: format!("SIGMA-{}", rule.id.to_ascii_uppercase()),
        title: rule.title.clone(),
        severity: rule.severity,
        confidence: if known::is_interpreter(process) { Confidence::Medium } else { Confidence::High },
        attack: tags::named(rule.tags.iter().map(String::as_str), version),
        subject: about(process),
        evidence,
        why: format!("the Sigma rule \"{}\" matches the process", rule.title),
        caveat: rule.false_positives.clone(),
        score: 0,
        story: Story::Process(process.pid),
        more: Some(Topic::Processes.of(process.pid)),
        origin: Origin::Sigma { rule: rule.id.clone(), version: rule.version.clone() },
    }
}
