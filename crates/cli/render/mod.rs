//! Results on their way out: the only place that knows files, terminals and formats.

mod csv;
mod json;
pub mod table;

use std::{
    io::{self, BufWriter, IsTerminal as _, Write},
    path::PathBuf,
};

use anyhow::{Context as _, Result};
use ckptfx_analysis::report::{Head, Warning};
use serde::Serialize;
use tempfile::NamedTempFile;

pub use self::json::to_value;
use crate::args::{Color, Common, Format};

/// What a command's records are called, and which of their keys a CSV file has.
#[derive(Debug, Clone, Copy)]
pub struct Collection {
    /// Key of the list in the document.
    pub name: &'static str,
    /// Columns of a CSV file as dotted paths into a record.
    pub columns: &'static [&'static str],
}

enum Target {
    Stdout(BufWriter<io::Stdout>),
    File { file: BufWriter<NamedTempFile>, path: PathBuf },
}

/// Where the result goes, in the format that was asked for.
pub struct Output {
    format: Format,
    collection: Collection,
    /// Whether table output may be coloured.
    pub color: bool,
    target: Target,
    several: bool,
    documents: usize,
    records: usize,
    head: Option<serde_json::Value>,
}

impl Output {
    /// Opens the target. `several` documents make a JSON array of them.
    pub fn new(common: &Common, collection: Collection, several: bool) -> Result<Self> {
        let target = match &common.out_file {
            None => Target::Stdout(BufWriter::with_capacity(1 << 16, io::stdout())),
            Some(path) => {
                let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                // A temporary file of this kind has mode 0600.
                let file = NamedTempFile::new_in(directory.unwrap_or(std::path::Path::new(".")))
                    .with_context(|| format!("cannot write beside {}", path.display()))?;
                Target::File { file: BufWriter::with_capacity(1 << 16, file), path: path.clone() }
            }
        };
        let color = match common.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                common.out_file.is_none()
                    && io::stdout().is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        };
        Ok(Self {
            format: common.output,
            collection,
            color,
            target,
            several,
            documents: 0,
            records: 0,
            head: None,
        })
    }

    /// Whether the command writes its own table.
    pub fn is_table(&self) -> bool {
        self.format == Format::Table
    }

    /// Begins the result about one checkpoint.
    pub fn begin(&mut self, head: &Head) -> Result<()> {
        if self.format == Format::Table && self.several {
            let blank = if self.documents == 0 { "" } else { "\n" };
            let name = crate::untrusted::show(head.evidence.name.as_bytes());
            let part = head.evidence.part.as_deref().map(|part| crate::untrusted::show(part.as_bytes()));
            let part = part.map(|part| format!(" [{part}]")).unwrap_or_default();
            writeln!(self, "{blank}==> {name}{part} <==")?;
        }
        self.begin_document(head)
    }

    /// Begins a document with any head; its fields come before the collection, and in each JSON line.
    pub fn begin_document(&mut self, head: &impl Serialize) -> Result<()> {
        let (collection, several) = (self.collection, self.several);
        let first = self.documents == 0;
        self.documents += 1;
        self.records = 0;
        match self.format {
            Format::Json => json::begin(self, head, collection.name, several, first)?,
            Format::Csv if first => csv::header(self, collection.columns)?,
            Format::Jsonl => self.head = Some(to_value(head)?),
            Format::Csv | Format::Table => {}
        }
        Ok(())
    }

    /// Adds a record. In table format nothing is written: the command does that itself.
    pub fn record(&mut self, record: &impl Serialize) -> Result<()> {
        let first = self.records == 0;
        self.records += 1;
        match self.format {
            Format::Table => {}
            Format::Json => json::record(self, record, first)?,
            Format::Jsonl => {
                let head = self.head.take();
                json::line(self, head.as_ref(), record)?;
                self.head = head;
            }
            Format::Csv => {
                let columns = self.collection.columns;
                csv::row(self, &to_value(record)?, columns)?;
            }
        }
        Ok(())
    }

    /// Ends the result about one checkpoint.
    pub fn end(&mut self, warnings: &[Warning]) -> Result<()> {
        if self.format == Format::Json {
            let empty = self.records == 0;
            json::end(self, warnings, empty)?;
        }
        self.flush()?;
        Ok(())
    }

    /// Ends everything and puts the file in its place.
    pub fn finish(mut self) -> Result<()> {
        if self.format == Format::Json && self.several {
            self.write_all(if self.documents == 0 { b"[]\n" } else { b"]\n" })?;
        }
        self.flush()?;
        if let Target::File { file, path } = self.target {
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.persist(&path).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

/// Writes one JSON value as a document of its own form.
pub fn write_json(output: &mut Output, value: &serde_json::Value) -> Result<()> {
    json::write_pretty(output, value, "")?;
    output.write_all(b"\n")?;
    Ok(())
}

impl Write for Output {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match &mut self.target {
            Target::Stdout(out) => out.write(buffer),
            Target::File { file, .. } => file.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.target {
            Target::Stdout(out) => out.flush(),
            Target::File { file, .. } => file.flush(),
        }
    }
}
