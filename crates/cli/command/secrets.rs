//! `ckptfx secrets`: keys, tokens and passwords, with their owners, masked.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use ckptfx_analysis::{
    Case,
    files::nested::OpenNested,
    search,
    secret::{Confidence, Filter, Hunt, RuleFacts, Rules, Secret, SecretPlace},
};
use ckptfx_parser::Diagnostic;
use ckptfx_report::{
    DocumentHead,
    schema::{Document, List, of},
    untrusted::show,
};
use ckptfx_scan::{Options, Outcome as ScanOutcome, Region};
use clap::{Args, ValueEnum, builder::PossibleValue};

use crate::{
    args::{Common, Format, ScanArgs},
    checkpoints::for_each_checkpoint,
    outcome::Outcome,
    render::{Output, table::Emphasis},
    scanning::Scanner,
    spec::{Command, Group},
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "secrets",
    aliases: &[],
    group: Group::Memory,
    about: "Find keys, tokens and passwords in memory, files and queues",
    usage: None,
    notes: "Rules find candidates, and offline validators confirm them: key structure, token checksums, claims of JSON Web Tokens. Nothing is checked over the network.
Secrets are masked; the same secret in several places is one record.",
    examples: &[
        "ckptfx secrets archive.tar",
        "ckptfx secrets -o json archive.tar | jq '.secrets[] | {title, pid, comm, details}'",
        "ckptfx secrets --rule json-web-token --show-secrets archive.tar",
        "ckptfx secrets --rules ours.toml --min-confidence medium archive.tar",
        "ckptfx secrets --fail-on high archive.tar",
        "ckptfx secrets --list-rules",
    ],
    arguments: |parser| {
        SecretsArgs::augment_args(parser).mut_arg("source", |source| source.default_value("all"))
    },
    formats: Format::RECORDS,
    result: Some(Document::of(&[VIEW.collection]).covered()),
    run: |call| run(&call.arguments()?, call.common),
};

/// Longest masked text in the table.
const TABLE_TEXT: usize = 100;

/// What `secrets` takes.
#[derive(Debug, Args)]
pub struct SecretsArgs {
    /// Archives, directories, or - for standard input.
    #[arg(value_name = "ARCHIVE", required_unless_present = "list_rules")]
    archives: Vec<PathBuf>,
    /// Print secrets unmasked.
    #[arg(long)]
    show_secrets: bool,
    /// Hide secrets below this confidence.
    #[arg(long, value_enum, default_value = "low", value_name = "CONFIDENCE")]
    min_confidence: ConfidenceArg,
    /// Only these rules.
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    rule: Vec<String>,
    /// Additional rules (TOML file).
    #[arg(long, value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// List the rules and exit.
    #[arg(long)]
    list_rules: bool,
    /// Exit with status 1 if there is a secret of this confidence or higher.
    #[arg(long, value_enum, value_name = "CONFIDENCE")]
    fail_on: Option<ConfidenceArg>,
    #[command(flatten)]
    scan: ScanArgs,
}

/// A confidence on the command line.
#[derive(Debug, Clone, Copy)]
struct ConfidenceArg(Confidence);

impl ValueEnum for ConfidenceArg {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self(Confidence::Low), Self(Confidence::Medium), Self(Confidence::High)]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.name()))
    }
}

pub const VIEW: View<Secret> = View {
    name: "secrets",
    collection: List {
        name: "secrets",
        record: of::<Secret>,
        columns: &[
            "rule",
            "title",
            "confidence",
            "pid",
            "comm",
            "source",
            "role",
            "address",
            "offset",
            "region.start",
            "region.end",
            "region.perms",
            "region.path",
            "region.kind",
            "member",
            "member_offset",
            "shared_with",
            "length",
            "text",
            "fingerprint",
            "details",
            "secret",
            "count",
        ],
    },
    table: &[
        Column::left("CONFIDENCE", |secret| secret.confidence.name().to_owned()),
        Column::right("PID", |secret| view::number(secret.first.pid)),
        Column::left("COMM", |secret| view::text(secret.first.comm.as_ref())),
        Column::left("WHERE", |secret| place(&secret.first)),
        Column::right("PLACES", |secret| secret.count.to_string()),
        Column::left("WHAT", what),
        Column::cut("SECRET", TABLE_TEXT, |secret| show(&secret.text.0)),
    ],
    emphasis: |_| Emphasis::None,
};

/// Source, address and name.
fn place(place: &SecretPlace) -> String {
    let at = match (&place.address, place.offset) {
        (Some(address), _) => address.clone(),
        (None, Some(offset)) => format!("+{offset:#x}"),
        (None, None) => "?".to_owned(),
    };
    let region = place.region.as_ref();
    let name = region.filter(|region| !region.path.0.is_empty()).map(|region| show(&region.path.0));
    let name = name.or_else(|| region.map(|region| region.kind.to_owned()));
    let name = place.role.map(str::to_owned).or(name).unwrap_or_default();
    format!("{} {at} {name}", place.source)
}

/// The title, with what most matters of the details.
fn what(secret: &Secret) -> String {
    let detail = |key: &str| secret.details.get(key);
    let word = |key: &str| detail(key).and_then(|value| value.as_str()).map(str::to_owned);
    let flag = |key: &str, text: &str| (detail(key)?.as_bool()?).then(|| text.to_owned());
    let size = detail("bits").map(|bits| format!("{bits} bits"));
    let account = detail("sub").or_else(|| detail("client_email")).and_then(|value| value.as_str());
    let parts = [
        word("algorithm"),
        size,
        account.map(str::to_owned),
        word("identity").filter(|word| word != "unknown"),
        flag("expired", "expired"),
        flag("placeholder", "placeholder"),
        word("checksum").filter(|word| word == "wrong").map(|_| "wrong checksum".to_owned()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().map(|part| show(part.as_bytes())).collect();
    let title = show(secret.title.as_bytes());
    if parts.is_empty() { title } else { format!("{title} ({})", parts.join(", ")) }
}

pub fn run(args: &SecretsArgs, common: &Common) -> Result<Outcome> {
    let read =
        |path: &PathBuf| fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    let more = args.rules.iter().map(read).collect::<Result<Vec<_>>>()?;
    let rules = Rules::load(&more, &args.rule)?;
    if args.list_rules {
        return list(&rules, common);
    }
    if !common.quiet {
        for note in rules.plan().notes() {
            let id = rules.rules().get(note.index).map(|rule| rule.id.as_str()).unwrap_or_default();
            eprintln!("ckptfx: note: rule {}: {}", show(id.as_bytes()), show(note.message.as_bytes()));
        }
    }
    let scanner = Scanner::new(&args.scan, common)?;
    let hunt = Hunt { rules: &rules, least: args.min_confidence.0, show: args.show_secrets };
    let mut surest = None;
    let outcome =
        for_each_checkpoint(&args.archives, common, VIEW.name, VIEW.collection, |case, output, bars| {
            let selection = scanner.select(case, bars)?;
            let bytes = selection.bytes();
            let total = selection.coverage.bytes();
            let found = scanner.run("looking for secrets", total, bars, |options| {
                let filter = Filter {
                    prefers: &|task, vma, address| scanner.accepts_at(task, vma, address),
                    accepts: &|place| scanner.accepts(place),
                };
                hunt.run(case, &selection.regions, &bytes, options, &filter)
            });
            surest = surest.max(found.secrets.iter().map(|secret| secret.confidence).max());
            view::write(&VIEW, &found.secrets, output)?;
            if found.overflow {
                let message = "there are more findings than are held; the scan ended at that place";
                case.diagnostics.push(Diagnostic::loss("too-many-findings", "scan", message));
            }
            let stopped = match found.summary.outcome {
                ScanOutcome::Cancelled => scanner.stopped().map(|why| (why, found.summary.bytes_scanned)),
                _ => None,
            };
            scanner.finish(case, selection.coverage, stopped, output)
        })?;
    let fails = args.fail_on.is_some_and(|least| surest >= Some(least.0));
    Ok(if outcome == Outcome::Done && fails { Outcome::NothingMatched } else { outcome })
}

/// All secrets of a checkpoint that the built-in rules find in any source, for reports.
pub fn find(case: &mut Case<'_>, open: &OpenNested<'_>, show: bool) -> Result<Vec<Secret>> {
    let rules = Rules::load(&[], &[])?;
    let hunt = Hunt { rules: &rules, least: Confidence::Low, show };
    let regions = search::regions(case, &search::Source::ALL, open)
        .context("cannot put scattered pieces together in temporary storage")?;
    let bytes: Vec<Region<'_>> =
        regions.iter().map(|region| Region { base: region.base(), bytes: region.bytes() }).collect();
    let filter = Filter { prefers: &|_, _, _| true, accepts: &|_| true };
    let found = hunt.run(case, &regions, &bytes, &Options::default(), &filter);
    if found.overflow {
        let message = "there are more secrets than are held; the search ended at that place";
        case.diagnostics.push(Diagnostic::loss("too-many-findings", "secrets", message));
    }
    Ok(found.secrets)
}

fn list(rules: &Rules, common: &Common) -> Result<Outcome> {
    const RULES: View<RuleFacts> = View {
        name: "secret-rules",
        collection: List {
            name: "rules",
            record: of::<RuleFacts>,
            columns: &["id", "title", "confidence", "validate", "regex"],
        },
        table: &[
            Column::left("ID", |rule| show(rule.id.as_bytes())),
            Column::left("CONFIDENCE", |rule| rule.confidence.name().to_owned()),
            Column::left("VALIDATOR", |rule| rule.validate.clone().unwrap_or_else(|| "-".to_owned())),
            Column::left("FINDS", |rule| show(rule.title.as_bytes())),
        ],
        emphasis: |_| Emphasis::None,
    };
    let facts: Vec<RuleFacts> = rules.rules().iter().map(RuleFacts::from).collect();
    if facts.is_empty() {
        bail!("there are no rules");
    }
    let mut output = Output::new(common, RULES.collection, false)?;
    output.begin_document(&DocumentHead::new(RULES.name))?;
    view::write(&RULES, &facts, &mut output)?;
    output.end(&[])?;
    output.finish()?;
    Ok(Outcome::Done)
}
