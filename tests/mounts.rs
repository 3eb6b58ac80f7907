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
            assert_eq!(above.map_or(0, |above: &u64| above + 1), depth, "{name} {mount}");
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

#[test]
fn control_groups_are_those_that_are_mounted() {
    for name in ["shop-podman", "shop-crio", "shop-containerd"] {
        let groups = records("cgroups", "cgroups", name);
        let processes = records("ps", "processes", name);
        let pids: Vec<&Value> =
            processes.iter().filter(|process| process["state"] != "zombie").map(|one| &one["pid"]).collect();
        let mounts = records("mounts", "mounts", name);
        for mount in mounts.iter().filter(|mount| mount["fstype"] == "cgroup") {
            let own: Vec<&Value> = groups
                .iter()
                .filter(|group| group["controller"] == mount["options"] && group["path"] == mount["root"])
                .collect();
            assert!(!own.is_empty(), "{name}: {mount}");
            for pid in &pids {
                assert!(own[0]["pids"].as_array().expect("pids").contains(pid), "{name}: {pid}");
            }
        }
        let value = |property: &str| {
            &groups.iter().find(|group| group["property"] == property).expect("a property")["value"]
        };
        assert_eq!(value("pids.max"), if name == "shop-podman" { "2048" } else { "max" }, "{name}");
        assert!(value("devices.list").as_str().expect("text").contains("c 1:3 rwm"), "{name}");
    }
}

#[test]
fn segments_are_attached_where_proc_shows_them() {
    for name in ["shop-podman", "shop-crio", "shop-containerd"] {
        let objects = records("ipc", "ipc", name);
        let captured = records("ps", "processes", name);
        let is_captured = |pid: &&Value| captured.iter().any(|process| process["pid"] == **pid);
        let truth = truth(name);
        let segments: Vec<&Value> = objects.iter().filter(|object| object["kind"] == "shm").collect();
        assert_eq!(segments.len(), 1, "{name}");
        let key = segments[0]["key"].as_str().expect("key").trim_start_matches("0x");
        let link = format!("/SYSV{key:0>8} (deleted)");
        let attached: Vec<&Value> = truth["processes"]
            .as_array()
            .expect("processes")
            .iter()
            .filter(|process| {
                process["maps"].as_array().expect("maps").iter().any(|map| map["name"] == link.as_str())
            })
            .map(|process| &process["pid"])
            .filter(is_captured)
            .collect();
        assert!(!attached.is_empty(), "{name}: {link}");
        assert_eq!(segments[0]["pids"], json!(attached), "{name}");
        assert_eq!((&segments[0]["size"], &segments[0]["captured_bytes"]), (&json!(4096), &json!(4096)));
        let limit = objects.iter().find(|object| object["name"] == "kernel.sem").expect("a limit");
        assert_eq!(limit["value"], "32000 1024000000 500 32000");
    }
}
