//! The evidence stays as it is, nothing of it stays behind, and nothing leaves the machine.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::{Scratch, command, finish, fixture, on, plain, program, skip};

/// A run of every command that looks at evidence, in which it is `@`.
pub const RUNS: [&str; 45] = [
    "info --hash @",
    "triage --yara rules -o json @",
    "report -o html --show-secrets @",
    "verify report.json @",
    "scan @",
    "ps --env -o json @",
    "grep-mem -c root @",
    "secrets @",
    "iocs @",
    "strings --count @",
    "yara -r rules @",
    "dump --pid 1 --vma stack --missing skip @ --out-file dump.out",
    "decode @ core-1.img",
    "list @",
    "files -o csv @",
    "sockets @",
    "queues @",
    "maps @",
    "threads @",
    "creds @",
    "signals @",
    "timers @",
    "core --pid 1 @ --out-file core.out",
    "mounts @",
    "ns @",
    "net @",
    "ipc @",
    "cgroups @",
    "logs @",
    "stats @",
    "rootfs --hash @",
    "recover --all -O out @",
    "recover --shared-memory @",
    "sbom -o json @",
    "env @",
    "limits @",
    "uts @",
    "explain container.log",
    "image @",
    "image --out image.tar -o oci-archive @",
    "diff @ other.tar.zst",
    "diff --strings other.tar.zst @",
    "timeline -o bodyfile @",
    "graph --may-trace -o dot @",
    "history @",
];
/// Commands without evidence, and the one that fetches it.
const OTHER_COMMANDS: [&str; 4] = ["capture", "generate", "help", "schema"];

/// Two archives, rules, a log, and a report of the first archive.
fn desk() -> Scratch {
    let scratch = Scratch::new();
    let evidence =
        scratch.put("evidence.tar.zst", fs::read(fixture("scenarios/webshell")).expect("a fixture"));
    scratch.put("other.tar.zst", fs::read(fixture("scenarios/log")).expect("a fixture"));
    scratch.put("container.log", "(00.1) Error (criu/tty.c:1): tty: Found slave peer index 1\n");
    fs::create_dir(scratch.path("rules")).expect("a directory");
    scratch.put("rules/root.yar", "rule root { strings: $a = \"root\" condition: $a }");
    let report = on("report -o json", evidence).status(0);
    scratch.put("report.json", report.stdout);
    scratch
}

/// The program by way of another, in a directory with evidence. What it may end with is part of what is promised.
#[track_caller]
fn run_by_way_of(way: &[&str], words: &str, scratch: &Scratch) {
    let [first, rest @ ..] = way else { panic!("no program") };
    let mut command = Command::new(first);
    command.args(rest).arg(program());
    command.args(words.split(' ').map(|word| if word == "@" { "evidence.tar.zst" } else { word }));
    let output = command.current_dir(scratch.0.path()).output().expect("it starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{words}: {}: {errors}", output.status);
    for left in ["out", "image.tar"] {
        let path = scratch.path(left);
        fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path)).ok();
    }
}

/// Whether a program can be run here.
fn works(way: &[&str]) -> bool {
    let status = Command::new(way[0]).args(&way[1..]).arg("true").stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

#[test]
fn every_command_that_looks_at_evidence_is_held_to_it() {
    let commands = crate::support::commands();
    assert!(commands.len() > 40, "{commands:?}");
    for command in commands.iter().map(String::as_str).filter(|command| !OTHER_COMMANDS.contains(command)) {
        assert!(RUNS.iter().any(|words| words.split(' ').next() == Some(command)), "{command} is not run");
    }
}

#[test]
fn evidence_is_opened_to_be_read_and_stays_as_it_is_and_there_is_no_socket() {
    if !works(&["strace", "-f", "-qq", "-o", "/dev/null"]) {
        match Command::new("strace").arg("-V").output() {
            Err(_) => skip("there is no strace"),
            Ok(_) => println!("skipped: strace may not trace on this machine"),
        }
        return;
    }
    let scratch = desk();
    let path = scratch.path("evidence.tar.zst");
    let bytes = fs::read(&path).expect("readable");
    let facts = || {
        let metadata = fs::metadata(&path).expect("there");
        let times = (metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec());
        (times, metadata.mode(), metadata.len())
    };
    let before = facts();
    for words in RUNS {
        let way = ["strace", "-f", "-qq", "-y", "-e", "trace=%file,%network", "-o", "strace.log"];
        run_by_way_of(&way, words, &scratch);
        let log = fs::read_to_string(scratch.path("strace.log")).expect("a log");
        // A process id stands before the call.
        let calls: Vec<(&str, &str)> = log
            .lines()
            .filter_map(|line| Some((line.split_whitespace().nth(1)?.split_once('(')?.0, line)))
            .collect();
        let network =
            ["socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "sendto", "sendmsg"];
        let sockets: Vec<_> = calls.iter().filter(|(call, _)| network.contains(call)).collect();
        assert!(sockets.is_empty(), "{words}: {sockets:?}");
        let name = if words.contains('@') { "evidence.tar.zst" } else { "container.log" };
        let opens: Vec<_> = calls.iter().filter(|(_, line)| line.contains(name)).collect();
        let is_open = |call: &str| ["open", "openat", "openat2", "creat"].contains(&call);
        assert!(opens.iter().any(|(call, _)| is_open(call)), "{words}: it was not opened: {log}");
        let changing =
            ["unlink", "rename", "chmod", "fchmod", "chown", "utime", "truncate", "link", "setxattr"];
        for (call, line) in opens {
            assert!(!is_open(call) || line.contains("O_RDONLY"), "{words}: {line}");
            assert!(!changing.iter().any(|name| call.starts_with(name)), "{words}: {line}");
        }
        assert_eq!(facts(), before, "{words}");
    }
    assert_eq!(fs::read(&path).expect("readable"), bytes);
}

#[test]
fn every_command_works_where_there_is_no_network() {
    // Without privileges a network namespace needs one of users.
    let ways: [&[&str]; 2] = [&["unshare", "--net"], &["unshare", "--net", "--map-root-user"]];
    let Some(way) = ways.into_iter().find(|way| works(way)) else {
        // Whether a machine grants a namespace is not a matter of tools.
        println!("skipped: no network namespace is to be had");
        return;
    };
    let interfaces = Command::new(way[0]).args(&way[1..]).args(["cat", "/proc/net/dev"]).output();
    let interfaces = String::from_utf8(interfaces.expect("it starts").stdout).expect("text");
    assert_eq!(interfaces.lines().count(), 3, "there is a network: {interfaces}");
    let scratch = desk();
    for words in RUNS {
        run_by_way_of(way, words, &scratch);
    }
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    for words in ["info -o json", "files -o json", "grep-mem -o json --threads 1 root"] {
        let first = on(words, fixture("shop-crio"));
        let again = on(&words.replace("--threads 1", "--threads 3"), fixture("shop-crio"));
        assert_eq!((first.stdout, first.stderr), (again.stdout, again.stderr), "{words}");
    }
}

/// Waits for something that another process does.
#[track_caller]
fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not come about");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Starts the program so that it has a result under way and waits for an archive that never comes.
fn stopped_half_way(scratch: &Scratch) -> std::process::Child {
    assert!(Command::new("mkfifo").arg(scratch.path("fifo")).status().expect("mkfifo").success());
    let first = fixture("webserver-crio");
    let mut command = command();
    command.args(["ps", "-o", "json", "--out-file", "out/result.json"]).arg(first).arg("fifo");
    let child = command
        .current_dir(scratch.0.path())
        .env("TMPDIR", scratch.path("tmp"))
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let has_begun = || {
        let open = fs::read_dir(format!("/proc/{}/fd", child.id())).expect("readable").flatten();
        let links: Vec<_> = open.filter_map(|entry| fs::read_link(entry.path()).ok()).collect();
        links.iter().any(|link| link.starts_with(scratch.path("out")))
    };
    wait_for("the result under way", has_begun);
    child
}

#[test]
fn nothing_is_left_after_a_kill_and_there_is_no_core_file() {
    let scratch = Scratch::new();
    for directory in ["out", "tmp"] {
        fs::create_dir(scratch.path(directory)).expect("a directory");
    }
    let mut child = stopped_half_way(&scratch);
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).expect("readable");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a line");
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    child.kill().expect("killed");
    child.wait().expect("waited for");
    for directory in ["out", "tmp"] {
        let left: Vec<_> = fs::read_dir(scratch.path(directory)).expect("readable").collect();
        assert!(left.is_empty(), "{directory}: {left:?}");
    }
}

#[test]
fn a_result_is_for_its_owner_only_and_replaces_what_was_there() {
    let scratch = Scratch::new();
    let path = scratch.put("result.json", "old");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("set");
    let words = format!("ps -o json --out-file {}", path.display());
    on(&words, fixture("webserver-crio")).status(0);
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o7777, 0o600);
    assert!(fs::read_to_string(&path).expect("readable").starts_with('{'));
    assert_eq!(fs::read_dir(scratch.0.path()).expect("readable").count(), 1);
}

#[test]
fn evidence_that_becomes_shorter_ends_the_program_with_a_word() {
    let scratch = Scratch::new();
    let path = scratch.put("evidence.tar", plain("shop-crio"));
    let fifo = scratch.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo").success());
    let mut command = command();
    command.args(["ps", "--parent"]).arg(&fifo).arg(&path).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    // The evidence is mapped and its members are known; the program waits for the parent.
    let maps = format!("/proc/{}/maps", child.id());
    let mut parent = fs::OpenOptions::new().write(true).open(&fifo).expect("opened");
    wait_for("the map", || fs::read_to_string(&maps).is_ok_and(|maps| maps.contains("evidence.tar")));
    fs::OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(4096)).expect("cut");
    parent.write_all(&plain("webserver-crio")).expect("written");
    drop(parent);
    let mut stderr = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut stderr).expect("text");
    let status = child.wait().expect("waited for");
    assert_eq!(status.code(), Some(2), "{status}: {stderr}");
    assert!(stderr.contains("became shorter"), "{stderr}");
}

#[test]
fn limits_can_be_raised_and_lowered_by_name() {
    let lowered = on("ps -o json --limit processes=3", fixture("shop-crio")).status(3);
    assert_eq!(lowered.json()["processes"].as_array().expect("processes").len(), 3);
    assert!(lowered.stderr.contains("--limit processes=N"), "{}", lowered.stderr);
    for wrong in ["processes", "processes=0", "processes=x", "nothing=1"] {
        let mut command = command();
        let ended = finish(command.args(["ps", "--limit", wrong]).arg(fixture("shop-crio")), b"");
        assert_eq!(ended.status, Some(2), "{wrong}: {}", ended.stderr);
    }
    // The page lists what the program knows.
    let page =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reliability.md")).expect("there");
    for limit in ckptfx_parser::limits::TABLE {
        let row = format!("| `{}` | {} | {} |", limit.name, limit.default, limit.meaning);
        assert!(page.contains(&row), "docs/reliability.md lacks: {row}");
    }
}
