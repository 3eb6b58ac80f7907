//! What differs between checkpoints, from the command line.

use ckptfx_testkit::{Checkpoint, Container, PodOptions, PodmanVersion, Process, Vma, pod_archive};
use serde_json::Value;

use crate::support::{ARCHIVES, Ended, Scratch, ckptfx, fixture};

fn diff(words: &str, archives: &[&str]) -> Ended {
    let paths = archives.iter().map(|name| fixture(name).into_os_string());
    ckptfx(words.split_whitespace().map(Into::into).chain(paths))
}

fn changes(document: &Value) -> &Vec<Value> {
    document["changes"].as_array().expect("changes")
}

#[track_caller]
fn find<'d>(document: &'d Value, kind: &str, name: &str) -> &'d Value {
    let found = changes(document).iter().find(|one| one["kind"] == kind && one["subject"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

#[test]
fn an_archive_does_not_differ_from_itself() {
    for name in ARCHIVES {
        let document = diff("diff --strings --all --exit-code -o json", &[name, name]).status(0).json();
        assert_eq!(changes(&document), &Vec::<Value>::new(), "{name}");
        assert_eq!(document["earlier"]["evidence"], document["evidence"], "{name}");
    }
}

/// The same intrusion in two engines: what differs is what the engines do, and what is random.
#[test]
fn engines_are_compared_with_each_other() {
    let document = diff("diff -o json", &["shop-crio", "shop-containerd"]).status(0).json();
    // The same six processes, three of them under other pids.
    let moved: Vec<_> = changes(&document)
        .iter()
        .filter(|one| one["kind"] == "process")
        .map(|one| {
            (one["change"].clone(), one["subject"]["pid_before"].clone(), one["subject"]["pid"].clone())
        })
        .collect();
    let changed = |before: u32, after: u32| ("changed".into(), before.into(), after.into());
    assert_eq!(
        moved,
        [changed(7, 7), changed(17, 17), changed(20, 20), changed(28, 30), changed(30, 32), changed(31, 33)]
    );
    // containerd gives a container in a pod another adjustment.
    assert!(changes(&document).iter().filter(|one| one["kind"] == "process").all(|one| {
        one["before"].as_object().expect("facts").keys().collect::<Vec<_>>() == ["oom_score_adj"]
    }));
    let credential = find(&document, "credential", "process");
    let has = |side: &str| {
        let set = credential[side]["cap_effective"].as_array().expect("a set");
        set.contains(&"CAP_MKNOD".into())
    };
    assert_eq!((has("before"), has("after")), (false, true));
    assert_eq!(find(&document, "mount", "/run/.containerenv")["change"], "removed");
    // A new key was made at each start.
    let key = find(&document, "rootfs", "/etc/ssl/private/app.key");
    assert_eq!(key["before"].as_object().expect("facts").keys().collect::<Vec<_>>(), ["sha256"]);
    assert_eq!((&key["from"], &key["to"]), (&"shop-crio.tar.zst".into(), &"shop-containerd.tar.zst".into()));
    assert_eq!(document["container"]["engine"], "containerd");
    assert_eq!(document["earlier"]["container"]["engine"], "cri-o");
}

/// One container, dumped twice: nothing but bytes of memory differs, at the same addresses.
#[test]
fn two_dumps_of_one_container() {
    let document =
        diff("diff -o json", &["webserver-podman", "webserver-podman-as-written"]).status(0).json();
    assert!(changes(&document).iter().all(|one| one["kind"] == "memory" && one["memory"]["by"] == "address"));
    let stack = find(&document, "memory", "0x7ffe9ff98000 [stack]");
    assert_eq!((&stack["memory"]["pages_changed"], &stack["memory"]["pages_added"]), (&1.into(), &0.into()));
}

#[test]
fn tables() {
    let words = "diff --kind process,credential,mount,socket";
    let ended = diff(words, &["webserver-crio", "webserver-containerd"]).status(0);
    insta::assert_snapshot!("diff-webserver", ended.text());
    let ended = diff("diff", &["webserver-podman", "webserver-podman-as-written"]).status(0);
    insta::assert_snapshot!("diff-memory", ended.text());
}

fn counter(text: &str, more: Option<Process>) -> Container {
    let heap = Vma::heap(0x5555_0000_0000, 0x2000).bytes(0x100, text.as_bytes());
    let mut init = Process::new(1).comm("init").memory(heap);
    init.children.extend(more);
    Container::new(Checkpoint::new().process(init))
}

#[test]
fn a_chain_and_the_exit_status() {
    let scratch = Scratch::new();
    let put = |name: &str, container: &Container| {
        scratch.put(name, container.podman(PodmanVersion::V5).to_tar()).into_os_string()
    };
    let shell = Process::new(2).comm("sh").exe("/bin/sh").cmdline(["sh", "-i"]);
    let archives = [
        put("1.tar", &counter("the first text", None)),
        put("2.tar", &counter("another text", None)),
        put("3.tar", &counter("another text", Some(shell))),
    ];
    let run = |words: &str, archives: &[std::ffi::OsString]| {
        ckptfx(words.split_whitespace().map(Into::into).chain(archives.iter().cloned()))
    };
    let documents = run("diff --strings -o json --exit-code", &archives).status(1).json();
    let steps = documents.as_array().expect("one document a step");
    let names = |step: &Value| -> Vec<String> {
        let one = |change: &Value| format!("{} {}", change["change"], change["kind"]).replace('"', "");
        changes(step).iter().map(one).collect()
    };
    assert_eq!(names(&steps[0]), ["changed memory", "removed string", "added string"]);
    assert_eq!(changes(&steps[0])[2]["after"]["text"], "another text");
    assert_eq!(names(&steps[1]), ["added process"]);
    // Each line and row stands alone.
    let lines = run("diff -o jsonl", &archives).status(0).lines();
    assert!(lines.iter().all(|line| line["from"].is_string() && line["earlier"]["evidence"].is_object()));
    let csv = run("diff -o csv", &archives).status(0).text();
    assert_eq!(csv.lines().filter(|line| line.starts_with("evidence,")).count(), 1);
    assert_eq!(csv.lines().count(), 1 + lines.len());
    // Only what was asked for.
    let text = run("diff --kind process", &archives[..2]).status(0).text();
    assert_eq!(text.lines().count(), 1, "{text}");
    run("diff", &archives[..1]).status(2);
    run("diff --kind process --exit-code", &archives[..2]).status(0);
    run("diff --pid 77", &archives[..2]).status(2);
    run("diff -o dot", &archives[..2]).status(2);
}

#[test]
fn containers_of_pods_are_paired_by_name() {
    let scratch = Scratch::new();
    let pod = |name: &str, text: &str| {
        let one = counter(text, None).with(|container| container.name = "one".to_owned());
        let two = counter("same", None).with(|container| container.name = "two".to_owned());
        scratch.put(name, pod_archive(&[two, one], PodOptions::Array).to_tar()).into_os_string()
    };
    let (before, after) = (pod("a.tar", "before it"), pod("b.tar", "after it"));
    let documents = ckptfx(["diff".into(), "-o".into(), "json".into(), before, after]).status(0).json();
    let counts: Vec<_> = documents
        .as_array()
        .expect("documents")
        .iter()
        .map(|one| (one["container"]["name"].as_str().expect("a name"), changes(one).len()))
        .collect();
    assert_eq!(counts, [("two", 0), ("one", 1)]);
}

/// What is damaged is told, and is no difference by itself.
#[test]
fn damage_is_not_taken_for_a_difference() {
    let tar = crate::support::plain("scenarios/log");
    let scratch = Scratch::new();
    let whole = scratch.put("whole.tar", &tar);
    let mut position = 1;
    for tenth in 1..10 {
        position += tar.len() / 10;
        let cut = scratch.put("cut.tar", &tar[..position]);
        for pair in [[&whole, &cut], [&cut, &whole]] {
            let words = ["diff", "--strings", "-o", "json"].map(std::ffi::OsString::from);
            let ended = ckptfx(words.into_iter().chain(pair.map(|path| path.clone().into_os_string())));
            // Without images there is nothing to compare.
            assert!(matches!(ended.status, Some(2 | 3)), "{tenth}: {:?} {}", ended.status, ended.stderr);
            assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        }
    }
    // Lost pages are not compared.
    let mut members = crate::support::members(&tar);
    members.list.retain(|member| !member.path.starts_with(b"checkpoint/pages-"));
    let without = scratch.put("without.tar", members.to_tar());
    let words = ["diff", "--kind", "memory", "-o", "json"].map(std::ffi::OsString::from);
    let ended = ckptfx(words.into_iter().chain([whole.into_os_string(), without.into_os_string()])).status(3);
    assert_eq!(changes(&ended.json()), &Vec::<Value>::new());
}
