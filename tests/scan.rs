//! Triage of many archives.

use std::{fs, path::Path};

use ckptfx_testkit::{Checkpoint, Container, File, PodmanVersion, Process};
use serde_json::{Value, json};

use crate::support::{Scratch, ckptfx, fixture, on};

fn fixtures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn names(document: &Value) -> Vec<&str> {
    let rows = document["checkpoints"].as_array().expect("checkpoints");
    rows.iter().map(|row| row["evidence"]["name"].as_str().expect("a name")).collect()
}

#[test]
fn the_worst_comes_first() {
    let ended = on("scan -q", fixtures()).status(0);
    insta::assert_snapshot!("scan-fixtures", ended.text());
    let document = on("scan -q -o json", fixtures()).status(0).json();
    assert_eq!(document["schema"], "ckptfx.scan.v1");
    let rows = document["checkpoints"].as_array().expect("checkpoints");
    assert_eq!(rows.len(), 12);
    let weight = |row: &Value| {
        let order = ["info", "low", "medium", "high", "critical"];
        order.iter().position(|word| row["verdict"] == *word)
    };
    assert!(rows.is_sorted_by_key(|row| std::cmp::Reverse(weight(row))));
    // Each line is what triage says.
    for row in rows.iter().filter(|row| row["evidence"]["name"] == "shop-crio.tar.zst") {
        let triage = on("triage -q -o json", fixture("shop-crio")).json();
        let findings = triage["findings"].as_array().expect("findings");
        for severity in ["critical", "high", "medium", "low", "info"] {
            let count = findings.iter().filter(|finding| finding["severity"] == severity).count();
            assert_eq!(row["findings"][severity], count, "{severity}");
        }
        assert_eq!(row["top"]["id"], findings[0]["id"]);
    }
}

#[test]
fn what_archives_share_is_named() {
    let document = on("scan -q -o json", fixtures()).status(0).json();
    let shared = document["shared"].as_array().expect("a list");
    let of = |kind: &str| -> Vec<&Value> { shared.iter().filter(|one| one["kind"] == kind).collect() };
    // The deleted program of the three shops is the same, and recover says the same of it.
    let recovered = on("recover -q -o json", fixture("shop-podman")).json();
    let miner = recovered["recoverable"].as_array().expect("a list").iter();
    let hash =
        &miner.clone().find(|item| item["name"] == "/tmp/.cache/kworkerd").expect("the program")["sha256"];
    let same = of("sha256").into_iter().find(|one| one["value"] == *hash).expect("shared");
    assert_eq!(same["count"], 3);
    assert_eq!(
        same["checkpoints"],
        json!(["shop-containerd.tar.zst", "shop-crio.tar.zst", "shop-podman.tar.zst"])
    );
    assert!(of("finding").iter().any(|one| one["value"] == "STDIO-SOCKET-SHELL /usr/bin/dash"));
    assert!(of("build-id").iter().any(|one| one["names"] == json!(["/tmp/.cache/kworkerd"])));
    // What clean containers of one image have in common is not worth a word.
    let clean = shared.iter().flat_map(|one| one["checkpoints"].as_array().expect("a list"));
    assert!(clean.clone().all(|name| !name.as_str().expect("a name").starts_with("webserver")));
}

#[test]
fn addresses_of_other_hosts_are_shared_and_those_of_the_container_are_not() {
    let scratch = Scratch::new();
    for (name, local) in [("a.tar", "10.0.0.2:40000"), ("b.tar", "10.0.0.9:50000")] {
        let process = Process::new(1)
            .comm("app")
            .fd(3, File::tcp(local, "203.0.113.7:4444"))
            .fd(4, File::tcp("127.0.0.1:1", "127.0.0.1:2"));
        let tar = Container::new(Checkpoint::new().process(process)).podman(PodmanVersion::V5).to_tar();
        scratch.put(name, tar);
    }
    let document = on("scan -q -o json", scratch.0.path()).status(0).json();
    let endpoints: Vec<_> = document["shared"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|one| one["kind"] == "endpoint")
        .map(|one| (one["value"].clone(), one["checkpoints"].clone()))
        .collect();
    assert_eq!(endpoints, [(json!("203.0.113.7:4444"), json!(["a.tar", "b.tar"]))]);
}

#[test]
fn the_number_of_threads_does_not_show() {
    for form in ["table", "json", "jsonl", "csv"] {
        let one = on(&format!("scan -q -o {form} --threads 1"), fixtures()).status(0);
        assert!(one.stdout == on(&format!("scan -q -o {form} --threads 4"), fixtures()).stdout, "{form}");
    }
}

#[test]
fn an_unreadable_archive_costs_itself() {
    let scratch = Scratch::new();
    let broken = scratch.put("broken.tar", "nothing of use");
    let good = fixture("scenarios/cow");
    let ended =
        ckptfx(["scan".as_ref(), "-o".as_ref(), "json".as_ref(), good.as_os_str(), broken.as_os_str()]);
    assert_eq!(names(&ended.json()), ["cow.tar.zst"]);
    assert!(ended.stderr.contains("broken.tar"), "{}", ended.stderr);
    ended.status(3);
    // Alone there is nothing to go on with.
    on("scan", &broken).status(2);
    // In a directory it is only what is not evidence.
    fs::copy(&good, scratch.path("good.tar.zst")).expect("copied");
    let ended = on("scan -o json", scratch.0.path()).status(0);
    assert_eq!(names(&ended.json()), ["good.tar.zst"]);
    assert!(ended.stderr.contains("broken.tar"), "{}", ended.stderr);
}

#[test]
fn patterns_are_expanded_and_nothing_is_looked_at_twice() {
    let pattern = fixtures().join("scenarios/[ci]*.tar.zst");
    let ended = ckptfx([
        "scan".as_ref(),
        "-q".as_ref(),
        "-o".as_ref(),
        "json".as_ref(),
        pattern.as_os_str(),
        fixture("scenarios/cow").as_os_str(),
    ]);
    assert_eq!(names(&ended.status(0).json()), ["inject.tar.zst", "cow.tar.zst"]);
    on("scan", fixtures().join("no-such-*")).status(2);
}

#[test]
fn the_exit_status_tells_of_grave_findings() {
    on("scan -q --fail-on critical", fixture("scenarios/inject")).status(1);
    on("scan -q --fail-on critical", fixture("scenarios/cow")).status(0);
    on("scan -q --fail-on medium", fixture("webserver-crio")).status(0);
}

#[test]
fn a_table_of_values() {
    let ended = on("scan -q -o csv", fixtures()).status(0);
    let mut reader = csv::Reader::from_reader(ended.stdout.as_slice());
    let header = reader.headers().expect("a header").clone();
    let verdict = header.iter().position(|name| name == "verdict").expect("a column");
    let rows: Vec<_> = reader.records().collect::<Result<_, _>>().expect("rows");
    assert_eq!(rows.len(), 12);
    assert_eq!(&rows[0][verdict], "critical");
}
