//! `ckptfx schema`: what the JSON of each command looks like, generated from the types it is made of.

use std::{fs, io::Write as _, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use ckptfx_report::schema;
use clap::Args;
use serde_json::Value;

use crate::{
    args::Format,
    outcome::Outcome,
    spec::{Command, Group},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "schema",
    aliases: &[],
    group: Group::Reference,
    about: "Print the JSON Schema of a command's output",
    usage: None,
    notes: "",
    examples: &["ckptfx schema ps", "ckptfx schema --all --dir docs/schema"],
    arguments: SchemaArgs::augment_args,
    formats: Format::RECORDS,
    result: None,
    run: |call| run(&call.arguments()?, call.commands),
};

/// What `schema` takes.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Command, or `manifest` for what capture writes beside an archive.
    #[arg(required_unless_present = "all", value_name = "COMMAND")]
    pub command: Option<String>,
    /// All of them.
    #[arg(long, requires = "dir")]
    pub all: bool,
    /// Write `<command>.json` files to DIR.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Name of the schema of manifests.
const MANIFEST: &str = "manifest";

fn run(args: &SchemaArgs, commands: &[&Command]) -> Result<Outcome> {
    let with_result = commands.iter().filter_map(|command| Some((command.name, command.result?)));
    let is_wanted = |name: &str| args.all || args.command.as_deref() == Some(name);
    let wanted = with_result.clone().filter(|(name, _)| is_wanted(name));
    let mut schemas: Vec<_> = wanted.map(|(name, document)| (name, document.schema(name))).collect();
    if is_wanted(MANIFEST) {
        schemas.push((MANIFEST, manifest()));
    }
    if schemas.is_empty() {
        let mut names: Vec<&str> = with_result.map(|(name, _)| name).collect();
        names.sort_unstable();
        names.push(MANIFEST);
        bail!("there is no schema of that name; there are {}", names.join(", "));
    }
    for (name, schema) in schemas {
        let text = serde_json::to_string_pretty(&schema)? + "\n";
        match &args.dir {
            None => std::io::stdout().write_all(text.as_bytes())?,
            Some(dir) => {
                let path = dir.join(format!("{name}.json"));
                fs::create_dir_all(dir)
                    .and_then(|()| fs::write(&path, text))
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
    }
    Ok(Outcome::Done)
}

/// The schema of what `capture` writes beside an archive, which is no command's result.
fn manifest() -> Value {
    schema::alone::<ckptfx_capture::manifest::Manifest>(ckptfx_capture::manifest::SCHEMA)
}
