//! Keys and tokens: the same bytes are an intrusion in one process and its work in another.

use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use ckptfx_testkit::CrioVersion;
use serde_json::{Value, json};

use super::*;

/// An access key id whose account number is plausible, and no documented example.
const CLOUD_KEY: &str = "AKIAQNZGKIQY56JQ7WML";
/// When the synthetic checkpoints are made.
const CHECKPOINTED: i64 = 1_717_243_200;

/// Reads a dump as an archive of CRI-O, whose metadata name pod and namespace.
fn in_cluster(dump: Checkpoint) -> Vec<Finding> {
    read(&Container::new(dump).crio(CrioVersion::V1_29).to_tar())
}

fn token(claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2lnbmF0dXJl", part(&json!({"alg": "RS256", "kid": "k1"})), part(claims))
}

/// A token for a pod of a namespace that expires so many seconds after the checkpoint.
fn bound(namespace: &str, pod: &str, expires: i64) -> String {
    let account = format!("system:serviceaccount:{namespace}:default");
    let bound = json!({"namespace": namespace, "pod": {"name": pod}, "serviceaccount": {"name": "default"}});
    token(&json!({"sub": account, "exp": CHECKPOINTED + expires, "kubernetes.io": bound}))
}

fn own(expires: i64) -> String {
    bound("default", "counters-0", expires)
}

fn key() -> String {
    let der = [&b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20"[..], &[9; 32]].concat();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_STANDARD.encode(der))
}

fn holding(process: Process, text: &str) -> Process {
    process.memory(Vma::heap(0x5555_5600_0000, 0x1_0000).bytes(0x100, format!("{text}\0")))
}

fn of_crio(process: Process) -> Vec<Finding> {
    in_cluster(Checkpoint::new().process(process))
}

fn python(arguments: &[&str]) -> Process {
    let name = std::iter::once("python3").chain(arguments.iter().copied());
    service(9, "/usr/bin/python3.11").cmdline(name)
}

#[test]
fn a_token_of_another_pod_is_foreign_wherever_it_is() {
    let id = "SA-TOKEN-FOREIGN";
    let run = |process: Process, token: &str| {
        let findings = of_crio(service(1, "/usr/bin/operator").child(holding(process, token)));
        (severity(&findings, id, Some(9)), severity(&findings, "SA-TOKEN-UNEXPECTED", Some(9)))
    };
    let operator = || service(9, "/usr/bin/operator");
    let stolen = [bound("kube-system", "dns-1", 600), bound("default", "other-1", 600)];
    for token in stolen {
        assert_eq!(run(operator(), &token), (Some(Severity::Critical), None));
        assert_eq!(run(Process::new(9).cmdline(["sh"]), &token), (Some(Severity::Critical), None));
    }
    assert_eq!(run(operator(), &bound("kube-system", "dns-1", -1)).0, Some(Severity::High), "expired");
    assert_eq!(run(operator(), &own(600)), (None, Some(Severity::Info)));
    // A cut token proves nothing.
    let cut = bound("kube-system", "dns-1", 600).trim_end_matches("c2lnbmF0dXJl").to_owned();
    assert_eq!(run(operator(), &cut).0, Some(Severity::Info));
}

#[test]
fn a_pod_has_one_service_account() {
    let ci = token(&json!({"sub": "system:serviceaccount:default:ci", "exp": CHECKPOINTED + 600}));
    let id = "SA-TOKEN-FOREIGN";
    let alone = of_crio(holding(service(1, "/usr/bin/operator"), &ci));
    assert_eq!(severity(&alone, id, None), None);
    let beside = of_crio(holding(service(1, "/usr/bin/operator"), &format!("{}\0{ci}", own(600))));
    assert_eq!(severity(&beside, id, Some(1)), Some(Severity::Critical));
}

#[test]
fn the_own_token_is_odd_in_shells_and_tools() {
    let run = |process: Process, token: &str| {
        let dump = service(1, "/usr/bin/operator").child(holding(process, token));
        severity(&of_crio(dump), "SA-TOKEN-UNEXPECTED", Some(9))
    };
    let sh = || Process::new(9).comm("sh").cmdline(["sh", "-i"]);
    assert_eq!(run(sh(), &own(600)), Some(Severity::High));
    assert_eq!(run(sh(), &own(-1)), Some(Severity::Medium), "expired");
    assert_eq!(run(service(9, "/usr/bin/curl"), &own(600)), Some(Severity::High));
    assert_eq!(run(service(9, "/tmp/x"), &own(600)), Some(Severity::High));
    assert_eq!(run(python(&["-c", "import requests"]), &own(600)), Some(Severity::High));
    assert_eq!(run(python(&["-u", "/srv/app.py"]), &own(600)), Some(Severity::Info));
    assert_eq!(run(service(9, "/usr/bin/operator"), &own(600)), Some(Severity::Info));
    assert_eq!(run(service(9, "/usr/sbin/nginx"), &own(600)), Some(Severity::Low));
    let miner = format!("stratum+tcp://pool.example:3333 --donate-level 1\0{}", own(600));
    assert_eq!(run(service(9, "/usr/bin/daemon"), &miner), Some(Severity::High));
    // Tokens of other services are no tokens of Kubernetes.
    assert_eq!(run(sh(), &token(&json!({"sub": "user-7", "iss": "https://login.example"}))), None);
}

#[test]
fn a_private_key_belongs_to_a_server() {
    let run = |process: Process| {
        let findings = of(service(1, "/usr/sbin/daemon").child(holding(process, &key())));
        severity(&findings, "PRIVATE-KEY-IN-MEMORY", Some(9))
    };
    assert_eq!(run(service(9, "/usr/sbin/sshd")), Some(Severity::Info));
    assert_eq!(run(service(9, "/usr/sbin/nginx")), Some(Severity::Info));
    assert_eq!(run(Process::new(9).comm("sh").cmdline(["sh"])), Some(Severity::High));
    let deleted = File::mapped("/opt/x").deleted(Ghost::new("\x7fELF"));
    assert_eq!(run(service(9, "/x").exe_file(deleted)), Some(Severity::High));
    let memfd = service(9, "/x").exe_file(File::memfd("x"));
    let dump = Checkpoint::new().shared(Shared::memfd("x", 16).bytes(0, "\x7fELF"));
    let findings = triage(&Container::new(dump.process(holding(memfd, &key()))));
    assert_eq!(severity(&findings, "PRIVATE-KEY-IN-MEMORY", Some(9)), Some(Severity::High));
}

#[test]
fn what_the_container_was_given_is_no_find() {
    let id = "CLOUD-KEY-IN-MEMORY";
    let variable = format!("AWS_ACCESS_KEY_ID={CLOUD_KEY}");
    let shell = || Process::new(9).comm("bash").cmdline(["bash"]);
    let run = |first: Process, shell: Process| severity(&of(first.child(shell)), id, Some(9));
    let given = || service(1, "/usr/bin/app").environ([variable.as_str()]);
    let bare = || service(1, "/usr/bin/app");
    assert_eq!(run(given(), holding(shell().environ([variable.as_str()]), CLOUD_KEY)), Some(Severity::Info));
    assert_eq!(run(bare(), shell().environ([variable.as_str()])), Some(Severity::High), "set by hand");
    assert_eq!(run(given(), holding(shell(), CLOUD_KEY)), Some(Severity::High), "read from elsewhere");
    assert_eq!(run(bare(), holding(service(9, "/usr/bin/app"), CLOUD_KEY)), Some(Severity::Info));
    assert_eq!(run(bare(), holding(shell(), "AKIAIOSFODNN7EXAMPLE")), Some(Severity::Info), "an example");
    assert_eq!(run(bare(), holding(shell(), "AKIA")), None);
}

#[test]
fn secrets_on_their_way() {
    let run = |bytes: &str| {
        let process = service(1, "/usr/sbin/daemon")
            .fd(7, File::unix(501, 502).queued(bytes))
            .fd(8, File::unix(502, 501));
        severity(&of(process), "QUEUE-SECRET", Some(1))
    };
    assert_eq!(run(&key()), Some(Severity::Medium));
    assert_eq!(run(&own(600)), Some(Severity::Medium));
    assert_eq!(run("key=AKIAIOSFODNN7EXAMPLE;"), Some(Severity::Info));
    assert_eq!(run("GET /status\n"), None);
}

#[test]
fn secrets_on_a_command_line() {
    let run = |words: &[&str]| {
        let process = service(9, "/usr/bin/client").cmdline(words.iter().copied());
        severity(&of(service(1, "/usr/sbin/daemon").child(process)), "SECRET-IN-ARGV", Some(9))
    };
    assert_eq!(run(&["client", "--password", "correct-horse-7", "host"]), Some(Severity::Low));
    assert_eq!(run(&["client", "postgres://app:correct-horse-7@db/x"]), Some(Severity::Medium));
    assert_eq!(run(&["client", "--help", "host"]), None);
}

#[test]
fn no_finding_gives_a_secret_away() {
    let secrets = [own(600), bound("kube-system", "dns-1", 600), key(), CLOUD_KEY.to_owned()];
    let shell = holding(Process::new(9).comm("sh").cmdline(["sh"]), &secrets.join("\0"));
    let argv = service(10, "/usr/bin/client").cmdline(["client", "postgres://app:correct-horse-7@db/x"]);
    let findings = of_crio(service(1, "/usr/bin/operator").child(shell).child(argv));
    let json = serde_json::to_string(&findings).unwrap();
    let ids: Vec<&str> = findings.iter().map(|finding| finding.id.as_str()).collect();
    for id in ["SA-TOKEN-FOREIGN", "SA-TOKEN-UNEXPECTED", "PRIVATE-KEY-IN-MEMORY", "CLOUD-KEY-IN-MEMORY"] {
        assert!(ids.contains(&id), "{id}: {ids:?}");
    }
    for secret in ["CQkJCQkJCQkJ", CLOUD_KEY, "c2lnbmF0dXJl", "correct-horse-7"] {
        assert!(!json.contains(secret), "{secret}");
    }
}
