//! YARA rules that are held against everything that findings rest on.

use std::io;

use ckptfx_parser::Diagnostic;
use ckptfx_scan::yara::{Compiled, End, Options, RuleFile, RuleSet, Unit, compile};

use crate::{
    case::Case,
    files::nested::Source,
    search::{
        self,
        yara::{self, Match},
    },
};

/// Places of each string that are kept of a match.
const MAX_PLACES: usize = 4;

/// Rules, and what is to be said of those that cannot be used.
#[derive(Debug)]
pub struct YaraRules {
    rules: RuleSet,
    notices: Vec<Diagnostic>,
}

impl YaraRules {
    /// Compiles the rules of some files.
    ///
    /// # Errors
    /// Why each cannot be used, when none can.
    pub fn compile(files: &[RuleFile]) -> Result<Self, String> {
        let Compiled { rules, rejected } = compile(files, &[]);
        if rules.rules().is_empty() {
            let reasons = rejected.iter().map(|one| format!("\n  {}:{}", one.file, one.reason));
            return Err(reasons.collect());
        }
        let notices = rejected.into_iter().map(|one| {
            let message = match one.rule {
                Some(rule) => format!("{}: the rule {rule} is not used", one.reason),
                None => format!("{}: what stands there is not used", one.reason),
            };
            Diagnostic::loss("bad-rule", one.file, message)
        });
        let mut notices: Vec<Diagnostic> = notices.collect();
        notices.extend(rules.module_notes().iter().map(|note| {
            let message = format!("the module {}: {}", note.module, note.message);
            Diagnostic::note("module-over-memory", note.module, message)
        }));
        Ok(Self { rules, notices })
    }

    /// Holds the rules against a checkpoint.
    ///
    /// # Errors
    /// When scattered pieces cannot be put together to be searched.
    pub fn run(&self, case: &mut Case<'_>, file_systems: &[Source]) -> io::Result<Vec<Match>> {
        case.diagnostics.extend(self.notices.iter().cloned());
        let regions = search::all_content(case, file_systems)?;
        let groups = yara::groups(&regions);
        let units: Vec<Unit<'_>> = groups.iter().map(|group| group.unit(case, &regions, None)).collect();
        let options = Options { most_places: MAX_PLACES, ..Options::default() };
        let results = self.rules.scan(&units, &options);
        let mut matches = Vec::new();
        let mut notices = Vec::new();
        for (group, result) in groups.iter().zip(&results) {
            let name = group.name(case, &regions);
            let failed = match &result.end {
                End::Complete => None,
                End::Stopped => Some("the scan was stopped before its end; no rule was decided".to_owned()),
                End::Failed(reason) => Some(format!("the rule engine failed: {reason}")),
            };
            notices.extend(failed.map(|message| Diagnostic::loss("not-scanned", name.as_str(), message)));
            if result.left_out > 0 {
                let message =
                    format!("{} regions have addresses that this machine cannot count to", result.left_out);
                notices.push(Diagnostic::loss("not-scanned", name.as_str(), message));
            }
            for found in &result.matches {
                if let Some(rule) = self.rules.rules().get(found.rule) {
                    matches.extend(group.record(case, &regions, rule, found, &|_| true));
                }
            }
        }
        drop(units);
        case.diagnostics.extend(notices);
        Ok(matches)
    }
}
