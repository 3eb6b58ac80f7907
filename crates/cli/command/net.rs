//! `ckptfx net`: devices, addresses, routes, rules, firewall, settings, connections.

use std::io::Write as _;

use anyhow::Result;
use ckptfx_analysis::network;
use ckptfx_report::{
    list::OfKind,
    schema::{Document, List, of},
    untrusted::show,
};
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::{
    args::{Common, Format, ViewArgs},
    checkpoints::for_each_checkpoint,
    outcome::Outcome,
    render::{Output, to_value},
    spec::{Command, Group},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "net",
    aliases: &[],
    group: Group::Network,
    about: "Show interfaces, addresses, routes, rules, firewall and sysctls",
    usage: None,
    notes: "Most container engines set up the network themselves: CRIU then saves only sockets, and a note says so.",
    examples: &[
        "ckptfx net archive.tar",
        "ckptfx net -o json archive.tar | jq '.firewall[] | select(.criu_own | not)'",
    ],
    arguments: ViewArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[
        COLLECTION,
        List::only::<network::Address>("addresses"),
        List::only::<network::Route>("routes"),
        List::only::<network::Rule>("rules"),
        List::only::<network::FirewallLine>("firewall"),
        List::only::<network::Sysctl>("sysctls"),
        List::only::<network::Connection>("connections"),
    ])),
    run: |call| run(&call.arguments()?, call.common),
};

const COLLECTION: List = List {
    name: "interfaces",
    record: of::<network::Interface>,
    columns: &[
        "kind",
        "net_ns",
        "index",
        "name",
        "interface",
        "type",
        "mtu",
        "flags",
        "mac",
        "master",
        "peer",
        "peer_ns",
        "address",
        "broadcast",
        "label",
        "scope",
        "destination",
        "source",
        "gateway",
        "preferred_source",
        "metric",
        "table",
        "protocol",
        "next_hops",
        "priority",
        "family",
        "input_interface",
        "output_interface",
        "mark",
        "mark_mask",
        "inverted",
        "uid_range.first",
        "uid_range.last",
        "source_ports.first",
        "source_ports.last",
        "destination_ports.first",
        "destination_ports.last",
        "action",
        "tool",
        "line",
        "text",
        "criu_own",
        "value",
        "original.source",
        "original.source_port",
        "original.destination",
        "original.destination_port",
        "reply.source",
        "reply.source_port",
        "reply.destination",
        "reply.destination_port",
        "status",
        "timeout_seconds",
    ],
};

pub fn run(args: &ViewArgs, common: &Common) -> Result<Outcome> {
    for_each_checkpoint(&args.archives, common, "net", COLLECTION, |case, output, _| {
        args.filter.check(case)?;
        let network = network::network(case, &|task| args.filter.accepts(task));
        list(&network.interfaces, "interface", output)?;
        output.next_list("addresses")?;
        list(&network.addresses, "address", output)?;
        output.next_list("routes")?;
        list(&network.routes, "route", output)?;
        output.next_list("rules")?;
        list(&network.rules, "rule", output)?;
        output.next_list("firewall")?;
        list(&network.firewall, "firewall", output)?;
        output.next_list("sysctls")?;
        list(&network.sysctls, "sysctl", output)?;
        output.next_list("connections")?;
        list(&network.connections, "connection", output)
    })
}

/// In a JSON document the name of the list says the kind; elsewhere each record does.
fn list<R: Serialize>(records: &[R], kind: &'static str, output: &mut Output) -> Result<()> {
    for record in records {
        if output.is_table() {
            write_line(kind, &to_value(record)?, output)?;
        } else if output.is_document() {
            output.record(record)?;
        } else {
            output.record(&OfKind { kind, record })?;
        }
    }
    Ok(())
}

/// The kind and what is known, as `key=value`; the kinds have little in common that columns could show.
fn write_line(kind: &str, record: &Value, output: &mut Output) -> Result<()> {
    let mut line = format!("{kind:11}");
    for (key, value) in record.as_object().into_iter().flatten() {
        let text = match value {
            Value::Null => continue,
            Value::Array(items) if items.is_empty() => continue,
            Value::Array(items) if items.iter().all(Value::is_string) => {
                items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
            }
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        line.push_str(&format!(" {key}={}", show(text.as_bytes())));
    }
    Ok(writeln!(output, "{line}")?)
}
