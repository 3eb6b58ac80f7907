//! Time grows as the evidence does: ten times as many processes, descriptors, mappings, memfds, mounts and files take
//! about ten times as long, in every command that takes an archive.
//!
//! `CKPTFX_SCALE=full` takes 10,000 and 100,000 of each, and needs 2 GB of temporary space; otherwise it is 600 and
//! 6,000 of each with the program that `CKPTFX_TEST_BIN` names, and a tenth of that with one that is not optimised.
//! `CKPTFX_SCALE_ONLY` is the beginning of the commands to measure.

use std::{collections::BTreeSet, fs, io::BufWriter, path::Path, process::Command, time::Instant};

use ckptfx_testkit::Scale;

use crate::support::{Scratch, program};

/// Ten times as much may take so many times as long: as much as a square term of a third of the time would make it.
const GROWTH: f64 = 15.0;
/// Seconds below which a command is not judged.
const FLOOR: f64 = 0.3;

/// The words of every command that takes an archive, which is `A` in them; the process is one with much memory, `S` is a
/// path to write to.
const COMMANDS: &[&str] = &[
    "info A",
    "triage A",
    "triage -o sarif A",
    "report -o json A",
    "report -o html A",
    "scan A",
    "ps A",
    "ps --threads -o json A",
    "grep-mem example.org A",
    "grep-mem --source rootfs -o json exec A",
    "secrets A",
    "iocs A",
    "strings -o json A",
    "yara -r R A",
    "dump --pid 2 --vma stack A --out-file S",
    "decode A files.img",
    "list A",
    "files A",
    "sockets A",
    "queues A",
    "maps A",
    "maps --anomalies -o json A",
    "threads A",
    "creds A",
    "signals A",
    "timers A",
    "core --pid 2 A --out-file S",
    "mounts A",
    "ns A",
    "net A",
    "ipc A",
    "cgroups A",
    "logs A",
    "stats A",
    "rootfs A",
    "recover A",
    "sbom A",
    "sbom -o json A",
    "env A",
    "limits A",
    "uts A",
    "image A --out S",
    "diff A A",
    "timeline A",
    "graph A",
    "graph -o dot A",
    "history A",
];

/// Commands that take no archive.
const OTHERS: [&str; 5] = ["verify", "capture", "explain", "schema", "generate"];

/// How many of each, of the larger archive.
fn count() -> u32 {
    match (std::env::var("CKPTFX_SCALE").as_deref(), std::env::var_os("CKPTFX_TEST_BIN")) {
        (Ok("full"), _) => 100_000,
        (_, Some(_)) => 6_000,
        (_, None) => 600,
    }
}

/// Seconds of processor time that a command takes, and how it ended.
fn time(words: &str, archive: &Path, scratch: &Scratch) -> (f64, i32) {
    let words = words.split_whitespace().map(|word| match word {
        "A" => archive.as_os_str().to_owned(),
        "R" => scratch.path("rules.yar").into_os_string(),
        "S" => scratch.path("out").into_os_string(),
        other => other.into(),
    });
    let out = scratch.path("out");
    if out.exists() {
        if out.is_dir() { fs::remove_dir_all(out) } else { fs::remove_file(out) }.expect("removed");
    }
    // The shell tells what its children took.
    let script = r#""$@" >/dev/null 2>"$ERRORS"; echo "$?"; times"#;
    let errors = scratch.path("errors");
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(program()).args(words).env("ERRORS", &errors);
    let output = shell.output().expect("the shell runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let status = text.lines().next().and_then(|line| line.parse().ok()).expect("a status");
    let children = text.lines().nth(2).expect("the times of children");
    let seconds = children.split_whitespace().map(|time| {
        let (minutes, seconds) = time.trim_end_matches('s').split_once('m').expect("minutes and seconds");
        let parse = |text: &str| text.replace(',', ".").parse::<f64>().expect("a number");
        60.0 * parse(minutes) + parse(seconds)
    });
    (seconds.sum(), status)
}

#[test]
fn every_command_is_measured() {
    let names = crate::support::commands();
    let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let known = COMMANDS.iter().filter_map(|words| words.split_whitespace().next()).chain(OTHERS);
    assert_eq!(names, known.collect::<BTreeSet<&str>>());
}

#[test]
fn time_grows_as_the_evidence_does() {
    let scratch = Scratch::new();
    scratch.put("rules.yar", "rule host { strings: $a = \"http://host-7.example.org/\" condition: $a }");
    let count = count();
    let archives = [count / 10, count].map(|count| {
        let path = scratch.path(&format!("scale-{count}.tar"));
        let mut file = BufWriter::new(fs::File::create(&path).expect("created"));
        Scale(count).write(&mut file).expect("written");
        path
    });
    let only = std::env::var("CKPTFX_SCALE_ONLY").unwrap_or_default();
    let started = Instant::now();
    let mut slow = Vec::new();
    for words in COMMANDS.iter().filter(|words| words.starts_with(&only)) {
        let [small, large] = archives.each_ref().map(|archive| {
            let (seconds, status) = time(words, archive, &scratch);
            let errors = fs::read_to_string(scratch.path("errors")).expect("errors");
            assert!(matches!(status, 0 | 1 | 3), "{words}: status {status}: {errors}");
            seconds
        });
        let growth = large / small.max(FLOOR / GROWTH);
        println!("{small:8.2} s {large:8.2} s {growth:6.1}  {words}");
        if large > FLOOR && growth > GROWTH {
            slow.push(format!("{words}: {large:.2} s, {growth:.0} times what a tenth takes"));
        }
    }
    println!("{count} of each, {:.0} s", started.elapsed().as_secs_f64());
    assert!(slow.is_empty(), "{slow:#?}");
}
