//! Programs and libraries: deleted, from memory only, from places where nothing is installed, replaced
//! (`format.md §16.2`, rules 1–4, 16, 49).

use ckptfx_parser::text::escape_invalid;

use super::{
    Confidence, Facts, Hit, Severity,
    known::{basename, is_below, is_hidden, is_runtime_memfd, is_system, is_temporary},
    next_step::Topic,
    record::about,
};
use crate::{
    files::file::{OpenFile, Role},
    process::Process,
};

/// The executable of a process as an open file.
fn exe_of<'f>(facts: &'f Facts<'_>, process: &Process) -> Option<&'f OpenFile> {
    facts.executable(process.pid)
}

fn show(path: &[u8]) -> String {
    escape_invalid(path).into_owned()
}

/// Processes whose executable has no name.
pub fn deleted(facts: &Facts<'_>) -> Vec<Hit> {
    let deleted =
        facts.living().filter(|process| process.exe_deleted == Some(true) && process.exe_memfd != Some(true));
    deleted
        .filter_map(|process| {
            let path = &process.exe.as_ref()?.0;
            let file = exe_of(facts, process);
            let ghost = file.is_some_and(|file| file.content == crate::files::file::Content::Ghost);
            let mut hit =
                Hit::new(about(process), format!("executable {} was deleted while running", show(path)))
                    .fact("executable", "files.img", path.as_slice())
                    .more(Topic::Recoverable.of(process.pid));
            if ghost {
                hit = hit.fact("content", "remap-fpath.img", "saved in the checkpoint; can be recovered");
            }
            if let Some(size) = file.and_then(|file| file.size) {
                hit = hit.fact("size", "files.img", size.to_string());
            }
            let upgraded = is_system(path) && (facts.was_changed(path) || facts.packages_changed().is_some());
            Some(if upgraded {
                hit.harmless(Severity::Low, "the path is there again: an upgrade replaces programs that run")
            } else if !ghost {
                let caveat = "its name was taken by another file: an upgrade does that too";
                hit.severity(Severity::Medium).confidence(Confidence::Medium).caveat(caveat)
            } else {
                hit
            })
        })
        .collect()
}

/// Processes that run a file without a name in any file system.
pub fn memfd(facts: &Facts<'_>) -> Vec<Hit> {
    let from_memory = facts.living().filter(|process| process.exe_memfd == Some(true));
    from_memory
        .filter_map(|process| {
            let name = &process.exe.as_ref()?.0;
            let hit = Hit::new(about(process), "fileless: the executable runs from a memfd")
                .fact("executable", "files.img", name.as_slice())
                .more(Topic::Recoverable.of(process.pid));
            let is_runtime = is_runtime_memfd(name);
            Some(if is_runtime {
                hit.harmless(Severity::Info, "container runtimes run from a memfd to protect their own file")
            } else {
                hit
            })
        })
        .collect()
}

/// Processes whose executable is where nothing is installed.
pub fn writable_directory(facts: &Facts<'_>) -> Vec<Hit> {
    let odd = facts.living().filter(|process| process.exe_memfd != Some(true));
    odd.filter_map(|process| {
        let path = &process.exe.as_ref()?.0;
        let temporary = is_temporary(path);
        // A hidden directory of somebody's home, such as ~/.local/bin, is usual; a hidden program is not.
        let hidden = basename(path).starts_with(b".") || (is_hidden(path) && temporary);
        if !temporary && !hidden {
            return None;
        }
        let why = match (temporary, hidden) {
            (true, true) => "runs from a hidden path in a temporary directory",
            (true, false) => "runs from a temporary directory",
            _ => "the program is a hidden file",
        };
        let hit = Hit::new(about(process), why).fact("executable", "files.img", path.as_slice());
        let severity = if hidden { Severity::High } else { Severity::Medium };
        Some(hit.severity(severity).more(Topic::Files.of(process.pid)))
    })
    .collect()
}

/// Processes whose executable was not in the image, or not as it is now.
pub fn not_in_image(facts: &Facts<'_>) -> Vec<Hit> {
    let named = facts.living().filter(|process| process.exe_deleted == Some(false));
    named
        .filter_map(|process| {
            let path = process.exe.as_ref()?;
            let change = facts
                .changes_at(&path.0)
                .find(|change| change.kind == Some("regular") && facts.was_changed(&path.0))?;
            let hit =
                Hit::new(about(process), "executable added or modified after the container was created")
                    .fact("executable", change.origin.escaped(), path.clone())
                    .more(Topic::RootFileSystem.of(process.pid));
            let hit = match change.mtime {
                Some(time) => hit.fact("modified", change.origin.escaped(), time.to_string()),
                None => hit,
            };
            Some(match facts.packages_changed() {
                Some(database) if is_system(&path.0) => hit
                    .fact("package data base", "rootfs-diff.tar", database.clone())
                    .harmless(Severity::Low, "packages were installed in the container"),
                _ => hit,
            })
        })
        .collect()
}

/// Processes that map a program or library of which the file system now has another version.
pub fn replaced(facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for file in facts.files.iter().filter(|file| file.role == Role::Exe && file.deleted == Some(false)) {
        let Some((path, size)) = file.path.as_ref().zip(file.size) else { continue };
        let Some(process) = file.pid.and_then(|pid| facts.process(pid)) else { continue };
        let change = facts
            .changes_at(&path.0)
            .find(|change| change.kind == Some("regular") && change.size.is_some_and(|now| now != size));
        let Some(change) = change else { continue };
        let now = change.size.unwrap_or_default();
        let hit = Hit::new(about(process), "the executable file was replaced after the program started")
            .fact("size when it was started", "files.img", size.to_string())
            .fact("size now", change.origin.escaped(), now.to_string())
            .more(Topic::RootFileSystem.of(process.pid));
        hits.push(if facts.packages_changed().is_some() {
            hit.harmless(Severity::Low, "packages were installed in the container")
        } else {
            hit
        });
    }
    hits
}

/// Libraries that are mapped from where nothing is installed.
pub fn library_place(facts: &Facts<'_>) -> Vec<Hit> {
    let code = facts.mappings.iter().filter(|mapping| {
        mapping.perms.contains('x') && mapping.kind == "file-private" && !mapping.path.0.is_empty()
    });
    code.filter_map(|mapping| {
        let process = facts.process(mapping.pid)?;
        let path = mapping.path.0.strip_suffix(b" (deleted)").unwrap_or(&mapping.path.0);
        let is_exe = process.exe.as_ref().is_some_and(|exe| exe.0 == path);
        let hidden = basename(path).starts_with(b".");
        if is_exe || !(is_temporary(path) || hidden) {
            return None;
        }
        let hit = Hit::new(about(process).path(path), "library loaded from outside the library directories")
            .fact("mapping", mapping.start.clone(), mapping.path.clone())
            .more(Topic::Maps.of(process.pid));
        let is_java = facts
            .mappings
            .iter()
            .any(|other| other.pid == mapping.pid && basename(&other.path.0).starts_with(b"libjvm.so"));
        Some(if is_java && is_below(path, b"/tmp") && !hidden {
            hit.harmless(Severity::Low, "Java unpacks native libraries to temporary files")
        } else {
            hit
        })
    })
    .collect()
}

/// Libraries that were deleted while they were mapped.
pub fn library_deleted(facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for mapping in &facts.mappings {
        let Some(odd) = mapping.anomalies.iter().find(|odd| odd.rule == "deleted-code") else { continue };
        let Some(process) = facts.process(mapping.pid) else { continue };
        let path = mapping.path.0.strip_suffix(b" (deleted)").unwrap_or(&mapping.path.0);
        if process.exe.as_ref().is_some_and(|exe| exe.0 == path) {
            continue;
        }
        let hit = Hit::new(about(process).path(path), "code is mapped from a deleted file")
            .severity(odd.severity)
            .facts(odd.evidence.iter().cloned())
            .more(Topic::Recoverable.of(process.pid));
        hits.push(if is_system(path) {
            hit.harmless(Severity::Low, "an upgrade of a package replaces libraries that are in use")
        } else {
            hit
        });
    }
    hits
}

/// Processes that were started through a descriptor, so that no path names the program.
pub fn descriptor(facts: &Facts<'_>) -> Vec<Hit> {
    let through = facts.starts.iter().filter_map(|start| {
        let execfn = start.execfn.as_ref()?;
        let path = &execfn.0;
        let is_descriptor = (is_below(path, b"/proc") && path.windows(4).any(|part| part == b"/fd/"))
            || is_below(path, b"/dev/fd");
        let process = facts.process(start.pid).filter(|_| is_descriptor)?;
        let hit = Hit::new(about(process), "started through a descriptor, so no path names the program")
            .fact("path given to execve", "stack", execfn.clone())
            .more(Topic::Processes.of(process.pid));
        let is_runtime = process.exe.as_ref().is_some_and(|exe| is_runtime_memfd(&exe.0));
        Some(if is_runtime {
            hit.harmless(Severity::Info, "container runtimes run from a memfd to protect their own file")
        } else {
            hit
        })
    });
    through.collect()
}
