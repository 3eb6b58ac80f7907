//! What `files`, `sockets` and `queues` say of real checkpoints equals what the kernel said.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::{WITH_TRUTH, fixture, on, truth};

/// Bits of `asm-generic/fcntl.h`, written down here a second time on purpose.
const OPEN_FLAGS: [(&str, u64); 14] = [
    ("O_RDONLY", 0),
    ("O_WRONLY", 1),
    ("O_RDWR", 2),
    ("O_CREAT", 0o100),
    ("O_EXCL", 0o200),
    ("O_TRUNC", 0o1000),
    ("O_APPEND", 0o2000),
    ("O_NONBLOCK", 0o4000),
    ("O_ASYNC", 0o20000),
    ("O_DIRECT", 0o40000),
    ("O_LARGEFILE", 0o100_000),
    ("O_DIRECTORY", 0o200_000),
    ("O_CLOEXEC", 0o2_000_000),
    ("O_PATH", 0o10_000_000),
];

fn records(command: &str, collection: &str, name: &str) -> Vec<Value> {
    let mut document = on(&format!("{command} -o json"), fixture(name)).status(0).json();
    let records = document[collection].take();
    assert!(document["warnings"].as_array().expect("warnings").is_empty());
    serde_json::from_value(records).expect("a list")
}

/// A field of `/proc/PID/fdinfo/N`.
fn field<'t>(truth: &'t Value, name: &str) -> &'t str {
    let lines = truth["info"].as_str().expect("info").lines();
    lines.filter_map(|line| line.split_once(":\t")).find(|(key, _)| *key == name).expect("a field").1
}

fn processes(truth: &Value) -> &Vec<Value> {
    truth["processes"].as_array().expect("processes")
}

#[test]
fn descriptors_equal_proc() {
    let mut compared = 0;
    for name in WITH_TRUTH {
        let (truth, files) = (truth(name), records("files", "files", name));
        let pids: BTreeSet<u64> = files.iter().filter_map(|file| file["pid"].as_u64()).collect();
        let captured = |process: &&Value| pids.contains(&process["pid"].as_u64().expect("pid"));
        for process in processes(&truth).iter().filter(captured) {
            let mine = |role: &str| {
                let role = Value::from(role);
                files.iter().filter(move |file| file["pid"] == process["pid"] && file["role"] == role)
            };
            for role in ["cwd", "root", "exe"] {
                let links: Vec<&Value> = mine(role).map(|file| &file["link"]).collect();
                assert_eq!(links, [&process[role]], "{name} {role}");
            }
            let mapped: BTreeSet<&str> = mine("map").filter_map(|file| file["link"].as_str()).collect();
            let maps = process["maps"].as_array().expect("maps").iter();
            let expected: BTreeSet<&str> =
                maps.filter_map(|map| map["name"].as_str()).filter(|name| name.starts_with('/')).collect();
            assert_eq!(mapped, expected, "{name} {}", process["pid"]);
            assert_eq!(mine("map").count(), mapped.len(), "{name} {}: each file once", process["pid"]);

            let kernel = process["fds"].as_object().expect("fds");
            assert_eq!(mine("fd").count(), kernel.len(), "{name} {}", process["pid"]);
            for file in mine("fd") {
                descriptor_equals(file, &kernel[&file["fd"].to_string()]);
                compared += 1;
            }
        }
    }
    assert!(compared > 150);
}

#[track_caller]
fn descriptor_equals(file: &Value, kernel: &Value) {
    assert_eq!(file["link"], kernel["link"]);
    let bits: u64 = file["flags"].as_array().expect("flags").iter().fold(0, |bits, flag| {
        bits | OPEN_FLAGS.iter().find(|(name, _)| flag == name).expect("a known flag").1
    });
    assert_eq!(bits, u64::from_str_radix(field(kernel, "flags"), 8).expect("octal"), "{file}");
    assert_eq!(file["cloexec"], bits & 0o2_000_000 != 0);
    for (key, theirs) in [("position", "pos"), ("mount_id", "mnt_id"), ("inode", "ino")] {
        if let Some(ours) = file[key].as_u64() {
            assert_eq!(ours.to_string(), field(kernel, theirs), "{key} of {file}");
        }
    }
    let has_position = ["regular", "directory", "char-device", "memfd", "tty"];
    let kind = file["kind"].as_str().expect("kind");
    assert_eq!(file["position"].is_u64(), has_position.contains(&kind), "{file}");
    let deleted = kernel["link"].as_str().expect("link").ends_with(" (deleted)");
    assert_eq!(file["deleted"].as_bool().unwrap_or(false), deleted);
    if kind == "eventfd" {
        let count = field(kernel, "eventfd-count").trim();
        assert_eq!(file["details"]["count"], u64::from_str_radix(count, 16).expect("hexadecimal"));
    }
}

fn end(end: &Value, other: &str) -> String {
    let Some(address) = end["address"].as_str() else { return other.to_owned() };
    // What ss prints as the port of a raw socket is its protocol, ICMP in these archives.
    let port = end["port"].as_u64().unwrap_or(1);
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

/// One socket in the words of `ss`, without who holds it.
fn as_ss_shows(socket: &Value) -> String {
    let state =
        if socket["state"] == "ESTABLISHED" { "ESTAB" } else { socket["state"].as_str().expect("state") };
    let received = socket["receive_queue"]["bytes"].as_u64().unwrap_or(0);
    let sent = socket["send_queue"]["bytes"].as_u64().or(socket["backlog"].as_u64()).unwrap_or(0);
    if socket["family"] == "unix" {
        let path = socket["path"].as_str().unwrap_or("*");
        let peer = socket["peer_inode"].as_u64().unwrap_or(0);
        return format!("u_str {state} {received} {sent} {path} {} * {peer}", socket["inode"]);
    }
    let is_raw = socket["type"] == "raw";
    let protocol = if is_raw { "raw" } else { socket["protocol"].as_str().expect("protocol") };
    let any = if socket["family"] == "inet6" { "[::]:*" } else { "0.0.0.0:*" };
    format!(
        "{protocol} {state} {received} {sent} {} {}",
        end(&socket["local"], any),
        end(&socket["remote"], any)
    )
}

#[test]
fn sockets_equal_ss() {
    for name in WITH_TRUTH {
        let truth = truth(name);
        let sockets = records("sockets", "sockets", name);
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let kernel: BTreeSet<String> = ["ss", "ss_inet"]
            .iter()
            .flat_map(|key| truth[key].as_array().expect("lines"))
            .map(|line| words(line.as_str().expect("text").split(" users:").next().expect("before")))
            .collect();
        let shown: BTreeSet<String> = sockets.iter().map(as_ss_shows).collect();
        assert_eq!(shown.len(), sockets.len(), "{name}");
        let made_up: Vec<&String> = shown.difference(&kernel).collect();
        assert!(made_up.is_empty(), "{name}: {made_up:?}");
        // In Kubernetes pods nginx was started beside the container's first process and is not in the archive.
        let of_others = |line: &&&String| {
            line.contains(" 0.0.0.0:80 ")
                || line.contains(" [::]:80 ")
                || line.starts_with("u_str ESTAB 0 0 * ")
        };
        let missed: Vec<&String> = kernel.difference(&shown).collect();
        assert_eq!(missed.iter().filter(|line| !of_others(line)).count(), 0, "{name}: {missed:?}");
        assert!(missed.is_empty() || name == "shop-crio" || name == "shop-containerd", "{name}: {missed:?}");

        // Who holds each socket is what the links of the descriptors say.
        let mut holders: BTreeMap<String, BTreeSet<(u64, u64)>> = BTreeMap::new();
        for process in processes(&truth) {
            for (fd, file) in process["fds"].as_object().expect("fds") {
                let link = file["link"].as_str().expect("link").to_owned();
                let pid = process["pid"].as_u64().expect("pid");
                holders.entry(link).or_default().insert((pid, fd.parse().expect("a number")));
            }
        }
        for socket in &sockets {
            let number = |value: &Value| value.as_u64().expect("a number");
            let list = socket["holders"].as_array().expect("holders").iter();
            let mine: BTreeSet<_> = list.map(|it| (number(&it["pid"]), number(&it["fd"]))).collect();
            assert_eq!(mine, holders[&format!("socket:[{}]", socket["inode"])], "{name}");
        }
    }
}

#[test]
fn queues_hold_what_was_written() {
    for name in ["shop-podman", "shop-crio", "shop-containerd"] {
        let queues = records("queues", "queues", name);
        let texts: Vec<_> =
            queues.iter().map(|queue| (queue["kind"].clone(), queue["text"].clone())).collect();
        let expected = [
            ("pipe", "PIPE-UNREAD-DATA cmd=whoami\n"),
            ("tcp", "TCP-UNREAD-DATA GET /gate.php?id=7\r\n"),
            ("unix", "UNIX-QUEUE-DATA id=42\n"),
        ];
        assert_eq!(texts, expected.map(|(kind, text)| (Value::from(kind), Value::from(text))));
        for (number, (_, text)) in (1..).zip(expected) {
            let raw = on(&format!("queues --raw {number}"), fixture(name)).status(0);
            assert_eq!(raw.text(), text);
        }
        on("queues --raw 4", fixture(name)).status(2);
    }
    let shell = records("queues", "queues", "scenarios/webshell");
    assert_eq!(shell[0]["text"], "uid=0(root) gid=0(root) groups=0(root)\n");
    assert_eq!(
        (&shell[0]["writers"], &shell[0]["readers"]),
        (&Value::from(vec![7, 9]), &Value::from(vec![1]))
    );
    let screen = records("queues", "queues", "scenarios/bash");
    assert_eq!(screen[0]["direction"], "screen");
    assert!(screen[0]["text"].as_str().expect("text").contains("export AWS_SECRET=hunter2\r\n"));
}

#[test]
fn a_queue_is_shown_as_a_hexdump() {
    let text = on("queues --pid 9", fixture("scenarios/webshell")).status(0).text();
    assert_eq!(
        text,
        "#1 pipe, pipe:[306690], 39 bytes, sh(7) sleep(9) -> php-fpm(1)\n\
         00000000  75 69 64 3d 30 28 72 6f  6f 74 29 20 67 69 64 3d  |uid=0(root) gid=|\n\
         00000010  30 28 72 6f 6f 74 29 20  67 72 6f 75 70 73 3d 30  |0(root) groups=0|\n\
         00000020  28 72 6f 6f 74 29 0a                              |(root).|\n"
    );
}

#[test]
fn other_forms_have_the_same_records() {
    for command in ["files", "sockets", "queues"] {
        let count = records(command, command, "shop-podman").len();
        let lines = on(&format!("{command} -o jsonl"), fixture("shop-podman")).status(0).lines();
        assert_eq!(lines.len(), count);
        assert_eq!(lines[0]["schema"], format!("ckptfx.{command}.v1"));
        let csv = on(&format!("{command} -o csv --pid 14"), fixture("shop-podman")).status(0).text();
        assert!(csv.lines().count() > 1);
        on(&format!("{command} --pid 4711"), fixture("shop-podman")).status(2);
    }
}
