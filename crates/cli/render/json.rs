//! JSON documents and lines.

use std::io::Write;

use anyhow::Result;
use ckptfx_report::{
    Warning,
    json::{to_value, write_compact},
};
use serde::Serialize;
use serde_json::Value;

pub(super) use ckptfx_report::json::write_pretty;

/// Begins a document: the fields of its head, then the collection.
pub(super) fn begin(
    out: &mut dyn Write,
    head: &impl Serialize,
    collection: &str,
    several: bool,
    first: bool,
) -> Result<()> {
    if several {
        out.write_all(if first { b"[" } else { b"," })?;
    }
    out.write_all(b"{")?;
    if let Value::Object(fields) = to_value(head)? {
        for (key, value) in fields {
            write!(out, "\n  \"{key}\": ")?;
            write_pretty(out, &value, "  ")?;
            out.write_all(b",")?;
        }
    }
    write!(out, "\n  \"{collection}\": [")?;
    Ok(())
}

pub(super) fn record(out: &mut dyn Write, record: &impl Serialize, first: bool) -> Result<()> {
    out.write_all(if first { b"\n    " } else { b",\n    " })?;
    Ok(write_pretty(out, &to_value(record)?, "    ")?)
}

pub(super) fn end(
    out: &mut dyn Write,
    coverage: Option<&Value>,
    warnings: &[Warning],
    empty: bool,
) -> Result<()> {
    out.write_all(if empty { b"],\n" } else { b"\n  ],\n" })?;
    if let Some(coverage) = coverage {
        out.write_all(b"  \"coverage\": ")?;
        write_pretty(out, coverage, "  ")?;
        out.write_all(b",\n")?;
    }
    out.write_all(b"  \"warnings\": ")?;
    write_pretty(out, &to_value(&warnings)?, "  ")?;
    out.write_all(b"\n}\n")?;
    Ok(())
}

/// A line that stands alone: the record with schema, evidence and container.
pub(super) fn line(out: &mut dyn Write, head: &Value, record: &impl Serialize) -> Result<()> {
    let mut line = serde_json::Map::new();
    if let Value::Object(head) = head {
        line.extend(
            head.iter().filter(|(key, _)| *key != "tool").map(|(key, value)| (key.clone(), value.clone())),
        );
    }
    match to_value(record)? {
        Value::Object(fields) => {
            for (key, value) in fields {
                // What a finding rests on has the name of what the line is about.
                let is_taken = line.get(&key).is_some_and(Value::is_object) && !value.is_object();
                line.insert(if is_taken { format!("record_{key}") } else { key }, value);
            }
        }
        other => {
            line.insert("value".to_owned(), other);
        }
    }
    write_compact(out, &Value::Object(line))?;
    out.write_all(b"\n")?;
    Ok(())
}
