//! Damage and malice cost what is damaged. (This is the beginning; fuzzing goes further.)

use ckptfx_testkit::{
    Body, Checkpoint, Container, CrioVersion, Members, PodmanVersion, Process, Vma, damage, rich,
};
use serde_json::Value;

use crate::support::{Ended, Scratch, by_pid, codes, command, finish, fixture, members, on, on_bytes, plain};

/// It came to an end by itself, with one of the four statuses, and said why when it could not go on.
#[track_caller]
fn survived(what: &str, ended: &Ended) {
    let status = ended.status.unwrap_or_else(|| panic!("{what}: ended by a signal"));
    assert!((0..=3).contains(&status), "{what}: status {status}: {}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{what}: {}", ended.stderr);
    if status >= 2 {
        assert!(!ended.stderr.is_empty(), "{what}: status {status} without a word");
    }
    let shown = |byte: &u8| *byte == b'\n' || !byte.is_ascii_control();
    assert!(ended.stdout.iter().all(shown), "{what}: control characters on standard output");
    assert!(ended.stderr.bytes().all(|byte| shown(&byte)), "{what}: control characters on standard error");
}

/// Looks at it in every way.
fn look(what: &str, bytes: &[u8]) {
    let scratch = Scratch::new();
    let path = scratch.put("archive.tar", bytes);
    for words in [
        "ps --env --threads=1",
        "info",
        "grep-mem -c e",
        "dump --pid 1 -o json",
        "timeline -o bodyfile",
        "history",
        "graph --may-trace -o dot",
    ] {
        survived(&format!("{words} of {what}"), &on(words, &path));
    }
}

/// Looks at it once.
fn glance(what: &str, bytes: &[u8]) {
    survived(what, &finish(command().args(["ps", "--env", "-o", "json", "-"]), bytes));
}

#[test]
fn archives_cut_at_member_borders() {
    let members = Container::sample().crio(CrioVersion::V1_29);
    for cut in damage::cuts(&members) {
        glance(&format!("the first {} bytes", cut.len()), &cut);
    }
    let real = plain("scenarios/log");
    let tar = self::members(&real);
    for (index, cut) in damage::cuts(&tar).iter().enumerate().filter(|(index, _)| index % 7 == 0) {
        glance(&format!("cut {index} of a real archive"), cut);
    }
}

#[test]
fn a_cut_archive_says_so_and_gives_what_came_before() {
    let tar = plain("shop-podman");
    let pages = tar.windows(21).position(|window| window == b"checkpoint/pages-6.im").expect("a member");
    let ended = on_bytes("ps -o json", &tar[..pages + 100_000]).status(3);
    let document = ended.json();
    assert!(codes(&document, true).contains(&"truncated-member"), "{document}");
    let processes = by_pid(&document);
    assert_eq!(processes[&14]["comm"], "[kworker/0:1]");
    // The memory of the first process lies before the cut, that of the last behind it.
    assert_eq!(processes[&1]["cmdline"], serde_json::json!(["sleep", "1000000"]));
}

#[test]
fn compressed_archives_cut_anywhere() {
    for name in ["scenarios/inject", "scenarios/webshell"] {
        let bytes = std::fs::read(fixture(name)).expect("a fixture");
        for part in 0..16 {
            let length = bytes.len() * part / 16;
            glance(&format!("{length} bytes of {name}"), &bytes[..length]);
        }
    }
}

#[test]
fn hostile_members_before_and_after_the_others() {
    let sample = Container::sample().crio(CrioVersion::V1_29);
    // Whether an executable was deleted is not known once any member is cut: the list may have been in it.
    let processes = |ended: &Ended| {
        let mut processes = ended.json()["processes"].clone();
        for process in processes.as_array_mut().expect("processes") {
            process["exe_deleted"] = Value::Null;
        }
        processes
    };
    let before = processes(&on_bytes("ps -o json", sample.to_tar()).status(0));
    for first in [true, false] {
        for (name, archive) in damage::hostile(&sample, first) {
            let tar = archive.to_tar();
            if first {
                look(name, &tar);
            }
            let ended = on_bytes("ps -o json", &tar);
            survived(name, &ended);
            // Whatever is put in, the processes that were there are still told, unless a member of the
            // same name took the place of one.
            if ["fifo", "PAX size"].contains(&name) {
                continue;
            }
            let mut told = processes(&ended);
            // A link to the image of a process has the number of one that is in no tree.
            if name == "hardlink inside" {
                let added = told.as_array_mut().and_then(Vec::pop).expect("a process more");
                assert_eq!(added["pid"], 9);
                assert!(ended.stderr.contains("not-in-tree"), "{}", ended.stderr);
            }
            assert_eq!(told, before, "{name}, first: {first}");
        }
    }
}

#[test]
fn nothing_is_written_where_a_member_points() {
    let sample = Container::sample().crio(CrioVersion::V1_29);
    let inside = Scratch::new();
    for (name, archive) in damage::hostile(&sample, false) {
        let path = inside.put("archive.tar", archive.to_tar());
        let ended = finish(command().args(["ps", "archive.tar"]).current_dir(inside.0.path()), b"");
        survived(name, &ended);
        let left: Vec<_> = std::fs::read_dir(inside.0.path()).expect("readable").collect();
        assert_eq!(left.len(), 1, "{name} left {left:?} beside {}", path.display());
    }
}

#[test]
fn scribbled_and_shuffled_archives() {
    let members = Container::new(rich()).podman(PodmanVersion::V5);
    let tar = members.to_tar();
    for seed in 0..40 {
        glance(&format!("scribble {seed}"), &damage::scribble(&tar, 1 + seed as usize * 20, seed));
    }
    let expected = on_bytes("ps --env -o json", &tar).status(0).json()["processes"].clone();
    for seed in 0..5 {
        let shuffled = on_bytes("ps --env -o json", damage::permute(members.clone(), seed).to_tar());
        assert_eq!(shuffled.status(0).json()["processes"], expected, "order {seed}");
    }
}

#[test]
fn each_image_scribbled_alone() {
    let members = Container::new(rich()).podman(PodmanVersion::V5);
    let names: Vec<Vec<u8>> = members.list.iter().map(|member| member.path.clone()).collect();
    for (seed, name) in (0_u64..).zip(names) {
        let Ok(name) = String::from_utf8(name) else { continue };
        let body = members.find(&name).expect("a member").body.to_vec();
        if body.is_empty() || !name.ends_with(".img") {
            continue;
        }
        let mut damaged = members.clone();
        damaged.set(&name, Body::Bytes(damage::scribble(&body, 4, seed)));
        glance(&name, &damaged.to_tar());
        let mut cut = members.clone();
        cut.set(&name, Body::Bytes(damage::cut(&body, body.len() * 2 / 3)));
        glance(&name, &cut.to_tar());
    }
}

#[test]
fn huge_numbers_are_not_believed() {
    let members = Container::new(rich()).podman(PodmanVersion::V5);
    for image in ["pstree.img", "core-7.img", "mm-7.img", "pagemap-7.img", "files.img", "inventory.img"] {
        for size in [0x7fff_ffff, u32::MAX, 0x1000_0000] {
            let tar = damage::huge_entry(members.clone(), &format!("checkpoint/{image}"), size).to_tar();
            look(image, &tar);
            assert_eq!(on_bytes("ps", &tar).status, Some(3), "{image}");
        }
    }
    glance("a bomb", &damage::bomb(1 << 30));
    glance("many members", &damage::many_members(50_000).to_tar());
}

#[test]
fn a_missing_core_image_costs_its_warning_only() {
    let members = Container::new(rich()).podman(PodmanVersion::V5);
    let whole = on_bytes("ps --env -o json", members.to_tar()).status(0).json();
    let without = damage::without(members, "checkpoint/core-7.img");
    let document = on_bytes("ps --env -o json", without.to_tar()).status(3).json();
    let subjects: Vec<&Value> = document["warnings"]
        .as_array()
        .expect("warnings")
        .iter()
        .map(|warning| &warning["subject"])
        .collect();
    assert_eq!(subjects, ["core-7.img"]);
    let (whole, document) = (by_pid(&whole), by_pid(&document));
    for pid in [1, 20, 21] {
        assert_eq!(document[&pid], whole[&pid]);
    }
    // What other images say of it is still there.
    for key in ["pid", "ppid", "exe", "cmdline", "environ", "cwd", "captured_bytes"] {
        assert_eq!(document[&7][key], whole[&7][key], "{key}");
    }
    assert_eq!((&document[&7]["comm"], &document[&7]["uid"]), (&Value::Null, &Value::Null));
}

#[test]
fn any_missing_image_is_survived_and_told() {
    let members = Container::new(rich()).podman(PodmanVersion::V5);
    for image in [
        "pstree.img",
        "inventory.img",
        "files.img",
        "mm-7.img",
        "pages-2.img",
        "core-8.img",
        "fs-7.img",
        "pagemap-7.img",
    ] {
        let tar = damage::without(members.clone(), &format!("checkpoint/{image}")).to_tar();
        let document = on_bytes("ps -o json", &tar).status(3).json();
        assert!(!codes(&document, true).is_empty(), "{image}");
        assert!(by_pid(&document).contains_key(&7), "{image}");
    }
}

/// Memory of which nothing is known is not zero.
#[test]
fn memory_without_a_whole_pagemap_is_not_made_up() {
    let vma = Vma::anonymous(0x7f00_0000_0000, 0x4000).bytes(0, "a").bytes(0x2000, "b");
    let dump = Checkpoint::new().process(Process::new(1).bare().memory(vma));
    let members = Container::new(dump).podman(PodmanVersion::V5);
    let pagemap = "checkpoint/pagemap-1.img";
    let read = |members: &Members, page: u64| {
        let start = 0x7f00_0000_0000 + page * 0x1000;
        on_bytes(&format!("dump --pid 1 --range {start:#x}-{:#x}", start + 0x1000), members.to_tar())
    };
    assert_eq!(read(&members, 1).status(0).stdout, [0; 0x1000]);
    let length = members.find(pagemap).expect("an image").body.len();
    let cut = damage::shorten(members.clone(), pagemap, usize::try_from(length).expect("small") - 2);
    assert_eq!(read(&cut, 0).status(3).stdout[0], b'a');
    for page in [1, 2, 3] {
        let ended = read(&cut, page);
        assert!(ended.stdout.is_empty(), "page {page} is made up");
        ended.status(2);
    }
    let without = damage::without(members, pagemap);
    let ended = read(&without, 1).status(2);
    assert!(ended.stdout.is_empty());
}

#[test]
fn trees_without_a_root_or_end_are_shown() {
    let tree = |ppid: u32| {
        let process = Process::new(5).with(|process| process.ppid = ppid).child(Process::new(6));
        Container::new(Checkpoint::new().process(process)).podman(PodmanVersion::V5).to_tar()
    };
    for ppid in [0, 5, 6, 77] {
        let table = on_bytes("ps", tree(ppid)).status(0).text();
        assert_eq!(table.lines().count(), 3, "parent {ppid}: {table}");
    }
    let twice = Checkpoint::new().process(Process::new(1).child(Process::new(1)));
    let tar = Container::new(twice).podman(PodmanVersion::V5).to_tar();
    glance("one pid twice", &tar);
}

#[test]
fn what_is_no_checkpoint_is_refused_with_a_reason() {
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("text", b"hello\n".to_vec()),
        ("zeros", vec![0; 4096]),
        ("another tar", damage::many_members(0).to_tar()),
    ] {
        let ended = on_bytes("ps", &bytes).status(2);
        assert!(ended.stderr.starts_with("ckptfx: ") && ended.stdout.is_empty(), "{what}: {}", ended.stderr);
    }
}

/// An image that other images need says so when it is not there, and costs what it held.
#[test]
fn each_missing_image_is_named() {
    let whole = Container::new(rich()).podman(PodmanVersion::V5);
    on_bytes("ps", whole.to_tar()).status(0);
    let paths = whole.list.iter().map(|member| String::from_utf8_lossy(&member.path).into_owned());
    let all: Vec<String> =
        paths.filter_map(|path| Some(path.strip_prefix("checkpoint/")?.to_owned())).collect();
    let stems = [
        "core-",
        "mm-",
        "ids-",
        "fs-",
        "pagemap-",
        "pages-",
        "memfd.",
        "cgroup.",
        "files.",
        "pstree.",
        "inventory.",
    ];
    let mut tried = 0;
    for image in all.iter().filter(|name| stems.iter().any(|stem| name.starts_with(stem))) {
        let tar = damage::without(whole.clone(), &format!("checkpoint/{image}")).to_tar();
        let ended = on_bytes("ps", &tar);
        survived(image, &ended);
        assert_eq!(ended.status, Some(3), "{image}: {}", ended.stderr);
        assert!(ended.stderr.contains(image.as_str()), "{image}: {}", ended.stderr);
        tried += 1;
    }
    assert!(tried > 20, "{tried}");
    // Memory that is lost is not zero.
    let tar = damage::without(whole, "checkpoint/pagemap-shmem-0.img").to_tar();
    let ended = on_bytes("dump --pid 7 --range 7f3000000008-7f300000000c", tar);
    assert_eq!((ended.status, ended.stdout.len()), (Some(2), 0));
    assert!(ended.stderr.contains("lost"), "{}", ended.stderr);
}
