//! Options of every command.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, atomic::AtomicBool},
};

use ckptfx_parser::{
    Limits,
    input::{Given, OpenOptions},
    source::Budget,
};
use clap::{Args, ValueEnum};

use super::format::Format;
use crate::{progress::Bars, render::table::Layout};

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Common {
    /// Output format.
    #[arg(short, long, global = true, hide_short_help = true, value_enum, default_value_t = Format::Table)]
    pub output: Format,
    /// Write the result to FILE atomically, with mode 0600.
    #[arg(long, global = true, hide_short_help = true, value_name = "FILE")]
    pub out_file: Option<PathBuf>,
    /// When to use colour.
    #[arg(long, global = true, hide_short_help = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// Columns to print: table headings, or CSV column names.
    #[arg(long, global = true, hide_short_help = true, value_delimiter = ',', value_name = "COLUMN")]
    pub columns: Vec<String>,
    /// Sort the table by a column; append :desc to reverse.
    #[arg(long, global = true, hide_short_help = true, value_name = "COLUMN")]
    pub sort: Option<String>,
    /// Omit the header line (table, CSV).
    #[arg(long, global = true, hide_short_help = true)]
    pub no_headers: bool,
    /// Do not use a pager on a terminal ($CKPTFX_PAGER, $PAGER, or less).
    #[arg(long, global = true, hide_short_help = true)]
    pub no_pager: bool,
    /// Whether nothing is cut in the table.
    #[arg(skip)]
    pub wide: bool,
    /// Do not print warnings.
    #[arg(short, long, global = true, hide_short_help = true)]
    pub quiet: bool,
    /// Log steps and timings to standard error; repeat for more.
    #[arg(short, long, global = true, hide_short_help = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Number of worker threads, one per core by default. Without a number, `ps` lists the threads of each process.
    #[arg(long, global = true, hide_short_help = true, value_name = "N", num_args = 0..=1)]
    pub threads: Option<Option<String>>,
    /// Exit with status 2 if anything in the evidence could not be read.
    #[arg(long, global = true, hide_short_help = true)]
    pub strict: bool,
    /// Add the SHA-256 of each evidence file to the result.
    #[arg(long, global = true, hide_short_help = true)]
    pub hash: bool,
    /// Parent of an incremental checkpoint, if it is not in the same evidence.
    #[arg(long, global = true, hide_short_help = true, value_name = "PATH")]
    pub parent: Option<PathBuf>,
    /// Maximum decompressed size in GiB.
    #[arg(long, global = true, hide_short_help = true, default_value_t = 1024, value_name = "GIB")]
    pub max_decompressed: u64,
    /// Change a safety limit for untrusted input (`ckptfx generate docs reliability` lists them).
    #[arg(long = "limit", global = true, hide_short_help = true, value_name = "NAME=VALUE", value_parser = parse_limit)]
    pub limit: Vec<(String, u64)>,
    /// Memory that decompressed evidence takes at most, in GiB; the rest goes to files in the scratch directory.
    ///
    /// A quarter of the memory that is free, or of the control group's limit, if not given.
    #[arg(long, global = true, hide_short_help = true, value_name = "GIB", value_parser = parse_gibibytes)]
    pub memory: Option<u64>,
    /// Directory for decompressed evidence that memory has no room for: TMPDIR, or /var/tmp, if not given.
    #[arg(long, global = true, hide_short_help = true, value_name = "DIR")]
    pub scratch: Option<PathBuf>,
    /// What all evidence takes of that is open.
    #[arg(skip)]
    pub budget: Arc<OnceLock<Arc<Budget>>>,
    /// What compressed files of the evidence have given already.
    #[arg(skip)]
    pub given: Arc<Given>,
    /// Raised when a scan is to end: by a signal, or when its time is over.
    #[arg(skip)]
    pub stop: Arc<AtomicBool>,
}

/// How many threads work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Workers {
    /// One per core.
    Usual,
    /// So many.
    Some(usize),
    /// There is no number: `ps` shows threads, and what follows may be an archive.
    NotSaid {
        /// What followed.
        operand: Option<String>,
    },
}

impl Common {
    /// The options that are meant: `-o wide` is a table in which nothing is cut.
    #[must_use]
    pub fn resolved(self) -> Self {
        let wide = self.output == Format::Wide;
        Self { output: if wide { Format::Table } else { self.output }, wide, ..self }
    }

    /// Whether a table goes through a pager: on a terminal whose user can press keys.
    pub fn wants_pager(&self) -> bool {
        self.output == Format::Table
            && !self.no_pager
            && self.out_file.is_none()
            && std::io::stdout().is_terminal()
            && std::io::stdin().is_terminal()
    }

    /// How a table is laid out that goes to standard output.
    pub fn layout(&self) -> Layout {
        let to_terminal = self.out_file.is_none() && std::io::stdout().is_terminal();
        let color = match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => to_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        let width =
            || rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|size| usize::from(size.ws_col));
        Layout {
            width: to_terminal.then(width).flatten().filter(|width| *width > 0),
            wide: self.wide,
            columns: self.columns.clone(),
            sort: self.sort.clone(),
            no_headers: self.no_headers,
            color,
        }
    }

    /// What `--threads` says.
    pub fn workers(&self) -> Workers {
        match &self.threads {
            None => Workers::Usual,
            Some(None) => Workers::NotSaid { operand: None },
            Some(Some(text)) => match text.parse::<usize>() {
                Ok(0) => Workers::Usual,
                Ok(count) => Workers::Some(count),
                Err(_) => Workers::NotSaid { operand: Some(text.clone()) },
            },
        }
    }

    /// How evidence is opened.
    pub fn options<'o>(&'o self, parent: Option<&'o Path>, bars: &'o Bars) -> OpenOptions<'o> {
        let mut options = OpenOptions::default();
        options.parent = parent;
        options.limits = self.limits();
        options.given = Arc::clone(&self.given);
        let budget = || Arc::new(Budget::new(self.memory, self.scratch.clone()));
        options.budget = Arc::clone(self.budget.get_or_init(budget));
        options.progress = bars;
        options
    }

    /// The limits that the command line sets.
    pub fn limits(&self) -> Limits {
        let decompressed_bytes = self.max_decompressed.saturating_mul(1 << 30);
        let mut limits = Limits { decompressed_bytes, ..Limits::DEFAULT };
        for (name, value) in &self.limit {
            // What cannot be set was refused when the command line was read.
            let _ = limits.set(name, *value);
        }
        limits
    }
}

/// GiB, perhaps a part of one, as bytes. A fraction of a byte is none, and more than there can be is all that there can be.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn parse_gibibytes(text: &str) -> Result<u64, String> {
    const GIBIBYTE: f64 = 1_073_741_824.0;
    let value: f64 = text.parse().map_err(|_| "a number of GiB is expected, such as 2 or 0.5".to_owned())?;
    if !value.is_finite() || value < 0.0 {
        return Err("a number of GiB is expected, such as 2 or 0.5".to_owned());
    }
    Ok((value * GIBIBYTE) as u64)
}

fn parse_limit(text: &str) -> Result<(String, u64), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is expected")?;
    let value = value.parse().map_err(|error| format!("{value}: {error}"))?;
    Limits::default().set(name, value).map_err(|error| error.to_string())?;
    Ok((name.to_owned(), value))
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}
