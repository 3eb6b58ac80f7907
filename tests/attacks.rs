//! Evidence made to exhaust the analyst's machine: each attack meets a limit that is named, in bounded time and memory.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use bytes::Bytes;
use ckptfx_testkit::{Body, Container, CrioVersion, Members, Message, Outer, damage};

use crate::{
    exercise,
    support::{Ended, Scratch, finish, on, program},
};

/// Address space that the program may have; it maps little beside what it needs.
const ROOM_KIB: u64 = 6 << 20;
/// Time for one attack in a debug build.
const LIMIT: Duration = Duration::from_secs(100);

/// Runs the program on an archive within bounds of memory and time.
#[track_caller]
fn bounded(words: &str, archive: &[u8]) -> Ended {
    let scratch = Scratch::new();
    let path = scratch.put("archive.tar", archive);
    let started = Instant::now();
    let script = format!("ulimit -v {ROOM_KIB}; exec \"$@\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, "sh"]).arg(program()).args(words.split_whitespace()).arg(path);
    let ended = finish(&mut shell, b"");
    assert!(started.elapsed() < LIMIT, "{words}: {:?}", started.elapsed());
    assert!(matches!(ended.status, Some(0 | 2 | 3)), "{words}: {:?}: {}", ended.status, ended.stderr);
    ended
}

fn sample() -> Members {
    Container::sample().crio(CrioVersion::V1_29)
}

/// The archive with another content of an image, whose header is kept.
fn with_entries(image: &str, entries: impl IntoIterator<Item = Vec<u8>>) -> Members {
    let mut members = sample();
    let member = members.find_mut(&format!("checkpoint/{image}"));
    let mut bytes = damage::cut(&member.body.to_vec(), 8);
    for entry in entries {
        bytes.extend(u32::try_from(entry.len()).expect("a length").to_le_bytes());
        bytes.extend(entry);
    }
    member.body = Body::Bytes(bytes);
    members
}

#[test]
fn a_message_of_empty_items_is_weighed_before_it_is_decoded() {
    // Two bytes a mapping: a hundred times as much in memory.
    let bomb = with_entries("mm-1.img", [[0x72, 0].repeat(16 << 20)]).to_tar();
    let ended = bounded("ps -o json", &bomb);
    assert_eq!(ended.status, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("decoded-bytes"), "{}", ended.stderr);
    // Fields that the schema does not know cost most where all is shown.
    let unknown = with_entries("mm-1.img", [[0xf8, 0x7f, 1].repeat(8 << 20)]).to_tar();
    bounded("ps", &unknown);
    let scratch = Scratch::new();
    let path = scratch.put("archive.tar", &unknown);
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -v {ROOM_KIB}; exec \"$@\""), "sh"]).arg(program());
    let out = scratch.path("out.json");
    let ended = finish(shell.arg("decode").arg(path).args(["mm-1.img", "--out-file"]).arg(out), b"");
    assert!(matches!(ended.status, Some(2 | 3)), "{:?}: {}", ended.status, ended.stderr);
}

#[test]
fn trees_of_very_many_processes_take_no_longer_for_how_they_are_linked() {
    let process = |pid: u32, ppid: u32| {
        Message::new().uint(1, pid).uint(2, ppid).uint(3, pid).uint(4, pid).uint(5, pid).into_bytes()
    };
    let count = 20_000;
    for (what, parent) in [
        ("one circle", Box::new(|pid: u32| pid % count + 1) as Box<dyn Fn(u32) -> u32>),
        ("one chain", Box::new(|pid| pid - 1)),
        ("each its own parent", Box::new(|pid| pid)),
        ("no parent is there", Box::new(|pid| pid + 1_000_000)),
    ] {
        let tar = with_entries("pstree.img", (1..=count).map(|pid| process(pid, parent(pid)))).to_tar();
        let ended = bounded("ps -o json", &tar);
        let processes = ended.json()["processes"].as_array().expect("processes").len();
        assert_eq!(processes, count as usize, "{what}");
        assert!(ended.stderr.lines().count() < 1000, "{what}: {} lines", ended.stderr.lines().count());
    }
    // As many threads of one process, and each of them twice.
    let mut threads = Message::new().uint(1, 1_u32).uint(2, 0_u32).uint(3, 1_u32).uint(4, 1_u32);
    for tid in (1..=count).chain(1..=count) {
        threads = threads.uint(5, tid);
    }
    let ended = bounded("ps -o json", &with_entries("pstree.img", [threads.into_bytes()]).to_tar());
    let document = ended.json();
    assert_eq!(document["processes"][0]["threads"].as_array().expect("threads").len(), count as usize);
    assert!(ended.stderr.contains("more of this kind"), "{}", &ended.stderr[..2000.min(ended.stderr.len())]);
}

#[test]
fn a_million_members_are_listed_and_those_beyond_the_limit_told() {
    let mut members = damage::many_members(1_000_000);
    members.list.extend(sample().list);
    let tar = Outer::Zstd.pack(&members.to_tar());
    drop(members);
    let ended = bounded("ps -o json", &tar);
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    assert!(!ended.json()["processes"].as_array().expect("processes").is_empty());
    let ended = bounded("ps --limit members=1000", &tar);
    assert!(ended.stderr.contains("limit members"), "{}", ended.stderr);
}

#[test]
fn what_unpacks_to_too_much_is_cut_in_both_layers() {
    let mut members = sample();
    let zeros = Members {
        list: vec![ckptfx_testkit::Member::with_body("zeros", 0o644, Body::Zeros(96 << 20))],
        ..Members::new()
    };
    members.file("rootfs-diff.tar", 0o644, Outer::Gzip.pack(&zeros.to_tar()));
    let inner = members.to_tar();
    let ended = bounded("rootfs --limit decompressed-bytes=8388608", &inner);
    assert_eq!(ended.status, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("decompressed-bytes"), "{}", ended.stderr);
    let mut outer = sample();
    outer.list.push(ckptfx_testkit::Member::with_body(
        "checkpoint/pages-9.img",
        0o644,
        Body::Zeros(96 << 20),
    ));
    let ended = bounded("ps --limit decompressed-bytes=8388608", &Outer::Zstd.pack(&outer.to_tar()));
    assert_eq!(ended.status, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("truncated-compression"), "{}", ended.stderr);
}

/// The sample archive behind a file of so many MiB of one byte, in zstd frames of a MiB each.
fn behind_a_large_file(mebibytes: usize, byte: u8) -> Vec<u8> {
    let header = damage::huge_header("large", (mebibytes as u64) << 20, ckptfx_testkit::Dialect::Pax);
    let content = Outer::Zstd.pack(&vec![byte; 1 << 20]).repeat(mebibytes);
    [Outer::Zstd.pack(&header), content, Outer::Zstd.pack(&sample().to_tar())].concat()
}

#[test]
fn zeros_end_no_archive_and_what_is_cut_costs_nothing_behind_it() {
    let whole = bounded("ps -o json", &sample().to_tar()).json();
    let zeros = bounded("ps -o json", &behind_a_large_file(3 << 10, 0));
    assert_eq!(zeros.status, Some(0), "{}", zeros.stderr);
    assert_eq!(zeros.json()["processes"], whole["processes"]);
    let letters = bounded("ps -o json", &behind_a_large_file(1200, b'A'));
    assert_eq!(letters.status, Some(3), "{}", letters.stderr);
    let document = letters.json();
    let pids = |document: &serde_json::Value| {
        document["processes"]
            .as_array()
            .expect("processes")
            .iter()
            .map(|one| one["pid"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(pids(&document), pids(&whole));
    let told = document["warnings"].as_array().expect("warnings");
    assert_eq!(told.len(), 1, "{told:#?}");
    let message = told[0]["message"].as_str().expect("text");
    assert_eq!(told[0]["subject"], "large");
    assert!(message.starts_with("of 1258291200 bytes the first 11"), "{message}");
    assert!(message.contains("limit decompressed-ratio"), "{message}");
}

/// Seconds of processor time that a command took.
#[track_caller]
fn seconds(words: &str, archive: &[u8]) -> f64 {
    let scratch = Scratch::new();
    let path = scratch.put("archive.tar", archive);
    let mut shell = Command::new("sh");
    let script = "\"$@\" >/dev/null 2>&1; times";
    shell.args(["-c", script, "sh"]).arg(program()).args(words.split_whitespace()).arg(path);
    let ended = finish(&mut shell, b"");
    let children = ended.text().lines().last().expect("times of children").to_owned();
    let of = |text: &str| {
        let (minutes, seconds) = text.trim_end_matches('s').split_once('m').expect("minutes");
        minutes.parse::<f64>().expect("a number") * 60.0 + seconds.parse::<f64>().expect("a number")
    };
    children.split_whitespace().map(of).sum()
}

#[test]
fn headers_that_repeat_cost_in_proportion_to_their_length() {
    let header = b"PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\nComment: imported-openssh-key\n";
    let archive = |length: usize| {
        let mut text = header.repeat(length / header.len());
        text.resize(length.next_multiple_of(4096), b'\n');
        let memory = ckptfx_testkit::Vma::anonymous(0x10_0000, text.len() as u64).bytes(0, text);
        let process = ckptfx_testkit::Process::new(1).memory(memory);
        Container::new(ckptfx_testkit::Checkpoint::new().process(process)).crio(CrioVersion::V1_29).to_tar()
    };
    let expression =
        "grep-mem -c -E -e PuTTY-User-Key-File-2:[a-zA-Z0-9:,.\\s-]{0,16384}?Private-Lines:\\s[0-9]+";
    for words in ["secrets", expression] {
        let none = seconds(words, &sample().to_tar());
        let [small, large] = [16, 32].map(|length| seconds(words, &archive(length << 10)) - none);
        assert!(large < 3.0 * small.max(0.5), "{words}: {small} s and {large} s");
        assert!(seconds(words, &archive(256 << 10)) - none < 16.0 * small.max(1.0), "{words}");
    }
}

#[test]
fn many_small_bombs_give_no_more_than_a_big_one() {
    let zeros = Members {
        list: vec![ckptfx_testkit::Member::with_body("zeros", 0o644, Body::Zeros(6 << 20))],
        ..Members::new()
    };
    let packed = Outer::Gzip.pack(&zeros.to_tar());
    let mut members = sample();
    for device in 100..140 {
        members.file(&format!("checkpoint/tmpfs-dev-{device}.tar.gz.img"), 0o644, packed.clone());
    }
    let tar = members.to_tar();
    let whole = bounded("rootfs -o json", &tar).json();
    let sources = |document: &serde_json::Value| {
        let changes = document["changes"].as_array().expect("changes").iter();
        changes.filter(|change| change["path"].as_str().is_some_and(|path| path.ends_with("zeros"))).count()
    };
    assert_eq!(sources(&whole), 40, "{whole:#}");
    let ended = bounded("rootfs -o json --limit decompressed-bytes=33554432", &tar);
    assert_eq!(ended.status, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("decompressed-bytes"), "{}", ended.stderr);
    let document = ended.json();
    assert!((4..8).contains(&sources(&document)), "{document:#}");
}

#[test]
fn all_images_together_have_a_limit() {
    let mut process = ckptfx_testkit::Process::new(1);
    for pid in 2..14 {
        process = process.child(ckptfx_testkit::Process::new(pid));
    }
    let mut members =
        Container::new(ckptfx_testkit::Checkpoint::new().process(process)).crio(CrioVersion::V1_29);
    // Mappings without anything in them: two bytes each, and a hundred times as much in memory.
    for pid in 1..14 {
        let member = members.find_mut(&format!("checkpoint/mm-{pid}.img"));
        let body = [0x72, 0].repeat(1 << 20);
        let head = damage::cut(&member.body.to_vec(), 8);
        let length = u32::try_from(body.len()).expect("a length").to_le_bytes();
        member.body = Body::Bytes([&head, &length[..], &body].concat());
    }
    let tar = Outer::Zstd.pack(&members.to_tar());
    assert!(tar.len() < 100_000, "{}", tar.len());
    let ended = bounded("ps -o json --limit all-decoded-bytes=1073741824", &tar);
    assert_eq!(ended.status, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("limit all-decoded-bytes"), "{}", ended.stderr);
    assert_eq!(ended.json()["processes"].as_array().expect("processes").len(), 13);
}

/// A chain of processes of one shape.
fn family(count: u32, make: &dyn Fn(u32) -> ckptfx_testkit::Process) -> Members {
    let root = (2..=count).fold(make(1), |root, pid| root.child(make(pid)));
    Container::new(ckptfx_testkit::Checkpoint::new().process(root)).crio(CrioVersion::V1_29)
}

#[test]
fn processes_that_share_one_table_have_it_once() {
    let table = |process: ckptfx_testkit::Process| {
        (3..200).fold(process, |process, fd| process.fd(fd, ckptfx_testkit::File::same_as("one")))
    };
    let members = family(300, &|pid| {
        let process = ckptfx_testkit::Process::new(pid).bare();
        match pid {
            1 => table(process.fd(2, ckptfx_testkit::File::regular("/one").label("one"))),
            _ => process.no_fds().shares_files_with(1),
        }
    });
    let tar = Outer::Zstd.pack(&members.to_tar());
    for words in ["files", "sockets", "queues", "triage"] {
        let words = format!("{words} -o json --limit shared-descriptors=5000 --limit holders=100000");
        let ended = bounded(&words, &tar);
        assert_eq!(ended.status, Some(3), "{words}: {}", ended.stderr);
        assert!(ended.stderr.contains("limit shared-descriptors"), "{}", ended.stderr);
        assert_eq!(
            ended.stderr.contains("limit holders"),
            words.starts_with("files") || words.starts_with("triage")
        );
        assert!(ended.stdout.len() < 32 << 20, "{words}: {}", ended.stdout.len());
    }
    assert_eq!(bounded("ps -o json", &tar).status, Some(0));
}

#[test]
fn pages_that_leave_the_address_space_or_overlap_are_left_out() {
    let head = Message::new().uint(1, 1_u32).into_bytes();
    let entry = |address: u64, pages: u64, flags: u32| {
        Message::new().uint(1, address).uint(4, flags).uint(5, pages).into_bytes()
    };
    for (what, entries) in [
        ("past the end", vec![entry(u64::MAX - 0xfff, 2, 4)]),
        ("very many", vec![entry(0, u64::MAX, 4)]),
        ("sum overflows", vec![entry(0x1000, u64::MAX >> 12, 4), entry(0x2000, u64::MAX >> 12, 4)]),
        ("overlap", vec![entry(0x1000, 4, 4), entry(0x2000, 4, 4)]),
        ("backwards", vec![entry(0x9000, 1, 4), entry(0x1000, 1, 4)]),
        ("not aligned", vec![entry(0x1001, 1, 4)]),
        ("in itself as a parent", vec![entry(0x1000, 1, 1)]),
        ("all lazy", vec![entry(0, u64::MAX >> 12, 2)]),
    ] {
        let tar = with_entries("pagemap-1.img", [vec![head.clone()], entries].concat()).to_tar();
        let outcome = exercise::evidence(Bytes::from(tar));
        assert!(outcome.opened && outcome.pids.contains(&1), "{what}");
        assert!(what == "all lazy" || !outcome.losses.is_empty(), "{what}: not a word");
    }
}

#[test]
fn patterns_that_blow_up_are_refused_or_bounded() {
    let scratch = Scratch::new();
    let path = scratch.put("archive.tar", sample().to_tar());
    let huge = "(a{1000}){1000}".to_owned();
    let deep = format!("{}a{}", "(".repeat(10_000), ")".repeat(10_000));
    let slow = "(a*)*(a|a)*b".to_owned();
    let many = (0..2000).map(|number| format!("x{number}|")).collect::<String>() + "y";
    for (pattern, refused) in [(huge, true), (deep, true), (slow, false), (many, false)] {
        let started = Instant::now();
        let mut command = crate::support::command();
        let ended = finish(command.args(["grep-mem", "-c", "-E", "-e", &pattern]).arg(&path), b"");
        assert_eq!(
            ended.status == Some(2),
            refused,
            "{:.40}: {:?} {:.300}",
            pattern,
            ended.status,
            ended.stderr
        );
        assert!(started.elapsed() < LIMIT, "{pattern:.40}");
    }
    assert_eq!(on("grep-mem -c -E .", &path).status.map(|status| status < 4), Some(true));
}
