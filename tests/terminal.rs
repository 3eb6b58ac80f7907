//! What gets to a terminal, and what a limit of the system does to the output.

use std::{ffi::OsStr, path::Path, process::Command};

use crate::support::{Ended, Scratch, finish, fixture, on, plain, program};

/// Runs the program on a pseudo-terminal; none where `script` of util-linux is missing.
fn on_terminal(words: &str, archive: &Path) -> Option<Ended> {
    let quote = |word: &OsStr| format!("'{}'", word.to_str().expect("plain"));
    let line = format!("{} {words} {}", quote(&program()), quote(archive.as_os_str()));
    if Command::new("script").arg("--version").output().is_err() {
        eprintln!("skipped: there is no script(1) here to make a terminal");
        return None;
    }
    Some(finish(Command::new("script").env("CKPTFX_PAGER", "cat").args(["-qec", &line, "/dev/null"]), b""))
}

#[test]
fn raw_bytes_do_not_get_to_a_terminal() {
    let scratch = Scratch::new();
    let archive = fixture("shop-podman");
    for words in ["dump --pid 14", "core --pid 14"] {
        let Some(ended) = on_terminal(words, &archive) else { return };
        let said = ended.status(2).text();
        assert!(said.contains("--out-file FILE"), "{words}: {said}");
        assert!(!said.contains("\u{7f}ELF") && said.len() < 1 << 12, "{words}: {} bytes", said.len());
        // A file is no terminal.
        let out = scratch.path("out");
        let words = format!("{words} --out-file {}", out.display());
        on_terminal(&words, &archive).expect("there is a terminal").status(0);
        assert!(std::fs::metadata(&out).expect("written").len() > 4096);
    }
}

#[test]
fn text_gets_to_a_terminal_as_it_is() {
    let archive = fixture("shop-podman");
    let Some(ended) = on_terminal("-q rootfs cat /etc/crontab", &archive) else { return };
    let crontab = on("rootfs cat /etc/crontab", &archive).status(0).text();
    assert_eq!(ended.status(0).text().replace("\r\n", "\n"), crontab);
    let unread = on("queues --raw 1", &archive).status(0).stdout;
    let shown = on_terminal("queues --raw 1", &archive).expect("there is a terminal");
    let is_text = unread.iter().all(|byte| matches!(byte, b'\n' | b'\t' | b' '..=b'~'));
    assert_eq!(shown.status, Some(if is_text { 0 } else { 2 }), "{}", shown.text());
    // What is no raw output has escaped text anyway.
    on_terminal("dump --pid 14 -o jsonl", &archive).expect("there is a terminal").status(0);
}

/// A limit of the size of files ends the program with a word, and not by a signal.
#[test]
fn a_limit_of_file_size_is_told() {
    let scratch = Scratch::new();
    let archive = scratch.put("shop.tar", plain("shop-podman"));
    let out = scratch.path("out.json");
    let shell = |line: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", line, "sh"]).args([program().as_os_str(), archive.as_os_str(), out.as_os_str()]);
        finish(&mut command, b"")
    };
    let ended = shell("ulimit -f 1; exec \"$1\" ps -o json \"$2\" > \"$3\"").status(2);
    assert!(ended.stderr.contains("standard output: File too large"), "{}", ended.stderr);
    std::fs::remove_file(&out).expect("it was begun");
    let ended = shell("ulimit -f 1; exec \"$1\" ps -o json \"$2\" --out-file \"$3\"").status(2);
    assert!(ended.stderr.contains("out.json: File too large"), "{}", ended.stderr);
    assert!(!out.exists(), "nothing half is left");
}
