//! What `mounts`, `ns`, `cgroups` and `ipc` say of real checkpoints equals what the kernel said.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{ARCHIVES, fixture, on, truth};

fn records(command: &str, collection: &str, name: &str) -> Vec<Value> {
    let mut document = on(&format!("{command} -o json"), fixture(name)).status(0).json();
    let records = document[collection].take();
    assert!(document["warnings"].as_array().expect("warnings").is_empty(), "{name}");
    serde_json::from_value(records).expect("a list")
}

fn joined(list: &Value) -> String {
    let words = list.as_array().expect("a list").iter();
    words.map(|word| word.as_str().expect("a word")).collect::<Vec<_>>().join(",")
}

/// A record in the words of mountinfo.
fn line(mount: &Value) -> String {
    let text = |key: &str| mount[key].as_str().expect(key);
    let propagation =
        |key: &str, word: &str| mount[key].as_u64().map_or_else(String::new, |id| format!("{word}:{id} "));
    // CRIU adds an option to those of devpts, which the kernel does not show.
    let own = text("options").strip_suffix(",newinstance").filter(|_| text("fstype") == "devpts");
    let options = [joined(&mount["super_flags"]), own.unwrap_or(text("options")).to_owned()];
    let options: Vec<String> = options.into_iter().filter(|part| !part.is_empty()).collect();
    format!(
        "{} {} {} {} {} {} {}{}- {} {} {}",
        mount["mount_id"],
        mount["parent_id"],
        text("device"),
        text("root"),
        text("mountpoint"),
        joined(&mount["flags"]),
        propagation("shared_id", "shared"),
        propagation("master_id", "master"),
        text("fstype"),
        text("source"),
        options.join(","),
    )
}

#[test]
fn mounts_equal_mountinfo() {
    for name in ["shop-podman", "shop-crio", "shop-containerd"] {
        let truth = truth(name);
        let mut kernel: Vec<&str> =
            truth["mountinfo"].as_array().expect("lines").iter().map(|l| l.as_str().expect("line")).collect();
        let mut mine: Vec<String> = records("mounts", "mounts", name).iter().map(line).collect();
        kernel.sort_unstable();
        mine.sort_unstable();
        assert_eq!(mine, kernel, "{name}");
    }
}

#[test]
fn parents_stand_before_their_children() {
    for name in ARCHIVES {
        let mounts = records("mounts", "mounts", name);
        assert!(mounts.len() > 10, "{name}");
        let mut depths = BTreeMap::new();
        for mount in &mounts {
            let depth = mount["depth"].as_u64().expect("depth");
            let above = depths.get(&mount["parent_id"].as_u64());
            assert_eq!(above.map_or(0, |above| above + 1), depth, "{name} {mount}");
            depths.insert(mount["mount_id"].as_u64(), depth);
        }
        assert_eq!(depths.values().filter(|depth| **depth == 0).count(), 1, "{name}: one root");
    }
}

#[test]
fn namespaces_name_every_process() {
    for name in ARCHIVES {
        let namespaces = records("ns", "namespaces", name);
        let one = |kind: &str| {
            let mut all = namespaces.iter().filter(|one| one["kind"] == kind);
            let first = all.next().unwrap_or_else(|| panic!("{name} has no {kind}"));
            assert!(all.next().is_none(), "{name}: one namespace of each kind");
            first
        };
        for (kind, of_host) in
            [("mnt", false), ("uts", false), ("ipc", false), ("user", true), ("time", true)]
        {
            assert_eq!(one(kind)["shared_with_host"], json!(of_host), "{name} {kind}");
            assert_eq!(one(kind)["differs_from_root"], json!(false), "{name} {kind}");
        }
        assert!(one("time")["monotonic_ns"].as_u64().is_some(), "{name}");
        assert_eq!(one("mnt")["pids"], one("user")["pids"], "{name}");
    }
}
