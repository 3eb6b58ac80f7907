//! `ckptfx dump`: raw memory.

use std::{io::Write as _, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use ckptfx_analysis::{Case, Task, memory::piece::Piece};
use ckptfx_parser::{
    Diagnostic,
    memory::{AddressSpace, Captured, Content, PageRun, Run, Unavailable, VmaKind},
};
use ckptfx_report::{
    Head,
    schema::{Document, List, of},
};
use clap::{Args, ValueEnum};

use crate::{
    args::{Common, Format, no_such_process, parse_range},
    checkpoints::only_checkpoint,
    diagnostics::finish_diagnostics,
    named::open_one,
    outcome::Outcome,
    progress::Bars,
    render::Output,
    spec::{Command, Group},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "dump",
    aliases: &[],
    group: Group::Memory,
    about: "Write raw bytes of a process's memory",
    usage: None,
    notes: "Without --range or --vma, all captured bytes of the process are written one after another; -o json lists the address of
each piece. With them, the output is contiguous: untouched anonymous memory is zero, and --missing decides about bytes that were not captured.",
    examples: &["ckptfx dump --pid 1 --vma stack archive.tar | strings", "ckptfx dump --pid 11 --range 0x7f0000000000-0x7f0000010000 archive.tar --out-file region.bin", "ckptfx dump --pid 11 -o json archive.tar"],
    arguments: DumpArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[COLLECTION])),
    run: |call| run(&call.arguments()?, call.common),
};

/// What `dump` takes.
#[derive(Debug, Args)]
pub struct DumpArgs {
    /// Archive, directory, or - for standard input.
    #[arg(value_name = "ARCHIVE")]
    pub archive: PathBuf,
    /// The process.
    #[arg(long, value_name = "PID")]
    pub pid: u32,
    /// Address range to write, end exclusive.
    #[arg(long, value_name = "A-B", value_parser = parse_range, conflicts_with = "vma")]
    pub range: Option<(u64, u64)>,
    /// Mapping: heap, stack, vdso, or its index in the output of -o json.
    #[arg(long, value_name = "heap|stack|INDEX")]
    pub vma: Option<String>,
    /// What to do about bytes that were not captured.
    #[arg(long, value_enum, default_value_t = Missing::Fail)]
    pub missing: Missing,
}

/// What to do about bytes that are not in the checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Missing {
    /// Write nothing and report what is missing.
    Fail,
    /// Write zeros instead, with a warning.
    Zero,
    /// Skip them with a warning; what follows moves up.
    Skip,
}

const COLLECTION: List = List {
    name: "pieces",
    record: of::<Piece>,
    columns: &[
        "start",
        "end",
        "content",
        "file_offset",
        "vma",
        "perms",
        "path",
        "kind",
        "member",
        "member_offset",
    ],
};

pub fn run(args: &DumpArgs, common: &Common) -> Result<Outcome> {
    let bars = Bars::new(common.quiet);
    let opened = open_one(&args.archive, common, &bars)?;
    let checkpoint = only_checkpoint(&opened)?;
    let mut case = Case::read(checkpoint);
    case.diagnostics.splice(0..0, opened.evidence.diagnostics.iter().cloned());
    case.unpack_of(args.pid);
    let task = case.task(args.pid).with_context(|| no_such_process(args.pid, &case))?;
    let space = task.space.as_ref().with_context(|| format!("process {} has no memory image", args.pid))?;
    let range = range(args, task, space)?;
    let runs = match range {
        Some((from, to)) => space.runs(from, to, &case.shared),
        None => everything(space, &case),
    };
    // What is dumped may be whole although other memory is not.
    let is_lazy = runs.iter().any(|run| run.content.err() == Some(Unavailable::Lazy));
    if common.output == Format::Table {
        let mut output = Output::raw(common, COLLECTION)?;
        let missing = write_bytes(&runs, range.is_some(), args.missing, &mut output)?;
        output.finish()?;
        if let Some((bytes, reason)) = missing {
            let message = format!("{bytes} bytes are not in the dump, the first are {}", reason.reason());
            case.diagnostics.push(Diagnostic::loss("unavailable", format!("pid {}", args.pid), message));
        }
        case.diagnostics.retain(|diagnostic| is_lazy || diagnostic.code != "lazy-pages");
        let warnings = finish_diagnostics(&case.diagnostics, common);
        let partly = warnings.iter().any(|warning| warning.partial);
        return Ok(if partly { Outcome::Partly } else { Outcome::Done });
    }
    let mut output = Output::new(common, COLLECTION, false)?;
    output.begin(&Head::new("dump", &opened.evidence, checkpoint, opened.sha256.clone()))?;
    let mut offset = 0;
    for run in &runs {
        let written = match run.content {
            Ok(Captured::Page(_)) => true,
            Ok(Captured::Zero) => range.is_some(),
            Err(_) => range.is_some() && args.missing == Missing::Zero,
        };
        output.record(&Piece::new(run, space, written.then_some(offset)))?;
        if written {
            offset += run.length;
        }
    }
    case.diagnostics.retain(|diagnostic| is_lazy || diagnostic.code != "lazy-pages");
    let warnings = finish_diagnostics(&case.diagnostics, common);
    output.end(&warnings)?;
    output.finish()?;
    Ok(Outcome::of(&warnings))
}

/// The addresses asked for; none means the whole process.
fn range(args: &DumpArgs, task: &Task<'_>, space: &AddressSpace<'_>) -> Result<Option<(u64, u64)>> {
    let Some(name) = &args.vma else { return Ok(args.range) };
    let start_stack = task.mm.as_ref().and_then(|mm| mm.mm_start_stack);
    let mut found = match name.as_str() {
        "heap" => space.vmas.iter().filter(|vma| vma.kind == VmaKind::Heap).collect::<Vec<_>>(),
        "stack" => space
            .vmas
            .iter()
            .filter(|vma| {
                vma.kind == VmaKind::Stack
                    && start_stack.is_none_or(|stack| (vma.start..=vma.end).contains(&stack))
            })
            .collect(),
        "vdso" => space.vmas.iter().filter(|vma| vma.kind == VmaKind::Vdso).collect(),
        index => {
            let index: usize = index
                .parse()
                .with_context(|| format!("--vma {name}: heap, stack, vdso or an index is expected"))?;
            let count = space.vmas.len();
            vec![space.vmas.get(index).with_context(|| {
                format!("process {} has {count} mappings, the last is {}", args.pid, count.saturating_sub(1))
            })?]
        }
    };
    found.sort_by_key(|vma| vma.start);
    match (found.first(), found.last()) {
        // A heap whose permissions were changed in part is several adjacent mappings.
        (Some(first), Some(last)) => Ok(Some((first.start, last.end))),
        _ => bail!("process {} has no mapping of kind {name}", args.pid),
    }
}

/// All mappings of a process, and pages captured outside them.
fn everything<'a>(space: &AddressSpace<'a>, case: &Case<'a>) -> Vec<Run<'a>> {
    let mut runs = space.runs(0, u64::MAX, &case.shared);
    runs.retain(|run| !matches!(run.content, Err(Unavailable::Unmapped)));
    runs
}

/// Writes the runs. Of the whole process only captured bytes are written; of a range, zeros too. Gives the
/// number of bytes that were asked for and are not there, and why the first are not.
fn write_bytes(
    runs: &[Run<'_>],
    is_range: bool,
    missing: Missing,
    output: &mut Output,
) -> Result<Option<(u64, Unavailable)>> {
    let unavailable = || runs.iter().filter_map(|run| run.content.err().map(|reason| (run, reason)));
    if is_range
        && missing == Missing::Fail
        && let Some((run, reason)) = unavailable().next()
    {
        let bytes: u64 = unavailable().map(|(run, _)| run.length).sum();
        bail!(
            "{bytes} of the bytes asked for cannot be given: {:#x}-{:#x} is {}; \
             --missing zero or --missing skip gives the rest",
            run.start,
            run.start.saturating_add(run.length),
            reason.reason()
        );
    }
    let zeros = [0; 1 << 16];
    let pad = |length: u64, output: &mut Output| -> Result<()> {
        let mut left = length;
        while left > 0 {
            let count = left.min(zeros.len() as u64);
            output.write_all(&zeros[..count as usize])?;
            left -= count;
        }
        Ok(())
    };
    let mut lost: Option<(u64, Unavailable)> = None;
    for run in runs {
        match run.content {
            Ok(Captured::Page(PageRun { content: Content::Captured { bytes, .. }, .. })) => {
                for tile in bytes.tiles() {
                    output.write_all(&tile.context("the memory cannot be read")?)?;
                }
            }
            Ok(_) if is_range => pad(run.length, output)?,
            Ok(_) => {}
            // Of a whole process, what is only in files is not expected.
            Err(Unavailable::OnlyInFile | Unavailable::NeverDumped | Unavailable::PastEnd) if !is_range => {}
            Err(reason) => {
                let before = lost.map_or(0, |(bytes, _)| bytes);
                lost = Some((before.saturating_add(run.length), lost.map_or(reason, |(_, first)| first)));
                if is_range && missing == Missing::Zero {
                    pad(run.length, output)?;
                }
            }
        }
    }
    Ok(lost)
}
