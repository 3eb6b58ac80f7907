//! Whether a process without an image of its descriptors has none. CRIU makes images when they get their first entry,
//! so that a process that closed all descriptors has no image, as one whose image was lost (`format.md §1.4`).

use std::collections::{BTreeMap, BTreeSet};

use ckptfx_parser::{
    Diagnostic,
    files::Remap,
    memory::status,
    proto::{self, FdTypes},
};

use super::table::{Descriptors, FileKey, is_zombie, key_of};
use crate::{
    Case,
    process::{
        syscall,
        thread_image::{self, ThreadImage},
    },
};

/// System calls that name a descriptor first.
const OF_DESCRIPTORS: [&str; 35] = [
    "accept",
    "accept4",
    "connect",
    "copy_file_range",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "fallocate",
    "fcntl",
    "fdatasync",
    "flock",
    "fsync",
    "ftruncate",
    "getdents64",
    "io_uring_enter",
    "ioctl",
    "lseek",
    "pread64",
    "preadv",
    "preadv2",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "read",
    "readv",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "splice",
    "tee",
    "write",
    "writev",
];

/// Reports the descriptor tables that have no image, with the processes that use them: as a loss where something says
/// that there were descriptors or that images are lost, else as a note.
pub(super) fn report(
    case: &Case<'_>,
    descriptors: &Descriptors,
    absent: BTreeMap<u32, Vec<u32>>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    if absent.is_empty() {
        return;
    }
    let of_all = is_incomplete(case).or_else(|| has_orphans(case, descriptors, diagnostics));
    for (table, pids) in absent {
        let image = format!("fdinfo-{table}.img");
        let pid = pids.first().copied().unwrap_or(table);
        let why = of_all
            .clone()
            .or_else(|| pids.iter().find_map(|pid| uses(case, *pid, diagnostics)))
            .or_else(|| pids.iter().find_map(|pid| inherits(case, descriptors, *pid)));
        diagnostics.push(match why {
            Some(why) => {
                let message = format!("which descriptors process {pid} has is not known: {why}");
                Diagnostic::loss("missing-image", image, message)
            }
            None => {
                let message = format!(
                    "process {pid} has no descriptors: CRIU writes no image then, and nothing here says that it had any"
                );
                Diagnostic::note("no-descriptors", image, message)
            }
        });
    }
}

/// Images that every process has, when one is missing: this one may be lost as well.
fn is_incomplete(case: &Case<'_>) -> Option<String> {
    let images = &case.checkpoint.images;
    if images.is_cut() {
        return Some("the archive ends early".to_owned());
    }
    let of_process =
        |pid: u32| ["core", "ids", "mm", "fs", "pagemap"].map(|stem| format!("{stem}-{pid}.img"));
    let living = case.tasks.iter().filter(|task| !is_zombie(task));
    let mut expected =
        living.flat_map(|task| of_process(task.process.pid)).chain(["inventory.img".to_owned()]);
    expected.find(|name| images.member(name).is_none()).map(|name| format!("{name} is missing, too"))
}

/// Open files that nothing refers to: the table that did is lost.
fn has_orphans(
    case: &Case<'_>,
    descriptors: &Descriptors,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<String> {
    let used = referenced(case, descriptors, diagnostics);
    let orphans = case.files.entries().map(|entry| key_of(entry).0).filter(|key| {
        // CRIU writes unix sockets that nobody holds: those outside, and those that were not accepted yet.
        key.0 != FdTypes::Unixsk as i32 && !used.contains(key) && descriptors.holders(*key).is_empty()
    });
    let count = orphans.count();
    (count > 0).then(|| format!("no process has {count} of the open files"))
}

/// What refers to open files besides descriptors.
fn referenced(
    case: &Case<'_>,
    descriptors: &Descriptors,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeSet<FileKey> {
    let mut used: BTreeSet<FileKey> = BTreeSet::new();
    let regular = |id: u32| (FdTypes::Reg as i32, id);
    for task in &case.tasks {
        let fs: Option<proto::FsEntry> =
            case.checkpoint.images.read_one(&format!("fs-{}.img", task.process.pid), diagnostics);
        used.extend(fs.iter().flat_map(|fs| [fs.cwd_id, fs.root_id]).flatten().map(regular));
        let Some(mm) = &task.mm else { continue };
        used.extend(mm.exe_file_id.into_iter().flat_map(|id| [regular(id), (FdTypes::Memfd as i32, id)]));
        for vma in &mm.vmas {
            let bits = vma.status.unwrap_or(0);
            let kind = match () {
                () if bits & status::MEMFD != 0 => FdTypes::Memfd,
                () if bits & status::SOCKET != 0 => FdTypes::Packetsk,
                () => FdTypes::Reg,
            };
            used.extend(vma.shmid.and_then(|id| u32::try_from(id).ok()).map(|id| (kind as i32, id)));
        }
    }
    let queued = descriptors.receivers().flat_map(|receiver| descriptors.packets(receiver));
    used.extend(queued.flat_map(|packet| &packet.rights).filter_map(|id| descriptors.in_flight(*id)));
    for entry in case.files.entries() {
        let named = entry.tty.as_ref().and_then(|tty| tty.regf_id.or(tty.id));
        let named = named.or_else(|| entry.fifo.as_ref().and_then(|fifo| fifo.regf_id.or(fifo.id)));
        used.extend(named.or_else(|| entry.tunf.as_ref()?.id).map(regular));
        let remap = entry.reg.as_ref().and_then(|file| case.files.remap(file.id?));
        if let Some(Remap::Linked(id)) = remap {
            used.insert(regular(id));
        }
    }
    used
}

/// What says that a process has descriptors.
fn uses(case: &Case<'_>, pid: u32, diagnostics: &mut Vec<Diagnostic>) -> Option<String> {
    let images = &case.checkpoint.images;
    let locks = images.read::<proto::FileLockEntry>("filelocks.img", diagnostics);
    if locks.iter().any(|lock| lock.value.pid.and_then(|of| u32::try_from(of).ok()) == Some(pid)) {
        return Some("it holds a lock through one".to_owned());
    }
    let task = case.task(pid)?;
    thread_image::images_of(images, task, diagnostics).iter().find_map(in_call)
}

/// Why a process has at least the descriptors that it shares with others: a fork hands them on, and only who makes
/// itself a daemon closes them. Descriptors that it shared with nobody would be among the open files that nobody has.
fn inherits(case: &Case<'_>, descriptors: &Descriptors, pid: u32) -> Option<String> {
    let has = |other: u32| other != pid && !descriptors.of(other).is_empty();
    let others = || case.tasks.iter().map(|task| &task.process).filter(|process| has(process.pid));
    others().next()?;
    if let Some(child) = others().find(|process| process.ppid == Some(pid)) {
        return Some(format!("its child {} has some, and a child gets those of its parent", child.pid));
    }
    let is_leader = case.task(pid).is_some_and(|task| task.process.sid == Some(pid));
    (!is_leader).then(|| "it is no daemon, and a process gets those of its parent".to_owned())
}

/// The system call that a thread waits in, if it is on a descriptor.
fn in_call(thread: &ThreadImage) -> Option<String> {
    let cpu = thread.cpu.as_ref()?;
    let call = cpu.call.filter(|call| call.certain && cpu.architecture != "i386")?;
    let name = syscall::name(cpu.machine, call.number).filter(|name| OF_DESCRIPTORS.contains(name))?;
    let fd = cpu.arguments.first().and_then(|fd| i32::try_from(*fd).ok())?;
    Some(format!("thread {} was in {name} on descriptor {fd}", thread.tid))
}

#[cfg(test)]
mod tests {
    use ckptfx_testkit::{Checkpoint, File, Process, Registers};

    use super::*;
    use crate::tests::with_case;

    /// Code and message about the table of process 2.
    fn told(dump: Checkpoint) -> (&'static str, String) {
        with_case(dump, |case| {
            let mut diagnostics = Vec::new();
            Descriptors::read(case, &mut diagnostics);
            let about = |one: &&Diagnostic| one.subject.starts_with("fdinfo-");
            let found = diagnostics.iter().filter(about).map(|one| (one.code, one.message.clone()));
            let found: Vec<_> = found.collect();
            assert_eq!(found.len(), 1, "{diagnostics:?}");
            found[0].clone()
        })
    }

    fn family(change: impl FnOnce(Process) -> Process) -> Checkpoint {
        Checkpoint::new().process(Process::new(1).child(change(Process::new(2).no_fds())))
    }

    /// Without the image that the test kit writes, empty, for every table.
    fn lazily(dump: Checkpoint) -> Checkpoint {
        let empty = |name: &String, length: usize| name.starts_with("fdinfo-") && length <= 8;
        let names: Vec<String> = dump
            .images()
            .into_iter()
            .filter(|(name, body)| empty(name, body.to_vec().len()))
            .map(|(name, _)| name)
            .collect();
        names.iter().fold(dump, |dump, name| dump.without(name))
    }

    #[test]
    fn a_process_may_have_closed_all_descriptors() {
        let daemon = || family(|child| child.with(|child| child.sid = Some(2)));
        assert_eq!(told(lazily(daemon())).0, "no-descriptors");
        // No other process has any that it could share.
        let alone = Checkpoint::new().process(Process::new(1).no_fds());
        assert_eq!(told(lazily(alone)).0, "no-descriptors");
    }

    #[test]
    fn what_says_that_there_were_descriptors_makes_it_a_loss() {
        let reading = Registers { syscall: Some(0), args: [5, 0, 0, 0, 0, 0], ..Registers::default() };
        let lost = told(lazily(family(|child| child.with(|child| child.registers = reading))));
        assert_eq!(lost.0, "missing-image");
        assert!(lost.1.ends_with("thread 2 was in read on descriptor 5"), "{}", lost.1);
        // A child of a shell, that has what its parent has, and the parent.
        let lost = told(lazily(family(|child| child)));
        assert!(lost.1.contains("it is no daemon"), "{}", lost.1);
        let parent = Checkpoint::new().process(Process::new(1).no_fds().child(Process::new(2)));
        let lost = told(lazily(parent));
        assert!(lost.1.contains("its child 2 has some"), "{}", lost.1);
        let mut locked = lazily(family(|child| child));
        locked.locks = vec![(2, 5, 1, 1, 0, 0)];
        assert_eq!(told(locked).0, "missing-image");
        // Files that nobody has: their table is gone.
        let whole = family(|child| child.fd(3, File::pipe_read(9)));
        let images = whole.images();
        let table = images.keys().rfind(|name| name.starts_with("fdinfo-")).unwrap().clone();
        let lost = told(whole.without(&table));
        assert_eq!(lost.0, "missing-image");
        assert!(lost.1.contains("no process has 1 of the open files"), "{}", lost.1);
        // What else is missing makes it likely that this is, too.
        let lost = told(lazily(family(|child| child)).without("fs-1.img"));
        assert!(lost.1.contains("fs-1.img is missing, too"), "{}", lost.1);
    }
}
