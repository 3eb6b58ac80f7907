//! `ckptfx core`: an ELF core file of a process.

use std::{
    collections::BTreeMap,
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use ckptfx_analysis::{
    Case, Task,
    memory::{
        elf_core::{self, Core, Piece, SegmentFacts},
        mapping,
    },
};
use ckptfx_report::{
    Head,
    schema::{Document, List, of},
    untrusted::show,
};
use clap::Args;

use crate::{
    args::{Common, Format, no_such_process},
    checkpoints::only_checkpoint,
    diagnostics::finish_diagnostics,
    named::open_one,
    outcome::Outcome,
    progress::Bars,
    render::Output,
    spec::{Command, Group},
    sysroot::{self, Found, Wanted},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "core",
    aliases: &[],
    group: Group::Memory,
    about: "Write an ELF core file of a process",
    usage: None,
    notes: "The core contains every captured byte of the process and nothing else: pages that exist only in files of the container
are listed and omitted. --sysroot adds them from files with the same build ID (or size, for files without one). A debugger may fill
gaps with files of the machine it runs on: prevent that in gdb with 'set sysroot', as below.",
    examples: &["ckptfx core --pid 14 archive.tar --out-file 14.core", "ckptfx core --pid 14 archive.tar --sysroot ./image-root --out-file 14.core", "gdb -iex 'set sysroot /nonexistent' -ex 'info threads' -c 14.core", "ckptfx core --pid 14 archive.tar -o json"],
    arguments: CoreArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[COLLECTION])),
    run: |call| run(&call.arguments()?, call.common),
};

/// What `core` takes.
#[derive(Debug, Args)]
pub struct CoreArgs {
    /// Archive, directory, or - for standard input.
    #[arg(value_name = "ARCHIVE")]
    pub archive: PathBuf,
    /// The process.
    #[arg(long, value_name = "PID")]
    pub pid: u32,
    /// Directory with the container's files, to fill pages that exist only in files.
    #[arg(long, value_name = "DIR")]
    pub sysroot: Option<PathBuf>,
}

const COLLECTION: List = List {
    name: "segments",
    record: of::<SegmentFacts>,
    columns: &[
        "start",
        "end",
        "perms",
        "path",
        "file_offset",
        "file_bytes",
        "captured_bytes",
        "ghost_bytes",
        "sysroot_bytes",
        "zero_bytes",
        "missing",
    ],
};

pub fn run(args: &CoreArgs, common: &Common) -> Result<Outcome> {
    let bars = Bars::new(common.quiet);
    let opened = open_one(&args.archive, common, &bars)?;
    let checkpoint = only_checkpoint(&opened)?;
    let mut case = Case::read(checkpoint);
    case.diagnostics.splice(0..0, opened.evidence.diagnostics.iter().cloned());
    let task = case.task(args.pid).with_context(|| no_such_process(args.pid, &case))?;
    let mut files = match &args.sysroot {
        Some(root) => files_of(&case, task, root, common.quiet)?,
        None => BTreeMap::new(),
    };
    let sizes = files.iter().map(|(id, found)| (*id, found.size)).collect();
    let mut diagnostics = Vec::new();
    let core = elf_core::plan(&case, task, &sizes, &mut diagnostics);
    let core = match core {
        Ok(core) => core,
        Err(refusal) => bail!("there can be no core of process {}: {refusal}", args.pid),
    };
    let is_core = common.output == Format::Table;
    let mut output =
        if is_core { Output::raw(common, COLLECTION)? } else { Output::new(common, COLLECTION, false)? };
    if is_core {
        write(&core, &mut files, &mut output)?;
    } else {
        output.begin(&Head::new("core", &opened.evidence, checkpoint, opened.sha256.clone()))?;
        for segment in &core.segments {
            output.record(&segment.facts())?;
        }
    }
    case.diagnostics.append(&mut diagnostics);
    let warnings = finish_diagnostics(&case.diagnostics, common);
    if !is_core {
        output.end(&warnings)?;
    }
    output.finish()?;
    Ok(Outcome::of(&warnings))
}

/// The files below a directory that are the mapped ones. What was taken and what was refused is said.
fn files_of(case: &Case<'_>, task: &Task<'_>, root: &Path, quiet: bool) -> Result<BTreeMap<u32, Found>> {
    if !root.is_dir() {
        bail!("{} is not a directory", root.display());
    }
    let mut files = BTreeMap::new();
    for id in elf_core::mapped_files(task) {
        let Some(entry) = case.files.regular(id) else { continue };
        let path = entry.name.as_deref().unwrap_or_default();
        let build_id = mapping::build_id(entry);
        let wanted = Wanted {
            path,
            build_id: build_id.as_deref(),
            size: entry.size,
            deleted: case.files.is_deleted(id),
        };
        let found = sysroot::find(root, wanted);
        if !quiet {
            match &found {
                Ok(found) => eprintln!("ckptfx: added from sysroot: {} (same {})", show(path), found.by),
                Err(why) => {
                    eprintln!("ckptfx: refused from sysroot: {}: {}", show(path), show(why.as_bytes()))
                }
            }
        }
        if let Ok(found) = found {
            files.insert(id, found);
        }
    }
    Ok(files)
}

fn write(core: &Core<'_>, files: &mut BTreeMap<u32, Found>, output: &mut Output) -> Result<()> {
    output.write_all(&core.head)?;
    for piece in core.segments.iter().flat_map(|segment| &segment.pieces) {
        match piece {
            Piece::Bytes(bytes) => output.write_all(bytes)?,
            Piece::Zeros(length) => output.zeros(*length)?,
            Piece::File { id, offset, length } => {
                let found = files.get_mut(id).context("a file was planned that was not found")?;
                found.file.seek(SeekFrom::Start(*offset))?;
                let copied = std::io::copy(&mut (&mut found.file).take(*length), output)?;
                if copied != *length {
                    bail!("a file of the sysroot became shorter while it was read");
                }
            }
        }
    }
    Ok(())
}
