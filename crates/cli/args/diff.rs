//! What `diff` takes.

use std::path::PathBuf;

use ckptfx_analysis::compare::Kind;
use clap::{Args, ValueEnum};

use super::ProcessFilter;

pub const DIFF_HELP: &str = "Each checkpoint is compared with the one before it. Processes are matched by program, arguments and place in the
tree, and by pid where both checkpoints are of one container; sockets by their addresses; files and mounts by
path; mappings and memory by address where a process kept its layout, else by name. Inodes, pids, addresses and
directories of the node and times of files are compared only between checkpoints of one container. What belongs to a process that
only one checkpoint has is summed up by that process, unless --all is given. A fact that one checkpoint did not
record is not compared.

A directory that capture --every wrote to stands for its archives in the order of the chain, and a manifest for its
archive: seals and links are checked, and what does not agree is a warning.

Exit status: 0, whether there are differences or not; with --exit-code 1 if there are any.

Examples:
  ckptfx diff monday.tar tuesday.tar
  ckptfx diff --kind process,socket,rootfs monday.tar tuesday.tar wednesday.tar
  ckptfx diff --kind memory,string --strings --pid 14 monday.tar tuesday.tar
  ckptfx diff chain/
  ckptfx diff --exit-code -q golden.tar suspect.tar -o json";

/// What `diff` takes.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Archives, their manifests, or directories, the oldest first. One that holds several checkpoints may stand alone.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    /// Compare only these kinds of things.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KIND")]
    pub kind: Vec<KindArg>,
    /// List text that appeared or disappeared in changed memory.
    #[arg(long)]
    pub strings: bool,
    /// Shortest text for --strings, in bytes.
    #[arg(long, default_value_t = 6, value_name = "BYTES")]
    pub min_length: usize,
    /// Most texts listed of a region, for each of appeared and disappeared.
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub max_strings: usize,
    /// List what belongs to processes that only one checkpoint has, too.
    #[arg(long)]
    pub all: bool,
    /// End with status 1 if there are differences.
    #[arg(long)]
    pub exit_code: bool,
    #[command(flatten)]
    pub filter: ProcessFilter,
}

/// A kind of thing that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindArg(pub Kind);

impl ValueEnum for KindArg {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [KindArg; Kind::ALL.len()] = {
            let mut all = [KindArg(Kind::Container); Kind::ALL.len()];
            let mut index = 0;
            while index < all.len() {
                all[index] = KindArg(Kind::ALL[index]);
                index += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.0.name()))
    }
}
