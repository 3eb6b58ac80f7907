use super::*;

fn codes(input: &str) -> Vec<&'static str> {
    explain(input.as_bytes()).iter().map(|explanation| explanation.code).collect()
}

#[test]
fn a_failed_dump_is_explained_by_its_cause() {
    let log = "(00.013957) Error (criu/tun.c:85): tun: Unable to create tun: No such file or directory\n\
               (00.051000) sockets: inet: Connected TCP socket, consider using nothing\n\
               (00.053155) Error (criu/sk-inet.c:191): inet: Connected TCP socket, consider using --tcp-established option.\n\
               (00.053160) Error (criu/cr-dump.c:1781): Dumping FAILED.\n";
    let found = explain(log.as_bytes());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].code, found[0].line), ("established-tcp", 3));
    assert!(found[0].fix.as_ref().unwrap().contains("\"tcp-established\""));
    assert!(found[0].matched.starts_with(b"(00.053155) Error"));
}

#[test]
fn probes_of_a_dump_that_finished_are_no_errors() {
    let log = "(00.013957) Error (criu/tun.c:85): tun: Unable to create tun: Operation not permitted\n\
               (00.248159) Dumping finished successfully\n";
    assert_eq!(codes(log), ["dump-finished"]);
}

#[test]
fn a_traced_process_is_a_finding() {
    let log = "(00.01) Error (compel/src/lib/infect.c:1): Unseizable non-zombie 29975 found, state t, err -1/10\n\
               (00.02) Error (criu/cr-dump.c:2): Dumping FAILED.\n";
    let found = explain(log.as_bytes());
    assert_eq!(found.len(), 1);
    assert!(found[0].finding && found[0].why.contains("29975"));
    let waits = "Unseizable non-zombie 7 found, state D, err -1/10";
    assert_eq!(codes(waits), ["uninterruptible-process"]);
}

#[test]
fn sizes_and_names_get_into_the_sentence() {
    let log = "(00.1) Error (criu/files-reg.c:1): Can't dump ghost file /tmp/bigdel of 3145728 size, increase limit";
    let found = explain(log.as_bytes());
    assert!(found[0].why.starts_with("/tmp/bigdel was deleted") && found[0].why.contains("3145728"));
}

/// The answers of servers, word for word, and what each is taken for.
#[test]
fn what_servers_say_is_told_apart() {
    let forbidden = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"nodes \"n1\" is forbidden: User \"eve\" cannot create resource \"nodes/proxy\" in API group \"\" at the cluster scope","reason":"Forbidden","details":{"name":"n1","kind":"nodes"},"code":403}"#;
    for (said, code) in [
        ("Unauthorized", "unauthorized"),
        (forbidden, "api-forbidden"),
        (
            "Forbidden (user=eve, verb=create, resource=nodes, subresource(s)=[checkpoint])\n",
            "kubelet-forbidden",
        ),
        ("Forbidden (user=eve, verb=create, resource=nodes, subresource=checkpoint)", "kubelet-forbidden"),
        ("Authorization error: could not determine attributes for request", "kubelet-no-attributes"),
        (
            "Authorization error (user=eve, verb=create, resource=nodes, subresource=checkpoint)",
            "kubelet-authorization-failed",
        ),
        ("404 page not found\n", "feature-gate-off"),
        ("404: Page Not Found", "bad-path"),
        ("pod does not exist", "pod-unknown-to-kubelet"),
        ("container shop does not exist", "container-unknown-to-kubelet"),
        ("cannot parse value of timeout parameter", "bad-timeout"),
        ("405: Method Not Allowed", "method-not-allowed"),
        ("415: Unsupported Media Type\n\nAvailable representations: application/json", "not-acceptable"),
        ("406: Not Acceptable\n\nAvailable representations: application/json", "not-acceptable"),
        ("checkpointing of a/b/c failed (container c not found)", "container-not-created"),
        (
            "checkpointing of a/b/c failed (CheckpointContainer requires the timeout value to be > 0)",
            "timeout-not-positive",
        ),
        (
            "checkpointing of a/b/c failed (rpc error: code = Unimplemented desc = unknown method CheckpointContainer for service runtime.v1.RuntimeService)",
            "runtime-too-old",
        ),
        (
            "checkpointing of a/b/c failed (rpc error: code = Unimplemented desc = method CheckpointContainer not implemented)",
            "runtime-too-old",
        ),
        (
            "checkpointing of a/b/c failed (rpc error: code = Unknown desc = checkpoint/restore support not available)",
            "criu-support-off",
        ),
        (
            "rpc error: code = Unknown desc = CRIU binary not found or too old (<31600). Failed to checkpoint container \"x\": no",
            "criu-too-old",
        ),
        (
            "failed to checkpoint container \"x\": criu support is disabled by configuration",
            "criu-support-off",
        ),
        (
            "failed to checkpoint container \"x\": criu binary not found in shim path or system PATH",
            "criu-missing",
        ),
        ("checkpoint/restore requires at least CRIU 31600, current version is 31100", "criu-too-old"),
        (
            "rpc error: code = NotFound desc = could not find container \"x\": no",
            "container-unknown-to-runtime",
        ),
        (
            "container \"x\" is in CONTAINER_EXITED state. only CONTAINER_RUNNING containers can be checkpointed",
            "not-running",
        ),
        ("rpc error: code = Unknown desc = container x is not running", "not-running"),
        (
            "failed to checkpoint container abc: running \"/usr/bin/crun\" [\"checkpoint\" \"--file-locks\"] failed: exit status 1",
            "criu-failed",
        ),
        ("checkpointing container \"x\" failed: criu failed path= /run/x/criu-dump.log", "criu-failed"),
        ("rpc error: code = DeadlineExceeded desc = context deadline exceeded", "deadline"),
        ("cannot pause a paused container", "concurrent-checkpoint"),
        ("open /x/ctrd-checkpoint/status: no such file or directory", "concurrent-checkpoint"),
        (r#"{"message":"nodes \"n1\" not found","reason":"NotFound","code":404}"#, "node-not-found"),
        (
            r#"{"message":"error trying to reach service: dial tcp 10.0.0.1:10250: connect: connection refused","code":503}"#,
            "kubelet-unreachable",
        ),
        (
            r#"{"cause":"no such container","message":"no container with name or ID \"x\" found: no such container","response":404}"#,
            "container-unknown-to-runtime",
        ),
        ("checkpointing of a/b/c failed (something new)", "checkpoint-failed"),
    ] {
        assert_eq!(codes(said), [code], "{said}");
    }
    assert!(codes("all is well").is_empty());
}

#[test]
fn only_what_may_pass_by_itself_is_tried_again() {
    assert!(is_transient(b"cannot pause a paused container"));
    assert!(!is_transient(b"checkpoint/restore support not available"));
}

/// The code, the line and what is quoted beside it.
fn found(log: &str) -> Vec<(&'static str, usize, Vec<String>)> {
    let text = |line: &Vec<u8>| String::from_utf8_lossy(line).into_owned();
    let all = explain(log.as_bytes());
    all.iter().map(|known| (known.code, known.line, known.context.iter().map(text).collect())).collect()
}

#[test]
fn an_unknown_error_is_quoted() {
    let log = "(00.1) fine\n(00.2) Error (criu/x.c:1): Something new\n(00.3) Error (criu/cr-dump.c:1): Dumping FAILED.\n";
    assert_eq!(found(log), [(UNKNOWN, 2, vec![])]);
    assert_eq!(explain(log.as_bytes())[0].matched, b"(00.2) Error (criu/x.c:1): Something new");
    // A dump that says no more.
    assert_eq!(found("(00.3) Error (criu/cr-dump.c:1): Dumping FAILED.\n"), [("dump-failed", 1, vec![])]);
}

#[test]
fn what_criu_can_do_without_is_no_cause() {
    let log = "(00.1) Error (criu/tun.c:85): tun: Unable to create tun: No such file or directory\n\
        (00.2) Error (criu/util.c:1534): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted\n\
        (00.3) Error (criu/x.c:1): Something new\n(00.4) Error (criu/cr-dump.c:1): Dumping FAILED.\n";
    assert_eq!(found(log), [(UNKNOWN, 3, vec![])]);
    let outside = "(00.1) Error (criu/files-reg.c:1790): Can't lookup mount=77 for fd=0 path=/dev/null\n";
    assert_eq!(codes(outside), ["file-outside"]);
}

/// CRIU tells the innermost failure first, then each caller's; errors that it got over stand before, those of the
/// clean-up behind.
#[test]
fn the_error_that_ended_the_dump_is_quoted() {
    let log = "\
(00.004100) Error (criu/new-probe.c:9): A feature that is not there: Invalid argument
(00.004200) Restoring netdev veth idx 10
(00.051000) Dumping path for 3 fd via self 20 [/data/q]
(00.051200) Error (criu/files-new.c:77): Can't dump a thing of 12 parts: Invalid argument
(00.051210) Error (criu/files.c:610): Can't dump file 3
(00.051220) Error (criu/cr-dump.c:1698): Dump files (pid: 4117) failed with -1
(00.051300) Waiting for 4117 to trap
(00.052000) net: Unlock network
(00.052100) Running network-unlock scripts
iptables-restore v1.8.9 (nf_tables):
line 6: CHAIN_DEL failed (Device or resource busy): chain CRIU
(00.058000) Error (criu/util.c:657): exited, status=4
(00.059000) Unfreezing tasks into 1
(00.060000) Error (criu/cr-dump.c:2128): Dumping FAILED.
";
    let beside = [
        "(00.051210) Error (criu/files.c:610): Can't dump file 3",
        "(00.051220) Error (criu/cr-dump.c:1698): Dump files (pid: 4117) failed with -1",
    ];
    assert_eq!(found(log), [(UNKNOWN, 4, beside.map(str::to_owned).to_vec())]);
    // As --log-level 1 writes it: only the times tell what belongs together.
    let short: Vec<&str> = log.lines().filter(|line| line.contains("Error (")).collect();
    assert_eq!(found(&short.join("\n"))[0].1, 2);
    // As CRIU prints it without a log file, without times: the last that says anything of its own.
    let bare: Vec<&str> = short.iter().map(|line| line.split_once(") ").unwrap().1).collect();
    let ended = found(&bare.join("\n"));
    assert_eq!((ended[0].0, ended[0].1), (UNKNOWN, 3));
    assert!(ended[0].2.iter().any(|line| line.contains("12 parts")), "{ended:?}");
}

#[test]
fn what_other_programs_said_is_considered_and_quoted() {
    let log = "\
(00.019800) Running network-lock scripts
iptables-restore: invalid option -- 'w'
Try `iptables-restore -h' for more information.
(00.021200) Error (criu/util.c:657): exited, status=1
(00.021300) Error (criu/net.c:3332): Locking network failed: iptables-restore returned -1. This may be connected to disabled CONFIG_NETFILTER_XT_MARK kernel build config option.
(00.022000) Unfreezing tasks into 1
(00.023000) Error (criu/cr-dump.c:2128): Dumping FAILED.
";
    let beside = [
        "Try `iptables-restore -h' for more information.",
        "(00.021200) Error (criu/util.c:657): exited, status=1",
    ];
    assert_eq!(found(log), [("firewall-refused", 2, beside.map(str::to_owned).to_vec())]);
    assert!(explain(log.as_bytes())[0].why.contains("invalid option -- 'w'"));
    // A complaint that is not known stands beside the error that it belongs to.
    let other = log
        .replace("iptables-restore: invalid option -- 'w'\nTry `iptables-restore -h'", "xtables: the moon");
    let known = &found(&other)[0];
    assert_eq!((known.0, known.1), ("network-lock", 4));
    assert!(known.2[0].starts_with("xtables: the moon"), "{known:?}");
    // The parasite's errors have no time either; what it says besides is nothing.
    let parasite = "\
(00.036800) Sent msg to daemon 76 0 0
pie: 141: __sent ack msg: 76 76 -1
pie: 141: Error (criu/pie/parasite.c:557): can't dump unprivileged task whose /proc doesn't belong to it
(00.036809) Error (compel/src/lib/infect-rpc.c:68): Command 76 for daemon failed with -1
(00.036814) Error (criu/cr-dump.c:1674): Dump core (pid: 141) failed with -1
(00.040000) Error (criu/cr-dump.c:2098): Dumping FAILED.
";
    let known = &found(parasite)[0];
    assert_eq!((known.0, known.1), (UNKNOWN, 3), "{known:?}");
}

/// Logs of failures as CRIU writes them, and what each is taken for.
#[test]
fn failures_are_known_by_what_ended_them() {
    let end =
        "(00.090000) Unfreezing tasks into 1\n(00.091000) Error (criu/cr-dump.c:2111): Dumping FAILED.\n";
    for (log, code, line) in [
        (
            "(00.012000) Error (compel/src/lib/ptrace.c:73): POKEDATA failed: Input/output error\n\
             (00.012010) Error (compel/src/lib/ptrace.c:96): Can't poke 14 @ 0x40a00000 from 0x7ffc2ad59a58 sized 8\n\
             (00.012020) Error (compel/src/lib/infect.c:559): Can't inject syscall blob (pid: 14)\n\
             (00.012030) Error (criu/cr-dump.c:1627): Can't infect (pid: 14) with parasite\n",
            "shared-code",
            1,
        ),
        // SELinux confines a process that uses a GPU.
        (
            "(00.017847) Putting tsock into pid 192578\n\
             (00.018191) Error (compel/src/lib/infect.c:713): Unable to connect a transport socket: Permission denied\n\
             (00.018200) Error (compel/src/lib/ptrace.c:73): POKEDATA failed: No such process\n\
             (00.018202) Error (compel/src/lib/ptrace.c:96): Can't poke 192578 @ 0x55887f472000 from 0x7ffc2ad59a58 sized 8\n",
            "transport-socket",
            2,
        ),
        (
            "(00.000806) Error (criu/namespaces.c:460): Can't dump nested user namespace for 51\n\
             (00.000807) Error (criu/namespaces.c:727): Can't make userns id\n\
             (00.000810) net: Unlock network\niptables-restore: line 6 failed\n\
             (00.001692) Error (criu/util.c:643): exited, status=1\n",
            "nested-namespace",
            1,
        ),
        (
            "(00.001) Error (criu/namespaces.c:864): Unable to convert uid or gid\n\
             (00.002) Error (criu/namespaces.c:932): One or more namespaces doesn't belong to the target user namespace\n",
            "foreign-namespace",
            2,
        ),
        (
            "(00.000100) Error (criu/config.c:1130): Tracking memory is not available. Consider omitting --track-mem option.\n",
            "no-memory-tracking",
            1,
        ),
        (
            "(00.011691) Error (criu/proc_parse.c:479): Unknown shit 600 (anon_inode:[io_uring])\n\
             (00.011697) Error (criu/proc_parse.c:707): Can't open 170650's mapfile link 7fa5f2385000: No such device or address\n\
             (00.011699) Error (criu/cr-dump.c:1570): Collect mappings (pid: 170650) failed with -1\n",
            "io-uring",
            1,
        ),
        (
            "(00.01) Error (criu/files-ext.c:94): Can't dump file 7 of that type [600] (anon anon_inode:[io_uring])\n",
            "io-uring",
            1,
        ),
        (
            "(00.01) Error (criu/files-ext.c:94): Can't dump file 17 of that type [20666] (chr 195:255)\n",
            "nvidia-device",
            1,
        ),
        (
            "(00.01) Error (criu/proc_parse.c:118): handle_device_vma plugin failed: No such file or directory\n\
             (00.01) Error (criu/proc_parse.c:672): Can't handle non-regular mapping on 2919696's map 7fc08d672000\n",
            "unsupported-mapping",
            2,
        ),
        (
            "(07.507264) Error (criu/mount.c:1088): mnt: Mount 251 ./proc/driver/nvidia/gpus/0000:00:04.0 (master_id: 5 shared_id: 0) has unreachable sharing. Try --enable-external-masters.\n",
            "nvidia-mount",
            1,
        ),
        (
            "(00.007387) Error (criu/mount.c:757): mnt: 637:./usr/lib/firmware/nvidia/550.127.05/gsp_tu10x.bin doesn't have a proper root mount\n",
            "nvidia-mount",
            1,
        ),
        (
            "(00.029980) Error (criu/proc_parse.c:1432): Bad format in 22902 mountinfo: 'd03334/work\n'\n\
             (00.029992) Error (criu/mount.c:1941): mnt: Can't parse 22902's mountinfo\n",
            "mountinfo",
            1,
        ),
        ("(00.02) Error (criu/mount.c:1895): mnt: Can't parse 7's mountinfo\n", "mountinfo", 1),
        ("(00.02) Error (criu/sk-tcp.c:1): tcp: Unsupported TCP state 8\n", "tcp-state", 1),
        (
            "(00.02) Error (criu/sk-inet.c:322): inet: Socket state 8 obtained but expected 7\n",
            "tcp-state",
            1,
        ),
        (
            "(00.000472) Error (criu/util.c:1534): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted\n\
             (00.04) Error (criu/cr-dump.c:388): Can't get rlimit 0: Operation not permitted\n",
            "no-sys-resource",
            2,
        ),
    ] {
        let log = format!("{log}{end}");
        let known = found(&log);
        assert_eq!(known.iter().map(|known| (known.0, known.1)).collect::<Vec<_>>(), [(code, line)], "{log}");
    }
}

/// What engines say of exports, of what they lack, and of restores.
#[test]
fn what_engines_say_is_told_apart() {
    for (said, code) in [
        (
            "Error: could not load `libcriu.so.2`: `libcriu.so.2: cannot open shared object file`",
            "libcriu-missing",
        ),
        ("2026-05-04T09:31:08Z: CRIU checkpointing failed: -52", "criu-failed"),
        ("CRIU checkpointing failed -52.  Please check CRIU logfile /x/userdata/dump.log", "criu-failed"),
        ("Error: CRIU memory tracking not supported", "no-memory-tracking"),
        ("Error: cannot export checkpoints of containers with dependencies", "dependencies"),
        ("Error: Cannot export checkpoints of containers with named volumes or dependencies", "dependencies"),
        (
            "Error: cannot checkpoint containers that have been started with '--rm' unless '--export' is used",
            "auto-remove",
        ),
        ("ctr: content digest sha256:ba15b7a6: not found", "content-missing"),
        ("ctr: failed to get reader: content digest sha256:ba15b7a6: not found", "content-missing"),
        (
            "rpc error: code = Unknown desc = checkpoint restore via CreateContainer is disabled by configuration",
            "restore-off",
        ),
        (
            "failed to read \"status.dump\": open /x/status.dump: no such file or directory",
            "archive-incomplete",
        ),
        ("failed to get checkpoint base image sha256:00ff: not found", "base-image-missing"),
        (
            "failed to restore containerd task: OCI runtime restore failed: criu failed: type NOTIFY errno 0",
            "criu-restore-failed",
        ),
        ("refusing to copy /x/container.log: not a regular file", "hostile-archive"),
        ("failed to copy rw filesystem layer blob to checkpoint dir: write /x: broken", "export-failed"),
    ] {
        assert_eq!(codes(said), [code], "{said}");
    }
    // crun quotes CRIU's log: the cause is in it, whatever stands around.
    let quoted = "\
2026-08-19T12:00:00Z: --- excerpt from CRIU log `/x/dump.log`
2026-08-19T12:00:00Z: (00.053155) Error (criu/sk-inet.c:191): inet: Connected TCP socket, consider using --tcp-established option.
2026-08-19T12:00:00Z: (00.054) Error (criu/cr-dump.c:1781): Dumping FAILED.
2026-08-19T12:00:00Z: --- end of excerpt
2026-08-19T12:00:00Z: CRIU checkpointing failed: -52
";
    assert_eq!(codes(quoted), ["established-tcp"]);
}

/// A log is about no server and no connection of ours, whatever words it has.
#[test]
fn a_log_is_not_taken_for_an_answer() {
    for words in ["Permission denied", "Connection refused", "no such container", "context deadline exceeded"]
    {
        let log = format!(
            "(00.1) Error (criu/x.c:1): Something new: {words}\n(00.2) Error (criu/x.c:2): Dumping FAILED.\n"
        );
        assert_eq!(codes(&log), [UNKNOWN], "{words}");
    }
}

/// A log is as long and as odd as its author likes: the end counts, and the work is bounded.
#[test]
fn a_hostile_log_takes_no_time() {
    let line = format!("(00.1) Error (criu/x.c:1): {}\n", "Can't dump ghost file ".repeat(400));
    let mut log = line.repeat(2_000);
    log.push_str(
        "(00.2) Error (criu/x.c:1): inet: Connected TCP socket, consider using --tcp-established option.\n",
    );
    let begun = std::time::Instant::now();
    assert_eq!(found(&log), [("established-tcp", 2_001, vec![])]);
    assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn any_bytes_are_taken() {
    for input in
        [&b""[..], b"(", b"(.)", b"()", b"(1.1)", b"\xff\xfe", b"{", b"{\"message\":1}", b"(0.1) 12:"]
    {
        let _ = explain(input);
    }
}
