//! Open files as `files` lists them: what readlink, fdinfo and stat of `/proc/PID/fd/N` say, as far as the
//! images hold it (`format.md §8`).

mod details;
mod facts;
mod lock;

use std::collections::HashSet;

use ckptfx_parser::{
    Diagnostic,
    files::Remap,
    memory::status,
    proto::{self, FdTypes},
};
use schemars::JsonSchema;
use serde::Serialize;

pub use self::details::{Details, EpollTarget, FanotifyMark, InotifyWatch, Regular, SocketFacts, TimeValue};
pub(crate) use self::facts::Facts;
use self::lock::Locks;
use crate::{
    Case, Task, Text,
    files::descriptor::{Descriptors, FileKey, Holders, Wanted, is_zombie},
};

/// How a process refers to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Working directory.
    Cwd,
    /// Root directory.
    Root,
    /// Executable.
    Exe,
    /// Mapped into memory.
    Map,
    /// Open descriptor.
    Fd,
    /// Sent over a unix socket and not received yet.
    InFlight,
}

impl Role {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cwd => "cwd",
            Self::Root => "root",
            Self::Exe => "exe",
            Self::Map => "map",
            Self::Fd => "fd",
            Self::InFlight => "in-flight",
        }
    }
}

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Kind {
    Regular,
    Directory,
    CharDevice,
    BlockDevice,
    Symlink,
    Pipe,
    Fifo,
    Socket,
    Tty,
    Eventfd,
    Eventpoll,
    Inotify,
    Fanotify,
    Signalfd,
    Timerfd,
    Memfd,
    Pidfd,
    BpfMap,
    Namespace,
    Tun,
    External,
}

impl Kind {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Regular => "regular",
            Self::Directory => "directory",
            Self::CharDevice => "char-device",
            Self::BlockDevice => "block-device",
            Self::Symlink => "symlink",
            Self::Pipe => "pipe",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
            Self::Tty => "tty",
            Self::Eventfd => "eventfd",
            Self::Eventpoll => "eventpoll",
            Self::Inotify => "inotify",
            Self::Fanotify => "fanotify",
            Self::Signalfd => "signalfd",
            Self::Timerfd => "timerfd",
            Self::Memfd => "memfd",
            Self::Pidfd => "pidfd",
            Self::BpfMap => "bpf-map",
            Self::Namespace => "namespace",
            Self::Tun => "tun",
            Self::External => "external",
        }
    }
}

/// Whether the file's bytes are among the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// It was deleted, and CRIU saved it.
    Ghost,
    /// A memfd, whose pages are in the dump.
    Memfd,
    /// Shared anonymous or System V memory, whose pages are in the dump.
    Shm,
    /// Not in the images; a file may still be in the container's image or in what changed in its root file
    /// system.
    #[default]
    None,
}

impl Content {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ghost => "ghost",
            Self::Memfd => "memfd",
            Self::Shm => "shm",
            Self::None => "none",
        }
    }
}

/// A lock on a file. One of kind `FLOCK`, `OFD` or `LEASE` belongs to the open file description, and so to every
/// descriptor of it; a `POSIX` one to the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Lock {
    /// `POSIX`, `FLOCK`, `OFD`, `LEASE`, or its number.
    pub kind: String,
    /// `F_RDLCK`, `F_WRLCK`, `F_UNLCK`, or its number; of a lease that is being broken what it is to become.
    pub r#type: String,
    /// Whether somebody waits for the lease to be given up.
    pub breaking: bool,
    /// First byte.
    pub start: i64,
    /// Number of bytes; null is to the end of the file.
    pub length: Option<i64>,
}

/// Who gets a signal when something happens to a file (`F_SETOWN`, `F_SETSIG`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SignalOwner {
    /// The signal.
    pub signal: String,
    /// `process`, `thread` or `process-group`: what the number is of.
    pub r#type: Option<&'static str>,
    /// Its number, as seen in the pid namespace of the holder; null when nobody is set.
    pub pid: Option<u32>,
    /// Real user id that the right to signal is judged by.
    pub uid: Option<u32>,
    /// Effective user id that the right to signal is judged by.
    pub euid: Option<u32>,
}

/// One file that a process refers to. `null` is "not recorded" or "has none".
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct OpenFile {
    /// The process; of a file in flight, one that can receive it, and null if there is none.
    pub pid: Option<u32>,
    /// Its name.
    pub comm: Option<Text>,
    /// Number of the descriptor; null for the other roles.
    pub fd: Option<u32>,
    /// How the process refers to it.
    pub role: Role,
    /// What it is.
    pub kind: Option<Kind>,
    /// What `readlink /proc/PID/fd/N` gives. Null where the images lack the inode that it names: namespaces and
    /// packet sockets.
    pub link: Option<Text>,
    /// Path in the process's mount namespace without `(deleted)`, or `memfd:NAME`.
    pub path: Option<Text>,
    /// Whether the name is gone; null for what never has one, and when that may be lost with a part of the archive.
    pub deleted: Option<bool>,
    /// Whether the bytes are in the checkpoint.
    pub content: Content,
    /// Open flags by name, `O_CLOEXEC` included as in `/proc/PID/fdinfo`; unknown bits in hexadecimal.
    pub flags: Option<Vec<String>>,
    /// Whether execve closes it; null for the other roles.
    pub cloexec: Option<bool>,
    /// Offset in bytes.
    pub position: Option<u64>,
    /// Size in bytes. CRIU does not record that of files open for appending only.
    pub size: Option<u64>,
    /// Permission bits in octal.
    pub mode: Option<String>,
    /// Owner, as seen in the process's user namespace; recorded for deleted files, memfds and terminals, and since
    /// CRIU 4.3 for pipes.
    pub uid: Option<u32>,
    /// Group, as the owner.
    pub gid: Option<u32>,
    /// Inode; not recorded for files that are not deleted.
    pub inode: Option<u64>,
    /// Mount it was opened through.
    pub mount_id: Option<u32>,
    /// Where that is mounted.
    pub mount_point: Option<Text>,
    /// GNU build id.
    pub build_id: Option<String>,
    /// Other descriptors of the same open file description: they share flags and offset.
    pub shared_with: Holders,
    /// Locks held through this descriptor, or by its open file description.
    pub locks: Vec<Lock>,
    /// Who is signalled about it; null when nobody is.
    pub signal_owner: Option<SignalOwner>,
    /// Label of a socket by SELinux.
    pub selinux_label: Option<Text>,
    /// Inode of the unix socket in whose queue a file in flight waits.
    pub queued_in: Option<u32>,
    /// What only this kind of file has.
    pub details: Option<Details>,
}

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

impl OpenFile {
    fn of(mut self, task: &Task<'_>) -> Self {
        self.pid = Some(task.process.pid);
        self.comm.clone_from(&task.process.comm);
        self
    }
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

#[cfg(test)]
mod tests {
    use ckptfx_testkit::{Checkpoint, Criu, File, FileKind, Message, Process, rich, rich_old};

    use super::*;
    use crate::tests::with_case;

    fn all(dump: Checkpoint) -> Vec<OpenFile> {
        with_case(dump, |case| files(case, &|_| true))
    }

    #[track_caller]
    fn fd(list: &[OpenFile], pid: u32, fd: u32) -> &OpenFile {
        list.iter().find(|file| file.pid == Some(pid) && file.fd == Some(fd)).unwrap()
    }

    fn link(file: &OpenFile) -> Option<String> {
        file.link.as_ref().map(|link| link.escaped().into_owned())
    }

    fn one(kind: FileKind) -> OpenFile {
        let list = all(Checkpoint::new().process(Process::new(1).fd(3, File::other(kind))));
        fd(&list, 1, 3).clone()
    }

    #[test]
    fn links_are_those_of_proc() {
        let list = all(rich());
        for (number, kind, expected) in [
            (0, Kind::CharDevice, "/dev/null"),
            (7, Kind::Socket, "socket:[501]"),
            (11, Kind::Pipe, "pipe:[600]"),
            (13, Kind::Regular, "/tmp/stage (deleted)"),
            (14, Kind::Regular, "/var/log/old (deleted)"),
            (15, Kind::Regular, "/proc/77/status (deleted)"),
            (16, Kind::Memfd, "/memfd:payload (deleted)"),
            (17, Kind::Eventfd, "anon_inode:[eventfd]"),
            (18, Kind::Eventpoll, "anon_inode:[eventpoll]"),
            (19, Kind::Inotify, "anon_inode:inotify"),
            (20, Kind::Timerfd, "anon_inode:[timerfd]"),
            (21, Kind::Signalfd, "anon_inode:[signalfd]"),
            (22, Kind::Fifo, "/tmp/fifo"),
        ] {
            let file = fd(&list, 7, number);
            assert_eq!((file.kind, link(file).as_deref()), (Some(kind), Some(expected)));
        }
        assert_eq!(link(fd(&list, 20, 3)).as_deref(), Some("/dev/ptmx"));
        // A packet socket has no inode in the images.
        assert_eq!(fd(&list, 7, 23).link, None);
        assert_eq!(
            link(&one(FileKind::BpfMap(1, "m".into(), vec![1], vec![2], 1))).as_deref(),
            Some("anon_inode:bpf-map")
        );
        assert_eq!(link(&one(FileKind::Pidfd(7))).as_deref(), Some("anon_inode:[pidfd]"));
        assert_eq!(link(&one(FileKind::Fanotify(Vec::new()))).as_deref(), Some("anon_inode:[fanotify]"));
        assert_eq!(link(&one(FileKind::Tun("tun0".into()))).as_deref(), Some("/dev/net/tun"));
    }

    #[test]
    fn each_kind_has_its_facts() {
        let list = all(rich());
        let details = |number| fd(&list, 7, number).details.clone().unwrap();
        assert_eq!(details(17), Details::Eventfd { count: Some(7) });
        assert_eq!(details(21), Details::Signalfd { signals: vec!["SIGTERM".into()] });
        assert_eq!(details(11), Details::Pipe { unread_bytes: 9, capacity: Some(65536) });
        let Details::Eventpoll { targets } = details(18) else { panic!() };
        assert_eq!(targets.iter().map(|target| target.fd).collect::<Vec<_>>(), [Some(3), Some(4)]);
        let Details::Inotify { watches } = details(19) else { panic!() };
        assert_eq!(watches[0].path, Some("/etc".into()));
        assert_eq!(watches[0].mask, ["IN_MODIFY"]);
        let Details::Tty { side, index, session, .. } = fd(&list, 20, 3).details.clone().unwrap() else {
            panic!()
        };
        assert_eq!((side, index, session), (Some("master"), Some(0), Some(20)));
        assert_eq!(one(FileKind::Pidfd(-1)).details, Some(Details::Pidfd { pid: None }));
        let network = one(FileKind::Namespace(99, 0x4000_0000));
        assert_eq!(network.kind, Some(Kind::Namespace));
        assert_eq!(network.link, None, "the inode of a namespace is not recorded");
        assert_eq!(
            network.details,
            Some(Details::Namespace { r#type: Some("net"), id: Some(99), shared_with_host: Some(false) })
        );
    }

    #[test]
    fn what_is_deleted_is_told_with_its_content() {
        let list = all(rich());
        // It went with its process.
        assert_eq!(fd(&list, 7, 15).deleted, Some(true));
        let stage = fd(&list, 7, 13);
        assert_eq!((stage.deleted, stage.content, stage.size), (Some(true), Content::Ghost, Some(11)));
        assert_eq!(stage.mode.as_deref(), Some("0644"));
        assert_eq!(stage.locks.len(), 1);
        assert_eq!(stage.locks[0].kind, "POSIX");
        let memfd = fd(&list, 7, 16);
        assert_eq!((memfd.path.clone(), memfd.content), (Some("memfd:payload".into()), Content::Memfd));
        let mapped: Vec<_> = list
            .iter()
            .filter(|file| file.role == Role::Map && file.content != Content::None)
            .map(|file| (link(file).unwrap(), file.content))
            .collect();
        assert_eq!(
            mapped,
            [
                ("/lib/gone.so (deleted)".to_owned(), Content::Ghost),
                ("/dev/zero (deleted)".to_owned(), Content::Shm),
                ("/SYSV00004242 (deleted)".to_owned(), Content::Shm),
            ]
        );
    }

    /// An open file of which the image has only these fields.
    fn raw(number: u32, member: u32, make: fn(u32) -> Message) -> File {
        File::other(FileKind::Raw(number, member, make, "files"))
    }

    #[test]
    fn how_a_pidfd_is_open_is_not_recorded() {
        let with = |flags: u32| {
            let file = File::other(FileKind::Pidfd(7)).flags(flags);
            let list = all(Checkpoint::new().process(Process::new(1).fd_cloexec(3, file)));
            fd(&list, 1, 3).flags.clone().unwrap()
        };
        assert_eq!(with(0), ["O_CLOEXEC"]);
        assert_eq!(with(0x800), ["O_NONBLOCK", "O_CLOEXEC"]);
    }

    #[test]
    fn locks_of_an_open_file_description_are_held_by_each_of_its_descriptors() {
        let shared = || File::regular("/srv/data").label("data");
        let mut dump = Checkpoint::new().process(
            Process::new(1)
                .fd(5, shared())
                .fd(6, File::regular("/srv/data"))
                .child(Process::new(2).fd(7, shared()).fd(8, File::pipe_read(9))),
        );
        // Kinds: POSIX, FLOCK, OFD, LEASE. The lease is being broken, and shall become none.
        dump.locks = vec![
            (1, 5, 1, 1, 0, 10),
            (1, 5, 2, 1, 0, 0),
            (1, 5, 4, 0, 8, 8),
            (2, 7, 8, 6, 0, 0),
            (9, 9, 2, 1, 0, 0),
        ];
        let kinds = |list: &[OpenFile], pid, number| -> Vec<String> {
            fd(list, pid, number).locks.iter().map(|lock| format!("{} {}", lock.kind, lock.r#type)).collect()
        };
        with_case(dump, |case| {
            let list = files(case, &|_| true);
            let of_description = ["FLOCK F_WRLCK", "OFD F_RDLCK", "LEASE F_UNLCK"];
            assert_eq!(kinds(&list, 1, 5), [&["POSIX F_WRLCK"][..], &of_description].concat());
            assert_eq!(kinds(&list, 2, 7), of_description);
            assert_eq!(kinds(&list, 1, 6), [""; 0], "another open file description of the same file");
            let lease = &fd(&list, 2, 7).locks[2];
            assert!(lease.breaking && !fd(&list, 2, 7).locks[0].breaking);
            assert!(case.diagnostics.iter().any(|one| one.code == "unknown-holder"));
        });
    }

    #[test]
    fn who_is_signalled_about_a_file_and_who_made_a_pipe() {
        let list = all(Checkpoint::new().process(
            Process::new(1)
                .fd(
                    5,
                    raw(2, 18, |id| {
                        let owner = [1000_u32, 1001, 34, 2, 77].into_iter().zip(1..);
                        let owner =
                            owner.fold(Message::new(), |owner, (value, field)| owner.uint(field, value));
                        let pipe = Message::new().uint(1, id).uint(2, 600_u32).uint(3, 0_u32);
                        pipe.message(4, &owner).uint(5, 33_u32).uint(6, 34_u32)
                    }),
                )
                .fd(6, File::pipe_read(601)),
        ));
        let pipe = fd(&list, 1, 5);
        assert_eq!((pipe.uid, pipe.gid), (Some(33), Some(34)));
        let expected = SignalOwner {
            signal: "SIGRTMIN".to_owned(),
            r#type: Some("process-group"),
            pid: Some(77),
            uid: Some(1000),
            euid: Some(1001),
        };
        assert_eq!(pipe.signal_owner, Some(expected));
        assert_eq!(fd(&list, 1, 6).signal_owner, None);
        assert_eq!((fd(&list, 1, 6).uid, fd(&list, 1, 6).gid), (None, None));
    }

    #[test]
    fn flags_of_fanotify_have_names() {
        let list = all(Checkpoint::new().process(Process::new(1).fd(
            5,
            raw(12, 14, |id| {
                let mark = [id, 1, 0x220, 0x1000_0020, 0, 0].into_iter().zip(1..);
                let mark = mark.fold(Message::new(), |mark, (value, field)| mark.uint(field, value));
                Message::new()
                    .uint(1, id)
                    .uint(2, 2_u32)
                    .uint(4, 0x603_u32)
                    .uint(5, 0x8000_u32)
                    .message(6, &mark)
            }),
        )));
        let Some(Details::Fanotify { flags, event_flags, marks }) = &fd(&list, 1, 5).details else {
            panic!()
        };
        assert_eq!(
            *flags,
            ["FAN_CLASS_NOTIF", "FAN_CLOEXEC", "FAN_NONBLOCK", "FAN_REPORT_FID", "FAN_REPORT_DIR_FID"]
        );
        assert_eq!(*event_flags, ["O_RDONLY", "O_LARGEFILE"]);
        assert_eq!(marks[0].flags, ["FAN_MARK_IGNORED_MASK", "FAN_MARK_EVICTABLE"]);
        assert_eq!(marks[0].mask, ["FAN_OPEN", "FAN_RENAME"]);
    }

    #[test]
    fn descriptors_in_flight_belong_to_who_can_receive_them() {
        let list = all(rich());
        let flying: Vec<_> = list.iter().filter(|file| file.role == Role::InFlight).collect();
        assert_eq!(flying.len(), 1);
        assert_eq!((flying[0].pid, flying[0].fd, flying[0].queued_in), (Some(7), None, Some(501)));
        assert_eq!(link(flying[0]).as_deref(), Some("/etc/shadow"));
        let of_shell = with_case(rich(), |case| files(case, &|task| task.process.pid == 20));
        assert!(of_shell.iter().all(|file| file.pid == Some(20)));
    }

    #[test]
    fn a_shared_table_is_listed_for_each_process() {
        let dump = Checkpoint::new().process(
            Process::new(1)
                .no_fds()
                .fd_cloexec(5, File::regular("/srv/a").flags(0x8402))
                .child(Process::new(2).no_fds().shares_files_with(1)),
        );
        let list = all(dump);
        let (first, second) = (fd(&list, 1, 5), fd(&list, 2, 5));
        assert_eq!(first.flags, second.flags);
        assert_eq!(first.flags.clone().unwrap(), ["O_RDWR", "O_APPEND", "O_LARGEFILE", "O_CLOEXEC"]);
        assert_eq!(
            first.shared_with.iter().map(|holder| (holder.pid, holder.fd)).collect::<Vec<_>>(),
            [(2, 5)]
        );
    }

    #[test]
    fn old_images_say_the_same() {
        for criu in [Criu::V3_13, Criu::V3_3, Criu::V2_12, Criu::V1_5, Criu::V1_1] {
            let list = all(rich_old(criu));
            assert_eq!(link(fd(&list, 7, 13)).as_deref(), Some("/tmp/stage (deleted)"));
            assert_eq!(fd(&list, 7, 13).kind, Some(Kind::Regular), "from the ghost, if not recorded");
            assert_eq!(link(fd(&list, 7, 22)).as_deref(), Some("/tmp/fifo"));
            let Some(Details::Eventpoll { targets }) = &fd(&list, 7, 18).details else { panic!() };
            assert_eq!(targets.len(), 2);
            let Some(Details::Inotify { watches }) = &fd(&list, 7, 19).details else { panic!() };
            assert_eq!(watches.len(), 1);
        }
    }
}
