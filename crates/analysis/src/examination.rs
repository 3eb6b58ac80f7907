//! One examination of a checkpoint: its facts, what detections and rules find in them, what of that is known already, and
//! what was not looked at. Whoever asks for a verdict gets it from here.

use std::io;

use ckptfx_parser::Diagnostic;

use crate::{
    case::{Case, Task},
    files::nested::{self, OpenNested, Source},
    finding::{self, AttackVersion, Facts, Finding, Ignore, NotExamined, Suppressed, YaraRules, sigma},
    redact::Redactor,
};

/// What is asked of an examination.
#[derive(Default)]
pub struct Wish<'w> {
    /// Version of ATT&CK that techniques are named after.
    pub attack: AttackVersion,
    /// Sigma rules, beside the detections.
    pub sigma: Option<&'w sigma::Rules>,
    /// YARA rules, beside the detections.
    pub yara: Option<&'w YaraRules>,
    /// Findings that somebody has looked at before.
    pub known: &'w [Ignore],
    /// Of which processes findings are wanted; all findings when it is none.
    pub wanted: Option<&'w dyn Fn(&Task<'_>) -> bool>,
    /// Whether passwords, tokens and keys stay in.
    pub show_secrets: bool,
}

/// What was found.
#[derive(Debug)]
pub struct Examination<'c> {
    /// What findings rest on.
    pub facts: Facts<'c>,
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
    /// What was not looked at.
    pub not_examined: Vec<NotExamined>,
    /// The tars inside the archive.
    pub sources: Vec<Source>,
    /// Takes secrets out of what is told beside the findings; none when they stay in.
    pub redactor: Option<Redactor>,
}

impl<'c> Examination<'c> {
    /// Examines a checkpoint. What could not be read, and how many findings were left out as known, is in the case's
    /// diagnostics.
    ///
    /// # Errors
    /// When pages of a parent dump cannot be put together to be searched.
    pub fn of(case: &mut Case<'c>, open: &OpenNested<'_>, wish: &Wish<'_>) -> io::Result<Self> {
        let sources = nested::sources(case, open);
        let mut facts = Facts::read(case, &sources)?;
        let mut findings = finding::rank(&facts, wish.attack);
        if let Some(rules) = wish.sigma {
            findings = rules.run(&facts, findings, wish.attack);
        }
        if let Some(rules) = wish.yara {
            let matches = rules.run(case, &sources)?;
            findings = finding::yara::add(&facts, &matches, findings, wish.attack);
        }
        for (rule, why) in wish.sigma.iter().flat_map(|rules| &rules.unsupported) {
            case.diagnostics.push(Diagnostic::note("unsupported-rule", rule.clone(), why.clone()));
        }
        if let Some(wanted) = wish.wanted {
            let is_wanted = |pid| case.task(pid).is_some_and(wanted);
            findings.retain(|finding| finding.subject.pid.is_some_and(is_wanted));
        }
        let Suppressed { mut findings, count } = finding::suppress(findings, wish.known);
        if count > 0 {
            let message = format!("{count} findings are known and left out (--baseline, --ignore)");
            case.diagnostics.push(Diagnostic::note("suppressed", "findings", message));
        }
        let not_examined = finding::not_examined(case, &facts);
        let redactor = (!wish.show_secrets).then(|| {
            let mut redactor = Redactor::default();
            redactor.facts(&mut facts);
            redactor.findings(&mut findings);
            redactor
        });
        Ok(Self { facts, findings, not_examined, sources, redactor })
    }
}
