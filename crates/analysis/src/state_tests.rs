//! State that CRIU saves, from the images to the reports.

use ckptfx_testkit::{Arch, Checkpoint, Criu, File, FileKind, Message, Mount, Process, State, Vma};

use crate::{
    Case,
    container::{mount, namespace},
    memory::mapping,
    network::{queue, socket},
    process::{
        signal,
        thread::{self, GuardedStack, Rseq, SignalStack},
    },
    tests::with_case,
};

#[test]
fn settings_of_a_process() {
    let process = Process::new(1).with(|process| {
        process.personality = 40_000;
        process.dumpable = Some(2);
        process.state = State::Stopped(19);
        process.extra_tc = Message::new().flag(18, true).uint(22, 0x214_u32);
    });
    let of = |process: Process, criu: Criu| {
        let dump = Checkpoint::new().criu(criu).process(process);
        with_case(dump, |case| case.tasks[0].process.settings.clone())
    };
    let found = of(process.clone(), Criu::V4_2);
    assert_eq!(found.child_subreaper, Some(true));
    assert_eq!(found.dumpable.as_deref(), Some("root"));
    assert_eq!(found.thp_disabled, Some(false));
    assert_eq!(found.membarrier.unwrap(), ["GLOBAL_EXPEDITED", "PRIVATE_EXPEDITED", "0x200"]);
    assert_eq!(found.personality.unwrap().flags, ["ADDR_NO_RANDOMIZE"]);
    assert_eq!(found.stop_signal.as_deref(), Some("SIGSTOP"));
    let old = of(Process::new(1), Criu::V2_12);
    assert_eq!((old.child_subreaper, old.thp_disabled, old.membarrier), (None, None, None));
    assert_eq!(old.stop_signal, None);
}

#[test]
fn what_a_thread_registered() {
    let stack = Message::new().uint(1, 0x7000_u32).uint(2, 8192_u32).uint(3, 1_u64 << 31);
    let rseq = Message::new().uint(1, 0x7f00_u32).uint(2, 32_u32).uint(3, 0x5305_3053_u32).uint(4, 0_u32);
    let set = Message::new().uint(1, 0x1234_u32).message(7, &stack).message(15, &rseq).uint(17, 50_000_u32);
    let threads = |process: Process| {
        with_case(Checkpoint::new().process(process), |case| thread::threads(case, &|_| true).remove(0))
    };
    let found = threads(Process::new(1).with(|process| {
        process.extra_thread = set;
        process.registers.tls = 0x4242;
    }));
    assert_eq!(found.robust_list.as_deref(), Some("0x1234"));
    assert_eq!(
        found.signal_stack,
        Some(SignalStack {
            address: Some("0x7000".to_owned()),
            size: Some(8192),
            flags: vec!["SS_AUTODISARM".to_owned()]
        })
    );
    let expected = Rseq {
        address: Some("0x7f00".to_owned()),
        size: Some(32),
        signature: Some("0x53053053".to_owned()),
        critical_section: None,
    };
    assert_eq!(found.rseq, Some(expected));
    assert_eq!((found.timer_slack_ns, found.clear_child_tid.as_deref()), (Some(50_000), Some("0x4242")));
    let plain = threads(Process::new(1));
    assert_eq!((plain.robust_list, plain.rseq, plain.signal_stack), (None, None, None));
    assert_eq!((plain.timer_slack_ns, plain.guarded_stack), (None, None));
}

/// A core image of an AArch64 thread with more fields in its register block.
fn guarded(more: &Message) -> Checkpoint {
    let info = Message::new().message(8, more);
    let process = Process::new(1);
    let dump = Checkpoint::new().arch(Arch::Aarch64).process(process);
    let image = dump.images()["core-1.img"].to_vec();
    let (head, length) = (&image[..8], u32::from_le_bytes(image[8..12].try_into().unwrap()));
    let body = [&image[12..], info.as_bytes()].concat();
    assert_eq!(image.len() - 12, length as usize);
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    dump.without("core-1.img").raw_image("core-1.img", [head, &length, &body].concat())
}

#[test]
fn a_guarded_control_stack_and_one_of_another_type() {
    let stack = Message::new().uint(1, 0x7fff_0000_u32).uint(2, 1_u32);
    let first = |case: &mut Case<'_>| thread::threads(case, &|_| true).remove(0);
    let found = with_case(guarded(&Message::new().message(6, &stack)), first);
    let expected = GuardedStack { pointer: Some("0x7fff0000".to_owned()), features: Some("0x1".to_owned()) };
    assert_eq!(found.guarded_stack, Some(expected));
    // A field of a type that nobody expects costs itself, and not the registers beside it.
    with_case(guarded(&Message::new().uint(6, 1_u32)), |case| {
        let found = first(case);
        assert_eq!(found.guarded_stack, None);
        assert!(found.registers.is_some());
        assert!(
            case.diagnostics.iter().any(|one| one.code == "unknown-field" && one.subject == "core-1.img")
        );
    });
}

#[test]
fn values_of_pending_signals() {
    let info = |signal: i32, code: i32, words: [u32; 4]| {
        let head = [signal.cast_unsigned(), 0, code.cast_unsigned(), 0];
        let mut raw: Vec<u8> = head.iter().chain(&words).flat_map(|word| word.to_le_bytes()).collect();
        raw.resize(128, 0);
        Message::new().bytes(1, raw)
    };
    let queue = Message::new()
        .message(1, &info(34, -1, [7, 1000, 0xdead_beef, 1]))
        .message(1, &info(17, 1, [9, 0, 3, 0]))
        .message(1, &info(11, 1, [0x1000, 2, 0, 0]))
        .message(1, &info(14, -2, [4, 2, 5, 0]))
        .message(1, &info(29, 1, [1, 0, 6, 0]))
        .message(1, &info(15, 0, [7, 1000, 1, 1]));
    let process = Process::new(1).with(|process| process.extra_tc = Message::new().message(10, &queue));
    let list = with_case(Checkpoint::new().process(process), |case| signal::signals(case, false, &|_| true));
    let of = |name: &str| list.iter().find(|one| one.signal == name).unwrap().pending[0].clone();
    let queued = of("SIGRTMIN");
    assert_eq!((queued.sender_pid, queued.value.as_deref()), (Some(7), Some("0x1deadbeef")));
    assert_eq!((of("SIGCHLD").status, of("SIGCHLD").value), (Some(3), None));
    assert_eq!(of("SIGSEGV").fault_address.as_deref(), Some("0x200001000"));
    let timer = of("SIGALRM");
    assert_eq!((timer.timer, timer.overrun, timer.value.as_deref()), (Some(4), Some(2), Some("0x5")));
    assert_eq!(of("SIGIO").fd, Some(6));
    let plain = of("SIGTERM");
    assert_eq!((plain.value, plain.status, plain.fault_address, plain.fd), (None, None, None, None));
}

#[test]
fn advice_for_mappings_and_windows_of_connections() {
    let heap = Vma::heap(0x5555_0000_0000, 0x1000).advice([10, 16]);
    let process = Process::new(1).memory(heap).fd(5, File::tcp("10.0.0.2:80", "10.0.0.3:9"));
    with_case(Checkpoint::new().process(process), |case| {
        let mappings = mapping::mappings(case, &|_| true);
        let heap = mappings.iter().find(|one| one.path.0 == b"[heap]").unwrap();
        assert_eq!(heap.advice, ["MADV_DONTFORK", "MADV_DONTDUMP"]);
        let sockets = socket::sockets(case, &|_| true);
        let options = &sockets[0].options;
        assert_eq!((&options["tcp_snd_wscale"], &options["tcp_rcv_wscale"]), (&10.into(), &10.into()));
        assert_eq!(options["tcp_mss_clamp"], 65495);
        assert_eq!(options["tcp_options"], serde_json::json!(["TIMESTAMPS", "SACK", "WSCALE"]));
    });
}

#[test]
fn who_sent_a_message() {
    let socket = File::other(FileKind::Raw(
        5,
        16,
        |id| {
            (1..=8)
                .zip([id, 501, 2, 7, 0, 0, 0, 0])
                .fold(Message::new(), |m, (field, value)| m.uint(field, value))
        },
        "unixsk",
    ));
    let sender = |pid: u32| Message::new().uint(1, 33_u32).uint(2, 34_u32).uint(3, pid);
    let packet = |pid: u32| Message::new().uint(1, 4_u32).uint(2, 2_u32).message(128, &sender(pid));
    let dump = Checkpoint::new()
        .process(Process::new(1).no_fds().fd(0, socket))
        .entry_with("sk-queues", "", packet(7), "hi")
        .entry_with("sk-queues", "", packet(0), "ho");
    with_case(dump, |case| {
        let id = case.files.entries().find_map(|entry| entry.usk.as_ref()?.id).unwrap();
        // The test kit numbers files as it meets them.
        assert_eq!(id, 4, "the number in the packets");
        let senders: Vec<_> =
            queue::queues(case, &|_| true).into_iter().flat_map(|queue| queue.senders).collect();
        let sender = |pid| queue::Sender { pid, uid: Some(33), gid: Some(34) };
        assert_eq!(senders, [sender(Some(7)), sender(None)]);
    });
}

#[test]
fn the_daemon_of_an_autofs_mount() {
    let automount = Mount { fstype: 18, ..Mount::bind(140, "/", "/auto") };
    let device = automount.dev;
    let entry = [5_i64, 77, 300, 5, 5, 1].into_iter().zip(1..);
    let entry = entry.fold(Message::new(), |entry, (value, field)| entry.int(field, value));
    let dump = ckptfx_testkit::rich().mount(automount).entry("autofs", &device.to_string(), entry);
    with_case(dump, |case| {
        let mounts = mount::mounts(case, &|_| true);
        let found = mounts.iter().find(|mount| mount.mount_id == Some(140)).unwrap();
        assert_eq!(found.fstype, Some("autofs".into()));
        let autofs = found.autofs.as_ref().unwrap();
        assert_eq!((autofs.process_group, autofs.mode.as_deref()), (Some(77), Some("indirect")));
        assert!(mounts.iter().all(|mount| mount.mount_id == Some(140) || mount.autofs.is_none()));
    });
}

#[test]
fn binary_formats_of_a_user_namespace() {
    let format = Message::new().bytes(1, "qemu").flag(2, true).bytes(3, "/usr/bin/qemu").bytes(4, "OCF");
    let map = Message::new().uint(1, 0_u32).uint(2, 100_000_u32).uint(3, 65536_u32);
    let entry = Message::new().message(1, &map).message(2, &map).message(3, &format);
    let dump = Checkpoint::new().process(Process::new(1)).entry("userns", "77", entry);
    let list = with_case(dump, |case| namespace::namespaces(case, &|_| true));
    let found = list.iter().find(|one| one.id == Some(77)).unwrap();
    assert_eq!(found.binfmt_misc.len(), 1);
    assert_eq!(found.binfmt_misc[0].interpreter, Some("/usr/bin/qemu".into()));
}
