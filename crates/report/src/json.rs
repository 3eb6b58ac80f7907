//! JSON that is fit to be shown.

use std::io::{self, Write};

use ckptfx_analysis::unfold;
use serde::Serialize;
use serde_json::{Value, ser::Formatter};

use crate::untrusted::needs_json_escape;

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
            rest = from.get(character.len_utf8()..).unwrap_or_default();
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

/// Writes a value on one line.
///
/// # Errors
/// When it cannot be written.
pub fn write_compact(out: &mut dyn Write, value: &Value) -> io::Result<()> {
    let formatter = Safe(serde_json::ser::CompactFormatter);
    value.serialize(&mut serde_json::Serializer::with_formatter(out, formatter))?;
    Ok(())
}

/// Writes indented JSON, each line after the first moved in by `indent`.
///
/// # Errors
/// When it cannot be written.
pub fn write_pretty(out: &mut dyn Write, value: &Value, indent: &str) -> io::Result<()> {
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
///
/// # Errors
/// When its type cannot be JSON.
pub fn to_value(record: &impl Serialize) -> serde_json::Result<Value> {
    let mut value = serde_json::to_value(record)?;
    unfold(&mut value);
    Ok(value)
}
