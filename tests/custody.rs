//! The evidence stays as it is, nothing of it stays behind, and nothing leaves the machine.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::{Scratch, command, finish, fixture, on, plain, program};

/// One run of each kind of work: listing, searching, writing.
const RUNS: [&[&str]; 9] = [
    &["info", "--hash"],
    &["ps", "--env", "-o", "json"],
    &["files", "-o", "csv"],
    &["sockets"],
    &["net"],
    &["rootfs", "--hash"],
    &["recover", "--all", "-O", "out"],
    &["grep-mem", "-c", "root"],
    &["strings", "--count"],
];

/// Runs the program under strace and gives what it logged; none where there is no strace.
fn traced(what: &str, arguments: &[&str], scratch: &Scratch) -> Option<String> {
    let log = scratch.path("strace.log");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-y", "-e", what, "-o"]).arg(&log).arg(program()).args(arguments);
    let status = strace
        .arg("evidence.tar.zst")
        .current_dir(scratch.0.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status.ok().and_then(|status| status.code()) {
        Some(0 | 1 | 3) => fs::read_to_string(log).ok(),
        other => {
            println!("skipped: strace cannot be run here ({other:?})");
            None
        }
    }
}

#[test]
fn evidence_is_opened_to_be_read_and_stays_as_it_is() {
    let bytes = fs::read(fixture("scenarios/webshell")).expect("a fixture");
    for arguments in RUNS {
        let scratch = Scratch::new();
        let path = scratch.put("evidence.tar.zst", &bytes);
        let before = fs::metadata(&path).expect("there");
        let Some(log) = traced("trace=%file", arguments, &scratch) else { return };
        let opens: Vec<&str> = log.lines().filter(|line| line.contains("evidence.tar.zst")).collect();
        assert!(opens.iter().any(|line| line.contains("openat(")), "{arguments:?}: it was not opened: {log}");
        for line in opens
            .iter()
            .filter(|line| ["open(", "openat(", "openat2(", "creat("].iter().any(|call| line.contains(call)))
        {
            assert!(line.contains("O_RDONLY"), "{arguments:?}: {line}");
        }
        let changing = ["unlink", "rename", "chmod", "chown", "utime", "truncate", "link", "setxattr"];
        for line in &opens {
            // A process id stands before the call.
            let call = line.split_whitespace().nth(1).unwrap_or_default();
            assert!(!changing.iter().any(|name| call.starts_with(name)), "{arguments:?}: {line}");
        }
        let after = fs::metadata(&path).expect("there");
        assert_eq!(fs::read(&path).expect("readable"), bytes);
        let facts = |metadata: &fs::Metadata| {
            (
                metadata.mtime(),
                metadata.mtime_nsec(),
                metadata.ctime(),
                metadata.ctime_nsec(),
                metadata.mode(),
            )
        };
        assert_eq!(facts(&after), facts(&before), "{arguments:?}");
    }
}

#[test]
fn nothing_goes_to_the_network() {
    let bytes = fs::read(fixture("shop-crio")).expect("a fixture");
    let scratch = Scratch::new();
    scratch.put("evidence.tar.zst", &bytes);
    for arguments in RUNS {
        let Some(log) = traced("trace=socket,connect,bind,sendto,sendmsg,listen", arguments, &scratch) else {
            return;
        };
        // Threads of the program may be ended by signals that the log tells; calls are what counts.
        let calls: Vec<&str> = log.lines().filter(|line| line.contains('(')).collect();
        assert!(calls.is_empty(), "{arguments:?}: {calls:?}");
        fs::remove_dir_all(scratch.path("out")).ok();
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
