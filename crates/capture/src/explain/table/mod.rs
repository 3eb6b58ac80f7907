//! What is known: the answers of API servers, kubelets and runtimes, and the errors of CRIU.
//!
//! The first rule that matches a line explains it, so special ones stand before general ones. A pattern is the
//! text that the program prints.

mod cluster;
mod connection;
mod criu;
mod node;
mod restore;
mod runtime;

use super::{
    line::{self, Line},
    pattern::{self, Captures},
    rule::{Kind, Rule},
};

/// Errors by which a caller, or the clean-up, repeats that something failed: no cause, whatever else they say.
const ECHOES: &[&str] = &[
    "): exited, status=",
    "): killed by signal ",
    "failed with -1",
    "Can't infect (pid: ",
    "Can't inject syscall blob",
    "Can't cure (pid: ",
    "Can't cure local",
    "Can't poke ",
    "Can't dump misc (pid: ",
    "mapfile link ",
    "munmap for remote map ",
    "Unable to detach from ",
    "is in unexpected state",
    "Can't restore regs for thread",
    "Command {number} for daemon failed",
    "Parasite failed to ",
    "Can't make {kind} id",
];

/// All rules in the order in which they are tried.
fn rules() -> impl Iterator<Item = &'static Rule> {
    of_criu().chain(of_servers()).chain(connection::RULES)
}

/// What CRIU and the programs that it runs say.
fn of_criu() -> impl Iterator<Item = &'static Rule> {
    [node::RULES, criu::RULES].into_iter().flatten()
}

/// What runtimes and those who ask them say.
fn of_servers() -> impl Iterator<Item = &'static Rule> {
    [restore::RULES, cluster::RULES, runtime::RULES].into_iter().flatten()
}

fn find<'a>(
    mut rules: impl Iterator<Item = &'static Rule>,
    text: &'a [u8],
) -> Option<(&'static Rule, Captures<'a>)> {
    rules.find_map(|rule| Some((rule, pattern::find(rule.pattern, text)?)))
}

/// The first rule that matches a line. What stands in CRIU's log is about no server and no connection of ours,
/// whatever words it shares with such messages.
pub fn first_match<'a>(line: &Line<'a>) -> Option<(&'static Rule, Captures<'a>)> {
    match line.kind {
        line::Kind::Text => find(rules(), line.text),
        line::Kind::Error | line::Kind::Note => find(of_criu(), line.text),
        line::Kind::Foreign => find(of_criu().chain(of_servers()), line.text),
    }
}

/// Whether CRIU can do without what this error is about.
pub fn is_probe(text: &[u8]) -> bool {
    find(of_criu(), text).is_some_and(|(rule, _)| rule.kind == Kind::Probe)
}

/// Whether an error only repeats that something failed.
pub fn is_echo(text: &[u8]) -> bool {
    ECHOES.iter().any(|echo| pattern::find(echo, text).is_some())
}

/// Whether this is the last word of a dump, a pre-dump or a restore that failed.
pub fn says_only_that_it_failed(text: &[u8]) -> bool {
    ["umping FAILED", "Restoring FAILED"].iter().any(|last| pattern::find(last, text).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_explains_the_text_it_was_written_for() {
        for rule in rules() {
            let text = rule.pattern.replace('{', "<").replace('}', ">");
            let (first, captures) = find(rules(), text.as_bytes()).unwrap();
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
