//! `ckptfx schema`: what the JSON of each command looks like, generated from the types it is made of.

use std::{fs, io::Write as _};

use anyhow::{Context as _, Result, bail};
use ckptfx_analysis::{
    credential, elf_core, environment, file, limits, log, mapping, process, queue, recover, report, rootfs,
    sbom, signal, socket, statistics, summary, thread, timer, uts,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};

use super::Outcome;
use crate::args::SchemaArgs;

/// Adds one record type to the generator's definitions and gives a reference to it.
type Record = fn(&mut SchemaGenerator) -> Schema;

/// Command, collection and record of each result.
const RESULTS: &[(&str, &str, Record)] = &[
    ("core", "segments", of::<elf_core::SegmentFacts>),
    ("creds", "credentials", of::<credential::Credentials>),
    ("env", "variables", of::<environment::Variable>),
    ("files", "files", of::<file::OpenFile>),
    ("info", "info", of::<summary::Summary>),
    ("limits", "limits", of::<limits::Limit>),
    ("logs", "lines", of::<log::LogLine>),
    ("maps", "maps", of::<mapping::Mapping>),
    ("ps", "processes", of::<process::Process>),
    ("queues", "queues", of::<queue::Queue>),
    ("sockets", "sockets", of::<socket::Socket>),
    ("recover", "recoverable", of::<recover::Recoverable>),
    ("rootfs", "changes", of::<rootfs::Change>),
    ("sbom", "components", of::<sbom::Component>),
    ("signals", "signals", of::<signal::Signal>),
    ("stats", "stats", of::<statistics::Measured>),
    ("threads", "threads", of::<thread::ThreadFacts>),
    ("timers", "timers", of::<timer::Timer>),
    ("uts", "uts", of::<uts::Uts>),
];

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

pub fn run(args: &SchemaArgs) -> Result<Outcome> {
    let wanted = RESULTS.iter().filter(|(name, ..)| args.all || args.command.as_deref() == Some(name));
    let schemas: Vec<_> =
        wanted.map(|(name, collection, record)| (name, document(name, collection, *record))).collect();
    if schemas.is_empty() {
        let names: Vec<&str> = RESULTS.iter().map(|(name, ..)| *name).collect();
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

/// The schema of a whole document.
fn document(command: &str, collection: &str, record: Record) -> Schema {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let record = record(&mut generator);
    let evidence = generator.subschema_for::<report::EvidenceHead>();
    let container = generator.subschema_for::<report::ContainerHead>();
    let warning = generator.subschema_for::<report::Warning>();
    let tool = generator.subschema_for::<report::Tool>();
    let definitions = generator.take_definitions(true);
    json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("ckptfx.{command}.v1"),
        "type": "object",
        "required": ["schema", "tool", "evidence", "container", collection, "warnings"],
        "properties": {
            "schema": {"const": format!("ckptfx.{command}.v1")},
            "tool": tool,
            "evidence": evidence,
            "container": container,
            collection: {"type": "array", "items": record},
            "warnings": {"type": "array", "items": warning},
        },
        "$defs": definitions,
    })
}
