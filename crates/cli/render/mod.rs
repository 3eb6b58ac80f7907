//! Results on their way out: the only place that knows files, terminals and formats.

mod csv;
mod json;
mod new_file;
mod pager;
mod plain_text;
pub mod table;
pub mod tree;
mod words;

use std::{
    io::{self, BufWriter, IsTerminal as _, Seek as _, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use ckptfx_analysis::finding::{NextStep, quoted};
use ckptfx_export::{Exporter, Form};
use ckptfx_report::{Head, Warning, schema::List};
use serde::Serialize;

pub use self::words::count;
pub use ckptfx_export::Dossier;
pub use ckptfx_report::json::to_value;

use self::{
    new_file::NewFile,
    pager::Pager,
    plain_text::PlainText,
    table::{Layout, Plain},
};
use crate::args::{Common, Format};

/// The columns of CSV that are wanted.
fn csv_columns(common: &Common, collection: List) -> Result<Vec<&'static str>> {
    if common.sort.is_some() && common.output != Format::Table {
        bail!("--sort is for tables; sort and jq order other formats");
    }
    if common.columns.is_empty() || common.output == Format::Table {
        return Ok(collection.columns.to_vec());
    }
    if common.output != Format::Csv {
        bail!("--columns is for tables and CSV; jq picks keys of JSON");
    }
    let find = |name: &String| collection.columns.iter().copied().find(|column| column == name);
    let found = common.columns.iter().map(|name| {
        find(name).with_context(|| {
            format!("there is no column {name}; there are {}", collection.columns.join(", "))
        })
    });
    found.collect()
}

enum Target {
    Stdout(BufWriter<io::Stdout>),
    /// Bytes from the evidence on their way to a terminal.
    Terminal(PlainText<io::Stdout>),
    /// A table on its way to a terminal.
    Pager(Pager),
    File {
        file: BufWriter<NewFile>,
        path: PathBuf,
    },
}

/// Where the result goes, in the format that was asked for.
pub struct Output {
    format: Format,
    collection: List,
    /// Whether table output may be coloured.
    pub color: bool,
    layout: Layout,
    /// Columns of CSV.
    columns: Vec<&'static str>,
    quiet: bool,
    /// Whether a table with columns was written.
    has_table: bool,
    target: Target,
    several: bool,
    documents: usize,
    records: usize,
    head: serde_json::Value,
    title: Option<String>,
    coverage: Option<serde_json::Value>,
    exporter: Option<Exporter>,
    about: Option<Head>,
    place: Option<PathBuf>,
    begun: bool,
}

impl Output {
    /// Opens the target. `several` documents make a JSON array of them.
    pub fn new(common: &Common, collection: List, several: bool) -> Result<Self> {
        let target = match &common.out_file {
            None => match common.wants_pager().then(Pager::start).flatten() {
                Some(pager) => Target::Pager(pager),
                None => Target::Stdout(BufWriter::with_capacity(1 << 16, io::stdout())),
            },
            Some(path) => {
                let file = NewFile::beside(path)
                    .with_context(|| format!("cannot write beside {}", path.display()))?;
                Target::File { file: BufWriter::with_capacity(1 << 16, file), path: path.clone() }
            }
        };
        let layout = common.layout();
        let columns = csv_columns(common, collection)?;
        Ok(Self {
            format: common.output,
            collection,
            color: layout.color,
            layout,
            columns,
            quiet: common.quiet,
            has_table: false,
            target,
            several,
            documents: 0,
            records: 0,
            head: serde_json::Value::Null,
            title: None,
            coverage: None,
            exporter: common.output.form().map(Form::exporter),
            about: None,
            place: None,
            begun: false,
        })
    }

    /// Opens the target for bytes of the evidence as they are. A terminal gets them only if they are plain text.
    pub fn raw(common: &Common, collection: List) -> Result<Self> {
        let mut output = Self::new(common, collection, false)?;
        if common.out_file.is_none() && io::stdout().is_terminal() {
            output.target = Target::Terminal(PlainText::new(io::stdout()));
        }
        Ok(output)
    }

    /// Writes a table, as wide as the terminal.
    pub fn table(&mut self, plain: Plain) -> Result<()> {
        self.has_table = true;
        let layout = self.layout.clone();
        let dropped = plain.write(self, &layout)?;
        if !dropped.is_empty() && !self.quiet {
            eprintln!("ckptfx: note: no room for {}; -o wide shows all columns", dropped.join(", "));
        }
        Ok(())
    }

    /// Whether nothing is cut.
    pub fn is_wide(&self) -> bool {
        self.layout.wide
    }

    /// Whether the command writes its own table.
    pub fn is_table(&self) -> bool {
        self.format == Format::Table
    }

    /// Begins the result about one checkpoint.
    pub fn begin(&mut self, head: &Head) -> Result<()> {
        self.title = Some(ckptfx_report::untrusted::show(&head.evidence.label().0));
        self.about = Some(head.clone());
        self.begin_document(head)
    }

    /// Where the evidence of the results to come is, as the user named it.
    pub fn read_from(&mut self, path: &Path) {
        self.place = Some(path.to_path_buf());
    }

    /// The command line that shows more.
    pub fn command_line(&self, next: &NextStep) -> String {
        let place = self.place.as_deref().unwrap_or(Path::new("ARCHIVE"));
        format!("ckptfx {next} {}", quoted(&place.to_string_lossy()))
    }

    /// Begins a document about more than one checkpoint, with what stands above its table.
    pub fn begin_titled(&mut self, head: &impl Serialize, title: &str) -> Result<()> {
        self.title = Some(ckptfx_report::untrusted::show(title.as_bytes()));
        self.begin_document(head)
    }

    /// Begins a document with any head; its fields come before the collection, and in each line. Nothing is
    /// written before there is something to say, so that an error leaves no half document behind.
    pub fn begin_document(&mut self, head: &impl Serialize) -> Result<()> {
        self.head = to_value(head)?;
        self.records = 0;
        self.coverage = None;
        self.begun = false;
        Ok(())
    }

    /// Whether anything of the current document was written.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    fn ensure_begun(&mut self) -> Result<()> {
        if self.begun {
            return Ok(());
        }
        self.begun = true;
        let first = self.documents == 0;
        self.documents += 1;
        let (collection, several, format) = (self.collection, self.several, self.format);
        let head = std::mem::take(&mut self.head);
        match format {
            Format::Json => json::begin(self, &head, collection.name, several, first)?,
            Format::Csv if first && !self.layout.no_headers => {
                let columns = self.columns.clone();
                csv::header(self, &head, &columns)?;
            }
            Format::Table if several => {
                let blank = if first { "" } else { "\n" };
                let title = self.title.take().unwrap_or_default();
                writeln!(self.target, "{blank}==> {title} <==")?;
            }
            _ => {}
        }
        self.head = head;
        Ok(())
    }

    /// Adds a record. In a form that is for one command only, and in a table, nothing is written: the command does
    /// that itself.
    pub fn record(&mut self, record: &impl Serialize) -> Result<()> {
        self.ensure_begun()?;
        let first = self.records == 0;
        self.records += 1;
        let out = &mut self.target;
        match self.format {
            Format::Table => {}
            Format::Json => json::record(out, record, first)?,
            Format::Jsonl => json::line(out, &self.head, record)?,
            Format::Csv => csv::row(out, &self.head, &to_value(record)?, &self.columns)?,
            // What a command writes itself.
            _ => {}
        }
        Ok(())
    }

    /// Whether the result is in a form for other systems, which is made of a whole dossier.
    pub fn is_export(&self) -> bool {
        self.exporter.is_some()
    }

    /// What the current result is about, if it is one checkpoint.
    pub fn about(&self) -> Option<&Head> {
        self.about.as_ref()
    }

    /// Writes all that is known of a checkpoint in such a form.
    pub fn export(&mut self, dossier: &Dossier<'_>) -> Result<()> {
        self.ensure_begun()?;
        match &mut self.exporter {
            Some(exporter) => exporter.write(dossier, &mut self.target).map_err(cause),
            None => Ok(()),
        }
    }

    /// Writes a whole document about one checkpoint in a form that is not one of `-o`.
    pub fn export_as(&mut self, form: &Form, dossier: &Dossier<'_>) -> Result<()> {
        let mut exporter = form.exporter();
        exporter.write(dossier, &mut self.target).map_err(cause)?;
        exporter.finish(&mut self.target).map_err(cause)
    }

    /// Begins another list of a JSON document that has several; other formats put all records in one.
    pub fn next_list(&mut self, name: &str) -> Result<()> {
        self.ensure_begun()?;
        if self.format == Format::Json {
            let end = if self.records == 0 { "" } else { "\n  " };
            write!(self.target, "{end}],\n  \"{name}\": [")?;
        }
        self.records = 0;
        Ok(())
    }

    /// Whether the result is a JSON document, the one format whose records can be in several lists.
    pub fn is_document(&self) -> bool {
        self.format == Format::Json
    }

    /// Writes so many zeros; in a file they are a hole that takes no room.
    pub fn zeros(&mut self, length: u64) -> io::Result<()> {
        const BLOCK: [u8; 1 << 14] = [0; 1 << 14];
        /// Shorter runs are cheaper to write than to seek over.
        const MIN_HOLE: u64 = 1 << 16;
        let mut left = length;
        if let Target::File { file, .. } = &mut self.target
            && file.get_ref().can_have_holes()
            && let Some(hole) = left.checked_sub(1).filter(|hole| *hole >= MIN_HOLE)
        {
            // The last zero is written, so that the file is long enough.
            file.seek(io::SeekFrom::Current(i64::try_from(hole).map_err(io::Error::other)?))?;
            left = 1;
        }
        while left > 0 {
            let count = usize::try_from(left).map_or(BLOCK.len(), |left| left.min(BLOCK.len()));
            self.write_all(&BLOCK[..count])?;
            left -= count as u64;
        }
        Ok(())
    }

    /// Says what a scan covered; it comes before the warnings of a JSON document.
    pub fn cover(&mut self, coverage: &impl Serialize) -> Result<()> {
        self.coverage = Some(to_value(coverage)?);
        Ok(())
    }

    /// Ends the result about one checkpoint.
    pub fn end(&mut self, warnings: &[Warning]) -> Result<()> {
        self.ensure_begun()?;
        if self.format == Format::Json {
            let empty = self.records == 0;
            let coverage = self.coverage.take();
            json::end(self, coverage.as_ref(), warnings, empty)?;
        }
        self.flush()?;
        Ok(())
    }

    /// Ends everything and puts the file in its place.
    pub fn finish(mut self) -> Result<()> {
        let Layout { columns, sort, no_headers, .. } = &self.layout;
        let asked = !columns.is_empty() || sort.is_some() || *no_headers;
        if asked && self.format == Format::Table && self.begun && !self.has_table {
            bail!(
                "this command prints no table with columns: --columns, --sort and --no-headers are not for it"
            );
        }
        if self.format == Format::Json && self.several {
            self.write_all(if self.documents == 0 { b"[]\n" } else { b"]\n" })?;
        }
        if let Some(exporter) = self.exporter.take() {
            exporter.finish(&mut self.target).map_err(cause)?;
        }
        self.flush()?;
        match self.target {
            Target::Stdout(_) | Target::Pager(_) => {}
            Target::Terminal(text) => text.finish()?,
            Target::File { file, path } => {
                let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.persist(&path).with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
        Ok(())
    }
}

/// The cause itself, so that who asks for an error of the system finds it.
fn cause(error: ckptfx_export::Error) -> anyhow::Error {
    match error {
        ckptfx_export::Error::Write(error) => error.into(),
        ckptfx_export::Error::Json(error) => error.into(),
        other => other.into(),
    }
}

impl Target {
    /// An error of the system with the name of what could not be written.
    fn named(&self, error: io::Error) -> io::Error {
        match self {
            _ if error.raw_os_error().is_none() => error,
            Self::Stdout(_) | Self::Terminal(_) | Self::Pager(_) => {
                io::Error::new(error.kind(), format!("cannot write to standard output: {error}"))
            }
            Self::File { path, .. } => {
                io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()))
            }
        }
    }
}

impl Write for Target {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = match self {
            Self::Stdout(out) => out.write(buffer),
            Self::Terminal(text) => text.write(buffer),
            Self::Pager(pager) => pager.write(buffer),
            Self::File { file, .. } => file.write(buffer),
        };
        written.map_err(|error| self.named(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = match self {
            Self::Stdout(out) => out.flush(),
            Self::Terminal(text) => text.flush(),
            Self::Pager(pager) => pager.flush(),
            Self::File { file, .. } => file.flush(),
        };
        flushed.map_err(|error| self.named(error))
    }
}

/// What a command writes itself: its table, or raw bytes.
impl Write for Output {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if !self.begun && self.format == Format::Table {
            self.ensure_begun().map_err(io::Error::other)?;
        }
        self.target.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}
