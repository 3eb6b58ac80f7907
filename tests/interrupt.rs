//! Scans that are ended early: by an interrupt, or because their time is over. What was found until then is told, and that
//! it is not all.

use std::{
    fs,
    io::{Read as _, Write as _},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use ckptfx_testkit::{Checkpoint, Container, Flavor, Outer, PodmanVersion, Process, Vma};
use serde_json::Value;

use crate::support::{Scratch, command, on, plain};

/// A scan that waits for its evidence on standard input, and already takes interrupts.
fn waiting(words: &str) -> Child {
    let child = command()
        .args(words.split_whitespace())
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let path = format!("/proc/{}/status", child.id());
    let started = Instant::now();
    let takes_interrupts = || {
        let status = fs::read_to_string(&path).expect("a process");
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a mask");
        u64::from_str_radix(caught.trim(), 16).expect("a mask") & 0b10 != 0
    };
    while !takes_interrupts() {
        assert!(started.elapsed() < Duration::from_secs(60), "it never takes interrupts");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

fn interrupt(child: &Child) {
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(status.expect("kill runs").success());
}

#[test]
fn an_interrupted_scan_says_that_it_is_not_all() {
    for words in ["grep-mem -o json e", "strings -o json", "secrets -o json", "iocs -o json"] {
        let mut child = waiting(words);
        interrupt(&child);
        let archive = plain("shop-crio");
        let mut stdin = child.stdin.take().expect("piped");
        let writer = std::thread::spawn(move || stdin.write_all(&archive).is_ok());
        let output = child.wait_with_output().expect("the program ends");
        assert!(writer.join().expect("joined"), "{words}: the evidence was not read");
        assert_eq!(output.status.code(), Some(3), "{words}");
        let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(document["coverage"]["complete"], false, "{words}");
        assert_eq!(document["coverage"]["stopped"], "interrupted", "{words}");
        let mut warnings = document["warnings"].as_array().expect("warnings").iter();
        assert!(warnings.any(|warning| warning["code"] == "interrupted"), "{words}");
    }
}

#[test]
fn a_second_interrupt_ends_the_program() {
    let mut child = waiting("grep-mem e");
    interrupt(&child);
    let started = Instant::now();
    while child.try_wait().expect("a process").is_none() {
        // The first one may not have been taken yet, so that a later one is the second.
        interrupt(&child);
        assert!(started.elapsed() < Duration::from_secs(60), "it goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut text = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut text).expect("UTF-8");
    assert_eq!((child.wait().expect("a status").code(), text.as_str()), (Some(130), ""));
}

/// A checkpoint of 24 MiB that do not compress.
fn large() -> Vec<u8> {
    let mut process = Process::new(1).comm("busy");
    process.vmas = vec![Vma::anonymous(0x7f00_0000_0000, 24 << 20).generated(0, 24 << 20, Flavor::Random, 7)];
    let container = Container::new(Checkpoint::new().process(process));
    Outer::Zstd.pack(&container.podman(PodmanVersion::V5).to_tar())
}

#[test]
fn decompressing_ends_when_the_time_is_over() {
    let scratch = Scratch::new();
    let archive = scratch.put("large.tar.zst", large());
    let whole = on("strings -c -o json", &archive).status(0).json();
    assert_eq!(whole["coverage"]["complete"], true);
    for words in ["strings -c -o json --timeout 0", "grep-mem -c -o json --timeout 0 needle"] {
        let ended = on(words, &archive).status(3);
        assert!(ended.stderr.contains("interrupted, or the time is over"), "{words}: {}", ended.stderr);
        assert_eq!(ended.json()["coverage"]["stopped"], "timeout", "{words}");
    }
}
