//! One result for each checkpoint of the evidence that was named.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use ckptfx_analysis::Case;
use ckptfx_parser::Checkpoint;
use ckptfx_report::{Head, schema::List, untrusted::show};

use crate::{
    args::Common,
    diagnostics::{error_text, finish_diagnostics, warnings},
    evidence::{self, Opened},
    named::{Candidate, Named},
    outcome::Outcome,
    progress::Bars,
    render::Output,
};

/// Opens each archive and gives its checkpoints to `work`, which writes records and may notice more.
pub fn for_each_checkpoint(
    archives: &[PathBuf],
    common: &Common,
    name: &str,
    collection: List,
    work: impl FnMut(&mut Case<'_>, &mut Output, &Bars) -> Result<()>,
) -> Result<Outcome> {
    let open = |path: &Path, bars: &Bars| evidence::open(path, common, bars);
    for_each_opened(archives, common, name, collection, &open, work)
}

/// The same with a way to open them.
pub fn for_each_opened(
    archives: &[PathBuf],
    common: &Common,
    name: &str,
    collection: List,
    open: &dyn Fn(&Path, &Bars) -> Result<Opened>,
    mut work: impl FnMut(&mut Case<'_>, &mut Output, &Bars) -> Result<()>,
) -> Result<Outcome> {
    evidence::refuse_to_overwrite(archives, common)?;
    let bars = Bars::new(common.quiet).until(&common.stop);
    let mut outcome = Outcome::Done;
    if archives.is_empty() {
        bail!("an archive is needed; see ckptfx {name} --help");
    }
    let mut named = Named::find(archives, common)?;
    let candidates = named.candidates.clone();
    let open = |candidate: &Candidate| candidate.open(&|path| open(path, &bars));
    let mut first: Option<Result<Opened>> = match candidates.as_slice() {
        [only] => Some(open(only)),
        _ => None,
    };
    let several =
        candidates.len() > 1 || matches!(&first, Some(Ok(opened)) if opened.evidence.checkpoints.len() > 1);
    let mut output = Output::new(common, collection, several)?;
    for candidate in &candidates {
        let opened = match first.take().unwrap_or_else(|| open(candidate)) {
            Ok(opened) => opened,
            // One unreadable archive of several costs itself only.
            Err(error) => {
                let (is_loss, not_read) = named.not_read(candidate, error, common)?;
                if is_loss {
                    outcome = outcome.max(Outcome::Partly);
                }
                if let Some(not_read) = not_read {
                    let told = [not_read.diagnostic()];
                    let is_other = not_read.is_other();
                    let warnings =
                        if is_other { warnings(&told, common) } else { finish_diagnostics(&told, common) };
                    if output.is_document() {
                        output.begin(&not_read.head(name))?;
                        output.end(&warnings)?;
                    }
                }
                continue;
            }
        };
        for checkpoint in &opened.evidence.checkpoints {
            let started = std::time::Instant::now();
            let mut case = Case::read(checkpoint);
            if common.verbose > 1 {
                let members = checkpoint.archive().members().len();
                eprintln!(
                    "ckptfx: read {members} members, {} processes in {:.1?}",
                    case.tasks.len(),
                    started.elapsed()
                );
            }
            case.diagnostics.splice(0..0, opened.evidence.diagnostics.iter().cloned());
            let head = Head::new(name, &opened.evidence, checkpoint, opened.sha256.clone());
            output.begin(&head)?;
            output.read_from(&candidate.path);
            match work(&mut case, &mut output, &bars) {
                // What is wrong with one of several checkpoints, such as a pid that it lacks, costs that one.
                Err(error) if several && !output.has_begun() => {
                    eprintln!("ckptfx: {}: {}", show(&head.evidence.label().0), error_text(&error));
                    outcome = outcome.max(Outcome::Partly);
                    continue;
                }
                other => other?,
            }
            case.diagnostics.extend(checkpoint.archive().unread());
            let warnings = finish_diagnostics(&case.diagnostics, common);
            output.end(&warnings)?;
            outcome = outcome.max(Outcome::of(&warnings));
        }
    }
    named.finish(common)?;
    output.finish()?;
    Ok(outcome)
}

/// The one checkpoint of evidence that must hold only one.
pub fn only_checkpoint(opened: &Opened) -> Result<&Checkpoint> {
    match opened.evidence.checkpoints.as_slice() {
        [checkpoint] => Ok(checkpoint),
        several => {
            bail!("{} holds {} checkpoints; give one of them by itself", opened.evidence.name, several.len())
        }
    }
}
