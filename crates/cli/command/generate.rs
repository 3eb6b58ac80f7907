//! `ckptfx generate`: man pages and completions, made from the command line's own definition.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};

use crate::{args::Format, command_line, outcome::Outcome, spec::Command};

/// The command.
pub const COMMAND: Command = Command {
    name: "generate",
    aliases: &[],
    about: "Write man pages or shell completions",
    usage: None,
    notes: "",
    examples: &["ckptfx generate man --dir man1", "ckptfx generate completions bash > ckptfx.bash"],
    arguments: GenerateArgs::augment_args,
    formats: Format::RECORDS,
    result: None,
    run: |call| run(&call.arguments()?, call.commands),
};

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

pub fn run(args: &GenerateArgs, commands: &[&Command]) -> Result<Outcome> {
    let mut command = command_line::parser(commands);
    match &args.what {
        Generate::Man { dir } => {
            fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
            clap_mangen::generate_to(command, dir)
                .with_context(|| format!("cannot write to {}", dir.display()))?;
        }
        Generate::Completions { shell } => {
            clap_complete::generate(*shell, &mut command, "ckptfx", &mut std::io::stdout());
        }
    }
    Ok(Outcome::Done)
}
