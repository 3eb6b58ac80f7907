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
    assert_eq!(codes(log), [table::FINISHED]);
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

#[test]
fn an_unknown_error_is_quoted() {
    let log = b"(00.1) fine\n(00.2) Error (criu/x.c:1): Something new\n(00.3) Error (criu/cr-dump.c:1): Dumping FAILED.\n";
    assert_eq!(first_error(log).unwrap(), (2, b"(00.2) Error (criu/x.c:1): Something new".to_vec()));
    assert_eq!(codes(std::str::from_utf8(log).unwrap()), ["dump-failed"]);
}

#[test]
fn what_criu_can_do_without_is_no_cause() {
    let log = b"(00.1) Error (criu/tun.c:85): tun: Unable to create tun: No such file or directory\n\
        (00.2) Error (criu/util.c:1534): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted\n\
        (00.3) Error (criu/x.c:1): Something new\n(00.4) Error (criu/cr-dump.c:1): Dumping FAILED.\n";
    assert_eq!(first_error(log).unwrap().0, 3);
    assert_eq!(codes(std::str::from_utf8(log).unwrap()), ["dump-failed"]);
    let outside = "(00.1) Error (criu/files-reg.c:1790): Can't lookup mount=77 for fd=0 path=/dev/null\n";
    assert_eq!(codes(outside), ["file-outside"]);
}

#[test]
fn any_bytes_are_taken() {
    for input in
        [&b""[..], b"(", b"(.)", b"()", b"(1.1)", b"\xff\xfe", b"{", b"{\"message\":1}", b"(0.1) 12:"]
    {
        let _ = (explain(input), first_error(input));
    }
}
