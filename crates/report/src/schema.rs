//! What the JSON of each result looks like, generated from the types it is made of.

use ckptfx_analysis::search::Coverage;
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::envelope::{ContainerHead, EvidenceHead, Tool, Warning};

/// Adds one type to the generator's definitions and gives a reference to it.
pub type Record = fn(&mut SchemaGenerator) -> Schema;

/// The record of a type.
pub fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The entries of an image follow CRIU, not this program.
pub fn image_entry(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({
        "type": "object",
        "description": "One entry of the image, with CRIU's field names; they are not part of the contract.",
    })
}

/// A list of a result.
#[derive(Debug, Clone, Copy)]
pub struct List {
    /// Its key.
    pub name: &'static str,
    /// Columns of a table of values, as dotted paths into a record; none for a list that only a document has.
    pub columns: &'static [&'static str],
    /// What is in it.
    pub record: Record,
}

impl List {
    /// A list that only a document has.
    pub const fn only<T: JsonSchema>(name: &'static str) -> Self {
        Self { name, columns: &[], record: of::<T> }
    }
}

/// Whether a result says which checkpoint it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// It is about one.
    Checkpoint,
    /// It may be about one.
    Maybe,
    /// It is about no single one.
    None,
}

/// The result of a command.
#[derive(Debug, Clone, Copy)]
pub struct Document {
    /// Whether it is about a checkpoint.
    pub about: About,
    /// Keys of its head that others have not.
    pub heads: &'static [List],
    /// Its lists.
    pub lists: &'static [List],
    /// What `counts` has instead of the lists, and when.
    pub counts: Option<(Record, &'static str)>,
    /// Whether it says what was covered.
    pub coverage: Option<Record>,
}

/// The schema of one type that is no command's result.
#[must_use]
pub fn alone<T: JsonSchema>(title: &str) -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
    schema.insert("title".to_owned(), title.into());
    schema.to_value()
}

impl Document {
    /// A document about one checkpoint with these lists.
    pub const fn of(lists: &'static [List]) -> Self {
        Self { about: About::Checkpoint, heads: &[], lists, counts: None, coverage: None }
    }

    /// The same, about something else.
    #[must_use]
    pub const fn about(self, about: About) -> Self {
        Self { about, ..self }
    }

    /// The same with another key in its head.
    #[must_use]
    pub const fn heads(self, heads: &'static [List]) -> Self {
        Self { heads, ..self }
    }

    /// The same, that has counts instead of its lists when they are asked for.
    #[must_use]
    pub const fn or_counts<T: JsonSchema>(self, when: &'static str) -> Self {
        Self { counts: Some((of::<T>, when)), ..self }
    }

    /// The same, with what was covered.
    #[must_use]
    pub const fn covered(self) -> Self {
        Self { coverage: Some(of::<Coverage>), ..self }
    }

    /// The schema of the whole document. Keys that it does not name are allowed everywhere: `v1` may get more.
    #[must_use]
    pub fn schema(&self, command: &str) -> Value {
        let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
        let mut reference = |record: Record| record(&mut generator).to_value();
        let title = format!("ckptfx.{command}.v1");
        let mut required = vec!["schema", "tool"];
        let mut properties = Map::new();
        properties.insert("schema".to_owned(), json!({"const": title}));
        properties.insert("tool".to_owned(), reference(of::<Tool>));
        if self.about != About::None {
            properties.insert("evidence".to_owned(), reference(of::<EvidenceHead>));
            properties.insert("container".to_owned(), reference(of::<ContainerHead>));
        }
        if self.about == About::Checkpoint {
            required.extend(["evidence", "container"]);
        }
        for head in self.heads {
            properties.insert(head.name.to_owned(), reference(head.record));
            required.push(head.name);
        }
        for list in self.lists {
            let items = reference(list.record);
            properties.insert(list.name.to_owned(), json!({"type": "array", "items": items}));
        }
        let mut alternatives = Vec::new();
        if let Some((count, description)) = self.counts {
            let count = reference(count);
            properties.insert(
                "counts".to_owned(),
                json!({"type": "array", "items": count, "description": description}),
            );
            let lists = self.lists.iter().map(|list| json!({"required": [list.name]}));
            alternatives.extend(lists.chain([json!({"required": ["counts"]})]));
        } else {
            required.extend(self.lists.iter().map(|list| list.name));
        }
        if let Some(coverage) = self.coverage {
            properties.insert("coverage".to_owned(), reference(coverage));
            required.push("coverage");
        }
        let warning = reference(of::<Warning>);
        properties.insert("warnings".to_owned(), json!({"type": "array", "items": warning}));
        required.push("warnings");
        let mut schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": title,
            "description": "The result about one checkpoint; about several it is an array of these. Keys may be added.",
            "type": "object",
            "required": required,
            "properties": properties,
        });
        if let Value::Object(map) = &mut schema {
            if !alternatives.is_empty() {
                map.insert("oneOf".to_owned(), alternatives.into());
            }
            map.insert("$defs".to_owned(), generator.take_definitions(true).into());
        }
        add_siblings(&mut schema);
        schema
    }
}

/// Describes the siblings that [`ckptfx_analysis::unfold`] gives to text that is not UTF-8.
fn add_siblings(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Object(properties)) = map.get_mut("properties") {
                let mut siblings = Vec::new();
                for (name, property) in properties.iter() {
                    let about = format!("Exact bytes of {name}; only there when they are not UTF-8.");
                    let exact = json!({"type": "string", "contentEncoding": "base64"});
                    let sibling = if is_text(property) {
                        json!({"type": "string", "contentEncoding": "base64", "description": about})
                    } else if property.get("items").is_some_and(is_text) {
                        let items = json!({"anyOf": [exact, {"type": "null"}]});
                        json!({"type": "array", "items": items, "description": about})
                    } else {
                        continue;
                    };
                    siblings.push((format!("{name}_b64"), sibling));
                }
                for (name, sibling) in siblings {
                    properties.entry(name).or_insert(sibling);
                }
            }
            map.values_mut().for_each(add_siblings);
        }
        Value::Array(items) => items.iter_mut().for_each(add_siblings),
        _ => {}
    }
}

/// Whether a value is text from the evidence, or that or null.
fn is_text(schema: &Value) -> bool {
    let refers = |schema: &Value| schema["$ref"] == "#/$defs/Text";
    refers(schema) || schema["anyOf"].as_array().is_some_and(|several| several.iter().any(refers))
}
