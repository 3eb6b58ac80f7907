//! What is known: the answers of API servers, kubelets and runtimes, and the errors of CRIU.
//!
//! The first rule that matches a line explains it, so special ones stand before general ones. A pattern is the
//! text that the program prints.

mod cluster;
mod connection;
mod criu;
mod runtime;

use super::{
    Kind, Rule,
    pattern::{self, Captures},
};

/// Code of a dump that did not fail.
pub const FINISHED: &str = "dump-finished";

/// All rules in the order in which they are tried.
fn rules() -> impl Iterator<Item = &'static Rule> {
    [criu::RULES, cluster::RULES, runtime::RULES, connection::RULES].into_iter().flatten()
}

/// The first rule that matches a line.
pub fn first_match(line: &[u8]) -> Option<(&'static Rule, Captures<'_>)> {
    rules().find_map(|rule| Some((rule, pattern::find(rule.pattern, line)?)))
}

/// Whether a code only says that something else failed.
pub fn is_wrapper(code: &str) -> bool {
    rules().any(|rule| rule.code == code && rule.kind == Kind::Wrapper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_explains_the_text_it_was_written_for() {
        for rule in rules() {
            let text = rule.pattern.replace('{', "<").replace('}', ">");
            let (first, captures) = first_match(text.as_bytes()).unwrap();
            assert_eq!(first.code, rule.code, "another rule takes {text}");
            for sentence in [captures.fill(first.why), captures.fill(first.fix)] {
                assert!(!sentence.contains('{'), "a name is not in the pattern: {sentence}");
                assert!(sentence.is_empty() || sentence.ends_with('.'), "no sentence: {sentence}");
            }
            assert!(
                !rule.why.is_empty()
                    && (matches!(rule.kind, Kind::Success | Kind::Probe) || !rule.fix.is_empty()),
                "{}",
                rule.code
            );
        }
    }
}
