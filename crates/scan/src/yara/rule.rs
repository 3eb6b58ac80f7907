//! Rules that were compiled, and what is known of each.

use std::collections::HashMap;

use boreal::{Metadata, MetadataValue, Scanner, scanner::RuleDetails};

use super::{ModuleNote, modules};

/// A value of a rule's `meta` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetaValue {
    /// A string, which need not be UTF-8.
    Bytes(Vec<u8>),
    /// A number.
    Integer(i64),
    /// `true` or `false`.
    Boolean(bool),
}

/// An entry of a rule's `meta` section; a name may stand there more than once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: MetaValue,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFacts {
    /// Its name.
    pub name: String,
    /// The file that it is from.
    pub namespace: String,
    /// Its tags as they are listed.
    pub tags: Vec<String>,
    /// Its `meta` section as it is written.
    pub meta: Vec<Meta>,
}

/// Compiled rules.
#[derive(Debug)]
pub struct RuleSet {
    pub(super) scanner: Scanner,
    rules: Vec<RuleFacts>,
    /// By namespace and name: the index in `rules`.
    index: HashMap<String, HashMap<String, usize>>,
    notes: Vec<ModuleNote>,
}

impl RuleSet {
    pub(super) fn new(scanner: Scanner) -> Self {
        let rules: Vec<RuleFacts> = scanner.rules().map(|rule| facts(&scanner, &rule)).collect();
        let mut index: HashMap<String, HashMap<String, usize>> = HashMap::new();
        for (number, rule) in rules.iter().enumerate() {
            index.entry(rule.namespace.clone()).or_default().insert(rule.name.clone(), number);
        }
        // Nothing but a scan tells which modules are imported.
        let empty = scanner.scan_mem(b"").unwrap_or_else(|(_, result)| result);
        let imported = empty.modules.iter().map(|evaluated| evaluated.module.get_name()).collect();
        let notes = modules::notes(imported);
        Self { scanner, rules, index, notes }
    }

    /// All rules, private ones too: global ones first, then in the order of files and within a file as written.
    #[must_use]
    pub fn rules(&self) -> &[RuleFacts] {
        &self.rules
    }

    /// What is to be said of the modules that the rules import, when processes are scanned.
    #[must_use]
    pub fn module_notes(&self) -> &[ModuleNote] {
        &self.notes
    }

    pub(super) fn find(&self, namespace: &str, name: &str) -> Option<usize> {
        self.index.get(namespace)?.get(name).copied()
    }
}

fn facts(scanner: &Scanner, rule: &RuleDetails<'_>) -> RuleFacts {
    RuleFacts {
        name: rule.name.to_owned(),
        namespace: rule.namespace.to_owned(),
        tags: rule.tags.iter().map(|tag| scanner.get_string_symbol(*tag).to_owned()).collect(),
        meta: rule.metadatas.iter().map(|entry| meta(scanner, entry)).collect(),
    }
}

fn meta(scanner: &Scanner, entry: &Metadata) -> Meta {
    Meta {
        name: scanner.get_string_symbol(entry.name).to_owned(),
        value: match entry.value {
            MetadataValue::Bytes(symbol) => MetaValue::Bytes(scanner.get_bytes_symbol(symbol).to_vec()),
            MetadataValue::Integer(number) => MetaValue::Integer(number),
            MetadataValue::Boolean(flag) => MetaValue::Boolean(flag),
        },
    }
}
