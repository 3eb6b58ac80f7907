//! `ckptfx schema`: what the JSON of each command looks like, generated from the types it is made of.

use std::{fs, io::Write as _, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use ckptfx_analysis::{
    compare,
    container::{cgroup, ipc, log, mount, namespace, statistics, summary, uts},
    files::{file, rootfs, sbom},
    finding, graph, ioc,
    memory::{elf_core, mapping, piece},
    network::{self, queue, socket},
    process::{self, environment, history, limits, signal, thread, timer},
    recover,
    search::{self, yara},
    secret,
    security::credential,
    timeline,
};
use ckptfx_capture::{explain, image};
use ckptfx_report::{
    custody, fleet, heads, list,
    schema::{self, About, Document, List, Record, image_entry, of},
};
use clap::Args;
use serde_json::Value;

use crate::{args::Format, outcome::Outcome, spec::Command};

/// The command.
pub const COMMAND: Command = Command {
    name: "schema",
    aliases: &[],
    about: "Print the JSON Schema of a command's result",
    usage: None,
    notes: "",
    examples: &["ckptfx schema ps", "ckptfx schema --all --dir docs/schema"],
    arguments: SchemaArgs::augment_args,
    formats: Format::RECORDS,
    run: |call| run(&call.arguments()?),
};

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

/// Name of the schema of manifests.
const MANIFEST: &str = "manifest";

/// Command, collection and record of each result.
const RESULTS: &[(&str, &str, Record)] = &[
    #[cfg(feature = "capture")]
    ("capture", "captures", of::<ckptfx_capture::record::Record>),
    #[cfg(feature = "capture")]
    ("capture", "checks", of::<ckptfx_capture::record::CheckRecord>),
    ("cgroups", "cgroups", of::<cgroup::Cgroup>),
    ("core", "segments", of::<elf_core::SegmentFacts>),
    ("creds", "credentials", of::<credential::Credentials>),
    ("decode", "entries", image_entry),
    ("diff", "changes", of::<compare::Change>),
    ("dump", "pieces", of::<piece::Piece>),
    ("env", "variables", of::<environment::Variable>),
    ("explain", "explanations", of::<explain::record::Record>),
    ("files", "files", of::<file::OpenFile>),
    ("grep-mem", "matches", of::<search::pattern::Match<'static>>),
    ("image", "images", of::<image::record::Record>),
    ("graph", "edges", of::<graph::Edge>),
    ("graph", "nodes", of::<graph::Node>),
    ("history", "commands", of::<history::TypedCommand>),
    ("info", "info", of::<summary::Summary>),
    ("iocs", "iocs", of::<ioc::Indicator>),
    ("ipc", "ipc", of::<ipc::Object>),
    ("limits", "limits", of::<limits::Limit>),
    ("list", "checkpoints", of::<list::Row>),
    ("logs", "lines", of::<log::LogLine>),
    ("maps", "maps", of::<mapping::Mapping>),
    ("mounts", "mounts", of::<mount::Mount>),
    ("ns", "namespaces", of::<namespace::NamespaceFacts>),
    ("net", "interfaces", of::<network::Interface>),
    ("net", "addresses", of::<network::Address>),
    ("net", "routes", of::<network::Route>),
    ("net", "rules", of::<network::Rule>),
    ("net", "firewall", of::<network::FirewallLine>),
    ("net", "sysctls", of::<network::Sysctl>),
    ("net", "connections", of::<network::Connection>),
    ("ps", "processes", of::<process::Process>),
    ("queues", "queues", of::<queue::Queue>),
    ("sockets", "sockets", of::<socket::Socket>),
    ("recover", "recoverable", of::<recover::Recoverable>),
    ("report", "findings", of::<finding::Finding>),
    ("report", "not_examined", of::<finding::NotExamined>),
    ("report", "processes", of::<process::Process>),
    ("report", "threads", of::<thread::ThreadFacts>),
    ("report", "files", of::<file::OpenFile>),
    ("report", "sockets", of::<socket::Socket>),
    ("report", "maps", of::<mapping::Mapping>),
    ("report", "queues", of::<queue::Queue>),
    ("report", "recoverable", of::<recover::Recoverable>),
    ("report", "changes", of::<rootfs::Change>),
    ("report", "mounts", of::<mount::Mount>),
    ("report", "secrets", of::<secret::Secret>),
    ("report", "events", of::<timeline::Event>),
    ("report", "edges", of::<graph::Edge>),
    ("report", "nodes", of::<graph::Node>),
    ("rootfs", "changes", of::<rootfs::Change>),
    ("sbom", "components", of::<sbom::Component>),
    ("scan", "checkpoints", of::<fleet::Verdict>),
    ("scan", "shared", of::<fleet::Shared>),
    ("secrets", "secrets", of::<secret::Secret>),
    ("signals", "signals", of::<signal::Signal>),
    ("stats", "stats", of::<statistics::Measured>),
    ("strings", "strings", of::<search::strings::StringFacts>),
    ("threads", "threads", of::<thread::ThreadFacts>),
    ("timeline", "events", of::<timeline::Event>),
    ("timers", "timers", of::<timer::Timer>),
    ("triage", "findings", of::<finding::Finding>),
    ("triage", "not_examined", of::<finding::NotExamined>),
    ("uts", "uts", of::<uts::Uts>),
    ("verify", "differences", of::<custody::Difference>),
    ("yara", "matches", of::<yara::Match>),
];

/// Commands whose result is about no single checkpoint.
const NO_CHECKPOINT: &[&str] = &["capture", "explain", "list", "scan", "verify"];

/// Commands that say what they covered.
const SCANS: &[&str] = &["grep-mem", "iocs", "secrets", "strings", "yara"];

pub fn run(args: &SchemaArgs) -> Result<Outcome> {
    // A document may have several lists.
    let wanted = RESULTS.chunk_by(|(one, ..), (other, ..)| one == other).filter_map(|lists| {
        let (name, ..) = lists.first()?;
        (args.all || args.command.as_deref() == Some(*name)).then_some((name, lists))
    });
    let mut schemas: Vec<_> = wanted.map(|(name, lists)| (*name, document(name, lists))).collect();
    if args.all || args.command.as_deref() == Some(MANIFEST) {
        schemas.push((MANIFEST, manifest()));
    }
    if schemas.is_empty() {
        let mut names: Vec<&str> = RESULTS.iter().map(|(name, ..)| *name).collect();
        names.dedup();
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

/// The schema of a command's result.
fn document(command: &str, lists: &[(&str, &str, Record)]) -> Value {
    let lists: Vec<List<'_>> = lists.iter().map(|(_, name, record)| List { name, record: *record }).collect();
    let heads: &[List<'_>] = match command {
        "decode" => &[List { name: "image", record: of::<heads::ImageFacts<'static>> }],
        "diff" => &[List { name: "earlier", record: of::<heads::Earlier> }],
        "report" => &[List { name: "custody", record: of::<custody::Custody> }],
        "verify" => &[List { name: "verified", record: of::<heads::Verified> }],
        _ => &[],
    };
    let counts: Option<(Record, &str)> = match command {
        "grep-mem" => Some((of::<search::pattern::Count>, "With -c or -l, instead of matches.")),
        "strings" => Some((of::<search::strings::Count>, "With -c, instead of strings.")),
        "yara" => Some((of::<yara::Count>, "With -c, instead of matches.")),
        _ => None,
    };
    let document = Document {
        command,
        about: match command {
            // An image by itself is of no checkpoint.
            "decode" => About::Maybe,
            _ if NO_CHECKPOINT.contains(&command) => About::None,
            _ => About::Checkpoint,
        },
        heads,
        lists: &lists,
        counts,
        coverage: SCANS.contains(&command).then_some(of::<search::Coverage>),
    };
    document.schema()
}
