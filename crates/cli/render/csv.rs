//! Comma-separated values.

use std::{borrow::Cow, io::Write};

use anyhow::Result;
use ckptfx_report::untrusted::csv_cell;
use serde_json::Value;

/// What stands before the columns of each command, so that a row stands alone: path in the head, and name.
const WHENCE: [(&str, &str); 5] = [
    ("evidence.name", "evidence"),
    ("container.engine", "engine"),
    ("container.namespace", "namespace"),
    ("container.pod", "pod"),
    ("container.name", "container"),
];

/// The columns of [`WHENCE`], unless the result is about no single checkpoint.
fn whence(head: &Value) -> &'static [(&'static str, &'static str)] {
    if head.get("evidence").is_some() { &WHENCE } else { &[] }
}

pub(super) fn header(out: &mut dyn Write, head: &Value, columns: &[&str]) -> Result<()> {
    let mut writer = ::csv::Writer::from_writer(out);
    let before = whence(head);
    // No two columns have one name.
    let is_taken = |column: &str| before.iter().any(|(_, name)| *name == column);
    let own = columns.iter().map(|column| {
        if is_taken(column) { Cow::Owned(format!("record_{column}")) } else { Cow::Borrowed(*column) }
    });
    writer
        .write_record(before.iter().map(|(_, name)| Cow::Borrowed(*name)).chain(own).map(Cow::into_owned))?;
    writer.flush()?;
    Ok(())
}

pub(super) fn row(out: &mut dyn Write, head: &Value, record: &Value, columns: &[&str]) -> Result<()> {
    let mut writer = ::csv::Writer::from_writer(out);
    let before = whence(head).iter().map(|(path, _)| cell(head, path));
    writer.write_record(before.chain(columns.iter().map(|column| cell(record, column))))?;
    writer.flush()?;
    Ok(())
}

/// The value at a dotted path: a list of plain values joined by spaces, anything deeper as JSON.
fn cell(record: &Value, path: &str) -> String {
    let value = path.split('.').try_fold(record, |value, key| value.get(key));
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => csv_cell(text),
        Some(Value::Array(items)) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            let text = |item: &Value| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
            csv_cell(&items.iter().map(text).collect::<Vec<_>>().join(" "))
        }
        Some(value @ (Value::Array(_) | Value::Object(_))) => csv_cell(&value.to_string()),
        Some(value) => value.to_string(),
    }
}
