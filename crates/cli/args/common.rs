//! Options of every command.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use ckptfx_parser::{
    Limits,
    input::{Given, OpenOptions},
};
use clap::{Args, ValueEnum};

use super::format::Format;
use crate::progress::Bars;

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Common {
    /// Form of the result.
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table)]
    pub output: Format,
    /// Write the result to a file (mode 0600, replaced at once when complete) instead of standard output.
    #[arg(long, global = true, value_name = "FILE")]
    pub out_file: Option<PathBuf>,
    /// When to use colour.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// Do not print warnings.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say on standard error what is done and how long it takes; twice for more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Number of threads to work with, one per core by default. Without a number `ps` shows the threads
    /// of each process.
    #[arg(long, global = true, value_name = "N", num_args = 0..=1)]
    pub threads: Option<Option<String>>,
    /// Fail with exit status 2 when something in the evidence could not be read.
    #[arg(long, global = true)]
    pub strict: bool,
    /// Give the SHA-256 of each evidence file in the result.
    #[arg(long, global = true)]
    pub hash: bool,
    /// The parent of an incremental checkpoint, when it is not in the same evidence.
    #[arg(long, global = true, value_name = "PATH")]
    pub parent: Option<PathBuf>,
    /// Stop decompressing after this many GiB.
    #[arg(long, global = true, default_value_t = 1024, value_name = "GIB")]
    pub max_decompressed: u64,
    /// Read more, or less, of hostile evidence than is usual; docs/reliability.md lists the limits.
    #[arg(long = "limit", global = true, value_name = "NAME=VALUE", value_parser = parse_limit)]
    pub limit: Vec<(String, u64)>,
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
