//! JSON documents and lines.

use std::io::{self, Write};

use anyhow::Result;
use ckptfx_analysis::unfold;
use ckptfx_report::{Warning, untrusted::needs_json_escape};
use serde::Serialize;
use serde_json::{Value, ser::Formatter};

/// Writes compact or indented JSON in which characters that could act on a terminal are escaped.
struct Safe<F>(F);

impl<F: Formatter> Formatter for Safe<F> {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((index, character)) = rest.char_indices().find(|(_, c)| needs_json_escape(*c)) {
            let (before, from) = rest.split_at(index);
            writer.write_all(before.as_bytes())?;
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &from[character.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }
    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }
    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }
    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }
    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }
    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }
    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }
    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

pub(super) fn write_compact(out: &mut dyn Write, value: &Value) -> Result<()> {
    let formatter = Safe(serde_json::ser::CompactFormatter);
    value.serialize(&mut serde_json::Serializer::with_formatter(out, formatter))?;
    Ok(())
}

/// A value as one line that is fit to be shown.
pub fn safe_line(value: &Value) -> Result<String> {
    let mut line = Vec::new();
    write_compact(&mut line, value)?;
    Ok(String::from_utf8(line)?)
}

/// Writes indented JSON, each line after the first moved in by `indent`.
pub(super) fn write_pretty(out: &mut dyn Write, value: &Value, indent: &str) -> Result<()> {
    let mut text = Vec::new();
    let formatter = Safe(serde_json::ser::PrettyFormatter::new());
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut text, formatter))?;
    let mut lines = text.split(|byte| *byte == b'\n');
    out.write_all(lines.next().unwrap_or_default())?;
    for line in lines {
        out.write_all(b"\n")?;
        out.write_all(indent.as_bytes())?;
        out.write_all(line)?;
    }
    Ok(())
}

/// A record as JSON, with text that is not UTF-8 in its final form.
pub fn to_value(record: &impl Serialize) -> Result<Value> {
    let mut value = serde_json::to_value(record)?;
    unfold(&mut value);
    Ok(value)
}

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
    write_pretty(out, &to_value(record)?, "    ")
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
