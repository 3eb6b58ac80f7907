//! `ckptfx iocs`: addresses, wallets and hashes that the evidence holds, and those that are on a list.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use ckptfx_analysis::{
    ioc::{self, Indicator, Kind, Term},
    secret::Filter,
};
use ckptfx_parser::Diagnostic;
use ckptfx_report::{
    schema::{Document, List, of},
    untrusted::show,
};
use ckptfx_scan::Outcome as ScanOutcome;
use clap::{Args, ValueEnum, builder::PossibleValue};

use crate::{
    args::{Common, Format, ScanArgs},
    checkpoints::for_each_checkpoint,
    nested::open_member,
    outcome::Outcome,
    render::table::Emphasis,
    scanning::Scanner,
    spec::{Command, Group},
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "iocs",
    aliases: &[],
    group: Group::Memory,
    about: "Count indicators (URLs, addresses, wallets, hashes), or match a list of known ones",
    usage: None,
    notes: "Without a list, everything that looks like an indicator is counted; onion services and wallets are verified by checksum, domains by top-level domain.
With --match, only listed indicators are reported: in the scanned bytes (any case and encoding), as a socket endpoint, or as name or SHA-256 of a file.
Nothing is looked up on the network.",
    examples: &[
        "ckptfx iocs archive.tar",
        "ckptfx iocs --kind url,ipv4,monero -o csv archive.tar",
        "ckptfx iocs --match feed.txt archive.tar",
        "ckptfx iocs --match bundle.json --match event.json -o json archive.tar",
    ],
    arguments: |parser| {
        IocsArgs::augment_args(parser).mut_arg("source", |source| source.default_value("all"))
    },
    formats: Format::RECORDS,
    result: Some(Document::of(&[VIEW.collection]).covered()),
    run: |call| run(&call.arguments()?, call.common),
};

/// Longest value in the table.
const TABLE_TEXT: usize = 96;
/// Zeros of holes that are hashed, in bytes.
const ZEROS: u64 = 4 << 30;

/// What `iocs` takes.
#[derive(Debug, Args)]
pub struct IocsArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    archives: Vec<PathBuf>,
    /// Only these kinds.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KIND", conflicts_with = "lists")]
    kind: Vec<KindArg>,
    /// Only indicators on this list: plain text (one per line), STIX 2.1 bundle or MISP JSON.
    #[arg(long = "match", value_name = "FILE")]
    lists: Vec<PathBuf>,
    #[command(flatten)]
    scan: ScanArgs,
}

/// A kind on the command line.
#[derive(Debug, Clone, Copy)]
struct KindArg(Kind);

impl ValueEnum for KindArg {
    fn value_variants<'a>() -> &'a [Self] {
        const VARIANTS: [KindArg; Kind::FOUND.len()] = {
            let mut variants = [KindArg(Kind::Url); Kind::FOUND.len()];
            let mut index = 0;
            while index < Kind::FOUND.len() {
                variants[index] = KindArg(Kind::FOUND[index]);
                index += 1;
            }
            variants
        };
        &VARIANTS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.name()))
    }
}

const VIEW: View<Indicator> = View {
    name: "iocs",
    collection: List {
        name: "iocs",
        record: of::<Indicator>,
        columns: &["kind", "value", "count", "pids", "sources", "sockets", "files", "matched"],
    },
    table: &[
        Column::left("KIND", |indicator| indicator.kind.name().to_owned()),
        Column::cut("VALUE", TABLE_TEXT, |indicator| show(indicator.value.as_bytes())),
        Column::right("COUNT", |indicator| indicator.count.to_string()),
        Column::left("PIDS", |indicator| {
            let pids: Vec<String> = indicator.pids.iter().map(u32::to_string).collect();
            if pids.is_empty() { "-".to_owned() } else { pids.join(",") }
        }),
        Column::left("FIRST", first),
        Column::left("LISTED", |indicator| {
            let names = indicator.matched.iter().map(|it| show(format!("{} {}", it.list, it.id).as_bytes()));
            names.collect::<Vec<_>>().join(", ")
        }),
    ],
    emphasis: |_| Emphasis::None,
};

/// The first place: in bytes, else a socket, else a file.
fn first(indicator: &Indicator) -> String {
    if let Some(place) = indicator.places.first() {
        let at = place.address.clone().or_else(|| place.offset.map(|offset| format!("+{offset:#x}")));
        let name = place.region.as_ref().map(|region| show(&region.path.0)).unwrap_or_default();
        return format!("{} {} {name}", place.source, at.unwrap_or_default()).trim_end().to_owned();
    }
    if let Some(socket) = indicator.sockets.first() {
        return format!(
            "socket {} -> {}",
            view::number(socket.local.as_ref()),
            view::number(socket.remote.as_ref())
        );
    }
    indicator.files.first().map(|file| format!("file {}", show(&file.path.0))).unwrap_or_default()
}

pub fn run(args: &IocsArgs, common: &Common) -> Result<Outcome> {
    let mut terms: Vec<Term> = Vec::new();
    for path in &args.lists {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        terms.extend(ioc::read(&name, &bytes)?);
    }
    let all = args.kind.is_empty();
    let kinds: Vec<Kind> = Kind::FOUND
        .into_iter()
        .filter(|kind| all || args.kind.iter().any(|chosen| chosen.0 == *kind))
        .collect();
    let scanner = Scanner::new(&args.scan, common)?;
    let mut total_found = 0;
    let outcome =
        for_each_checkpoint(&args.archives, common, VIEW.name, VIEW.collection, |case, output, bars| {
            let known = if terms.is_empty() {
                ioc::Known::default()
            } else {
                ioc::known_files(case, ZEROS, &|member, diagnostics| {
                    open_member(member, common, bars, diagnostics)
                })
            };
            let selection = scanner.select(case, bars)?;
            let bytes = selection.bytes();
            let regions = &selection.regions;
            let found =
                scanner.run("looking for indicators", selection.coverage.bytes(), bars, |options| {
                    let filter = Filter {
                        prefers: &|task, vma, address| scanner.accepts_at(task, vma, address),
                        accepts: &|place| scanner.accepts(place),
                    };
                    if terms.is_empty() {
                        ioc::count(case, regions, &bytes, &kinds, options, &filter)
                    } else {
                        ioc::matching(case, regions, &bytes, &terms, &known, options, &filter)
                    }
                })?;
            total_found += found.indicators.len();
            view::write(&VIEW, &found.indicators, output)?;
            if found.overflow {
                let message = "there are more indicators than are held; the scan ended at that place";
                case.diagnostics.push(Diagnostic::loss("too-many-findings", "scan", message));
            }
            let stopped = match found.summary.outcome {
                ScanOutcome::Cancelled => scanner.stopped().map(|why| (why, found.summary.bytes_scanned)),
                _ => None,
            };
            scanner.finish(case, selection.coverage, stopped, output)
        })?;
    let nothing = !terms.is_empty() && total_found == 0 && outcome == Outcome::Done;
    Ok(if nothing { Outcome::NothingMatched } else { outcome })
}
