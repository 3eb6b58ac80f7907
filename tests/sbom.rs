//! Mapped programs and libraries.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{WITH_TRUTH, ckptfx, fixture, on, truth};

fn components(archive: &str) -> Vec<Value> {
    on("sbom -o json", fixture(archive)).status(0).json()["components"]
        .as_array()
        .expect("components")
        .clone()
}

/// `(path, pid)` of what processes map to be executed, and of what they run.
type Uses = (BTreeSet<(String, u64)>, BTreeSet<(String, u64)>);

fn said(archive: &str) -> Uses {
    let (mut mapped, mut run) = Uses::default();
    for component in components(archive) {
        let path = component["path"].as_str().expect("path");
        let slash = if component["memfd"] == true { "/" } else { "" };
        let deleted = if component["deleted"] == true { " (deleted)" } else { "" };
        let link = format!("{slash}{path}{deleted}");
        for user in component["users"].as_array().expect("users") {
            let pid = user["pid"].as_u64().expect("pid");
            match user["role"].as_str() {
                Some("map-exec") => drop(mapped.insert((link.clone(), pid))),
                Some("exe") => drop(run.insert((link.clone(), pid))),
                _ => {}
            }
        }
    }
    (mapped, run)
}

#[test]
fn what_is_mapped_to_be_executed_is_what_the_kernel_showed() {
    let mut compared = 0;
    for name in WITH_TRUTH {
        let processes = on("ps -o json", fixture(name)).status(0).json();
        let pids: BTreeSet<u64> = processes["processes"]
            .as_array()
            .expect("list")
            .iter()
            .map(|p| p["pid"].as_u64().expect("pid"))
            .collect();
        let (mut mapped, mut run) = Uses::default();
        for process in truth(name)["processes"].as_array().expect("list") {
            let pid = process["pid"].as_u64().expect("pid");
            if !pids.contains(&pid) {
                continue;
            }
            for map in process["maps"].as_array().expect("maps") {
                let (perms, path) =
                    (map["perms"].as_str().expect("perms"), map["name"].as_str().unwrap_or_default());
                // Shared anonymous memory has a name there, but is no file.
                if perms.contains('x') && path.starts_with('/') && !path.starts_with("/dev/zero") {
                    mapped.insert((path.to_owned(), pid));
                }
            }
            if let Some(exe) = process["exe"].as_str() {
                run.insert((exe.to_owned(), pid));
            }
        }
        assert_eq!(said(name), (mapped.clone(), run.clone()), "{name}");
        compared += mapped.len() + run.len();
    }
    assert_eq!(compared, 175);
}

#[test]
fn programs_that_are_only_in_memory_lead_to_their_content() {
    for name in ["shop-podman", "shop-crio", "shop-containerd"] {
        let recoverable = on("recover -o json", fixture(name)).status(0).json();
        let mut found = 0;
        for component in components(name).iter().filter(|component| component["deleted"] == true) {
            let id = &component["recover_id"];
            let mut files = recoverable["recoverable"].as_array().expect("list").iter();
            let file = files.find(|file| file["id"] == *id).expect("an item of recover");
            assert_eq!(component["sha256"], file["sha256"]);
            assert_eq!(component["build_id"], file["build_id"]);
            found += 1;
        }
        assert_eq!(found, 3);
    }
    // The program in the memfd is a copy of one of the image's.
    let components = components("shop-podman");
    let of = |path: &str| components.iter().find(|component| component["path"] == path).expect(path).clone();
    assert_eq!(of("memfd:x")["size"], 43888);
    assert_eq!(of("/usr/bin/sleep")["build_id"], "e3103c603f624119a9e5c025e4e5dc430f8519b0");
    assert_eq!(of("/usr/sbin/nginx")["pids"], json!([8, 9, 10]));
}

#[test]
fn cyclonedx_is_the_same_each_time() {
    let words = "sbom --cyclonedx";
    let document = on(words, fixture("shop-podman")).status(0);
    assert_eq!(document.stdout, on(words, fixture("shop-podman")).status(0).stdout);
    let document = document.json();
    assert_eq!([&document["bomFormat"], &document["specVersion"]], [&json!("CycloneDX"), &json!("1.6")]);
    assert!(document.get("serialNumber").is_none() && document["metadata"].get("timestamp").is_none());
    let list = document["components"].as_array().expect("components");
    assert_eq!(list.len(), components("shop-podman").len());
    let references: BTreeSet<&str> =
        list.iter().map(|item| item["bom-ref"].as_str().expect("bom-ref")).collect();
    assert_eq!(references.len(), list.len());
    let worker =
        list.iter().find(|item| item["name"] == "/tmp/.cache/kworkerd").expect("the deleted program");
    assert_eq!(worker["type"], "application");
    assert_eq!(
        worker["hashes"][0]["content"],
        "aedb269f2502e468345d9d921a6afaa80003d57859960b8e2af4e932c0db7a28"
    );
    ckptfx(["sbom", "--cyclonedx", "a", "b"]).status(2);
}

#[test]
fn the_alias_and_the_filter_work() {
    let document = on("librarylist --pid 14 -o json", fixture("shop-podman")).status(0).json();
    let paths: Vec<&str> = document["components"]
        .as_array()
        .expect("list")
        .iter()
        .map(|item| item["path"].as_str().expect("path"))
        .collect();
    assert_eq!(
        paths,
        [
            "/tmp/.cache/kworkerd",
            "/tmp/libinject.so",
            "/usr/lib/libhook.so",
            "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
            "/usr/lib/x86_64-linux-gnu/libc.so.6",
        ]
    );
}
