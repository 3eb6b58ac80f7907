//! The JSON Schemas, and that every result keeps to its own.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use ckptfx_testkit::{Checkpoint, Container, File, Message, NetDevice, PodmanVersion, Process, rich};
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::support::{Scratch, ckptfx, fixture, members, on};

const EVIDENCE: [&str; 4] = ["shop-podman", "shop-containerd", "shop-crio", "scenarios/bash"];

fn checked_in() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema")
}

/// File name and content of each schema in a directory.
fn files(directory: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(directory).expect("readable");
    entries
        .map(|entry| {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("UTF-8");
            (name, fs::read_to_string(entry.path()).expect("readable"))
        })
        .collect()
}

/// What `schema --all` writes, by command.
fn schemas() -> BTreeMap<String, Value> {
    let scratch = Scratch::new();
    ckptfx(["schema".as_ref(), "--all".as_ref(), "--dir".as_ref(), scratch.0.path().as_os_str()]).status(0);
    let schemas = files(scratch.0.path());
    let command = |name: &str| name.strip_suffix(".json").expect("a schema").to_owned();
    schemas.iter().map(|(name, text)| (command(name), serde_json::from_str(text).expect("JSON"))).collect()
}

/// Ways to call a command so that it gives a result, without the format and the evidence.
fn calls(command: &str) -> Vec<String> {
    let forms: &[&str] = match command {
        "core" => &["core --pid PID"],
        "decode" => &[],
        "dump" => &["dump --pid PID", "dump --pid PID --vma stack"],
        "grep-mem" => &[
            "grep-mem -C 8 PATH=",
            "grep-mem -E (?-u)[\\x80-\\xff]{9} -m 50",
            "grep-mem -c PATH=",
            "grep-mem -l PATH=",
        ],
        "diff" => &["diff --strings OTHER"],
        "info" => &["info", "info --hash"],
        "secrets" => &["secrets", "secrets --show-secrets"],
        "maps" => &["maps", "maps --anomalies"],
        "ps" => &["ps", "ps --env"],
        "report" => &["report --no-times"],
        "verify" => &["verify RECORD"],
        "rootfs" => &["rootfs", "rootfs --hash"],
        "strings" => &["strings -n 40", "strings -n 30 --unique", "strings -c -n 12"],
        "yara" => &["yara -r fixtures/rules", "yara -r fixtures/rules -c"],
        other => return vec![other.to_owned()],
    };
    forms.iter().map(|form| (*form).to_owned()).collect()
}

/// All calls of all commands on a piece of evidence: the command, the words, and what `-o FORMAT` gave.
fn results(
    commands: &BTreeMap<String, Value>,
    evidence: &Path,
    format: &str,
) -> Vec<(String, String, Vec<u8>)> {
    let pid = on("ps -o json", evidence).json()["processes"][0]["pid"].to_string();
    let mut out = Vec::new();
    let scratch = Scratch::new();
    let record = scratch.path("record.json");
    let mut words = std::ffi::OsString::from("report -q -o json --out-file ");
    words.push(&record);
    on(&words.to_string_lossy(), fixture("scenarios/cow")).status(0);
    // What made no checkpoint has its own test.
    for command in commands
        .keys()
        .filter(|command| !matches!(command.as_str(), "capture" | "explain" | "image" | "manifest"))
    {
        // A report has no lines, and the lines of verify are about no checkpoint.
        if format == "jsonl" && ["report", "verify"].contains(&command.as_str()) {
            continue;
        }
        for words in calls(command) {
            let other = fixture("webserver-crio");
            let words = words.replace("PID", &pid).replace("OTHER", &other.to_string_lossy());
            let words = words.replace("RECORD", &record.to_string_lossy());
            let ended = on(&format!("{words} -o {format}"), evidence);
            // Some results are partial, and a search may find nothing.
            assert!(
                matches!(ended.status, Some(0 | 1 | 3)),
                "{words} {}: {:?} {}",
                evidence.display(),
                ended.status,
                ended.stderr
            );
            out.push((command.clone(), words, ended.stdout));
        }
    }
    let of_process = [format!("core-{pid}.img"), format!("mm-{pid}.img")];
    for image in
        ["inventory.img", "pstree.img", "files.img"].into_iter().chain(of_process.iter().map(String::as_str))
    {
        let ended =
            ckptfx(["decode".as_ref(), "-o".as_ref(), format.as_ref(), evidence.as_os_str(), image.as_ref()]);
        out.push(("decode".to_owned(), format!("decode {image}"), ended.status(0).stdout));
    }
    out
}

fn validator(schema: &Value) -> Validator {
    jsonschema::draft202012::meta::validate(schema).expect("a schema");
    jsonschema::draft202012::new(schema).expect("a schema")
}

#[track_caller]
fn assert_valid(validator: &Validator, document: &Value, what: &str) {
    let errors: Vec<String> = validator
        .iter_errors(document)
        .take(5)
        .map(|error| format!("{}: {error:.300}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{what}:\n{}", errors.join("\n"));
}

#[test]
#[cfg(feature = "capture")]
fn checked_in_schemas_are_those_of_the_program() {
    let scratch = Scratch::new();
    ckptfx(["schema".as_ref(), "--all".as_ref(), "--dir".as_ref(), scratch.0.path().as_os_str()]).status(0);
    let (printed, checked_in) = (files(scratch.0.path()), files(&checked_in()));
    let again = "run: ckptfx schema --all --dir docs/schema";
    assert_eq!(printed.keys().collect::<Vec<_>>(), checked_in.keys().collect::<Vec<_>>(), "{again}");
    for (name, text) in &printed {
        assert!(*text == checked_in[name], "docs/schema/{name} is out of date; {again}");
        let command = name.strip_suffix(".json").expect("a schema");
        assert!(ckptfx(["schema", command]).status(0).text() == *text, "{name}");
    }
    ckptfx(["schema", "no-such-command"]).status(2);
}

#[test]
fn every_result_keeps_to_its_schema() {
    let schemas = schemas();
    let validators: BTreeMap<_, _> =
        schemas.iter().map(|(command, schema)| (command.clone(), validator(schema))).collect();
    let mut records = BTreeMap::<String, usize>::new();
    // The fixtures lack some things that the test kit makes.
    let scratch = Scratch::new();
    let made = [("rich.tar", rich()), ("network-and-timer.tar", network_and_timer())]
        .map(|(name, dump)| scratch.put(name, Container::new(dump).podman(PodmanVersion::V5).to_tar()));
    for evidence in EVIDENCE.into_iter().map(fixture).chain(made) {
        for (command, words, stdout) in results(&schemas, &evidence, "json") {
            let document: Value = serde_json::from_slice(&stdout).expect("a document");
            assert_valid(&validators[&command], &document, &format!("{words} {}", evidence.display()));
            *records.entry(command.clone()).or_default() += collection(&schemas[&command], &document).1.len();
        }
    }
    // A result without records would say nothing about them.
    let without: Vec<_> = records.iter().filter(|(_, count)| **count == 0).collect();
    assert!(without.is_empty(), "no records of {without:?}");
}

/// What neither the fixtures nor `rich` have: a network namespace of its own and a running timer.
fn network_and_timer() -> Checkpoint {
    let interval = Message::new().uint(1, 1_u32).uint(2, 0_u32).uint(3, 0_u32).uint(4, 250_000_u32);
    let timers = Message::new().message(7, &Message::new().message(1, &interval));
    Checkpoint::new().process(Process::new(1).with(|process| process.extra_tc = timers)).device(NetDevice {
        kind: 2,
        index: 2,
        name: "eth0".to_owned(),
        flags: 0x1043,
        mac: [2, 0, 0, 0, 0, 1],
        address: Some(([10, 0, 0, 2], 24)),
    })
}

/// The list of records of a document, and its key.
fn collection<'d>(schema: &Value, document: &'d Value) -> (String, &'d [Value]) {
    let lists = schema["properties"].as_object().expect("properties").keys();
    lists
        .filter(|key| *key != "warnings")
        .find_map(|key| Some((key.clone(), document.get(key)?.as_array()?.as_slice())))
        .expect("a list of records")
}

#[test]
fn a_wrong_document_does_not_keep_to_its_schema() {
    let schemas = schemas();
    for (command, words, stdout) in results(&schemas, &fixture("shop-podman"), "json") {
        let validator = validator(&schemas[&command]);
        let document: Value = serde_json::from_slice(&stdout).expect("a document");
        let (key, records) = collection(&schemas[&command], &document);
        let wrong = |change: &dyn Fn(&mut Value)| {
            let mut document = document.clone();
            change(&mut document);
            assert!(!validator.is_valid(&document), "{words}: {document:.400}");
        };
        wrong(&|document| document["schema"] = json!("ckptfx.other.v1"));
        wrong(&|document| document["warnings"] = json!([{"code": 1}]));
        wrong(&|document| document[&key] = json!({}));
        wrong(&|document| document[&key] = json!(["text"]));
        wrong(&|document| {
            document.as_object_mut().expect("an object").remove(&key);
        });
        if command == "decode" {
            wrong(&|document| document["image"] = Value::Null);
            continue;
        }
        // Each key that a record must have is missed, and none may be a value of no known type.
        let Some(first) = records.first() else { continue };
        for name in required(&schemas[&command], &key) {
            assert!(first.get(&name).is_some(), "{words}: {name}");
            wrong(&|document| {
                document[&key][0].as_object_mut().expect("an object").remove(&name);
            });
        }
        // Keys may be added.
        let mut more = document.clone();
        more["of_a_later_version"] = json!(1);
        more[&key][0]["of_a_later_version"] = json!(1);
        assert_valid(&validator, &more, &words);
    }
}

/// Keys that each record of a collection must have.
fn required(schema: &Value, collection: &str) -> Vec<String> {
    let mut record = &schema["properties"][collection]["items"];
    if let Some(reference) = record["$ref"].as_str() {
        record = schema.pointer(reference.strip_prefix('#').expect("in the document")).expect("defined");
    }
    // A record of one of several forms has the key that tells them apart, which each form requires.
    let form = record["oneOf"].as_array().and_then(|forms| forms.first()).unwrap_or(record);
    let required = form["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    required.iter().map(|name| name.as_str().expect("a name").to_owned()).collect()
}

#[test]
fn every_line_has_its_head_and_the_keys_of_a_record() {
    let schemas = schemas();
    for evidence in EVIDENCE {
        for (command, words, stdout) in results(&schemas, &fixture(evidence), "jsonl") {
            let key = match words.as_str() {
                "grep-mem -c PATH="
                | "grep-mem -l PATH="
                | "strings -c -n 12"
                | "yara -r fixtures/rules -c" => "counts",
                _ => {
                    let mut required = schemas[&command]["required"].as_array().expect("keys").iter();
                    let list = |key: &&str| {
                        schemas[&command]["properties"][key]["type"] == "array" && *key != "warnings"
                    };
                    let only = if command == "strings" { "strings" } else { "matches" };
                    required.by_ref().filter_map(Value::as_str).find(list).unwrap_or(only)
                }
            };
            let keys = required(&schemas[&command], key);
            assert!(command == "decode" || !keys.is_empty(), "{command} {key}");
            for line in String::from_utf8(stdout).expect("UTF-8").lines() {
                let line: Value = serde_json::from_str(line).expect("a line of JSON");
                assert_eq!(line["schema"], format!("ckptfx.{command}.v1"), "{words} {evidence}");
                assert!(line["evidence"]["name"].is_string(), "{words} {evidence}: {line}");
                assert!(line["container"]["engine"].is_string(), "{words} {evidence}: {line}");
                assert!(
                    command != "decode" || line["image"]["kind"].is_string(),
                    "{words} {evidence}: {line}"
                );
                for name in &keys {
                    assert!(line.get(name).is_some(), "{words} {evidence}: no {name} in {line}");
                }
            }
        }
    }
}

#[test]
fn text_that_is_not_utf8_and_a_lone_image_keep_to_the_schema() {
    let schemas = schemas();
    let process = Process::new(1)
        .comm(b"a\xff".to_vec())
        .cmdline([b"/bin/x".to_vec(), b"\xfe".to_vec()])
        .exe("/bin/x")
        .fd(3, File::regular(b"/tmp/\xff".to_vec()));
    let scratch = Scratch::new();
    let tar = Container::new(Checkpoint::new().process(process)).podman(PodmanVersion::V5).to_tar();
    let path = scratch.put("archive.tar", &tar);
    let document = on("ps -o json", &path).json();
    assert_eq!(document["processes"][0]["comm_b64"], "Yf8=");
    assert_eq!(document["processes"][0]["cmdline_b64"], json!([null, "/g=="]));
    for command in ["ps", "files"] {
        let validator = validator(&schemas[command]);
        let mut document = on(&format!("{command} -o json"), &path).json();
        assert_valid(&validator, &document, command);
        // The siblings are described, not only let pass.
        let (key, _) = collection(&schemas[command], &document);
        document[&key][0]["comm_b64"] = json!(1);
        assert!(!validator.is_valid(&document), "{command}");
    }
    let unpacked = scratch.path("unpacked");
    members(&tar).to_dir(&unpacked).expect("unpacked");
    let alone = on("decode -o json", unpacked.join("checkpoint/pstree.img")).status(0).json();
    assert!(alone.get("evidence").is_none());
    assert_valid(&validator(&schemas["decode"]), &alone, "decode");
    // Of several checkpoints each element is a document.
    let twice =
        ckptfx(["ps".as_ref(), "-o".as_ref(), "json".as_ref(), path.as_os_str(), path.as_os_str()]).json();
    for document in twice.as_array().expect("documents") {
        assert_valid(&validator(&schemas["ps"]), document, "ps");
    }
}
