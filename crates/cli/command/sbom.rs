//! `ckptfx sbom`: mapped programs and libraries.

use anyhow::{Context as _, Result};
use ckptfx_analysis::{
    Case,
    files::sbom::{self, Component},
    recover::Limits,
};
use ckptfx_export::{Dossier, Form};
use ckptfx_report::Head;

use super::{
    Outcome, finish_diagnostics, only_checkpoint,
    view::{self, Column, View},
};
use crate::{
    args::{Common, SbomArgs},
    named::open_one,
    progress::Bars,
    render::{Collection, Output},
};

/// Zeros of holes that are hashed, in bytes.
const ZEROS: u64 = 4 << 30;

const VIEW: View<Component> = View {
    name: "sbom",
    collection: Collection {
        name: "components",
        columns: &[
            "path",
            "kind",
            "build_id",
            "size",
            "mode",
            "deleted",
            "memfd",
            "recover_id",
            "sha256",
            "pids",
        ],
    },
    table: &[
        Column::left("KIND", |item| item.kind.name().to_owned()),
        Column::left("BUILD ID", |item| view::number(item.build_id.as_ref())),
        Column::right("SIZE", |item| view::number(item.size)),
        Column::left("MODE", |item| view::number(item.mode.as_ref())),
        Column::left("PIDS", |item| item.pids.iter().map(u32::to_string).collect::<Vec<_>>().join(",")),
        Column::left("PATH", path),
    ],
};

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
    Ok(if warnings.iter().any(|warning| warning.partial) { Outcome::Partly } else { Outcome::Done })
}
