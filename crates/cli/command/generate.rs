//! `ckptfx generate`: man pages and completions, made from the command line's own definition; and what the program's help
//! refers to: roles for a cluster, and the documentation.

use std::{fs, io::Write as _, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};

use crate::{
    args::Format,
    command_line,
    outcome::Outcome,
    spec::{Command, Group},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "generate",
    aliases: &[],
    group: Group::Reference,
    about: "Print man pages, completions, RBAC manifests and documentation",
    usage: None,
    notes: "",
    examples: &[
        "ckptfx generate man --dir man1",
        "ckptfx generate completions bash > ckptfx.bash",
        "ckptfx generate rbac trigger | kubectl apply -f -",
        "ckptfx generate docs capture | less",
    ],
    arguments: GenerateArgs::augment_args,
    formats: Format::RECORDS,
    result: None,
    run: |call| run(&call.arguments()?, call.commands),
};

/// Manifests with roles, by what they are for.
const ROLES: [(&str, &str); 3] = [
    ("trigger", include_str!("../../../docs/capture/trigger-rbac.yaml")),
    ("kubelet", include_str!("../../../docs/capture/kubelet-rbac.yaml")),
    ("fetch", include_str!("../../../docs/capture/fetch-rbac.yaml")),
];

/// Pages of the documentation.
const PAGES: [(&str, &str); 10] = [
    ("usage", include_str!("../../../docs/usage.md")),
    ("walkthrough", include_str!("../../../docs/walkthrough.md")),
    ("runbook", include_str!("../../../docs/runbook.md")),
    ("capture", include_str!("../../../docs/capture.md")),
    ("archives", include_str!("../../../docs/archives.md")),
    ("output", include_str!("../../../docs/output.md")),
    ("format", include_str!("../../../docs/format.md")),
    ("reliability", include_str!("../../../docs/reliability.md")),
    ("glossary", include_str!("../../../docs/glossary.md")),
    ("performance", include_str!("../../../docs/performance.md")),
];

/// Prints one of several texts, or all of them with a line between.
fn print(texts: &[(&str, &str)], wanted: Option<&str>, between: &str) -> Result<()> {
    let texts: Vec<&str> = texts
        .iter()
        .filter(|(name, _)| wanted.is_none_or(|wanted| wanted == *name))
        .map(|(_, text)| text.trim_end())
        .collect();
    writeln!(std::io::stdout(), "{}", texts.join(between))?;
    Ok(())
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
        /// Output directory.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
    },
    /// Roles that `capture` needs in a cluster, as manifests for kubectl
    Rbac {
        /// Which of them; all by default.
        #[arg(value_parser = clap::builder::PossibleValuesParser::new(ROLES.map(|(name, _)| name)))]
        role: Option<String>,
    },
    /// Pages of the documentation
    Docs {
        /// Which page; without one their names are listed.
        #[arg(value_parser = clap::builder::PossibleValuesParser::new(PAGES.map(|(name, _)| name)))]
        page: Option<String>,
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
        Generate::Rbac { role } => print(&ROLES, role.as_deref(), "\n---\n")?,
        Generate::Docs { page: Some(page) } => print(&PAGES, Some(page), "\n")?,
        Generate::Docs { page: None } => {
            let names: Vec<String> =
                PAGES.iter().map(|(name, _)| format!("ckptfx generate docs {name}\n")).collect();
            std::io::stdout().write_all(names.concat().as_bytes())?;
        }
        Generate::Completions { shell } => {
            clap_complete::generate(*shell, &mut command, "ckptfx", &mut std::io::stdout());
        }
    }
    Ok(Outcome::Done)
}
