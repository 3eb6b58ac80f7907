//! Command line of the test kit: ready-made archives and big ones for benchmarks.

use clap::{Parser, Subcommand};
use std::path::PathBuf;

#[derive(Parser)]
#[command(about = "Writes made-up checkpoints for tests and benchmarks")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write one ready-made archive.
    Engine {
        /// Name, as `list` prints it.
        name: String,
        /// File to write.
        #[arg(long)]
        out: PathBuf,
    },
    /// Write every ready-made archive into a directory.
    All {
        /// Directory to write to.
        #[arg(long)]
        out: PathBuf,
    },
    /// Print the names of the ready-made archives.
    List,
}

fn main() -> std::io::Result<()> {
    match Arguments::parse().command {
        Command::Engine { name, out } => {
            let recipe = ckptfx_testkit::RECIPES.iter().find(|(known, _)| *known == name);
            let Some((_, make)) = recipe else {
                return Err(std::io::Error::other(format!("no archive {name:?}; see `list`")));
            };
            std::fs::write(out, make())
        }
        Command::All { out } => {
            std::fs::create_dir_all(&out)?;
            ckptfx_testkit::RECIPES.iter().try_for_each(|(name, make)| std::fs::write(out.join(name), make()))
        }
        Command::List => {
            for (name, _) in ckptfx_testkit::RECIPES {
                println!("{name}");
            }
            Ok(())
        }
    }
}
