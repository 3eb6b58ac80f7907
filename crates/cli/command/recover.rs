//! `ckptfx recover`: lists deleted files, memfds and tmpfs files, and writes them.

use std::{
    fs::File,
    os::{fd::OwnedFd, unix::fs::FileExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use ckptfx_analysis::{
    Case,
    files::file_use::User,
    recover::{self, Found, Limits, Recoverable, contents::Contents},
};
use ckptfx_parser::Diagnostic;
use ckptfx_report::{listing, schema::Document};
use clap::Args;
use rustix::{
    fs::{Mode, OFlags, mkdir, open, openat},
    io::Errno,
};

use crate::{
    args::{Common, Format, ProcessFilter},
    checkpoints::for_each_checkpoint,
    nested::open_member,
    operands::are_swapped,
    outcome::Outcome,
    progress::Bars,
    spec::{Command, Group},
    view::{self, Column, View},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "recover",
    aliases: &[],
    group: Group::Files,
    about: "List or extract deleted files, memfds and fileless executables",
    usage: Some("ckptfx recover [OPTIONS] ARCHIVE...\n       ckptfx recover [OPTIONS] -O DIR ID... ARCHIVE"),
    notes: "Without -O, recoverable files are listed: deleted files in use, memfds and files on tmpfs mounts. With -O, the files given by ID (or --all) are
extracted to a directory with mode 0600, under names made of ID and file name. Existing files are never replaced, and no path from the archive is followed.",
    examples: &[
        "ckptfx recover archive.tar",
        "ckptfx recover --pid 14 -o json archive.tar",
        "ckptfx recover ghost-2 memfd-253 -O recovered archive.tar",
        "ckptfx recover --all -O recovered archive.tar",
    ],
    arguments: RecoverArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[VIEW.collection])),
    run: |call| run(&call.arguments()?, call.common),
};

/// What `recover` takes.
#[derive(Debug, Args)]
pub struct RecoverArgs {
    /// With -O: file IDs, then the archive; otherwise archives, directories, or - for standard input.
    #[arg(required = true, value_name = "ID ARCHIVE")]
    pub operands: Vec<PathBuf>,
    /// Extract files to DIR (created if needed).
    #[arg(short = 'O', long, value_name = "DIR")]
    pub out_dir: Option<PathBuf>,
    /// Extract all complete files.
    #[arg(long, requires = "out_dir")]
    pub all: bool,
    /// Also extract incomplete files, with holes for missing content.
    #[arg(long, requires = "out_dir")]
    pub partial: bool,
    /// Include shared anonymous and System V memory.
    #[arg(long)]
    pub shared_memory: bool,
    /// Size limit per file, and for hashing holes, in GiB.
    #[arg(long, default_value_t = 4, value_name = "GIB")]
    pub max_size: u64,
    #[command(flatten)]
    pub filter: ProcessFilter,
}

/// Longest part of a file's own name in the name that it is written under.
const MAX_NAME: usize = 80;

pub const VIEW: View<Recoverable> = View::of(
    &listing::RECOVERABLE,
    &[
        Column::left("ID", |item| item.id.clone()),
        Column::left("KIND", |item| item.kind.name().to_owned()),
        Column::left("PURPOSE", |item| item.purpose.name().to_owned()),
        Column::left("TYPE", |item| item.r#type.to_owned()),
        Column::right("SIZE", |item| item.size.to_string()),
        Column::right("UID", |item| view::number(item.uid)),
        Column::left("MODE", |item| view::number(item.mode.as_ref())),
        Column::left("SHA256", |item| view::number(item.sha256.as_ref())),
        Column::left("USED BY", |item| users(&item.users)),
        Column::left("NAME", |item| view::text(item.name.as_ref())),
    ],
);

/// `14 exe, 11 fd 3`.
pub(super) fn users(users: &[User]) -> String {
    let one = |user: &User| {
        let fd = user.fd.map(|fd| format!(" {fd}")).unwrap_or_default();
        format!("{} {}{fd}", user.pid, user.role.name())
    };
    match users {
        [] => "-".to_owned(),
        users => users.iter().map(one).collect::<Vec<_>>().join(", "),
    }
}

pub fn run(args: &RecoverArgs, common: &Common) -> Result<Outcome> {
    let (ids, archives) = match (&args.out_dir, args.operands.as_slice()) {
        (Some(_), [archive, ids @ .., last]) if are_swapped(archive, last) => {
            (&args.operands[args.operands.len() - ids.len() - 1..], std::slice::from_ref(archive))
        }
        (Some(_), [ids @ .., archive]) => (ids, std::slice::from_ref(archive)),
        _ => (&[][..], args.operands.as_slice()),
    };
    if args.out_dir.is_some() && ids.is_empty() && !args.all {
        bail!("which files? Name them by id before the archive, or give --all; without -O they are listed");
    }
    if args.all && !ids.is_empty() {
        bail!("either ids or --all: the archive is the last operand");
    }
    let mut done = false;
    for_each_checkpoint(archives, common, VIEW.name, VIEW.collection, |case, output, bars| {
        if args.out_dir.is_some() && std::mem::replace(&mut done, true) {
            bail!("there are several checkpoints; files are written of one only");
        }
        args.filter.check(case)?;
        let mut found = find(case, args, common, bars);
        if let Some(directory) = &args.out_dir {
            found = choose(found, ids)?;
            write_all(&mut found, directory, args, case)?;
        }
        let records: Vec<Recoverable> = found.into_iter().map(|item| item.facts).collect();
        view::write(&VIEW, &records, output)
    })
}

fn find(case: &mut Case<'_>, args: &RecoverArgs, common: &Common, bars: &Bars) -> Vec<Found> {
    let limits = Limits { shared_memory: args.shared_memory, zeros: args.max_size.saturating_mul(1 << 30) };
    let all = !args.filter.is_set();
    recover::find(case, &|task| args.filter.accepts(task), all, limits, &|member, diagnostics| {
        open_member(member, common, bars, diagnostics)
    })
}

/// The files with the ids asked for, in that order; all of them when none is.
fn choose(mut found: Vec<Found>, ids: &[PathBuf]) -> Result<Vec<Found>> {
    if ids.is_empty() {
        return Ok(found);
    }
    let mut chosen = Vec::new();
    for id in ids {
        let id = id.to_string_lossy();
        let Some(index) = found.iter().position(|item| item.facts.id == id) else {
            bail!(
                "there is nothing with the id {id} to recover, or it is named twice; without -O all are listed"
            );
        };
        chosen.push(found.swap_remove(index));
    }
    Ok(chosen)
}

/// Writes the files. What was named must be written; of --all what cannot be is told.
fn write_all(found: &mut [Found], directory: &Path, args: &RecoverArgs, case: &mut Case<'_>) -> Result<()> {
    let limit = args.max_size.saturating_mul(1 << 30);
    let handle = open_directory(directory)?;
    for item in found {
        let problem = match &item.contents {
            None => Some("it has no content".to_owned()),
            Some(contents) if contents.lost() > 0 && !args.partial => {
                Some(format!("{} bytes of it are missing; --partial writes the rest", contents.lost()))
            }
            Some(contents) if contents.size() > limit => {
                Some(format!("it has {} bytes; --max-size allows more", contents.size()))
            }
            Some(_) => None,
        };
        if let Some(problem) = problem {
            if !args.all {
                bail!("{} is not written: {problem}", item.facts.id);
            }
            if item.contents.is_some() {
                let message = format!("{} is not written: {problem}", item.facts.id);
                case.diagnostics.push(Diagnostic::loss("not-written", item.facts.member.clone(), message));
            }
            continue;
        }
        let Some(contents) = &item.contents else { continue };
        let name = file_name(&item.facts);
        write(&handle, &name, contents)
            .with_context(|| format!("cannot write {}", directory.join(&name).display()))?;
        item.facts.written = Some(name);
    }
    Ok(())
}

/// Opens the directory itself, never one that a link leads to; makes it when it is not there.
fn open_directory(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = open(path, flags, Mode::empty()).or_else(|error| match error {
        Errno::NOENT => mkdir(path, Mode::RWXU).and_then(|()| open(path, flags, Mode::empty())),
        error => Err(error),
    });
    opened.with_context(|| format!("{} is no directory that can be written to", path.display()))
}

/// A name in the directory: the id, and what is harmless of the file's own name.
fn file_name(facts: &Recoverable) -> String {
    harmless_name(&facts.id, facts.name.as_ref().map_or(b"".as_slice(), |name| name.0.as_slice()))
}

fn harmless_name(id: &str, name: &[u8]) -> String {
    let last = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let last = last.strip_prefix(b"memfd:").unwrap_or(last);
    let harmless = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => char::from(*byte),
        _ => '_',
    };
    let last: String = last.iter().take(MAX_NAME).map(harmless).collect();
    if last.is_empty() { id.to_owned() } else { format!("{id}_{last}") }
}

/// Writes a new file; holes stay holes. Nothing that exists is touched, whatever it is.
fn write(directory: &OwnedFd, name: &str, contents: &Contents) -> Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(openat(directory, name, flags, Mode::RUSR | Mode::WUSR)?);
    let written = file
        .set_len(contents.size())
        .and_then(|()| contents.pieces().try_for_each(|(offset, bytes)| file.write_all_at(bytes, offset)));
    if let Err(error) = written {
        // Half a file could be taken for the whole; it is this command's own.
        let _ = rustix::fs::unlinkat(directory, name, rustix::fs::AtFlags::empty());
        return Err(error.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_path_gets_into_a_name() {
        let named = |name: &[u8]| harmless_name("ghost-1", name);
        assert_eq!(named(b"/tmp/../../etc/passwd"), "ghost-1_passwd");
        assert_eq!(named(b"/tmp/.."), "ghost-1_..");
        assert_eq!(named(b"memfd:a b\n\x1b[31m"), "ghost-1_a_b___31m");
        assert_eq!(named(b"/tmp/"), "ghost-1");
        assert_eq!(named(&[0xff; 300]).len(), "ghost-1_".len() + MAX_NAME);
    }
}
