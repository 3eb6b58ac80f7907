//! `ckptfx rootfs`: what changed in the file systems.

use std::{
    io::Write as _,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use ckptfx_analysis::{
    Case,
    files::{
        nested::{Origin, Source, sources},
        rootfs::{self, Base, Change, ChangeKind, Wish},
    },
};
use ckptfx_parser::{
    Diagnostic,
    archive::{MemberKind, normalise},
    container::Container,
    input::{BaseImage, open_base_image, survey},
    proto::core_entry::March,
};
use ckptfx_report::{listing, schema::Document, untrusted::show};
use clap::{Args, Subcommand};

use crate::{
    args::{Common, Format, ProcessFilter},
    checkpoints::{for_each_checkpoint, only_checkpoint},
    diagnostics::finish_diagnostics,
    named::open_one,
    nested::open_member,
    operands::are_swapped,
    outcome::Outcome,
    progress::Bars,
    render::Output,
    spec::{Command, Group},
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "rootfs",
    aliases: &[],
    group: Group::Files,
    about: "List changes to the root file system",
    usage: None,
    notes: "Lists changes to the root file system (rootfs-diff.tar, deleted.files and whiteouts) and all files of Podman volumes, /dev/shm and tmpfs mounts; other
mounts are not captured. With the container's image, --base distinguishes added from modified files and --diff shows changed text.",
    examples: &[
        "ckptfx rootfs archive.tar",
        "ckptfx rootfs --hash -o json archive.tar | jq '.changes[] | select(.flags | index(\"setuid\"))'",
        "ckptfx rootfs --base image.tar --diff archive.tar",
        "ckptfx rootfs ls /etc archive.tar",
        "ckptfx rootfs cat /etc/crontab archive.tar",
    ],
    arguments: |parser| {
        RootfsArgs::augment_args(parser).args_conflicts_with_subcommands(true).subcommand_negates_reqs(true)
    },
    formats: Format::RECORDS,
    result: Some(Document::of(&[VIEW.collection])),
    run: |call| run(&call.arguments()?, call.common),
};

/// What `rootfs` takes.
#[derive(Debug, Args)]
pub struct RootfsArgs {
    /// Only list or show a part.
    #[command(subcommand)]
    pub action: Option<RootfsAction>,
    /// Archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ARCHIVE")]
    pub archives: Vec<PathBuf>,
    #[command(flatten)]
    pub options: RootfsOptions,
}

/// How changes are listed.
#[derive(Debug, Clone, Args)]
pub struct RootfsOptions {
    /// Base image of the container: OCI layout, OCI or docker archive, or a tar of its files.
    #[arg(long, value_name = "IMAGE")]
    pub base: Option<PathBuf>,
    /// Show a diff of small text files.
    #[arg(long, requires = "base")]
    pub diff: bool,
    /// Also list files that runtimes create in every container.
    #[arg(short, long)]
    pub all: bool,
    /// Limit for hashing sparse holes, in GiB.
    #[arg(long, default_value_t = 4, value_name = "GIB")]
    pub max_size: u64,
    #[command(flatten)]
    pub filter: ProcessFilter,
}

/// Parts of `rootfs`.
#[derive(Debug, Subcommand)]
pub enum RootfsAction {
    /// List the archive's files at and below a path
    #[command(
        override_usage = "ckptfx rootfs ls [OPTIONS] [PATH] ARCHIVE",
        after_help = "Examples:\n  ckptfx rootfs ls /etc archive.tar\n  ckptfx rootfs ls archive.tar"
    )]
    Ls {
        /// Path in the container (all by default), then the archive.
        #[arg(required = true, num_args = 1..=2, value_name = "PATH ARCHIVE")]
        operands: Vec<PathBuf>,
        #[command(flatten)]
        options: RootfsOptions,
    },
    /// Write the content of one file
    #[command(after_help = "Examples:\n  ckptfx rootfs cat /etc/crontab archive.tar")]
    Cat {
        /// A path in the container.
        #[arg(value_name = "PATH")]
        path: PathBuf,
        /// Archive, directory, or - for standard input.
        #[arg(value_name = "ARCHIVE")]
        archive: PathBuf,
        /// Limit for zeros written for holes, in GiB.
        #[arg(long, default_value_t = 4, value_name = "GIB")]
        max_size: u64,
    },
}

pub const VIEW: View<Change> = View::of(
    &listing::CHANGES,
    &[
        Column::left("CHANGE", |change| change.change.name().to_owned()),
        Column::left("MODE", mode),
        Column::right("UID", |change| view::number(change.uid)),
        Column::right("GID", |change| view::number(change.gid)),
        Column::right("SIZE", |change| view::number(change.size)),
        Column::left("MODIFIED", |change| view::number(change.mtime)),
        Column::left("ORIGIN", |change| show(&change.origin.0)),
        Column::left("PATH", path),
        Column::left("FLAGS", |change| change.flags.join(",")),
    ],
);

/// Kind and permissions as `ls` shows the first letter, with the mode in octal.
fn mode(change: &Change) -> String {
    let letter = match change.kind {
        Some("directory") => 'd',
        Some("symlink") => 'l',
        Some("hardlink") => 'h',
        Some("char-device") => 'c',
        Some("block-device") => 'b',
        Some("fifo") => 'p',
        Some("regular") => '-',
        Some(_) => '?',
        None => return "-".to_owned(),
    };
    format!("{letter}{}", change.mode.as_deref().unwrap_or("?"))
}

fn path(change: &Change) -> String {
    let path = show(&change.path.0);
    match (&change.link_target, &change.device) {
        (Some(target), _) => format!("{path} -> {}", show(&target.0)),
        (None, Some(device)) => format!("{path} [{device}]"),
        (None, None) => path,
    }
}

pub fn run(args: &RootfsArgs, common: &Common) -> Result<Outcome> {
    match &args.action {
        None => list(&args.archives, None, &args.options, common),
        Some(RootfsAction::Ls { operands, options }) => match operands.as_slice() {
            // A directory of this machine is hardly meant.
            [path] if is_of_the_system(path) && !is_evidence(path, common) => {
                bail!("an archive is missing after {}; see ckptfx rootfs ls --help", path.display())
            }
            [archive] => list(std::slice::from_ref(archive), None, options, common),
            [path, archive] => {
                let (path, archive) = in_order(path, archive);
                list(std::slice::from_ref(archive), Some(path), options, common)
            }
            _ => bail!("a path and an archive are needed; see ckptfx rootfs ls --help"),
        },
        Some(RootfsAction::Cat { path, archive, max_size }) => {
            let (path, archive) = in_order(path, archive);
            cat(path, archive, *max_size, common)
        }
    }
}

fn list(
    archives: &[PathBuf],
    below: Option<&Path>,
    options: &RootfsOptions,
    common: &Common,
) -> Result<Outcome> {
    let mut matched = 0;
    let outcome = for_each_checkpoint(archives, common, VIEW.name, VIEW.collection, |case, output, bars| {
        options.filter.check(case)?;
        let sources = open_sources(case, common, bars);
        let base = options.base.as_deref().map(|path| open_base(path, case, common, bars)).transpose()?;
        let zeros = options.max_size.saturating_mul(1 << 30);
        let wish = Wish { hash: common.hash, diff: options.diff, zeros, base: base.as_ref() };
        let all = !options.filter.is_set();
        let mut changes = rootfs::changes(case, &sources, &wish, &|task| options.filter.accepts(task), all);
        rootfs::add_notes(case, &sources, base.is_some());
        if let Some(below) = below {
            let below = normalise(below.as_os_str().as_bytes());
            changes.retain(|change| is_below(&change.path.0, &below));
        }
        matched += changes.len();
        if !output.is_table() {
            return view::write(&VIEW, &changes, output);
        }
        write_table(&changes, options.all, output)
    })?;
    // Asking for a path that the archive does not have is like a search without a match.
    Ok(if below.is_some() && matched == 0 { outcome.max(Outcome::NothingMatched) } else { outcome })
}

/// Whether a path of the container is `below` (without leading `/`) or lies in it.
fn is_below(path: &[u8], below: &[u8]) -> bool {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    below.is_empty() || path.strip_prefix(below).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

fn write_table(changes: &[Change], all: bool, output: &mut Output) -> Result<()> {
    let is_usual = |change: &&Change| !all && change.flags.contains(&"runtime-default");
    view::write_table(&VIEW, changes.iter().filter(|change| !is_usual(change)), output)?;
    let hidden = changes.iter().filter(is_usual).count();
    if hidden > 0 {
        writeln!(output, "(not shown: {hidden} that runtimes make in every container; --all shows them)")?;
    }
    for diff in changes.iter().filter_map(|change| change.diff.as_ref()) {
        writeln!(output)?;
        for line in diff.lines() {
            writeln!(output, "{}", show_line(line))?;
        }
    }
    Ok(())
}

/// A line of text as it is shown: tabs are harmless and stay.
fn show_line(line: &str) -> String {
    line.split('\t').map(|part| show(part.as_bytes())).collect::<Vec<_>>().join("\t")
}

/// A path in the container and an archive, in whichever order they were given.
fn in_order<'p>(path: &'p PathBuf, archive: &'p PathBuf) -> (&'p PathBuf, &'p PathBuf) {
    if are_swapped(path, archive) { (archive, path) } else { (path, archive) }
}

/// Whether a path is one that every system has: then the container's is meant.
fn is_of_the_system(path: &Path) -> bool {
    const SYSTEM: [&str; 10] = ["bin", "boot", "dev", "etc", "lib", "lib64", "proc", "sbin", "sys", "usr"];
    let first = path.strip_prefix("/").ok().map(|below| below.components().next());
    first.is_some_and(|first| first.is_none_or(|first| SYSTEM.iter().any(|name| first.as_os_str() == *name)))
}

/// Whether a directory is evidence itself.
fn is_evidence(path: &Path, common: &Common) -> bool {
    survey(path, &common.limits()).is_ok_and(|found| found.is_evidence)
}

/// The tars inside the archive that hold files of the container.
fn open_sources(case: &mut Case<'_>, common: &Common, bars: &Bars) -> Vec<Source> {
    sources(case, &|member, diagnostics| open_member(member, common, bars, diagnostics))
}

fn open_base(path: &Path, case: &mut Case<'_>, common: &Common, bars: &Bars) -> Result<Base> {
    let options = common.options(None, bars);
    let march = case.tasks.iter().find_map(|task| March::try_from(task.core.as_ref()?.mtype?).ok());
    let architecture = march.and_then(go_architecture);
    let image = open_base_image(path, architecture, &options, &mut case.diagnostics)?;
    if let Some(message) = mismatch(&image, &case.checkpoint.container) {
        case.diagnostics.push(Diagnostic::note("other-image", image.name.clone(), message));
    }
    Ok(Base::new(image))
}

/// Go's name of an architecture, as image indexes have it.
fn go_architecture(march: March) -> Option<&'static str> {
    Some(match march {
        March::X8664 => "amd64",
        March::Aarch64 => "arm64",
        March::Arm => "arm",
        March::Ppc64 => "ppc64le",
        March::S390 => "s390x",
        March::Mips => "mips64le",
        March::Loongarch64 => "loong64",
        March::Riscv64 => "riscv64",
        March::Unknown => return None,
    })
}

/// Why the image may not be the one that the container was made of.
fn mismatch(image: &BaseImage, container: &Container) -> Option<String> {
    let bare = |digest: &str| digest.strip_prefix("sha256:").unwrap_or(digest).to_owned();
    let pairs = [
        ("configuration", image.config_digest.as_deref(), container.image_id.as_deref()),
        ("manifest", image.manifest_digest.as_deref(), container.image_digest.as_deref()),
    ];
    let known: Vec<_> = pairs
        .into_iter()
        .filter_map(|(what, given, stated)| Some((what, bare(given?), bare(stated?))))
        .collect();
    if known.iter().any(|(_, given, stated)| given == stated) {
        return None;
    }
    let (what, given, stated) = known.into_iter().next()?;
    Some(format!(
        "its {what} is sha256:{given}, but the container's image is sha256:{stated}: it may be another image, or the \
         same under an index"
    ))
}

/// Writes the content of one file.
fn cat(path: &Path, archive: &Path, max_size: u64, common: &Common) -> Result<Outcome> {
    if common.output != Format::Table {
        bail!("rootfs cat writes the bytes of the file as they are; -o is not for it");
    }
    let bars = Bars::new(common.quiet);
    let opened = open_one(archive, common, &bars)?;
    let checkpoint = only_checkpoint(&opened)?;
    let mut case = Case::read(checkpoint);
    case.diagnostics.splice(0..0, opened.evidence.diagnostics.iter().cloned());
    let sources = open_sources(&mut case, common, &bars);
    let wanted = normalise(path.as_os_str().as_bytes());
    let shown = show(&wanted);
    // What is mounted hides what lies below it.
    let found = sources.iter().rev().find_map(|source| {
        let inside = if source.directory.is_empty() {
            wanted.as_slice()
        } else {
            wanted.strip_prefix(source.directory.as_slice())?.strip_prefix(b"/")?
        };
        Some((source, source.archive.find(inside)?))
    });
    let (source, member) = match found {
        Some(found) => found,
        None => bail!("/{shown} is not in the archive: {}", why_missing(&mut case, &sources, &wanted)),
    };
    let contents = match &member.kind {
        MemberKind::Symlink(target) => bail!("/{shown} is a symbolic link to {}", show(target)),
        MemberKind::Directory => bail!("/{shown} is a directory"),
        MemberKind::Other(_) => bail!("/{shown} is a device or FIFO"),
        MemberKind::File | MemberKind::Hardlink(_) => source.contents(member),
    };
    let contents =
        contents.with_context(|| format!("/{shown} is a hard link to a file that is not in the archive"))?;
    if contents.size() - contents.captured().min(contents.size()) > max_size.saturating_mul(1 << 30) {
        bail!("/{shown} has {} bytes, nearly all a hole; --max-size allows it", contents.size());
    }
    let mut output = Output::raw(common, VIEW.collection)?;
    let mut position = 0;
    for (offset, bytes) in contents.pieces() {
        output.zeros(offset.saturating_sub(position))?;
        output.write_all(bytes)?;
        position = offset + bytes.len() as u64;
    }
    if contents.lost() == 0 {
        output.zeros(contents.size().saturating_sub(position))?;
    } else {
        let message = format!("{} of its bytes are not in the archive", contents.lost());
        case.diagnostics.push(Diagnostic::loss("truncated-member", format!("/{shown}"), message));
    }
    output.finish()?;
    let warnings = finish_diagnostics(&case.diagnostics, common);
    Ok(Outcome::of(&warnings))
}

fn why_missing(case: &mut Case<'_>, sources: &[Source], wanted: &[u8]) -> &'static str {
    let wish = Wish { hash: false, diff: false, zeros: 0, base: None };
    let changes = rootfs::changes(case, sources, &wish, &|_| true, true);
    let is_it = |change: &&Change| change.path.0.strip_prefix(b"/") == Some(wanted);
    match changes.iter().find(is_it) {
        Some(change) if change.change == ChangeKind::Deleted => "it was deleted",
        _ if sources.iter().any(|source| source.origin == Origin::RootfsDiff) => {
            "it was not changed, or the engine did not record the change"
        }
        _ => "the archive holds no changes of the root file system",
    }
}
