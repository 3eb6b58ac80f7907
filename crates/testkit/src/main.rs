//! Command line of the test kit: ready-made archives and big ones for benchmarks.

use ckptfx_testkit::{Container, CrioVersion, Large, Scale, Stream, damage};
use clap::{Parser, Subcommand};
use std::fs::File;
use std::io::{BufWriter, Write};
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
    /// Write hostile, cut and sharded archives into a directory.
    Hostile {
        /// Directory to write to.
        #[arg(long)]
        out: PathBuf,
    },
    /// Write a big checkpoint; prints where the needles are, as JSON.
    Large {
        /// Bytes of memory, such as `512MiB` or `2GiB`.
        #[arg(long, default_value = "64MiB", value_parser = size)]
        size: u64,
        /// Number of processes.
        #[arg(long, default_value_t = 8)]
        processes: u32,
        /// String to plant.
        #[arg(long, default_value = "ckptfx-needle-5d1e0c")]
        needle: String,
        /// How often to plant it.
        #[arg(long, default_value_t = 16)]
        count: u32,
        /// Seed.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// File to write.
        #[arg(long)]
        out: PathBuf,
    },
    /// Write a checkpoint with many processes, descriptors, mappings, memfds, mounts, files and findings.
    Scale {
        /// How many of each.
        #[arg(long, default_value_t = 10_000)]
        count: u32,
        /// File to write.
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
        Command::Hostile { out } => {
            std::fs::create_dir_all(&out)?;
            let members = Container::sample().crio(CrioVersion::V1_29);
            for (name, archive) in damage::hostile(&members, false) {
                let name = format!("hostile-{}.tar", name.replace(' ', "-"));
                std::fs::write(out.join(name), archive.to_tar())?;
            }
            for (number, bytes) in damage::cuts(&members).iter().enumerate() {
                std::fs::write(out.join(format!("cut-{number:03}.tar")), bytes)?;
            }
            let images = Container::sample().docker_directory();
            for (number, shard) in Stream::shards(3).write(&images).iter().enumerate() {
                std::fs::write(out.join(format!("img-{number}.stream")), shard)?;
            }
            std::fs::write(out.join("bomb.tar.zst"), damage::bomb(1 << 30))?;
            std::fs::write(out.join("many.tar"), damage::many_members(100_000).to_tar())
        }
        Command::Large { size, processes, needle, count, seed, out } => {
            let large = Large { size, processes, needle: needle.into_bytes(), count, seed };
            let mut file = BufWriter::with_capacity(1 << 20, File::create(out)?);
            let truth = large.write(&mut file)?;
            file.flush()?;
            println!("{truth:#}");
            Ok(())
        }
        Command::Scale { count, out } => {
            let mut file = BufWriter::with_capacity(1 << 20, File::create(out)?);
            Scale(count).write(&mut file)?;
            file.flush()
        }
        Command::List => {
            for (name, _) in ckptfx_testkit::RECIPES {
                println!("{name}");
            }
            Ok(())
        }
    }
}

/// Parses a number of bytes with an optional unit.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "B" => 0,
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        other => return Err(format!("unknown unit {other:?}")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("not a number: {digits:?}"))?;
    number.checked_mul(1 << unit).ok_or_else(|| "too large".to_owned())
}
