//! `ckptfx generate`: man pages and completions, made from the command line's own definition.

use std::fs;

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;

use super::Outcome;
use crate::args::{Cli, Generate, GenerateArgs};

pub fn run(args: &GenerateArgs) -> Result<Outcome> {
    let mut command = Cli::command();
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
