//! Checkpoints over the socket of containerd or CRI-O.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Stdio, time::Duration};

use serde_json::Value;

use crate::{
    fake::cri::{self, Made, Runtime},
    support::{Ended, Scratch, ckptfx, command, fixture, on, plain},
};

fn capture(runtime: &Runtime, words: &[&str]) -> (Ended, Scratch) {
    let (scratch, out) = (Scratch::new(), Scratch::new());
    let socket = format!("--cri={}", runtime.serve(&scratch).display());
    let fixed = ["capture", "-o", "json", &socket, "--dir", out.0.path().to_str().expect("plain")];
    (ckptfx(fixed.iter().chain(words).copied()), out)
}

fn files(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .expect("readable")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_container_is_captured_sealed_and_left_running() {
    let tar = plain("webserver-containerd");
    for word in ["app", "web/app", "shop/web/app", &cri::id('a'), &cri::id('a')[..12]] {
        let runtime = Runtime::new([Made::Archive(tar.clone())]);
        let (ended, out) = capture(&runtime, &[word]);
        let record = ended.status(0).json()["captures"][0].clone();
        let archive = Path::new(record["archive"].as_str().expect("a path"));
        assert!(fs::read(archive).expect("readable") == tar);
        assert_eq!(fs::metadata(archive).expect("there").permissions().mode() & 0o7777, 0o600);
        assert_eq!((&record["running_after"], &record["container_id"]), (&true.into(), &cri::id('a').into()));
        assert_eq!(files(out.0.path()).len(), 2, "an archive and its manifest, and nothing else");
        let manifest = fs::read(record["manifest"].as_str().expect("a path")).expect("readable");
        let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
        assert_eq!(manifest["source"]["runtime"], "containerd://2.1.9");
        assert_eq!(manifest["subject"]["namespace"], "shop");
        assert_eq!(manifest["subject"]["image_id"], "registry.local/web@sha256:34");
        assert_eq!(manifest["exchanges"][0]["status"], "OK");
        let seen = runtime.seen.lock();
        // The whole id goes out, with a deadline.
        assert!(
            seen.iter()
                .any(|line| line.starts_with("CheckpointContainer aaaa ") && !line.contains("without"))
        );
        let (ours, theirs) =
            (on("ps -o json", archive).json(), on("ps -o json", fixture("webserver-containerd")).json());
        assert_eq!(ours["processes"], theirs["processes"]);
    }
}

#[test]
fn a_pod_is_all_its_running_containers() {
    let runtime = Runtime::new([Made::Archive(plain("webserver-containerd"))]);
    let (ended, out) = capture(&runtime, &["--pod", "web"]);
    let document = ended.status(0).json();
    let names: Vec<&Value> =
        document["captures"].as_array().expect("a list").iter().map(|record| &record["container"]).collect();
    assert_eq!(names, ["app", "sidecar"]);
    assert_eq!(files(out.0.path()).len(), 4);
}

/// The socket may stand behind `--cri` without `=`, with and without its scheme.
#[test]
fn the_socket_may_be_a_word_of_its_own() {
    for scheme in ["", "unix://"] {
        let (scratch, out) = (Scratch::new(), Scratch::new());
        let runtime = Runtime::new([Made::Archive(plain("webserver-containerd"))]);
        let socket = format!("{scheme}{}", runtime.serve(&scratch).display());
        let directory = out.0.path().to_str().expect("plain");
        ckptfx(["capture", "--cri", &socket, "app", "--dir", directory]).status(0);
        let ended = ckptfx(["capture", "--cri", &socket, "--dir", directory]).status(2);
        assert!(ended.stderr.contains("name a container"), "{}", ended.stderr);
    }
}

#[test]
fn every_refusal_of_a_runtime_is_told_in_plain_words() {
    let mut told = String::new();
    for (name, code, message) in [
        ("too old", 12, "unknown method CheckpointContainer for service runtime.v1.RuntimeService"),
        ("containerd 1.7", 12, "method CheckpointContainer not implemented"),
        ("CRI-O off", 2, "checkpoint/restore support not available"),
        (
            "no CRIU",
            2,
            "CRIU binary not found or too old (<31600). Failed to checkpoint container \"aaaa\": x",
        ),
        ("off", 2, "failed to checkpoint container \"aaaa\": criu support is disabled by configuration"),
        (
            "gone",
            5,
            "could not find container \"aaaa\": container with ID starting with aaaa not found: ID does not exist",
        ),
        (
            "ended",
            2,
            "container \"aaaa\" is in CONTAINER_EXITED state. only CONTAINER_RUNNING containers can be checkpointed",
        ),
        (
            "failed",
            2,
            "checkpointing container \"aaaa\" failed: criu failed: type NOTIFY errno 0 path= /run/x/criu-dump.log",
        ),
        ("deadline", 4, "context deadline exceeded"),
        ("permission", 7, "permission denied"),
        ("something new", 2, "the moon is full – \u{1b}[31m"),
    ] {
        let runtime = Runtime::new([Made::Error(code, message)]);
        let (ended, out) = capture(&runtime, &["app"]);
        let ended = ended.status(2);
        assert!(files(out.0.path()).is_empty(), "{name} left something");
        assert!(!ended.stderr.contains('\u{1b}'));
        told.push_str(&format!("== {name}\n{}", ended.stderr.replace(&socket_of(&ended.stderr), "SOCKET")));
    }
    insta::assert_snapshot!("refusals", told);
}

/// The path of the socket in a message: it is another one each time.
fn socket_of(text: &str) -> String {
    let word = text.split_whitespace().find(|word| word.contains("cri.sock")).expect("the socket");
    word.trim_end_matches([':', ';']).to_owned()
}

#[test]
fn a_preflight_looks_at_this_machine_and_asks_nothing() {
    let runtime = Runtime::new([Made::Nothing]);
    let (ended, out) = capture(&runtime, &["app", "--preflight"]);
    let document = ended.status(0).json();
    let checks = document["checks"].as_array().expect("a list");
    let codes: Vec<&Value> = checks.iter().map(|check| &check["code"]).collect();
    assert_eq!(codes, ["disk", "criu", "criu-options"]);
    assert_eq!((&checks[0]["state"], &checks[0]["node"]), (&"ok".into(), &"this machine".into()));
    assert!(!runtime.seen.lock().iter().any(|line| line.starts_with("CheckpointContainer")));
    assert!(files(out.0.path()).is_empty());
}

#[test]
fn two_checkpoints_in_each_others_way_are_tried_again() {
    let runtime = Runtime::new([
        Made::Error(2, "cannot pause a paused container"),
        Made::Archive(plain("webserver-containerd")),
    ]);
    let (ended, _) = capture(&runtime, &["app"]);
    ended.status(0);
    assert_eq!(runtime.seen.lock().iter().filter(|line| line.starts_with("CheckpointContainer")).count(), 2);
}

#[test]
fn no_answer_and_no_archive_leave_nothing() {
    let silent = Runtime::new([Made::Silence]);
    let (ended, out) = capture(&silent, &["app", "--timeout", "1"]);
    assert!(ended.status(2).stderr.contains("[deadline]"));
    assert!(files(out.0.path()).is_empty());
    let (ended, out) = capture(&Runtime::new([Made::Nothing]), &["app"]);
    assert!(ended.status(2).stderr.contains("is not there"));
    assert!(files(out.0.path()).is_empty());
}

#[test]
fn a_workload_that_is_gone_is_told_whether_the_checkpoint_worked_or_not() {
    let dies = |made| Runtime { dies: true, ..Runtime::new([made]) };
    let (ended, _) = capture(&dies(Made::Archive(plain("webserver-containerd"))), &["app"]);
    let ended = ended.status(3);
    assert!(ended.stderr.contains("[not-running-after]"), "{}", ended.stderr);
    assert_eq!(ended.json()["captures"][0]["state_after"], "gone");
    let (ended, _) = capture(&dies(Made::Error(2, "criu failed: type NOTIFY errno 0")), &["app"]);
    assert!(ended.status(2).stderr.contains("the container was not running: gone"));
}

#[test]
fn what_is_not_one_container_is_told() {
    let runtime = Runtime::new([Made::Nothing]);
    runtime.containers.lock().push(cri::Container {
        id: cri::id('d'),
        pod: "web-2",
        name: "app",
        running: true,
    });
    let (ended, _) = capture(&runtime, &["app"]);
    let ended = ended.status(2);
    assert!(ended.stderr.contains("means 2 containers: shop/web-2/app"), "{}", ended.stderr);
    assert!(capture(&runtime, &["nobody"]).0.status(2).stderr.contains("no running container"));
}

#[test]
fn a_socket_that_cannot_be_used_is_told() {
    let (scratch, out) = (Scratch::new(), Scratch::new());
    let socket = Runtime::new([Made::Nothing]).serve(&scratch);
    let directory = out.0.path().to_str().expect("plain");
    let none = ckptfx(["capture", "--cri=/no/such.sock", "app", "--dir", directory]).status(2);
    assert!(none.stderr.contains("No such file"), "{}", none.stderr);
    if rustix::process::geteuid().is_root() {
        println!("skipped: nobody keeps root from a socket");
        return;
    }
    cri::close(&socket);
    let socket = format!("--cri={}", socket.display());
    let closed = ckptfx(["capture", &socket, "app", "--dir", directory]).status(2);
    assert!(closed.stderr.contains("[socket-permission]"), "{}", closed.stderr);
}

/// A checkpoint that is given up may leave the container paused: the first interrupt waits for its end.
#[test]
fn an_interrupt_waits_for_the_checkpoint_and_a_second_does_not() {
    let late = Made::Late(Duration::from_secs(2), plain("webserver-containerd"));
    for (made, interrupts, status, kept) in [(late, 1, 0, 2), (Made::Silence, 2, 2, 0)] {
        let (scratch, out) = (Scratch::new(), Scratch::new());
        let runtime = Runtime::new([made]);
        let socket = format!("--cri={}", runtime.serve(&scratch).display());
        let directory = out.0.path().to_str().expect("plain");
        let child = command()
            .args(["capture", &socket, "app", "--dir", directory, "--every", "1s", "--count", "9"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let asked = || runtime.seen.lock().iter().any(|line| line.starts_with("CheckpointContainer"));
        while !asked() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let pid = rustix::process::Pid::from_child(&child);
        for _ in 0..interrupts {
            rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("sent");
            std::thread::sleep(Duration::from_millis(200));
        }
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert!(said.contains("is brought to its end"), "{said}");
        assert_eq!(files(out.0.path()).len(), kept, "{said}");
    }
}
