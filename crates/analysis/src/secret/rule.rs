//! What is looked for: rules are data, in one TOML file, to which users can add their own.

use std::{collections::BTreeSet, ops::Range, sync::OnceLock};

use ckptfx_scan::{PatternError, PatternKind, Plan};
use regex_automata::{Anchored, Input, meta, util::syntax};
use serde::Deserialize;
use thiserror::Error;

use super::{
    check::{self, Check},
    confidence::Confidence,
};

/// The rules that come with the program.
const BUILT_IN: &str = include_str!("rules.toml");

/// A rule as a file has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    id: String,
    title: String,
    regex: String,
    confidence: Confidence,
    #[serde(default)]
    group: usize,
    #[serde(default)]
    keywords: Vec<String>,
    #[serde(default)]
    entropy: f64,
    #[serde(default)]
    validate: Option<String>,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    generic: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    rule: Vec<RawRule>,
}

/// A rule, ready to be used.
#[derive(Debug)]
pub struct Rule {
    /// Stable kebab-case name.
    pub id: String,
    /// What it finds.
    pub title: String,
    /// The expression, over bytes.
    pub regex: String,
    /// Confidence unless the validator says otherwise.
    pub confidence: Confidence,
    /// Part of the match that is the secret; 0 for all of it.
    pub group: usize,
    /// A match counts only if it holds one of these; any if there are none.
    pub keywords: Vec<String>,
    /// Least entropy of the secret, in bits a byte.
    pub entropy: f64,
    /// Name of the validator.
    pub validate: Option<String>,
    /// Known placeholders: a secret that matches one of these is reported with low confidence.
    pub allow: Vec<meta::Regex>,
    /// Whether a finding gives way to one of another rule at the same place.
    pub generic: bool,
    pub(super) check: Option<Check>,
    /// The expression with its groups, compiled when it is first needed.
    captures: OnceLock<Option<meta::Regex>>,
}

/// Why rules cannot be used.
#[derive(Debug, Error)]
pub enum RuleError {
    /// The file is no TOML, or has other keys than rules have.
    #[error("the rules are not in the form of ckptfx's rules: {0}")]
    Form(#[from] toml::de::Error),
    /// Two rules have one id.
    #[error("two rules have the id {0}")]
    Twice(String),
    /// There is no such validator.
    #[error("rule {0}: there is no validator {1}; there are {2}")]
    Validator(String, String, String),
    /// The expression has fewer groups.
    #[error("rule {0}: the expression has no group {1}")]
    Group(String, usize),
    /// The expression is malformed.
    #[error("rule {0}: {1}")]
    Expression(String, String),
    /// There is no rule of that id.
    #[error("there is no rule {0}; --list-rules shows them all")]
    Unknown(String),
}

/// A set of rules.
#[derive(Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    plan: Plan,
}

impl Rules {
    /// The built-in rules and those of `more` files; only those that `only` names, if it names any.
    ///
    /// # Errors
    /// When a rule is malformed.
    pub fn load(more: &[String], only: &[String]) -> Result<Self, RuleError> {
        Self::load_beside(more, only, &[])
    }

    /// The same, with expressions that are searched for in the same pass and mean nothing to the rules; see
    /// [`Hunt::run_beside`](super::Hunt::run_beside).
    ///
    /// # Errors
    /// When a rule or expression is malformed.
    pub fn load_beside(more: &[String], only: &[String], beside: &[String]) -> Result<Self, RuleError> {
        let mut raw = Vec::new();
        for text in std::iter::once(BUILT_IN).chain(more.iter().map(String::as_str)) {
            raw.extend(toml::from_str::<RawFile>(text)?.rule);
        }
        let mut ids = BTreeSet::new();
        for rule in &raw {
            if !ids.insert(rule.id.clone()) {
                return Err(RuleError::Twice(rule.id.clone()));
            }
        }
        if let Some(unknown) = only.iter().find(|id| !ids.contains(*id)) {
            return Err(RuleError::Unknown(unknown.clone()));
        }
        raw.retain(|rule| only.is_empty() || only.contains(&rule.id));
        let rules = raw.into_iter().map(Rule::new).collect::<Result<Vec<_>, _>>()?;
        let expressions = rules.iter().map(|rule| &rule.regex).chain(beside);
        let patterns = expressions.map(|regex| PatternKind::Regex(regex.clone()));
        let plan =
            Plan::builder().patterns(patterns).gated(true).build().map_err(|error: PatternError| {
                let id = rules.get(error.index).map(|rule| rule.id.clone()).unwrap_or_default();
                RuleError::Expression(id, error.to_string())
            })?;
        Ok(Self { rules, plan })
    }

    /// The rules, in the order of their files.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What searches for all of them at once.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

impl Rule {
    fn new(raw: RawRule) -> Result<Self, RuleError> {
        let check = match &raw.validate {
            None => None,
            Some(name) => Some(check::named(name).ok_or_else(|| {
                RuleError::Validator(raw.id.clone(), name.clone(), check::names().join(", "))
            })?),
        };
        let parsed = syntax::parse_with(&raw.regex, &dialect())
            .map_err(|error| RuleError::Expression(raw.id.clone(), error.to_string()))?;
        if parsed.properties().explicit_captures_len() < raw.group {
            return Err(RuleError::Group(raw.id, raw.group));
        }
        let allow = raw.allow.iter().map(|text| compile(&raw.id, text)).collect::<Result<_, _>>()?;
        Ok(Self {
            id: raw.id,
            title: raw.title,
            regex: raw.regex,
            confidence: raw.confidence,
            group: raw.group,
            keywords: raw.keywords,
            entropy: raw.entropy,
            validate: raw.validate,
            allow,
            generic: raw.generic,
            check,
            captures: OnceLock::new(),
        })
    }

    /// The part of a match that is the secret.
    pub(super) fn secret(&self, text: &[u8], matched: &Range<usize>) -> Option<Range<usize>> {
        if self.group == 0 {
            return Some(matched.clone());
        }
        // The plan has compiled it to find the match, so that this cannot fail; if it did, all of it would be the secret.
        let compiled = self.captures.get_or_init(|| compile(&self.id, &self.regex).ok());
        let Some(regex) = compiled else { return Some(matched.clone()) };
        let mut captures = regex.create_captures();
        let input = Input::new(text).span(matched.clone()).anchored(Anchored::Yes);
        regex.search_captures(&input, &mut captures);
        captures.get_group(self.group).map(|span| span.range())
    }

    /// Whether a match holds a keyword, in any case.
    pub(super) fn has_keyword(&self, matched: &[u8]) -> bool {
        let lower = matched.to_ascii_lowercase();
        self.keywords.is_empty()
            || self.keywords.iter().any(|word| {
                let word = word.to_ascii_lowercase();
                !word.is_empty() && lower.windows(word.len()).any(|it| it == word.as_bytes())
            })
    }

    /// Whether a secret is a known placeholder.
    pub(super) fn is_placeholder(&self, secret: &[u8]) -> bool {
        self.allow.iter().any(|regex| regex.is_match(secret))
    }
}

/// The dialect of `ckptfx_scan::PatternKind::Regex`.
fn dialect() -> syntax::Config {
    syntax::Config::new().unicode(false).utf8(false)
}

fn compile(id: &str, text: &str) -> Result<meta::Regex, RuleError> {
    // A one-pass automaton takes longer to build than it would ever save.
    let config = meta::Regex::config().utf8_empty(false).nfa_size_limit(Some(10 << 20)).onepass(false);
    meta::Regex::builder()
        .syntax(dialect())
        .configure(config)
        .build(text)
        .map_err(|error| RuleError::Expression(id.to_owned(), error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_rules_are_whole_and_gated() {
        let rules = Rules::load(&[], &[]).unwrap();
        assert!(rules.rules().len() > 40, "{}", rules.rules().len());
        assert_eq!(rules.plan().notes(), [], "every rule must have a literal that gates it");
        for rule in rules.rules() {
            assert!(
                rule.id
                    .chars()
                    .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
            );
        }
    }

    #[test]
    fn rules_of_users_are_checked() {
        let load = |text: &str| Rules::load(&[text.to_owned()], &[]).map(|_| ()).unwrap_err().to_string();
        let rule = |more: &str| format!("[[rule]]\nid='x'\ntitle='X'\nconfidence='low'\n{more}");
        assert!(load("[[rule]]\nid='x'").contains("missing field"));
        assert!(load(&rule("regex='a('")).contains("rule x"));
        assert!(load(&rule("regex='abcd'\ngroup=1")).contains("no group 1"));
        assert!(load(&rule("regex='abcd[a-z]{900000}'")).contains("exceeds 10 MiB"));
        assert!(load(&rule("regex='abcd'\nvalidate='luck'")).contains("there is no validator luck"));
        assert!(load(&rule("regex='(?s)abcd.*'")).contains("upper bound"));
        assert!(load(&rule("regex='abcd'\nname='y'")).contains("unknown field"));
        assert!(load(&rule("regex='abcd'").replace("'x'", "'json-web-token'")).contains("two rules"));
        assert!(Rules::load(&[rule("regex='abcd[0-9]+'")], &["x".to_owned()]).is_ok());
        assert!(Rules::load(&[], &["nosuch".to_owned()]).is_err());
    }
}
