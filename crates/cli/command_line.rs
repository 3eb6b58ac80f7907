//! The command line as a whole, made of the table of commands.

use clap::Args as _;

use crate::{args::Common, spec::Command};

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

/// The parser of the command line.
pub fn parser(commands: &[&Command]) -> clap::Command {
    let parser = clap::Command::new("ckptfx")
        .version(env!("CARGO_PKG_VERSION"))
        .propagate_version(true)
        .max_term_width(110)
        .subcommand_required(true)
        .arg_required_else_help(true);
    let parser = Common::augment_args(parser)
        .about(
            "Look into container checkpoints: processes, memory and metadata, read from the archive in place",
        )
        .long_about(None)
        .after_help(EXAMPLES);
    commands.iter().fold(parser, |parser, command| parser.subcommand(command.parser()))
}
