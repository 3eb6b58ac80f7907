//! What can be said on the command line.

mod capture;
mod container;
mod diff;
mod files;
mod graph;
mod memory;
mod report;
mod scan;
mod timeline;
mod verify;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use ckptfx_export::Form;
use ckptfx_parser::{Limits, input::OpenOptions, limits::Given};
use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::{
    capture::*, container::*, diff::DiffArgs, files::*, graph::GraphArgs, memory::*, report::ReportArgs,
    scan::FleetArgs, timeline::TimelineArgs, verify::VerifyArgs,
};
use self::{
    diff::DIFF_HELP, graph::GRAPH_HELP, report::REPORT_HELP, scan::SCAN_HELP, timeline::TIMELINE_HELP,
    verify::VERIFY_HELP,
};
use crate::{
    command::{
        YaraArgs,
        iocs::{self, IocsArgs},
        secrets::{self, SecretsArgs},
        triage::{self, TriageArgs},
    },
    progress::Bars,
};

/// Look into container checkpoints: processes, memory and metadata, read from the archive in place.
#[derive(Debug, Parser)]
#[command(name = "ckptfx", version, propagate_version = true, max_term_width = 110, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options of every command.
    #[command(flatten)]
    pub common: Common,
}

const EXAMPLES: &str = "Examples:
  ckptfx info archive.tar
  ckptfx ps archive.tar
  ckptfx ps -o json --env archive.tar.zst | jq '.processes[].cmdline'
  ckptfx grep-mem 'password' archive.tar
  ckptfx dump --pid 1 --vma heap archive.tar --out-file heap.bin

Archives may be plain or compressed tars, directories, OCI images, image streams, or - for standard input.
Nothing is extracted, and the evidence is never written.

Exit status: 0 done; 1 nothing matched, or --fail-on was met; 2 usage error or unreadable evidence; 3 done, but something in the
evidence could not be read (see the warnings; --strict makes it 2).";

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

impl Common {
    /// How evidence is opened.
    pub fn options<'o>(&'o self, parent: Option<&'o Path>, bars: &'o Bars) -> OpenOptions<'o> {
        OpenOptions { parent, limits: self.limits(), given: &self.given, progress: bars, sieve: None }
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

/// Form of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One JSON document.
    Json,
    /// One JSON record a line, each complete in itself.
    Jsonl,
    /// Comma-separated values with a header.
    Csv,
    /// A directory with an OCI layout (`image` only).
    OciDir,
    /// A tar of an OCI layout (`image` only).
    OciArchive,
    /// Lines for mactime (`timeline` only).
    Bodyfile,
    /// JSON lines for Timesketch (`timeline` only).
    Timesketch,
    /// A graph for Graphviz (`graph` only).
    Dot,
    /// A graph for Mermaid (`graph` only).
    Mermaid,
    /// One page for a browser (`report` only).
    Html,
    /// Text for a ticket (`report` only).
    Markdown,
    /// Events of the Elastic Common Schema, one a line (`triage`, `report`).
    Ecs,
    /// Events of OCSF, one a line (`triage`, `report`).
    Ocsf,
    /// A SARIF log (`triage`, `report`).
    Sarif,
    /// A STIX bundle (`triage`, `report`).
    Stix,
}

impl Format {
    /// The form for other systems that it is.
    pub fn form(self) -> Option<&'static Form> {
        Form::named(&self.name())
    }

    /// The word for it on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

impl Command {
    /// The forms that its result has.
    pub fn forms(&self) -> String {
        let forms = Format::value_variants().iter().filter(|format| self.has(**format));
        forms.map(|format| format.name()).collect::<Vec<_>>().join(", ")
    }

    /// Whether the command's result has this form.
    pub fn has(&self, format: Format) -> bool {
        match format {
            Format::Jsonl | Format::Csv => !matches!(self, Self::Report(_)),
            Format::Table | Format::Json => true,
            Format::Bodyfile | Format::Timesketch => matches!(self, Self::Timeline(_)),
            Format::OciDir | Format::OciArchive => matches!(self, Self::Image(_)),
            Format::Dot | Format::Mermaid => matches!(self, Self::Graph(_)),
            Format::Html | Format::Markdown => matches!(self, Self::Report(_)),
            Format::Ecs | Format::Ocsf | Format::Sarif | Format::Stix => {
                matches!(self, Self::Triage(_) | Self::Report(_))
            }
        }
    }
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

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Give an overview: container, times, versions, counts, sizes, and what is not in the archive
    #[command(after_help = "Examples:\n  ckptfx info archive.tar\n  ckptfx info -o json --hash archive.tar")]
    Info(InfoArgs),
    /// Say what speaks for an intrusion, with proof: ranked, one story per process
    #[command(after_help = triage::HELP)]
    Triage(TriageArgs),
    /// Put everything into one document, with a record of custody
    #[command(after_help = REPORT_HELP)]
    Report(ReportArgs),
    /// Say whether an archive is still the one that a report or manifest was made of
    #[command(after_help = VERIFY_HELP)]
    Verify(VerifyArgs),
    /// Triage many archives: one line each, the worst first, and what they share
    #[command(after_help = SCAN_HELP)]
    Scan(FleetArgs),
    /// Show the process tree
    #[command(
        visible_alias = "pstree",
        after_help = "Examples:\n  ckptfx ps archive.tar\n  ckptfx ps --threads --env archive.tar\n  \
                      ckptfx ps --pid 14 -o json archive.tar"
    )]
    Ps(PsArgs),
    /// Search the memory of all processes
    #[command(override_usage = "ckptfx grep-mem [OPTIONS] PATTERN ARCHIVE...\n       ckptfx grep-mem [OPTIONS] -e PATTERN... ARCHIVE...", after_help = GREP_HELP)]
    GrepMem(GrepArgs),
    /// Find keys, tokens and passwords in memory, files and queues
    #[command(after_help = secrets::HELP, mut_arg("source", |source| source.default_value("all")))]
    Secrets(SecretsArgs),
    /// Count URLs, addresses, wallets and hashes, or find those of a list
    #[command(after_help = iocs::HELP, mut_arg("source", |source| source.default_value("all")))]
    Iocs(IocsArgs),
    /// List printable text, with the process, address and mapping of each
    #[command(after_help = STRINGS_HELP)]
    Strings(StringsArgs),
    /// Hold YARA rules against processes and files
    #[command(override_usage = "ckptfx yara [OPTIONS] -r RULES... ARCHIVE...", after_help = YaraArgs::HELP)]
    Yara(YaraArgs),
    /// Write raw bytes of a process's memory
    #[command(after_help = DUMP_HELP)]
    Dump(DumpArgs),
    /// Print a CRIU image as JSON
    #[command(
        after_help = "Examples:\n  ckptfx decode archive.tar checkpoint/pstree.img\n  ckptfx decode core-1.img\n  \
                            ckptfx decode archive.tar files.img -o jsonl"
    )]
    Decode(DecodeArgs),
    /// Tabulate the checkpoints of directories
    #[command(
        after_help = "Examples:\n  ckptfx list /var/lib/kubelet/checkpoints\n  ckptfx list -o csv cases/*"
    )]
    List(ListArgs),
    /// List every open file: descriptors, working directories, executables, mapped files
    #[command(
        visible_alias = "lsof",
        after_help = "Examples:\n  ckptfx files archive.tar\n  ckptfx files archive.tar | grep deleted\n  ckptfx files --pid 14 -o json archive.tar"
    )]
    Files(FilesArgs),
    /// List sockets with their peers, queues and holders
    #[command(visible_aliases = ["ss", "sockstat"], after_help = "Examples:\n  ckptfx sockets archive.tar\n  ckptfx ss -o json archive.tar | jq '.sockets[] | select(.state == \"LISTEN\")'")]
    Sockets(SocketsArgs),
    /// Show bytes that nobody had read yet: pipes, sockets, terminals, message queues
    #[command(
        after_help = "Examples:\n  ckptfx queues archive.tar\n  ckptfx queues -o json archive.tar | jq -r '.queues[].text'\n  \
                      ckptfx queues --raw 1 archive.tar --out-file unread.bin"
    )]
    Queues(QueuesArgs),
    /// List the mappings of each process
    #[command(
        after_help = "Examples:\n  ckptfx maps --pid 14 archive.tar\n  ckptfx maps --anomalies archive.tar"
    )]
    Maps(MapsArgs),
    /// Show where each thread was, with its registers
    #[command(
        after_help = "Examples:\n  ckptfx threads archive.tar\n  ckptfx threads --pid 14 -o json archive.tar"
    )]
    Threads(ThreadsArgs),
    /// Show credentials, capabilities, seccomp filters and security labels
    #[command(
        after_help = "Examples:\n  ckptfx creds archive.tar\n  ckptfx creds --pid 1 --filters archive.tar"
    )]
    Creds(CredsArgs),
    /// Show signal handlers, blocked and pending signals
    #[command(after_help = "Examples:\n  ckptfx signals --pid 1 archive.tar")]
    Signals(SignalsArgs),
    /// Show interval and POSIX timers
    #[command(after_help = "Examples:\n  ckptfx timers archive.tar")]
    Timers(TimersArgs),
    /// Write an ELF core file of a process
    #[command(after_help = CORE_HELP)]
    Core(CoreArgs),
    /// Show the mount tree
    #[command(
        after_help = "Examples:\n  ckptfx mounts archive.tar\n  ckptfx mounts -o json archive.tar | jq -r \".mounts[] | select(.external) | .mountpoint\""
    )]
    Mounts(MountsArgs),
    /// List namespaces and tell which are the host's
    #[command(after_help = "Examples:\n  ckptfx ns archive.tar\n  ckptfx ns --pid 14 archive.tar")]
    Ns(NsArgs),
    /// Show interfaces, addresses, routes, rules, firewall and sysctls
    #[command(after_help = NET_HELP)]
    Net(NetArgs),
    /// Show System V shared memory, semaphores and message queues
    #[command(after_help = "Examples:\n  ckptfx ipc archive.tar\n  ckptfx ipc -o json archive.tar")]
    Ipc(IpcArgs),
    /// Show control groups and their limits
    #[command(after_help = "Examples:\n  ckptfx cgroups archive.tar\n  ckptfx cgroups -o csv archive.tar")]
    Cgroups(CgroupsArgs),
    /// Show the container's log and CRIU's
    #[command(after_help = LOGS_HELP)]
    Logs(LogsArgs),
    /// Show durations and page counts of the dump
    #[command(after_help = STATS_HELP)]
    Stats(StatsArgs),
    /// List what changed in the root file system
    #[command(
        args_conflicts_with_subcommands = true,
        subcommand_negates_reqs = true,
        after_help = ROOTFS_HELP
    )]
    Rootfs(RootfsArgs),
    /// List or write deleted files, memfds and executables that exist only in memory
    #[command(
        override_usage = "ckptfx recover [OPTIONS] ARCHIVE...\n       ckptfx recover [OPTIONS] -O DIR ID... ARCHIVE",
        after_help = RECOVER_HELP
    )]
    Recover(RecoverArgs),
    /// List mapped executables and libraries
    #[command(
        visible_alias = "librarylist",
        after_help = "Examples:\n  ckptfx sbom archive.tar\n  ckptfx sbom --pid 14 archive.tar\n  \
                      ckptfx sbom --cyclonedx archive.tar --out-file sbom.cdx.json"
    )]
    Sbom(SbomArgs),
    /// Show the environment of each process
    #[command(
        visible_alias = "envars",
        after_help = "Examples:\n  ckptfx env archive.tar\n  ckptfx env --pid 1 archive.tar | grep -i token"
    )]
    Env(ViewArgs),
    /// Show the resource limits of each process
    #[command(
        after_help = "Examples:\n  ckptfx limits archive.tar\n  ckptfx limits --comm nginx -o json archive.tar"
    )]
    Limits(ViewArgs),
    /// Show host and domain name of each UTS namespace
    #[command(after_help = "Examples:\n  ckptfx uts archive.tar")]
    Uts(ViewArgs),
    /// Take a checkpoint of a running container and seal it
    #[cfg(feature = "capture")]
    #[command(after_help = CAPTURE_HELP)]
    Capture(Box<CaptureArgs>),
    /// Say in plain words why a checkpoint failed, and what to do
    #[command(after_help = EXPLAIN_HELP)]
    Explain(ExplainArgs),
    /// Make an OCI image that CRI-O, containerd or Podman restores
    #[command(after_help = IMAGE_HELP)]
    Image(ImageArgs),
    /// Show what differs between checkpoints
    #[command(after_help = DIFF_HELP)]
    Diff(DiffArgs),
    /// List every dated fact in order of time
    #[command(visible_alias = "timeliner", after_help = TIMELINE_HELP)]
    Timeline(TimelineArgs),
    /// Show who talks to whom: pipes, sockets, shared memory, parents
    #[command(after_help = GRAPH_HELP)]
    Graph(GraphArgs),
    /// Show commands that were typed: shell history in memory, and unread terminal input
    #[command(
        visible_alias = "bash",
        after_help = "Bash and other programs with GNU history keep what was typed in memory, also when they write no history file.\n                      Shells without it (dash, BusyBox) keep nothing but the line that they work on.\n\n                      Examples:\n  ckptfx history archive.tar\n  ckptfx history --pid 6 -o json archive.tar"
    )]
    History(ViewArgs),
    /// Print the JSON Schema of a command's result
    #[command(after_help = "Examples:\n  ckptfx schema ps\n  ckptfx schema --all --dir docs/schema")]
    Schema(SchemaArgs),
    /// Write man pages or shell completions
    #[command(
        after_help = "Examples:\n  ckptfx generate man --dir man1\n  ckptfx generate completions bash > ckptfx.bash"
    )]
    Generate(GenerateArgs),
}

/// What `info` takes.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
}

/// Which processes are meant.
#[derive(Debug, Clone, Default, Args)]
pub struct ProcessFilter {
    /// Only these processes (comma-separated pids as seen in the container).
    #[arg(long, value_delimiter = ',', value_name = "PID")]
    pub pid: Vec<u32>,
    /// Only processes of these names.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub comm: Vec<String>,
    /// Only processes of these executables: a full path, or its last part.
    #[arg(long, value_delimiter = ',', value_name = "EXE")]
    pub exe: Vec<String>,
}

/// What commands take that show something of each process.
#[derive(Debug, Args)]
pub struct ViewArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    #[command(flatten)]
    pub filter: ProcessFilter,
}

/// What `ps` takes.
#[derive(Debug, Args)]
pub struct PsArgs {
    /// Archives, directories, or - for standard input.
    #[arg(value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    #[command(flatten)]
    pub filter: ProcessFilter,
    /// Show the environment of each process.
    #[arg(long)]
    pub env: bool,
}

/// What `decode` takes.
#[derive(Debug, Args)]
pub struct DecodeArgs {
    /// An image file, or an archive and the names of images in it.
    #[arg(required = true, value_name = "IMAGE|ARCHIVE MEMBER")]
    pub operands: Vec<PathBuf>,
}

/// What `list` takes.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Directories with archives, or archives.
    #[arg(required = true, value_name = "DIR")]
    pub directories: Vec<PathBuf>,
}

/// What `files` takes.
#[derive(Debug, Args)]
pub struct FilesArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    #[command(flatten)]
    pub filter: ProcessFilter,
}

/// What `sockets` takes.
#[derive(Debug, Args)]
pub struct SocketsArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    #[command(flatten)]
    pub filter: ProcessFilter,
}

/// What `queues` takes.
#[derive(Debug, Args)]
pub struct QueuesArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    #[command(flatten)]
    pub filter: ProcessFilter,
    /// Write the bytes of the queue with this number, and nothing else.
    #[arg(long, value_name = "N")]
    pub raw: Option<usize>,
}

/// What `maps` takes.
#[derive(Debug, Args)]
pub struct MapsArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    #[command(flatten)]
    pub filter: ProcessFilter,
    /// Only mappings with something odd about them, and what it is.
    #[arg(long)]
    pub anomalies: bool,
}

/// What `threads` takes.
#[derive(Debug, Args)]
pub struct ThreadsArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    #[command(flatten)]
    pub filter: ProcessFilter,
    /// Show the registers of each thread.
    #[arg(long)]
    pub registers: bool,
}

/// What `creds` takes.
#[derive(Debug, Args)]
pub struct CredsArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    #[command(flatten)]
    pub filter: ProcessFilter,
    /// Show the seccomp filters, disassembled.
    #[arg(long)]
    pub filters: bool,
}

/// What `signals` takes.
#[derive(Debug, Args)]
pub struct SignalsArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    #[command(flatten)]
    pub filter: ProcessFilter,
    /// Show signals with their default action too.
    #[arg(long)]
    pub all: bool,
}

/// What `timers` takes.
#[derive(Debug, Args)]
pub struct TimersArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    #[command(flatten)]
    pub filter: ProcessFilter,
}

/// What `schema` takes.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// The command whose result is meant; manifest for what capture writes beside an archive.
    #[arg(required_unless_present = "all", value_name = "COMMAND")]
    pub command: Option<String>,
    /// All of them.
    #[arg(long, requires = "dir")]
    pub all: bool,
    /// Write `<command>.json` files to this directory.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// What `generate` takes.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// What to write.
    #[command(subcommand)]
    pub what: Generate,
}

/// What can be generated.
#[derive(Debug, Subcommand)]
pub enum Generate {
    /// Man pages, one per command
    Man {
        /// Directory to write them to.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
    },
    /// Completions for a shell
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// Two addresses in hexadecimal, as `/proc/PID/maps` has them; `0x` may stand before each.
/// Two addresses in hexadecimal, `A-B`.
pub fn parse_range(text: &str) -> Result<(u64, u64), String> {
    let number = |text: &str| {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        u64::from_str_radix(digits, 16).map_err(|_| format!("{text} is no hexadecimal address"))
    };
    let (from, to) = text.split_once('-').ok_or("two addresses with - between them are needed")?;
    let (from, to) = (number(from)?, number(to)?);
    if from < to {
        Ok((from, to))
    } else {
        Err("the second address must be greater than the first".to_owned())
    }
}
