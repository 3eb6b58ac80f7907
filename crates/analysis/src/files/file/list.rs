//! Lists the files that processes refer to.

use std::collections::HashSet;

use ckptfx_parser::{
    Diagnostic,
    files::Remap,
    memory::status,
    proto::{self, FdTypes},
};

use super::{
    facts::Facts,
    lock::Locks,
    record::{OpenFile, Role},
};
use crate::{
    Case, Task, Text,
    files::descriptor::{Descriptors, FileKey, Wanted, is_zombie},
};

/// The files of the processes that `wanted` accepts: of each process its directories, executable, mapped files
/// and descriptors; then the files in flight.
pub fn files(case: &mut Case<'_>, wanted: &dyn Fn(&Task<'_>) -> bool) -> Vec<OpenFile> {
    let mut diagnostics = Vec::new();
    let descriptors = Descriptors::read(case, &mut diagnostics);
    let facts = Facts::read(case, descriptors.numbering, &mut diagnostics);
    let locks = Locks::read(case, &descriptors, &mut diagnostics);
    let mut list = Vec::new();
    for task in case.tasks.iter().filter(|task| wanted(task) && !is_zombie(task)) {
        let mut found = references(case, task, &facts, &mut diagnostics);
        found.extend(descriptors.of(task.process.pid).iter().map(|descriptor| {
            let mut file = facts.describe(descriptor.key, Role::Fd);
            file.fd = Some(descriptor.fd);
            facts.set_cloexec(&mut file, descriptor.key, descriptor.cloexec);
            file.shared_with = descriptors.beside(descriptor.key, Some((task.process.pid, descriptor.fd)));
            file.locks = locks.of(task.process.pid, descriptor.fd, descriptor.key);
            file.selinux_label.clone_from(&descriptor.selinux_label);
            file
        }));
        list.extend(found.into_iter().map(|file| file.of(task)));
    }
    in_flight(case, &descriptors, (&facts, &locks), &Wanted::of(case, wanted), &mut list);
    drop(facts);
    descriptors.finish(&mut diagnostics);
    case.diagnostics.extend(diagnostics);
    list
}

/// Directories, executable and mapped files of a process.
fn references(
    case: &Case<'_>,
    task: &Task<'_>,
    facts: &Facts<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<OpenFile> {
    let name = format!("fs-{}.img", task.process.pid);
    let fs: Option<proto::FsEntry> = case.checkpoint.images.read_one(&name, diagnostics);
    let regular = |id: u32| (FdTypes::Reg as i32, id);
    let single = [
        (Role::Cwd, fs.as_ref().and_then(|fs| fs.cwd_id).map(regular)),
        (Role::Root, fs.as_ref().and_then(|fs| fs.root_id).map(regular)),
        (Role::Exe, task.mm.as_ref().and_then(|mm| mm.exe_file_id).map(|id| executable(case, id))),
    ];
    let mut found: Vec<OpenFile> =
        single.into_iter().filter_map(|(role, key)| Some(facts.describe(key?, role))).collect();
    mapped(case, task, facts, &mut found);
    found
}

/// The executable is a regular file, or a memfd that was executed.
fn executable(case: &Case<'_>, id: u32) -> FileKey {
    let kind = match case.files.get(FdTypes::Reg, id) {
        None if case.files.get(FdTypes::Memfd, id).is_some() => FdTypes::Memfd,
        _ => FdTypes::Reg,
    };
    (kind as i32, id)
}

/// What makes two mapped files the same: the name and, if it was deleted, its ghost.
type Identity = (Option<Text>, Option<u32>, Option<u64>);

/// Each distinct file that a process maps, in order of address.
fn mapped(case: &Case<'_>, task: &Task<'_>, facts: &Facts<'_>, list: &mut Vec<OpenFile>) {
    let mut seen: HashSet<Identity> = HashSet::new();
    for vma in task.mm.iter().flat_map(|mm| &mm.vmas) {
        let bits = vma.status.unwrap_or(0);
        let has = |mask: u32| bits & mask != 0;
        let key = vma.shmid.unwrap_or(0);
        let file = |kind: FdTypes| Some((kind as i32, u32::try_from(key).ok()?));
        let found = if has(status::SYSVIPC) || has(status::ANON_SHARED) {
            facts.shared_memory(key)
        } else if has(status::MEMFD) {
            let Some(key) = file(FdTypes::Memfd) else { continue };
            facts.describe(key, Role::Map)
        } else if has(status::FILE_PRIVATE | status::FILE_SHARED) {
            let Some(key) = file(FdTypes::Reg) else { continue };
            facts.describe(key, Role::Map)
        } else if has(status::SOCKET) {
            let Some(key) = file(FdTypes::Packetsk) else { continue };
            facts.describe(key, Role::Map)
        } else {
            continue;
        };
        let ghost = match u32::try_from(key).ok().and_then(|id| case.files.remap(id)) {
            Some(Remap::Ghost(ghost)) => Some(ghost),
            _ => None,
        };
        if seen.insert((found.link.clone(), ghost, found.inode)) {
            list.push(found);
        }
    }
}

fn in_flight(
    case: &Case<'_>,
    descriptors: &Descriptors,
    (facts, locks): (&Facts<'_>, &Locks),
    wanted: &Wanted,
    list: &mut Vec<OpenFile>,
) {
    for receiver in descriptors.receivers() {
        let pids = descriptors.pids((FdTypes::Unixsk as i32, receiver));
        if !wanted.any(&pids) {
            continue;
        }
        let socket = case.files.get(FdTypes::Unixsk, receiver).and_then(|file| file.usk.as_ref());
        for id in descriptors.packets(receiver).iter().flat_map(|packet| &packet.rights) {
            let key = descriptors.in_flight(*id);
            let mut file = facts.describe(key.unwrap_or((FdTypes::Und as i32, *id)), Role::InFlight);
            file.queued_in = socket.and_then(|socket| socket.ino);
            file.shared_with = key.map(|key| descriptors.beside(key, None)).unwrap_or_default();
            file.locks = key.map(|key| locks.of_description(key).to_vec()).unwrap_or_default();
            if pids.is_empty() {
                list.push(file);
                continue;
            }
            let receivers = pids.iter().filter(|pid| wanted.any([*pid])).filter_map(|pid| case.task(*pid));
            for (at, task) in receivers.enumerate() {
                if at > 0 && !descriptors.repeats(1) {
                    break;
                }
                list.push(file.clone().of(task));
            }
        }
    }
}
