//! `ckptfx sbom`: mapped programs and libraries.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use ckptfx_analysis::{
    Case,
    files::sbom::{self, Component},
    recover::Limits,
};
use ckptfx_export::{Dossier, Form};
use ckptfx_report::{Head, listing, schema::Document};
use clap::Args;

use crate::{
    args::{Common, Format, ProcessFilter},
    checkpoints::only_checkpoint,
    diagnostics::finish_diagnostics,
    named::open_one,
    outcome::Outcome,
    progress::Bars,
    render::{Output, table::Emphasis},
    spec::{Command, Group},
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "sbom",
    aliases: &["librarylist"],
    group: Group::Files,
    about: "List mapped executables and libraries",
    usage: None,
    notes: "",
    examples: &[
        "ckptfx sbom archive.tar",
        "ckptfx sbom --pid 14 archive.tar",
        "ckptfx sbom --cyclonedx archive.tar --out-file sbom.cdx.json",
    ],
    arguments: SbomArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[VIEW.collection])),
    run: |call| run(&call.arguments()?, call.common),
};

/// What `sbom` takes.
#[derive(Debug, Args)]
pub struct SbomArgs {
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    /// Write a CycloneDX 1.6 document (JSON).
    #[arg(long, conflicts_with = "output")]
    pub cyclonedx: bool,
    #[command(flatten)]
    pub filter: ProcessFilter,
}

/// Zeros of holes that are hashed, in bytes.
const ZEROS: u64 = 4 << 30;

const VIEW: View<Component> = View::of(
    &listing::COMPONENTS,
    &[
        Column::left("KIND", |item| item.kind.name().to_owned()),
        Column::left("BUILD ID", |item| view::number(item.build_id.as_ref())),
        Column::right("SIZE", |item| view::number(item.size)),
        Column::left("MODE", |item| view::number(item.mode.as_ref())),
        Column::left("PIDS", |item| item.pids.iter().map(u32::to_string).collect::<Vec<_>>().join(",")),
        Column::left("PATH", path),
    ],
)
.emphasis(|item| if item.deleted || item.memfd { Emphasis::Odd } else { Emphasis::None });

fn path(item: &Component) -> String {
    let path = view::text(item.path.as_ref());
    let recover = item.recover_id.as_ref().map(|id| format!(" [recover {id}]")).unwrap_or_default();
    let deleted = if item.deleted && !item.memfd { " (deleted)" } else { "" };
    format!("{path}{deleted}{recover}")
}

fn components(case: &mut Case<'_>, args: &SbomArgs) -> Result<Vec<Component>> {
    args.filter.check(case)?;
    let limits = Limits { shared_memory: false, zeros: ZEROS };
    Ok(sbom::components(case, &|task| args.filter.accepts(task), limits))
}

pub fn run(args: &SbomArgs, common: &Common) -> Result<Outcome> {
    if !args.cyclonedx {
        return view::run_filtered(&VIEW, &args.archives, &args.filter, common, &mut |case, _| {
            components(case, args)
        });
    }
    let [archive] = args.archives.as_slice() else {
        anyhow::bail!("a CycloneDX document is about one checkpoint; give one archive");
    };
    let bars = Bars::new(common.quiet);
    let opened = open_one(archive, common, &bars)?;
    let checkpoint = only_checkpoint(&opened)?;
    let mut case = Case::read(checkpoint);
    case.diagnostics.splice(0..0, opened.evidence.diagnostics.iter().cloned());
    let components = components(&mut case, args)?;
    let head = Head::new(VIEW.name, &opened.evidence, checkpoint, opened.sha256.clone());
    let mut output = Output::new(common, VIEW.collection, false)?;
    let form = Form::named("cyclonedx").context("there is no form of that name")?;
    output.export_as(form, &Dossier { components: &components, ..Dossier::new(&head) })?;
    output.finish()?;
    let warnings = finish_diagnostics(&case.diagnostics, common);
    Ok(Outcome::of(&warnings))
}
