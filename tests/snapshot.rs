//! What a responder sees of real checkpoints.

use crate::support::{ckptfx, fixture, on};

fn shows(name: &str, words: &str, archive: &str) {
    let ended = on(words, fixture(archive)).status(0);
    assert_eq!(ended.stderr, "", "{words} {archive}");
    insta::assert_snapshot!(name, ended.text());
}

/// A scan also says what it covered, and nothing else, on standard error.
fn finds(name: &str, words: &str, archive: &str) {
    let ended = on(words, fixture(archive)).status(0);
    let covered = ended.stderr.starts_with("ckptfx: scanned ") && ended.stderr.lines().count() == 1;
    assert!(covered, "{words} {archive}: {}", ended.stderr);
    insta::assert_snapshot!(name, ended.text());
}

#[test]
fn process_trees() {
    shows("ps-shop-podman", "ps --threads", "shop-podman");
    shows("ps-shop-containerd", "ps", "shop-containerd");
    shows("ps-shop-crio", "ps", "shop-crio");
    shows("ps-bash-env", "ps --env", "scenarios/bash");
    shows("ps-webshell", "ps", "scenarios/webshell");
    shows("ps-webserver-json", "ps -o json --pid 1", "scenarios/inject");
    shows("ps-webserver-csv", "ps -o csv", "webserver-podman");
}

#[test]
fn overviews() {
    for archive in ["shop-podman", "shop-crio", "shop-containerd", "webserver-podman-as-written"] {
        shows(&format!("info-{archive}"), "info", archive);
    }
    shows("info-webserver-crio-json", "info -o json", "webserver-crio");
}

#[test]
fn searches() {
    finds("grep-secret", "grep-mem -i secret", "shop-podman");
    finds("grep-context", "grep-mem -C 12 SPLIT-ACROSS", "shop-podman");
    finds("grep-count", "grep-mem -c hunter2-correct-horse", "shop-podman");
    finds("grep-list", "grep-mem -l hunter2-correct-horse", "shop-podman");
    finds("grep-json", "grep-mem -o json --encoding utf-16le WidePassword", "shop-podman");
}

#[test]
fn a_directory_of_archives() {
    let directory = fixture("shop-podman").parent().expect("a directory").to_owned();
    let ended = ckptfx(["list".into(), directory.into_os_string()]);
    insta::assert_snapshot!("list", ended.text());
}
