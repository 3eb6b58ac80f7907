//! `ckptfx schema`: what the JSON of each command looks like, generated from the types it is made of.

use std::{fs, io::Write as _};

use anyhow::{Context as _, Result, bail};
use ckptfx_analysis::{
    cgroup, credential, elf_core, environment, file, ipc, limits, log, mapping, mount, namespace, network,
    process, queue, recover, report, rootfs, sbom, signal, socket, statistics, summary, thread, timer, uts,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};

use super::Outcome;
use crate::args::SchemaArgs;

/// Adds one record type to the generator's definitions and gives a reference to it.
type Record = fn(&mut SchemaGenerator) -> Schema;

/// Command, collection and record of each result.
const RESULTS: &[(&str, &str, Record)] = &[
    ("cgroups", "cgroups", of::<cgroup::Cgroup>),
    ("core", "segments", of::<elf_core::SegmentFacts>),
    ("creds", "credentials", of::<credential::Credentials>),
    ("env", "variables", of::<environment::Variable>),
    ("files", "files", of::<file::OpenFile>),
    ("info", "info", of::<summary::Summary>),
    ("ipc", "ipc", of::<ipc::Object>),
    ("limits", "limits", of::<limits::Limit>),
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
    // A document may have several lists.
    let wanted = RESULTS.chunk_by(|(one, ..), (other, ..)| one == other).filter_map(|lists| {
        let (name, ..) = lists.first()?;
        (args.all || args.command.as_deref() == Some(*name)).then_some((name, lists))
    });
    let schemas: Vec<_> = wanted.map(|(name, lists)| (name, document(name, lists))).collect();
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
fn document(command: &str, lists: &[(&str, &str, Record)]) -> Schema {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let lists: Vec<(&str, Schema)> =
        lists.iter().map(|(_, collection, record)| (*collection, record(&mut generator))).collect();
    let evidence = generator.subschema_for::<report::EvidenceHead>();
    let container = generator.subschema_for::<report::ContainerHead>();
    let warning = generator.subschema_for::<report::Warning>();
    let tool = generator.subschema_for::<report::Tool>();
    let definitions = generator.take_definitions(true);
    let mut required = vec!["schema", "tool", "evidence", "container"];
    required.extend(lists.iter().map(|(collection, _)| *collection));
    required.push("warnings");
    let mut schema = json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("ckptfx.{command}.v1"),
        "type": "object",
        "required": required,
        "properties": {
            "schema": {"const": format!("ckptfx.{command}.v1")},
            "tool": tool,
            "evidence": evidence,
            "container": container,
            "warnings": {"type": "array", "items": warning},
        },
        "$defs": definitions,
    });
    if let Some(properties) = schema.get_mut("properties").and_then(serde_json::Value::as_object_mut) {
        for (collection, record) in lists {
            let list = serde_json::json!({"type": "array", "items": record});
            properties.insert(collection.to_owned(), list);
        }
    }
    schema
}
