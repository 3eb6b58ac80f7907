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
                    let owner = owner.fold(Message::new(), |owner, (value, field)| owner.uint(field, value));
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
            Message::new().uint(1, id).uint(2, 2_u32).uint(4, 0x603_u32).uint(5, 0x8000_u32).message(6, &mark)
        }),
    )));
    let Some(Details::Fanotify { flags, event_flags, marks }) = &fd(&list, 1, 5).details else { panic!() };
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
    assert_eq!(first.shared_with.iter().map(|holder| (holder.pid, holder.fd)).collect::<Vec<_>>(), [(2, 5)]);
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
