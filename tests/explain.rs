//! Failures in plain words.

use serde_json::Value;

use crate::support::{Ended, Scratch, ckptfx, command, finish, fixture, on};

/// A log as CRIU writes it when a process is traced and another holds a connection.
const FAILED: &str = "\
(00.000024) Version: 4.2.1 (gitid 0)
(00.013957) Error (criu/tun.c:85): tun: Unable to create tun: No such file or directory
(00.051001) Error (compel/src/lib/infect.c:418): Unseizable non-zombie 29975 found, state S, err -1/10
(00.053155) Error (criu/sk-inet.c:191): inet: Connected TCP socket, consider using --tcp-established option.
(00.054000) Error (criu/files-reg.c:926): Can't dump ghost file /tmp/\u{1b}[2Jbig of 3145728 size, increase limit
(00.055000) Error (criu/cr-dump.c:1781): Dumping FAILED.
";

fn explain(log: &[u8], words: &[&str]) -> Ended {
    let scratch = Scratch::new();
    let path = scratch.put("dump.log", log);
    ckptfx(["explain"].iter().chain(words).map(|word| word.as_ref()).chain([path.as_os_str()]))
}

#[test]
fn a_log_is_explained() {
    insta::assert_snapshot!("failed", explain(FAILED.as_bytes(), &[]).status(0).text());
    let document = explain(FAILED.as_bytes(), &["-o", "json"]).status(0).json();
    let records = document["explanations"].as_array().expect("a list");
    let codes: Vec<&str> = records.iter().filter_map(|record| record["code"].as_str()).collect();
    assert_eq!(codes, ["already-traced", "established-tcp", "ghost-limit"]);
    let findings: Vec<_> = records.iter().map(|record| record["finding"] == true).collect();
    assert_eq!(findings, [true, false, false]);
    let from_stdin = finish(command().args(["explain", "-o", "json", "-"]), FAILED.as_bytes()).status(0);
    assert_eq!(from_stdin.json(), document);
    assert_eq!(explain(FAILED.as_bytes(), &["-o", "jsonl"]).status(0).lines().len(), 3);
}

#[test]
fn results_keep_to_the_schema() {
    let schema: Value =
        serde_json::from_slice(&ckptfx(["schema", "explain"]).status(0).stdout).expect("JSON");
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    let unknown = b"(00.1) Error (criu/x.c:1): Something \xff new\n";
    for (log, status) in [(FAILED.as_bytes(), 0), (unknown, 1), (b"", 1)] {
        let document = explain(log, &["-o", "json"]).status(status).json();
        assert!(validator.is_valid(&document), "{document}");
    }
}

#[test]
fn a_real_dump_that_worked_is_no_failure() {
    for name in ["shop-crio", "shop-containerd", "webserver-crio", "webserver-containerd"] {
        let log = on("logs --source dump", fixture(name)).status(0).stdout;
        let document = explain(&log, &["-o", "json"]).status(0).json();
        let codes: Vec<&Value> = document["explanations"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|record| &record["code"])
            .collect();
        assert_eq!(codes, ["dump-finished"], "{name}");
    }
}

#[test]
fn what_is_not_known_is_not_guessed() {
    let log =
        b"(00.1) fine\n(00.2) Error (criu/x.c:1): More\n(00.3) Error (criu/x.c:2): Something \xff new\n";
    let ended = explain(log, &["-o", "json"]).status(1);
    let record = &ended.json()["explanations"][0];
    assert_eq!((&record["code"], &record["line"]), (&"unknown".into(), &3.into()));
    assert_eq!(record["fix"], Value::Null);
    assert!(record["matched_b64"].is_string());
    assert!(ended.stderr.contains("nothing in this is known"));
    let nothing = ckptfx(["explain", "--message", "all is well"]).status(1);
    assert_eq!(nothing.text(), "");
}

#[test]
fn answers_of_servers_are_explained() {
    for (message, code) in [
        ("404 page not found", "feature-gate-off"),
        (
            "Forbidden (user=eve, verb=create, resource=nodes, subresource(s)=[checkpoint])",
            "kubelet-forbidden",
        ),
        (
            r#"{"kind":"Status","message":"nodes \"n1\" not found","reason":"NotFound","code":404}"#,
            "node-not-found",
        ),
    ] {
        let ended = ckptfx(["explain", "-o", "json", "--message", message]).status(0);
        assert_eq!(ended.json()["explanations"][0]["code"], code, "{message}");
    }
    ckptfx(["explain"]).status(2);
    ckptfx(["explain", "/no/such/log"]).status(2);
}
