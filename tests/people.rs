//! What people meet: help by groups, tables that fit, operands in either order, errors that help.

use std::{path::Path, process::Command};

use unicode_width::UnicodeWidthStr as _;

use crate::support::{Ended, ckptfx, finish, fixture, on, program};

/// Runs the program on a terminal of a width; none where `script` of util-linux is missing.
fn on_terminal(columns: usize, words: &str, archive: &Path) -> Option<Ended> {
    if Command::new("script").arg("--version").output().is_err() {
        eprintln!("skipped: there is no script(1) here to make a terminal");
        return None;
    }
    let program = program();
    let program = program.to_str().expect("plain");
    let line = format!("stty cols {columns}; '{program}' {words} '{}'", archive.display());
    Some(finish(Command::new("script").env("CKPTFX_PAGER", "cat").args(["-qec", &line, "/dev/null"]), b""))
}

#[test]
fn tables_fit_the_terminal() {
    let archive = fixture("shop-podman");
    for words in ["ps", "files", "sockets", "maps --pid 14", "mounts", "recover", "sbom", "list"] {
        for columns in [80, 60] {
            let words = format!("{words} -q --color never");
            let Some(ended) = on_terminal(columns, &words, &archive) else { return };
            let text = ended.status(0).text().replace("\r\n", "\n");
            let widest = text.lines().map(|line| line.width()).max().expect("a table");
            assert!(widest <= columns, "{words} at {columns}: {widest}\n{text}");
        }
        // What goes to a program, and what is asked for as it is, is not cut.
        let wide =
            on_terminal(60, &format!("{words} -q --color never -o wide"), &archive).expect("a terminal");
        let piped = on(&format!("{words} -q"), &archive).status(0).text();
        assert_eq!(wide.status(0).text().replace("\r\n", "\n"), piped, "{words}");
    }
    let told = on_terminal(60, "ps", &archive).expect("a terminal").status(0).text();
    assert!(told.contains("no room for EXE; -o wide shows all columns"), "{told}");
}

#[test]
fn columns_and_their_order_can_be_chosen() {
    let archive = fixture("shop-podman");
    let text = on("ps -q --columns pid,command --sort pid:desc --no-headers", &archive).status(0).text();
    assert!(text.lines().next().expect("a line").starts_with(" 25  "), "{text}");
    let csv = on("ps -q -o csv --columns pid,comm", &archive).status(0).text();
    assert_eq!(csv.lines().next(), Some("evidence,engine,namespace,pod,container,pid,comm"));
    let refused = on("ps -q --columns nothing", &archive).status(2);
    assert!(refused.stderr.contains("this table has PID, PPID"), "{}", refused.stderr);
    let refused = on("ps -q -o json --columns pid", &archive).status(2);
    assert!(refused.stderr.contains("jq picks keys"), "{}", refused.stderr);
    on("info -q --sort pid", &archive).status(2);
    // A secret that was cut says so, and is whole when nothing is to be cut.
    let narrow = on("secrets -q --show-secrets", &archive).status(0).text();
    let wide = on("secrets -q --show-secrets -o wide", &archive).status(0).text();
    assert!(!wide.contains('…') || narrow.contains('…'));
}

#[test]
fn what_may_have_been_meant_is_suggested() {
    let archive = fixture("shop-podman");
    let ended = ckptfx([archive.as_os_str()]).status(2);
    assert!(ended.stderr.contains(&format!("try: ckptfx triage {}", archive.display())), "{}", ended.stderr);
    for (name, meant) in [
        ("pslist", "ckptfx ps"),
        ("netstat", "ckptfx sockets"),
        ("malfind", "ckptfx maps --anomalies"),
        ("cat", "ckptfx rootfs cat PATH"),
    ] {
        let ended = ckptfx([name, "a b.tar"]).status(2);
        assert!(ended.stderr.contains(&format!("try: {meant} 'a b.tar'")), "{name}: {}", ended.stderr);
    }
    let ended = on("ps -o sarif", &archive).status(2);
    let expected = "`ps` cannot write sarif: use table, wide, json, jsonl, csv";
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);
}

#[test]
fn operands_come_in_either_order() {
    let archive = fixture("shop-podman");
    let archive = archive.to_str().expect("plain");
    let found = ckptfx(["grep-mem", "-q", "stratum+tcp", archive]).status(0).text();
    assert_eq!(ckptfx(["grep-mem", "-q", archive, "stratum+tcp"]).status(0).text(), found);
    let changes = ckptfx(["rootfs", "-q", "-o", "json", archive]).status(0).json();
    let files = changes["changes"].as_array().expect("changes").iter();
    let files = files.filter(|file| file["kind"] == "regular" && file["change"] != "deleted");
    // A file of that path on this machine would make it unclear what is meant.
    let mut paths = files.filter_map(|file| file["path"].as_str()).filter(|path| !Path::new(path).exists());
    let path = paths.next().expect("a file of the container only");
    let kept = ckptfx(["rootfs", "cat", path, archive]).status(0).stdout;
    assert_eq!(ckptfx(["rootfs", "cat", archive, path]).status(0).stdout, kept);
    // The archive was forgotten: no directory of this machine is searched.
    let ended = ckptfx(["rootfs", "ls", "/etc"]).status(2);
    assert!(ended.stderr.contains("an archive is missing after /etc"), "{}", ended.stderr);
}

#[test]
fn a_filter_that_matches_nothing_is_an_error() {
    let archive = fixture("shop-podman");
    for command in [
        "ps",
        "files",
        "env",
        "triage",
        "mounts",
        "logs",
        "stats",
        "timeline",
        "secrets",
        "grep-mem x",
        "strings",
    ] {
        let ended = on(&format!("{command} --comm nosuch"), &archive).status(2);
        assert!(ended.stderr.contains("no process matches"), "{command}: {}", ended.stderr);
        // A list in a message ends.
        assert!(ended.stderr.contains("and 2 more"), "{command}: {}", ended.stderr);
    }
    let ended = on("ps", "/nonexistent/a.tar").status(2);
    assert!(ended.stderr.contains("/nonexistent/a.tar"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("os error"), "{}", ended.stderr);
}

/// The commands, as the help lists them.
fn commands() -> Vec<String> {
    let help = ckptfx(["-h"]).status(0).text();
    let names = help.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next().map(str::to_owned));
    let is_name = |name: &String| {
        let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        is_plain && !name.is_empty() && !name.starts_with('-') && name != "ckptfx"
    };
    names.filter(is_name).collect()
}

#[test]
fn help_is_short_and_says_what_the_command_has() {
    let names = commands();
    assert!(names.len() >= 44, "{names:?}");
    for name in &names {
        let help = ckptfx([name, "-h"]).status(0).text();
        assert!(help.lines().count() <= 55, "{name}: {} lines", help.lines().count());
        assert!(!help.contains("--max-decompressed"), "{name}: that is in the long help");
        assert!(help.contains("-o, --output <FORMAT>"), "{name}");
        assert!(!help.contains("bodyfile") || name == "timeline", "{name}");
        assert!(ckptfx([name, "--help"]).status(0).text().contains("--max-decompressed"), "{name}");
    }
    assert!(ckptfx(["generate", "rbac", "trigger"]).status(0).text().contains("kind: ClusterRole"));
    assert!(ckptfx(["generate", "docs", "glossary"]).status(0).text().starts_with("# Glossary"));
}
