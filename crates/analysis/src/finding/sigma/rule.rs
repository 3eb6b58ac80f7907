//! One rule.

use serde_json::Value;

use super::{
    condition::Condition,
    fields::{FIELDS, Fields},
    value::{Modifiers, Test},
};
use crate::finding::Severity;

/// A rule for the creation of processes on Linux.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its id, or its title where it has none.
    pub id: String,
    /// When its author last changed it, or wrote it, as it says.
    pub version: Option<String>,
    /// Its title.
    pub title: String,
    /// How bad it says it is.
    pub severity: Severity,
    /// Harmless causes that it names.
    pub false_positives: Option<String>,
    /// Its tags, such as `attack.t1059.004`.
    pub tags: Vec<String>,
    selections: Vec<(String, Vec<Group>)>,
    names: Vec<String>,
    conditions: Vec<Condition>,
}

/// Fields all of which must match.
type Group = Vec<Field>;

#[derive(Debug, Clone)]
struct Field {
    name: String,
    tests: Vec<Test>,
    all: bool,
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key)?.as_str()
}

impl Rule {
    /// Reads a rule; none when it is about something else than processes of Linux.
    pub fn read(document: &Value) -> Result<Option<Self>, String> {
        let source = document.get("logsource").ok_or("it has no logsource")?;
        let product = text(source, "product");
        let is_ours = text(source, "category") == Some("process_creation")
            && product.is_none_or(|product| product == "linux")
            && text(source, "service").is_none();
        if !is_ours {
            return Ok(None);
        }
        let title = text(document, "title").ok_or("it has no title")?.to_owned();
        let detection = document.get("detection").and_then(Value::as_object).ok_or("it has no detection")?;
        let mut selections = Vec::new();
        for (name, value) in
            detection.iter().filter(|(name, _)| !matches!(name.as_str(), "condition" | "timeframe"))
        {
            selections.push((name.clone(), groups(value)?));
        }
        let conditions: Vec<&str> = match detection.get("condition") {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
            _ => return Err("it has no condition".to_owned()),
        };
        let conditions = conditions.into_iter().map(Condition::read).collect::<Result<Vec<_>, _>>()?;
        let names: Vec<String> = selections.iter().map(|(name, _)| name.clone()).collect();
        for name in conditions.iter().flat_map(Condition::mentioned) {
            if !names.iter().any(|known| known == name) {
                return Err(format!("its condition names {name}, which it does not have"));
            }
        }
        let false_positives = document
            .get("falsepositives")
            .and_then(Value::as_array)
            .map(|list| list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "));
        let tags = document.get("tags").and_then(Value::as_array).into_iter().flatten();
        let is_word = |text: &String| !text.is_empty() && !text.eq_ignore_ascii_case("unknown");
        Ok(Some(Self {
            id: text(document, "id").unwrap_or(&title).to_owned(),
            version: text(document, "modified").or_else(|| text(document, "date")).map(str::to_owned),
            severity: text(document, "level").and_then(severity).unwrap_or(Severity::Medium),
            false_positives: false_positives.filter(is_word),
            title,
            tags: tags.filter_map(Value::as_str).map(str::to_owned).collect(),
            selections,
            names,
            conditions,
        }))
    }

    /// Whether a process matches.
    pub(super) fn matches(&self, fields: &Fields<'_>) -> bool {
        let is_true = |name: &str| {
            self.selections
                .iter()
                .filter(|(other, _)| other == name)
                .any(|(_, groups)| groups.iter().any(|group| group.iter().all(|field| field.matches(fields))))
        };
        self.conditions.iter().any(|condition| condition.holds(&self.names, &is_true))
    }
}

/// A selection is a map of fields, or a list of maps any of which may match.
fn groups(value: &Value) -> Result<Vec<Group>, String> {
    match value {
        Value::Object(map) => {
            Ok(vec![map.iter().map(|(key, value)| field(key, value)).collect::<Result<_, _>>()?])
        }
        Value::Array(list) => {
            let groups: Vec<Vec<Group>> = list.iter().map(groups).collect::<Result<_, _>>()?;
            Ok(groups.into_iter().flatten().collect())
        }
        _ => Err("keywords without a field are not supported".to_owned()),
    }
}

fn field(key: &str, value: &Value) -> Result<Field, String> {
    let mut parts = key.split('|');
    let name = parts.next().unwrap_or_default();
    if !FIELDS.contains(&name) {
        return Err(format!("a checkpoint has no field {name}"));
    }
    let modifiers = Modifiers::read(parts)?;
    let values: Vec<&Value> = match value {
        Value::Array(list) => list.iter().collect(),
        single => vec![single],
    };
    let tests = values.into_iter().map(|value| modifiers.test(value)).collect::<Result<Vec<_>, _>>()?;
    Ok(Field { name: name.to_owned(), tests, all: modifiers.all })
}

impl Field {
    fn matches(&self, fields: &Fields<'_>) -> bool {
        let value = fields.get(&self.name);
        let passes = |test: &Test| test.passes(value.as_deref());
        if self.all { self.tests.iter().all(passes) } else { self.tests.iter().any(passes) }
    }
}

/// The severity that a rule's level stands for.
fn severity(level: &str) -> Option<Severity> {
    Some(match level {
        "informational" => Severity::Info,
        "low" => Severity::Low,
        "medium" => Severity::Medium,
        "high" => Severity::High,
        "critical" => Severity::Critical,
        _ => return None,
    })
}
