//! `ckptfx info`: the overview.

use std::{io::Write as _, path::PathBuf};

use anyhow::Result;
use ckptfx_analysis::{
    Case,
    container::summary::{Summary, summarise},
};
use ckptfx_parser::container::Container;
use ckptfx_report::{
    listing,
    schema::{Document, List},
    untrusted::show,
};
use clap::Args;

use crate::{
    args::{Common, Format},
    checkpoints::for_each_checkpoint,
    outcome::Outcome,
    render::{Output, table},
    spec::{Command, Group},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "info",
    aliases: &[],
    group: Group::Start,
    about: "Show an overview: container, times, versions, counts, sizes, and what the archive lacks",
    usage: None,
    notes: "",
    examples: &["ckptfx info archive.tar", "ckptfx info -o json --hash archive.tar"],
    arguments: InfoArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[COLLECTION])),
    run: |call| run(&call.arguments()?, call.common),
};

/// What `info` takes.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
}

const COLLECTION: List = listing::INFO.list();

pub fn run(args: &InfoArgs, common: &Common) -> Result<Outcome> {
    for_each_checkpoint(&args.archives, common, "info", COLLECTION, |case, output, _| {
        let summary = summarise(case);
        if output.is_table() {
            return write_table(case, &summary, output);
        }
        output.record(&summary)
    })
}

fn write_table(case: &Case<'_>, summary: &Summary, output: &mut Output) -> Result<()> {
    let container = &case.checkpoint.container;
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut add = |label: &str, value: Option<String>| {
        lines.extend(value.map(|value| (label.replace('-', " "), value)))
    };
    describe_container(container, summary, &mut add);
    for time in &summary.times {
        let derived = if time.derived { "derived: " } else { "" };
        add(time.what, Some(format!("{:.0}  ({derived}{})", time.time, show(time.source.as_bytes()))));
    }
    let with_source =
        |value: &str, source: &str| format!("{}  ({})", show(value.as_bytes()), show(source.as_bytes()));
    add("CRIU", Some(with_source(&summary.criu.value, &summary.criu.source)));
    add("kernel", summary.kernel.as_ref().map(|kernel| with_source(&kernel.value, &kernel.source)));
    add("node", summary.node.as_ref().map(|node| with_source(&node.value, &node.source)));
    add("host name", summary.hostname.as_ref().map(|name| with_source(&name.value.escaped(), &name.source)));
    add("architecture", summary.architecture.map(str::to_owned));
    let counts = &summary.counts;
    add(
        "processes",
        Some(format!("{} ({} zombies), {} threads", counts.processes, counts.zombies, counts.threads)),
    );
    let sockets: Vec<String> =
        counts.sockets.iter().map(|(kind, count)| format!("{count} {}", kind.replace('-', " "))).collect();
    add("sockets", (!sockets.is_empty()).then(|| sockets.join(", ")));
    add("deleted files kept", (counts.ghost_files > 0).then(|| counts.ghost_files.to_string()));
    add("memfds", (counts.memfds > 0).then(|| counts.memfds.to_string()));
    let memory = &summary.memory;
    add(
        "memory captured",
        Some(format!("{} private, {} shared", table::size(memory.private), table::size(memory.shared))),
    );
    add(
        "memory mapped",
        Some(format!(
            "{}, of which {} only in files",
            table::size(memory.mapped),
            table::size(memory.only_in_files)
        )),
    );
    add(
        "memory of nothing",
        (memory.unclaimed > 0).then(|| {
            format!(
                "{} of pages images belong to no process: --source unclaimed",
                table::size(memory.unclaimed)
            )
        }),
    );
    let strangers = summary.unclaimed_images.iter().map(|name| show(name.as_bytes()));
    add(
        "images of nothing",
        (!summary.unclaimed_images.is_empty()).then(|| strangers.collect::<Vec<_>>().join(", ")),
    );
    let left = Some(memory.left_on_source).filter(|bytes| *bytes > 0).map(table::size);
    add(
        "memory left behind",
        left.map(|size| format!("{size}: on the source of a lazy migration, not here")),
    );
    describe_gpu(summary, &mut add);
    let parts: Vec<String> = summary
        .parts
        .iter()
        .map(|part| {
            let compression = part.compression.map(|name| format!(", {name}")).unwrap_or_default();
            format!("{} ({}{compression})", show(part.member.as_bytes()), table::size(part.bytes))
        })
        .collect();
    add("other parts", (!parts.is_empty()).then(|| parts.join(", ")));
    if let Some(statistics) = &summary.statistics {
        let milliseconds = |time: Option<u32>| {
            time.map_or_else(|| "?".to_owned(), |us| format!("{}.{:03} ms", us / 1000, us % 1000))
        };
        let pages = statistics.pages_written.map_or_else(|| "?".to_owned(), |pages| pages.to_string());
        add(
            "dump",
            Some(format!(
                "frozen {}, memory dumped in {}, {pages} pages written",
                milliseconds(statistics.frozen_us),
                milliseconds(statistics.memory_dump_us),
            )),
        );
    }
    add("dump failed", summary.failure.as_ref().map(|failure| show(failure.as_bytes())));
    add("parent dump", (summary.parent != "none").then(|| summary.parent.to_owned()));
    for (index, sentence) in summary.not_here.iter().enumerate() {
        add(
            if index == 0 { "not in this archive" } else { "" },
            Some(format!("- {}", show(sentence.as_bytes()))),
        );
    }
    let width = lines.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    for (label, value) in lines {
        writeln!(output, "{label:width$}  {value}")?;
    }
    Ok(())
}

/// What there is of GPUs (`format.md §12.10`).
fn describe_gpu(summary: &Summary, add: &mut impl FnMut(&str, Option<String>)) {
    let names: Vec<String> = summary.plugins.iter().map(|name| show(&name.0)).collect();
    add("CRIU plugins", (!names.is_empty()).then(|| names.join(", ")));
    let images: Vec<String> = summary
        .gpu_images
        .iter()
        .map(|image| format!("{} ({})", show(image.member.as_bytes()), table::size(image.bytes)))
        .collect();
    add("GPU images", (!images.is_empty()).then(|| images.join(", ")));
    let has = |name: &[u8]| summary.plugins.iter().any(|plugin| plugin.0.starts_with(name));
    if has(b"cuda_plugin") {
        let text = "no images: before the dump it was moved to the memory of its processes, and is among their pages";
        add("CUDA memory", Some(text.to_owned()));
    }
    if summary.memory.gpu > 0 {
        add("GPU memory", Some(table::size(summary.memory.gpu)));
    } else if has(b"amdgpu_plugin") || !summary.gpu_images.is_empty() {
        add("GPU memory", Some("none is here: there is no amdgpu-pages image".to_owned()));
    }
}

fn describe_container(container: &Container, summary: &Summary, add: &mut impl FnMut(&str, Option<String>)) {
    let text = |value: &Option<String>| value.as_deref().map(|value| show(value.as_bytes()));
    add("engine", Some(container.engine.name().to_owned()));
    add("container", text(&container.name));
    add("container id", text(&container.id));
    add("pod", text(&container.pod));
    add("namespace", text(&container.namespace));
    add("pod uid", text(&container.pod_uid));
    add("image", text(&container.image));
    add("image digest", text(&container.image_digest));
    add("image id", text(&container.image_id));
    add("runtime", text(&container.runtime));
    let list = |items: &[String]| (!items.is_empty()).then(|| show(items.join(" ").as_bytes()));
    add("command", list(&summary.command));
    add("addresses", list(&summary.addresses));
    add("host pid", summary.host_pid.map(|pid| pid.to_string()));
    add("privileged", summary.privileged.map(|yes| if yes { "yes" } else { "no" }.to_owned()));
}
