//! `ckptfx schema`: what the JSON of each command looks like, generated from the types it is made of.

use std::{fs, io::Write as _, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use ckptfx_analysis::{
    compare,
    container::{cgroup, ipc, log, mount, namespace, statistics, summary, uts},
    files::{file, rootfs, sbom},
    finding, graph, ioc,
    memory::{elf_core, mapping},
    network::{self, queue, socket},
    process::{self, environment, history, limits, signal, thread, timer},
    recover,
    search::{self, yara},
    secret,
    security::credential,
    timeline,
};
use ckptfx_report::custody;
use clap::Args;
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{decode, diff, dump, explain, grep_mem, image, list, scan, strings, verify};
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

/// Adds one record type to the generator's definitions and gives a reference to it.
type Record = fn(&mut SchemaGenerator) -> Schema;

/// Command, collection and record of each result.
const RESULTS: &[(&str, &str, Record)] = &[
    #[cfg(feature = "capture")]
    ("capture", "captures", of::<super::capture::Record>),
    #[cfg(feature = "capture")]
    ("capture", "checks", of::<super::capture::CheckRecord>),
    ("cgroups", "cgroups", of::<cgroup::Cgroup>),
    ("core", "segments", of::<elf_core::SegmentFacts>),
    ("creds", "credentials", of::<credential::Credentials>),
    ("decode", "entries", any_object),
    ("diff", "changes", of::<compare::Change>),
    ("dump", "pieces", of::<dump::Piece>),
    ("env", "variables", of::<environment::Variable>),
    ("explain", "explanations", of::<explain::Record>),
    ("files", "files", of::<file::OpenFile>),
    ("grep-mem", "matches", of::<grep_mem::Match<'static>>),
    ("image", "images", of::<image::Record>),
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
    ("scan", "checkpoints", of::<scan::Verdict>),
    ("scan", "shared", of::<scan::Shared>),
    ("secrets", "secrets", of::<secret::Secret>),
    ("signals", "signals", of::<signal::Signal>),
    ("stats", "stats", of::<statistics::Measured>),
    ("strings", "strings", of::<strings::StringFacts>),
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

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The entries of an image follow CRIU, not this program.
fn any_object(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({
        "type": "object",
        "description": "One entry of the image, with CRIU's field names; they are not part of the contract.",
    })
}

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
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<ckptfx_capture::manifest::Manifest>();
    schema.insert("title".to_owned(), ckptfx_capture::manifest::SCHEMA.into());
    schema.to_value()
}

/// The schema of a whole document. Keys that it does not name are allowed everywhere: `v1` may get more.
fn document(command: &str, lists: &[(&str, &str, Record)]) -> Value {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let title = format!("ckptfx.{command}.v1");
    let mut required = vec!["schema", "tool"];
    let mut properties = Map::new();
    properties.insert("schema".to_owned(), json!({"const": title}));
    properties.insert("tool".to_owned(), reference::<ckptfx_report::Tool>(&mut generator));
    // An image by itself is of no checkpoint, and a failure made none.
    if !NO_CHECKPOINT.contains(&command) {
        properties.insert("evidence".to_owned(), reference::<ckptfx_report::EvidenceHead>(&mut generator));
        properties.insert("container".to_owned(), reference::<ckptfx_report::ContainerHead>(&mut generator));
        if command != "decode" {
            required.extend(["evidence", "container"]);
        }
    }
    if command == "report" {
        properties.insert("custody".to_owned(), reference::<custody::Custody>(&mut generator));
        required.push("custody");
    }
    if command == "verify" {
        properties.insert("verified".to_owned(), reference::<verify::Verified>(&mut generator));
        required.push("verified");
    }
    if command == "diff" {
        properties.insert("earlier".to_owned(), reference::<diff::Earlier>(&mut generator));
        required.push("earlier");
    }
    if command == "decode" {
        properties.insert("image".to_owned(), reference::<decode::ImageFacts<'static>>(&mut generator));
        required.push("image");
    }
    for (_, collection, record) in lists {
        let items = record(&mut generator).to_value();
        properties.insert((*collection).to_owned(), json!({"type": "array", "items": items}));
    }
    let mut alternatives = Vec::new();
    let counts = match command {
        "grep-mem" => {
            Some((reference::<grep_mem::Count>(&mut generator), "With -c or -l, instead of matches."))
        }
        "strings" => Some((reference::<strings::Count>(&mut generator), "With -c, instead of strings.")),
        "yara" => Some((reference::<yara::Count>(&mut generator), "With -c, instead of matches.")),
        _ => None,
    };
    if let Some((count, description)) = counts {
        properties.insert(
            "counts".to_owned(),
            json!({"type": "array", "items": count, "description": description}),
        );
        let lists = lists.iter().map(|(_, collection, _)| json!({"required": [collection]}));
        alternatives.extend(lists.chain([json!({"required": ["counts"]})]));
    } else {
        required.extend(lists.iter().map(|(_, collection, _)| *collection));
    }
    if SCANS.contains(&command) {
        properties.insert("coverage".to_owned(), reference::<search::Coverage>(&mut generator));
        required.push("coverage");
    }
    let warning = reference::<ckptfx_report::Warning>(&mut generator);
    properties.insert("warnings".to_owned(), json!({"type": "array", "items": warning}));
    required.push("warnings");
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "description": "The result about one checkpoint; about several it is an array of these. Keys may be added.",
        "type": "object",
        "required": required,
        "properties": properties,
    });
    if let Value::Object(map) = &mut schema {
        if !alternatives.is_empty() {
            map.insert("oneOf".to_owned(), alternatives.into());
        }
        map.insert("$defs".to_owned(), generator.take_definitions(true).into());
    }
    add_siblings(&mut schema);
    schema
}

fn reference<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

/// Describes the siblings that [`ckptfx_analysis::unfold`] gives to text that is not UTF-8.
fn add_siblings(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Object(properties)) = map.get_mut("properties") {
                let mut siblings = Vec::new();
                for (name, property) in properties.iter() {
                    let exact = json!({"type": "string", "contentEncoding": "base64"});
                    let sibling = if is_text(property) {
                        exact
                    } else if property.get("items").is_some_and(is_text) {
                        json!({"type": "array", "items": {"anyOf": [exact, {"type": "null"}]}})
                    } else {
                        continue;
                    };
                    siblings.push((name.clone(), sibling));
                }
                for (name, mut sibling) in siblings {
                    sibling["description"] =
                        format!("Exact bytes of {name}; only there when they are not UTF-8.").into();
                    properties.entry(format!("{name}_b64")).or_insert(sibling);
                }
            }
            map.values_mut().for_each(add_siblings);
        }
        Value::Array(items) => items.iter_mut().for_each(add_siblings),
        _ => {}
    }
}

/// Whether a value is text from the evidence, or that or null.
fn is_text(schema: &Value) -> bool {
    let refers = |schema: &Value| schema["$ref"] == "#/$defs/Text";
    refers(schema) || schema["anyOf"].as_array().is_some_and(|several| several.iter().any(refers))
}
