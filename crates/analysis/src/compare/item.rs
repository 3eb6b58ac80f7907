//! Things with an identity and facts, and how two lists of them differ.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Change, Difference, Facts, Kind, Pairs};
use crate::Text;

/// What makes a thing the same in two checkpoints: the pair of processes that it belongs to, and what it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub owner: Option<usize>,
    pub parts: Vec<Text>,
}

impl Key {
    pub fn new(owner: Option<usize>, parts: impl IntoIterator<Item = Text>) -> Self {
        Self { owner, parts: parts.into_iter().collect() }
    }
}

/// A thing of one checkpoint.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub key: Key,
    pub name: Text,
    pub facts: Facts,
}

/// Facts in the making. One that is missing on either side is not known there, and is not compared; `null` is a
/// fact.
#[derive(Debug, Default)]
pub(super) struct Builder(Facts);

impl Builder {
    /// A fact that is always known; `null` means "none".
    pub fn fact(mut self, key: &str, value: impl Serialize) -> Self {
        self.0.insert(key.to_owned(), serde_json::to_value(value).unwrap_or_default());
        self
    }

    /// A fact that the checkpoint may not have recorded.
    pub fn known<T: Serialize>(self, key: &str, value: Option<T>) -> Self {
        match value {
            Some(value) => self.fact(key, value),
            None => self,
        }
    }

    pub fn finish(self) -> Facts {
        self.0
    }
}

/// Compares two lists. Of several things with one identity those with the same facts are the same, and the rest is
/// paired in order.
pub(super) fn compare(kind: Kind, before: Vec<Item>, after: Vec<Item>, pairs: &Pairs) -> Vec<Change> {
    let mut groups: BTreeMap<Key, (Vec<Item>, Vec<Item>)> = BTreeMap::new();
    for item in before {
        groups.entry(item.key.clone()).or_default().0.push(item);
    }
    for item in after {
        groups.entry(item.key.clone()).or_default().1.push(item);
    }
    let mut changes = Vec::new();
    for (key, (mut before, mut after)) in groups {
        drop_equal(&mut before, &mut after);
        let (mut before, mut after) = (before.into_iter(), after.into_iter());
        loop {
            let (old, new) = (before.next(), after.next());
            let name = match (&old, &new) {
                (_, Some(item)) | (Some(item), None) => item.name.clone(),
                (None, None) => break,
            };
            let (change, old, new) = match (old, new) {
                (Some(old), Some(new)) => {
                    let (old, new) = differing(&old.facts, &new.facts);
                    if old.is_empty() {
                        continue;
                    }
                    (Difference::Changed, Some(old), Some(new))
                }
                (old, new) => {
                    let change = if new.is_some() { Difference::Added } else { Difference::Removed };
                    let all = |item: Option<Item>| item.map(|item| without_nulls(item.facts));
                    (change, all(old), all(new))
                }
            };
            changes.push(Change {
                kind,
                change,
                subject: pairs.subject(key.owner, name),
                before: old,
                after: new,
                memory: None,
                from: String::new(),
                to: String::new(),
            });
        }
    }
    changes
}

/// Takes out what is in both lists with the same facts.
fn drop_equal(before: &mut Vec<Item>, after: &mut Vec<Item>) {
    // The usual group has one of each.
    if before.len() <= 1 && after.len() <= 1 {
        return;
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let text = |item: &Item| serde_json::to_string(&item.facts).unwrap_or_default();
    for item in before.iter() {
        *counts.entry(text(item)).or_default() += 1;
    }
    let mut both: BTreeMap<String, usize> = BTreeMap::new();
    after.retain(|item| {
        let text = text(item);
        let Some(left) = counts.get_mut(&text).filter(|left| **left > 0) else { return true };
        *left -= 1;
        *both.entry(text).or_default() += 1;
        false
    });
    before.retain(|item| {
        let Some(left) = both.get_mut(&text(item)).filter(|left| **left > 0) else { return true };
        *left -= 1;
        false
    });
}

/// The facts that both have and that differ.
fn differing(before: &Facts, after: &Facts) -> (Facts, Facts) {
    let (mut old, mut new) = (Facts::new(), Facts::new());
    for (key, value) in before {
        if let Some(other) = after.get(key).filter(|other| *other != value) {
            old.insert(key.clone(), value.clone());
            new.insert(key.clone(), other.clone());
        }
    }
    (old, new)
}

fn without_nulls(mut facts: Facts) -> Facts {
    facts.retain(|_, value| !value.is_null());
    facts
}
