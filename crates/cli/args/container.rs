//! What can be said about what surrounds the processes: mounts, namespaces, network, logs.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ProcessFilter;

/// What `mounts` takes.
#[derive(Debug, Args)]
pub struct MountsArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    #[command(flatten)]
    pub filter: ProcessFilter,
}

/// What `ns` takes.
#[derive(Debug, Args)]
pub struct NsArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    #[command(flatten)]
    pub filter: ProcessFilter,
}

pub const NET_HELP: &str = "Most container engines set the network up themselves: then CRIU saves nothing of it but sockets, and a note says so.

Examples:
  ckptfx net archive.tar
  ckptfx net -o json archive.tar | jq '.firewall[] | select(.criu_own | not)'";

/// What `net` takes.
#[derive(Debug, Args)]
pub struct NetArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    #[command(flatten)]
    pub filter: ProcessFilter,
}

/// What `ipc` takes.
#[derive(Debug, Args)]
pub struct IpcArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    #[command(flatten)]
    pub filter: ProcessFilter,
}

/// What `cgroups` takes.
#[derive(Debug, Args)]
pub struct CgroupsArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    #[command(flatten)]
    pub filter: ProcessFilter,
}

pub const LOGS_HELP: &str = "A log is not that of one process: with --pid, --comm or --exe the logs of those containers are shown that have
such a process.

Examples:
  ckptfx logs archive.tar
  ckptfx logs --errors archive.tar
  ckptfx logs --source all -o jsonl archive.tar";

/// What `logs` takes.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    /// Whose log.
    #[arg(long, value_enum, default_value_t = LogSource::Container, value_name = "LOG")]
    pub source: LogSource,
    /// Only the errors and warnings of CRIU's log.
    #[arg(long, conflicts_with = "source")]
    pub errors: bool,
    #[command(flatten)]
    pub filter: ProcessFilter,
}

/// Whose log `logs` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogSource {
    /// The container's: what it wrote to standard output and error.
    Container,
    /// CRIU's, of the dump.
    Dump,
    /// One after the other.
    All,
}

pub const STATS_HELP: &str = "Statistics are not those of one process: with --pid, --comm or --exe they are shown of those containers that have
such a process.

Examples:
  ckptfx stats archive.tar
  ckptfx stats -o csv *.tar";

/// What `stats` takes.
#[derive(Debug, Args)]
pub struct StatsArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    #[command(flatten)]
    pub filter: ProcessFilter,
}
