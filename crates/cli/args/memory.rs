//! What can be said about searching and writing memory.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::parse_range;
use crate::scanning::ScanArgs;

pub const GREP_HELP: &str =
    "A pattern is literal unless --regex or --hex is given. Expressions match bytes; (?u) turns Unicode on.
Every match is reported with its process, address and mapping. Matches run over page and mapping borders as
long as captured bytes follow one another, and never over a gap.

Examples:
  ckptfx grep-mem 'BEGIN OPENSSH PRIVATE KEY' archive.tar
  ckptfx grep-mem -i -e passwd -e secret --encoding all archive.tar
  ckptfx grep-mem -E 'https?://[^ ]+' -C 16 archive.tar
  ckptfx grep-mem --hex '7f 45 4c 46 ?? 01' --perms rwx archive.tar
  ckptfx grep-mem --source all --timeout 60 10.0.0.7 archive.tar
  ckptfx grep-mem -c -f indicators.txt -o json archive.tar";

/// What `grep-mem` takes.
#[derive(Debug, Args)]
pub struct GrepArgs {
    /// The pattern, unless -e or -f give any; then archives, directories, or - for standard input.
    #[arg(required = true, value_name = "PATTERN ARCHIVE")]
    pub operands: Vec<PathBuf>,
    /// A pattern; may be repeated.
    #[arg(short = 'e', long = "pattern", value_name = "PATTERN", allow_hyphen_values = true)]
    pub patterns: Vec<std::ffi::OsString>,
    /// Patterns from a file, one a line; empty lines are skipped.
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Patterns are regular expressions.
    #[arg(short = 'E', long, conflicts_with = "hex")]
    pub regex: bool,
    /// Patterns are bytes in hexadecimal, with ? for any half byte.
    #[arg(long)]
    pub hex: bool,
    /// Ignore the case of ASCII letters.
    #[arg(short, long)]
    pub ignore_case: bool,
    /// Match whole words only.
    #[arg(short, long)]
    pub word: bool,
    /// How the text may be encoded in memory.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "utf-8", value_name = "ENCODING")]
    pub encoding: Vec<EncodingArg>,
    /// Count the matches of each process.
    #[arg(short, long, conflicts_with = "list")]
    pub count: bool,
    /// Only list the processes with a match.
    #[arg(short, long)]
    pub list: bool,
    /// Stop after this many matches in each archive.
    #[arg(short, long, value_name = "N")]
    pub max_count: Option<u64>,
    /// Bytes shown after a match.
    #[arg(short = 'A', long, value_name = "BYTES")]
    pub after_context: Option<usize>,
    /// Bytes shown before a match.
    #[arg(short = 'B', long, value_name = "BYTES")]
    pub before_context: Option<usize>,
    /// Bytes shown before and after a match.
    #[arg(short = 'C', long, value_name = "BYTES")]
    pub context: Option<usize>,
    #[command(flatten)]
    pub scan: ScanArgs,
}

pub const STRINGS_HELP: &str =
    "Printable are the ASCII characters and the tab; in UTF-8 also every other character that is no control; in UTF-16 also
Latin-1. A string is a maximal run of them and never runs over a gap in captured memory.

Examples:
  ckptfx strings archive.tar | less
  ckptfx strings -n 12 --pid 14 --encoding all archive.tar
  ckptfx strings --unique --perms rw archive.tar | head
  ckptfx strings --source rootfs,ghost-file,pipe archive.tar";

/// What `strings` takes.
#[derive(Debug, Args)]
pub struct StringsArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    /// Fewest characters of a string.
    #[arg(short = 'n', long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub min_length: u16,
    /// How the text may be encoded.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "utf-8", value_name = "ENCODING")]
    pub encoding: Vec<EncodingArg>,
    /// Give each text once, with the number of times and the first place, the most frequent first.
    #[arg(short, long, conflicts_with = "count")]
    pub unique: bool,
    /// With --unique, tell at most this many texts apart.
    #[arg(long, default_value_t = 5_000_000, value_name = "N")]
    pub max_unique: usize,
    /// Count the strings of each process.
    #[arg(short, long)]
    pub count: bool,
    #[command(flatten)]
    pub scan: ScanArgs,
}

/// How the text may be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EncodingArg {
    /// ASCII, which is UTF-8.
    Ascii,
    /// UTF-8 and any other bytes as given.
    #[value(name = "utf-8", alias = "utf8")]
    Utf8,
    /// UTF-16, low byte first.
    #[value(name = "utf-16le", alias = "utf16le")]
    Utf16Le,
    /// UTF-16, high byte first.
    #[value(name = "utf-16be", alias = "utf16be")]
    Utf16Be,
    /// All of them.
    All,
}

pub const DUMP_HELP: &str = "Without --range or --vma the captured bytes of the whole process are written one after another; -o json lists
which address each piece has. With them the bytes are contiguous: never-written anonymous memory is zero, and
--missing says what to do about bytes that the checkpoint does not hold.

Examples:
  ckptfx dump --pid 1 --vma stack archive.tar | strings
  ckptfx dump --pid 11 --range 0x7f0000000000-0x7f0000010000 archive.tar --out-file region.bin
  ckptfx dump --pid 11 -o json archive.tar";

/// What `dump` takes.
#[derive(Debug, Args)]
pub struct DumpArgs {
    /// The archive, a directory, or - for standard input.
    #[arg(value_name = "ARCHIVE")]
    pub archive: PathBuf,
    /// The process.
    #[arg(long, value_name = "PID")]
    pub pid: u32,
    /// Addresses to write, the second exclusive.
    #[arg(long, value_name = "A-B", value_parser = parse_range, conflicts_with = "vma")]
    pub range: Option<(u64, u64)>,
    /// A mapping: heap, stack, vdso, or its index in the list that -o json gives.
    #[arg(long, value_name = "heap|stack|INDEX")]
    pub vma: Option<String>,
    /// Bytes that the checkpoint does not hold.
    #[arg(long, value_enum, default_value_t = Missing::Fail)]
    pub missing: Missing,
}

/// What to do about bytes that are not in the checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Missing {
    /// Write nothing and say what is missing.
    Fail,
    /// Write zero bytes in their place, with a warning.
    Zero,
    /// Leave them out, with a warning; what follows moves up.
    Skip,
}

pub const CORE_HELP: &str = "The core holds every byte of the process that the checkpoint holds, and nothing else: pages that are only in files
of the container are left out, and listed. --sysroot adds them from files whose build id (or size, for files without
one) is that of the file that was mapped. A debugger may fill the gaps from files of the machine it runs on: tell gdb
not to with 'set sysroot', as below; it then says that it cannot access them.

Examples:
  ckptfx core --pid 14 archive.tar --out-file 14.core
  ckptfx core --pid 14 archive.tar --sysroot ./image-root --out-file 14.core
  gdb -iex 'set sysroot /nonexistent' -ex 'info threads' -c 14.core
  ckptfx core --pid 14 archive.tar -o json";

/// What `core` takes.
#[derive(Debug, Args)]
pub struct CoreArgs {
    /// The archive, a directory, or - for standard input.
    #[arg(value_name = "ARCHIVE")]
    pub archive: PathBuf,
    /// The process.
    #[arg(long, value_name = "PID")]
    pub pid: u32,
    /// Directory with the container's files, for pages that are only in files.
    #[arg(long, value_name = "DIR")]
    pub sysroot: Option<PathBuf>,
}
