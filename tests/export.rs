//! Findings in the forms that other systems take.

use std::collections::{BTreeMap, BTreeSet};

use ckptfx_testkit::{Checkpoint, Container, PodmanVersion, Process};
use serde_json::Value;

use crate::support::{ARCHIVES, Ended, WITH_TRUTH, fixture, on, on_bytes, plain};

const FORMS: [&str; 4] = ["ecs", "ocsf", "sarif", "stix"];
const SHOPS: [&str; 3] = ["shop-podman", "shop-crio", "shop-containerd"];

fn export(words: &str, archive: &str) -> Ended {
    on(&format!("triage {words}"), fixture(archive)).status(0)
}

fn list<'v>(document: &'v Value, key: &str) -> &'v Vec<Value> {
    document[key].as_array().unwrap_or_else(|| panic!("{key} is no list"))
}

/// Every leaf by its dotted name. A list of plain values is one leaf.
fn flatten(value: &Value, name: &str, leaves: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                flatten(value, &name, leaves);
            }
        }
        other => leaves.push((name.to_owned(), other.clone())),
    }
}

fn leaves(event: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    flatten(event, "", &mut found);
    found
}

/// Field of ECS to its type and whether it holds several values.
fn ecs_fields() -> BTreeMap<&'static str, (&'static str, bool)> {
    include_str!("data/ecs-fields.csv")
        .lines()
        .skip(1)
        .map(|line| {
            let [field, kind, values] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
            (field, (kind, values == "list"))
        })
        .collect()
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "keyword" | "wildcard" | "match_only_text" => value.is_string(),
        "long" => value.is_i64() || value.is_u64(),
        "float" => value.is_number(),
        "boolean" => value.is_boolean(),
        "date" => value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
        "ip" => value.as_str().is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok()),
        other => panic!("a type that no test knows: {other}"),
    }
}

#[track_caller]
fn assert_ecs(event: &Value, fields: &BTreeMap<&'static str, (&'static str, bool)>) {
    for (name, value) in leaves(event) {
        assert!(!value.is_null(), "{name}: what is not known is left out");
        if name.starts_with("ckptfx.") {
            continue;
        }
        let (kind, several) = fields.get(name.as_str()).unwrap_or_else(|| panic!("{name} is not in ECS"));
        let values = match &value {
            Value::Array(values) if *several && !values.is_empty() => values.clone(),
            one if !*several => vec![one.clone()],
            other => panic!("{name}: {other}"),
        };
        assert!(values.iter().all(|value| is_of(kind, value)), "{name} is no {kind}: {value}");
    }
    for needed in
        ["ecs.version", "event.kind", "event.module", "event.dataset", "event.id", "message", "container.id"]
    {
        let pointer = format!("/{}", needed.replace('.', "/"));
        assert!(event.pointer(&pointer).is_some(), "{needed}: {event}");
    }
    assert!(event["@timestamp"].is_string(), "{event}");
    let known = ["alert", "event", "state"];
    assert!(known.contains(&event["event"]["kind"].as_str().expect("kind")));
    // Types that the schema expects for these categories.
    for kind in event["event"]["type"].as_array().into_iter().flatten() {
        assert!(["info", "change", "creation", "deletion"].contains(&kind.as_str().expect("text")));
    }
}

#[test]
fn ecs_fields_are_those_of_the_schema_by_name_and_type() {
    let fields = ecs_fields();
    let mut seen = BTreeSet::new();
    for archive in ARCHIVES {
        for event in export("-q -o ecs --inventory", archive).lines() {
            assert_ecs(&event, &fields);
            seen.extend(leaves(&event).into_iter().map(|(name, _)| name));
        }
    }
    assert!(!seen.contains("process.start"));
    // The list is no wish list: what these archives cannot show is named here.
    let unseen: Vec<&str> = fields.keys().copied().filter(|field| !seen.contains(*field)).collect();
    assert_eq!(unseen, ["process.exit_code"]);
}

fn count(events: &[Value], pointer: &str, value: &str) -> usize {
    events.iter().filter(|event| event.pointer(pointer).is_some_and(|found| *found == value)).count()
}

#[test]
fn nothing_is_lost_on_the_way_to_ecs() {
    for archive in SHOPS {
        let document = export("-q -o json", archive).json();
        let events = export("-q -o ecs --inventory", archive).lines();
        let findings = list(&document, "findings");
        let alerts: Vec<&Value> = events.iter().filter(|event| event["event"]["kind"] == "alert").collect();
        assert_eq!(alerts.len(), findings.len());
        for (alert, finding) in alerts.iter().zip(findings) {
            assert_eq!(alert["event"]["code"], finding["id"]);
            assert_eq!(alert["event"]["risk_score"].as_f64(), finding["score"].as_f64());
            assert_eq!(alert["process"]["pid"], finding["subject"]["pid"]);
            let techniques: BTreeSet<&str> = list(finding, "attack")
                .iter()
                .map(|technique| technique["technique"].as_str().expect("id"))
                .map(|id| id.split('.').next().expect("a part"))
                .collect();
            let threat = &alert["threat"]["technique"];
            let told = threat["id"].as_array().into_iter().flatten();
            assert_eq!(told.map(|id| id.as_str().expect("id")).collect::<BTreeSet<_>>(), techniques);
            assert_eq!(threat["name"].as_array().map(Vec::len), threat["id"].as_array().map(Vec::len));
            let facts = &alert["ckptfx"]["finding"]["evidence"];
            assert_eq!(facts.as_array().map(Vec::len), finding["evidence"].as_array().map(Vec::len));
        }
        let of = |command: &str, key: &str| {
            list(&on(&format!("{command} -q -o json"), fixture(archive)).json(), key).len()
        };
        for (dataset, expected) in [
            ("process", of("ps", "processes")),
            ("file", of("files", "files")),
            ("socket", of("sockets", "sockets")),
            ("rootfs", of("rootfs", "changes")),
            ("coverage", list(&document, "not_examined").len()),
        ] {
            assert_eq!(
                count(&events, "/event/dataset", &format!("ckptfx.{dataset}")),
                expected,
                "{archive} {dataset}"
            );
        }
        // Content that the archive has is hashed.
        let hashes = on("rootfs -q -o json --hash", fixture(archive)).json();
        let shell = |path: &Value| *path == "/usr/bin/.rootsh";
        let change =
            list(&hashes, "changes").iter().find(|change| shell(&change["path"])).expect("the shell");
        let told = alerts.iter().find(|alert| shell(&alert["file"]["path"])).expect("its finding");
        assert_eq!(told["file"]["hash"]["sha256"], change["sha256"]);
        assert_eq!(told["related"]["hash"][0], change["sha256"]);
        // Only findings, unless more is asked for.
        let few = export("-q -o ecs", archive).lines();
        assert_eq!(count(&few, "/event/kind", "alert"), findings.len());
        assert_eq!(count(&few, "/event/kind", "state"), 0);
        // Ids are those of things, not of lines.
        let ids: BTreeSet<&str> =
            events.iter().map(|event| event["event"]["id"].as_str().expect("id")).collect();
        assert_eq!(ids.len(), events.len());
    }
}

#[test]
fn ecs_says_who_talks_to_whom() {
    let events = export("-q -o ecs --inventory", "shop-podman").lines();
    let shell = events.iter().find(|event| {
        event["event"]["dataset"] == "ckptfx.socket"
            && event["process"]["pid"] == 24
            && event["destination"]["port"] == 4444
    });
    let shell = shell.expect("the connection of the reverse shell");
    assert_eq!(shell["source"]["ip"], "127.0.0.1");
    assert_eq!(shell["network"]["transport"], "tcp");
    assert_eq!(shell["network"]["direction"], "egress", "it listens on 4444 in the same container");
    let other = events.iter().find(|event| {
        event["event"]["dataset"] == "ckptfx.socket"
            && event["process"]["pid"] == 22
            && event["source"]["ip"].is_string()
    });
    let other = other.expect("the other end");
    assert_eq!(other["network"]["direction"], "ingress");
    assert_eq!(other["network"]["community_id"], shell["network"]["community_id"], "one connection, one id");
}

/// What the classes require (OCSF 1.4.0), and what `metadata` does.
const OCSF_REQUIRED: [(u64, &[&str]); 5] = [
    (0, &[]),
    (2004, &["/finding_info/uid"]),
    (5007, &["/query_result_id", "/file/name", "/file/type_id", "/query_info/query_string"]),
    (5012, &["/query_result_id", "/connection_info/direction_id", "/process", "/state_id"]),
    (5015, &["/query_result_id", "/process/pid"]),
];

#[test]
fn ocsf_events_have_what_their_classes_require() {
    for archive in WITH_TRUTH {
        let document = export("-q -o json", archive).json();
        let events = export("-q -o ocsf --inventory", archive).lines();
        let mut classes: BTreeMap<u64, usize> = BTreeMap::new();
        for event in &events {
            let number = |key: &str| event[key].as_u64().unwrap_or_else(|| panic!("{key}: {event}"));
            let class = number("class_uid");
            *classes.entry(class).or_default() += 1;
            assert_eq!(number("category_uid"), class / 1000);
            assert_eq!(number("type_uid"), class * 100 + number("activity_id"));
            assert!((0..=6).contains(&number("severity_id")));
            let time = event["metadata"]["original_time"].as_str().expect("a time");
            let time: jiff::Timestamp = time.parse().expect("a time");
            assert_eq!(i64::try_from(number("time")), Ok(time.as_millisecond()));
            assert_eq!(event["metadata"]["version"], "1.4.0");
            assert_eq!(event["metadata"]["product"]["name"], "ckptfx");
            assert_eq!(event["metadata"]["profiles"][0], "container");
            let (_, required) = OCSF_REQUIRED.iter().find(|(uid, _)| *uid == class).expect("a known class");
            for pointer in *required {
                assert!(event.pointer(pointer).is_some(), "{class} {pointer}: {event}");
            }
        }
        let of = |command: &str, key: &str| {
            list(&on(&format!("{command} -q -o json"), fixture(archive)).json(), key).len()
        };
        assert_eq!(classes[&2004], list(&document, "findings").len());
        assert_eq!(classes[&5015], of("ps", "processes"));
        assert_eq!(classes[&5007], of("files", "files") + of("rootfs", "changes"));
        assert_eq!(classes.get(&5012).copied().unwrap_or_default(), of("sockets", "sockets"));
        assert_eq!(classes[&0], list(&document, "not_examined").len());
    }
}

#[test]
fn sarif_results_point_at_rules_and_artifacts_that_are_there() {
    for archive in ARCHIVES {
        let document = export("-q -o json", archive).json();
        let log = export("-q -o sarif", archive).json();
        assert_eq!(log["version"], "2.1.0");
        let runs = list(&log, "runs");
        assert_eq!(runs.len(), 1);
        let run = &runs[0];
        let rules = list(&run["tool"]["driver"], "rules");
        let artifacts = list(run, "artifacts");
        let results = list(run, "results");
        assert_eq!(results.len(), list(&document, "findings").len());
        let taxa: BTreeSet<&str> = list(&run["taxonomies"][0], "taxa")
            .iter()
            .map(|taxon| taxon["id"].as_str().expect("id"))
            .collect();
        for rule in rules {
            for relation in rule["relationships"].as_array().into_iter().flatten() {
                assert!(taxa.contains(relation["target"]["id"].as_str().expect("id")), "{rule}");
            }
        }
        for (result, finding) in results.iter().zip(list(&document, "findings")) {
            assert_eq!(result["ruleId"], finding["id"]);
            let index = usize::try_from(result["ruleIndex"].as_u64().expect("index")).expect("small");
            assert_eq!(rules[index]["id"], finding["id"]);
            let level = match finding["severity"].as_str().expect("severity") {
                "critical" | "high" => "error",
                "medium" => "warning",
                "low" => "note",
                _ => "none",
            };
            assert_eq!(result["level"], level);
            let places = list(result, "locations")
                .iter()
                .chain(result["relatedLocations"].as_array().into_iter().flatten());
            for place in places {
                let artifact = &place["physicalLocation"]["artifactLocation"];
                if let Some(index) = artifact["index"].as_u64() {
                    assert_eq!(
                        artifacts[usize::try_from(index).expect("small")]["location"]["uri"],
                        artifact["uri"]
                    );
                }
            }
        }
        let notes = list(&run["invocations"][0], "toolExecutionNotifications");
        let expected = list(&document, "not_examined").len() + list(&document, "warnings").len();
        assert_eq!(notes.len(), expected);
    }
}

#[test]
fn fingerprints_outlive_pids() {
    let fingerprints = |archive: &str| -> BTreeSet<String> {
        let log = export("-q --min-severity high -o sarif", archive).json();
        let results = list(&log["runs"][0], "results").clone();
        results
            .iter()
            .map(|result| result["partialFingerprints"]["subject/v1"].as_str().expect("text").to_owned())
            .collect()
    };
    // The same intrusion, dumped from containers of two engines.
    let (one, other) = (fingerprints("shop-podman"), fingerprints("shop-crio"));
    assert!(one.intersection(&other).count() >= 10, "{one:?} {other:?}");
}

/// Ids that an object refers to.
fn references(value: &Value, found: &mut Vec<String>) {
    let Value::Object(map) = value else { return };
    for (key, value) in map {
        if key.ends_with("_ref") {
            found.push(value.as_str().expect("an id").to_owned());
        } else if key.ends_with("_refs") {
            found.extend(
                value.as_array().expect("ids").iter().map(|id| id.as_str().expect("an id").to_owned()),
            );
        }
        references(value, found);
    }
}

#[test]
fn stix_objects_refer_to_objects_before_them() {
    for archive in ARCHIVES {
        let document = export("-q -o json", archive).json();
        let bundle = export("-q -o stix --inventory", archive).json();
        assert_eq!(bundle["type"], "bundle");
        let mut known = BTreeSet::new();
        for object in list(&bundle, "objects") {
            let (id, kind) = (object["id"].as_str().expect("id"), object["type"].as_str().expect("type"));
            let (prefix, uuid) = id.split_once("--").expect("an id");
            assert_eq!(prefix, kind);
            // Processes take no other version; all others are hashes.
            assert_eq!(&uuid[14..15], if kind == "process" { "4" } else { "5" }, "{id}");
            assert_eq!(object["spec_version"], "2.1");
            let mut used = Vec::new();
            references(object, &mut used);
            assert!(used.iter().all(|id| known.contains(id) || kind == "identity"), "{object}");
            assert!(known.insert(id.to_owned()), "{id} is there twice");
        }
        let notes = list(&bundle, "objects").iter().filter(|object| object["type"] == "note");
        let told: Vec<&str> =
            notes.filter_map(|note| note.pointer("/external_references/0/external_id")?.as_str()).collect();
        let findings: Vec<&str> =
            list(&document, "findings").iter().map(|finding| finding["id"].as_str().expect("id")).collect();
        assert_eq!(told, findings);
        let processes = list(&bundle, "objects").iter().filter(|object| object["type"] == "process").count();
        let all = on("ps -q -o json", fixture(archive)).json();
        assert_eq!(processes, list(&all, "processes").len());
    }
}

#[test]
fn the_same_checkpoint_gives_the_same_bytes_and_ids() {
    for form in FORMS {
        let inventory = if form == "sarif" { "" } else { "--inventory" };
        let run = |threads: &str| {
            export(&format!("-q -o {form} {inventory} --threads {threads}"), "shop-podman").stdout
        };
        assert_eq!(run("1"), run("3"), "{form}");
    }
    // However the archive is packed.
    let ids = |ended: Ended| -> Vec<Value> {
        ended.status(0).lines().into_iter().map(|event| event["event"]["id"].clone()).collect()
    };
    let packed = ids(export("-q -o ecs --inventory", "shop-podman"));
    assert_eq!(packed, ids(on_bytes("triage -q -o ecs --inventory", plain("shop-podman"))));
}

#[test]
fn several_archives_are_one_document() {
    let both = |form: &str| {
        let second = fixture("shop-crio");
        on(&format!("triage -q -o {form} {}", second.display()), fixture("shop-podman")).status(0)
    };
    let one = |form: &str, archive: &str| export(&format!("-q -o {form}"), archive);
    for form in ["ecs", "ocsf"] {
        let parts = [one(form, "shop-crio").stdout, one(form, "shop-podman").stdout].concat();
        assert_eq!(both(form).stdout, parts, "{form}");
    }
    assert_eq!(list(&both("sarif").json(), "runs").len(), 2);
    let bundle = both("stix").json();
    let ids: BTreeSet<&str> =
        list(&bundle, "objects").iter().map(|object| object["id"].as_str().expect("id")).collect();
    assert_eq!(ids.len(), list(&bundle, "objects").len(), "techniques of both are there once");
    assert_eq!(list(&bundle, "objects").iter().filter(|object| object["type"] == "grouping").count(), 2);
}

#[test]
fn hostile_names_are_harmless_in_every_form() {
    let evil = "\x1b]0;owned\x07\n\u{202e}gpj\u{9b}31m\u{200b}\r\"'<script>";
    let first = Process::new(1)
        .comm("\x1b[31m")
        .cmdline([evil])
        .child(Process::new(2).comm(b"\xff\xfe\x80".to_vec()).cmdline([b"\xff\x1b".to_vec()]))
        .child(Process::new(3).comm("long").cmdline(["x".repeat(1 << 20)]))
        .child(Process::new(4).comm("invalid").cmdline([vec![0xff; 60_000]]));
    let tar = Container::new(Checkpoint::new().process(first))
        .with(|it| it.name = evil.to_owned())
        .podman(PodmanVersion::V5)
        .to_tar();
    let fields = ecs_fields();
    for form in FORMS {
        let inventory = if form == "sarif" { "" } else { "--inventory" };
        let ended = on_bytes(&format!("triage -q -o {form} {inventory}"), &tar).status(0);
        let text = ended.text();
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{form}");
        assert!(!text.contains(['\u{202e}', '\u{200b}']), "{form}");
        if form != "ecs" {
            continue;
        }
        let events = ended.lines();
        for event in &events {
            assert_ecs(event, &fields);
            for (name, value) in leaves(event) {
                let texts = value.as_array().cloned().unwrap_or_else(|| vec![value]);
                assert!(
                    texts.iter().all(|text| text.as_str().is_none_or(|text| text.len() <= 32766)),
                    "{name}"
                );
            }
        }
        let process = |pid: u64| {
            events
                .iter()
                .find(|event| event["event"]["dataset"] == "ckptfx.process" && event["process"]["pid"] == pid)
                .expect("a process")
        };
        // To a reader of JSON nothing changed.
        assert_eq!(process(1)["process"]["args"][0], evil);
        assert_eq!(process(2)["process"]["name"], "\\xff\\xfe\\x80");
        assert_eq!(process(2)["ckptfx"]["exact"]["process"]["name"], "//6A");
        let long = process(3);
        assert!(
            long["process"]["command_line"].as_str().expect("text").ends_with("… [1048576 bytes in all]")
        );
        assert_eq!(long["ckptfx"]["clipped"], serde_json::json!(["process.command_line", "process.args"]));
    }
}

#[test]
fn a_time_that_is_not_recorded_is_not_made_up() {
    // Images alone, in a tar that has no times.
    let mut images = Container::new(Checkpoint::sample()).docker_directory();
    images.list.iter_mut().for_each(|member| member.mtime = 0);
    let tar = images.to_tar();
    let exported = |form: &str| on_bytes(&format!("triage -q -o {form}"), &tar);
    assert!(on_bytes("info -q -o json", &tar).json()["container"]["checkpointed"].is_null());
    for event in exported("ecs").lines() {
        assert!(event.get("@timestamp").is_none(), "{event}");
    }
    for event in exported("ocsf").lines() {
        assert_eq!((&event["time"], &event["unmapped"]["time"]), (&0.into(), &"not recorded".into()));
    }
    let bundle = exported("stix").json();
    let grouping = list(&bundle, "objects").iter().find(|object| object["type"] == "grouping").expect("one");
    assert!(grouping["description"].as_str().expect("text").contains("time is not recorded"));
}

#[test]
fn a_report_adds_secrets_and_dated_facts() {
    let report =
        |form: &str| on(&format!("report -q --no-times -o {form}"), fixture("shop-podman")).status(0);
    let document = report("json").json();
    let events = report("ecs").lines();
    let fields = ecs_fields();
    events.iter().for_each(|event| assert_ecs(event, &fields));
    let secrets = list(&document, "secrets").len();
    assert!(secrets > 0);
    assert_eq!(count(&events, "/event/dataset", "ckptfx.secret"), secrets);
    assert_eq!(count(&events, "/event/dataset", "ckptfx.timeline"), list(&document, "events").len());
    assert_eq!(count(&events, "/event/dataset", "ckptfx.finding"), list(&document, "findings").len());
    let classes = report("ocsf").lines();
    assert_eq!(classes.iter().filter(|event| event["class_uid"] == 2006).count(), secrets);
    let log = report("sarif").json();
    let results = list(&log["runs"][0], "results");
    assert_eq!(results.len(), list(&document, "findings").len() + secrets);
    // What the secrets are is in no form.
    let known = on("secrets -q -o json --show-secrets", fixture("shop-podman")).status(0).json();
    let known: Vec<&str> =
        list(&known, "secrets").iter().filter_map(|secret| secret["secret"].as_str()).collect();
    assert!(!known.is_empty());
    for form in FORMS {
        let text = report(form).text();
        assert!(known.iter().all(|secret| !text.contains(*secret)), "{form}");
    }
}

#[test]
fn forms_are_refused_where_they_make_no_sense() {
    for command in ["ps", "files", "info", "timeline", "decode"] {
        for form in FORMS {
            let ended = on(&format!("{command} -o {form}"), fixture("shop-podman")).status(2);
            assert!(
                ended.stderr.contains(&format!("`{command}` cannot write {form}: use table")),
                "{}",
                ended.stderr
            );
            assert!(ended.stderr.contains("table, wide, json, jsonl, csv"), "{}", ended.stderr);
            assert_eq!(ended.stdout, b"");
        }
    }
    for form in ["table", "json", "csv", "sarif"] {
        on(&format!("triage --inventory -o {form}"), fixture("shop-podman")).status(2);
    }
    on("triage --inventory -o ecs --pid 1", fixture("shop-podman")).status(2);
}

#[test]
fn one_finding_in_each_form() {
    let pick = |form: &str| export(&format!("-q --min-severity high -o {form}"), "scenarios/inject");
    let pretty = |value: &Value| serde_json::to_string_pretty(value).expect("JSON");
    let event = |form: &str| pretty(&pick(form).lines()[0]);
    insta::assert_snapshot!("export-ecs", event("ecs"));
    insta::assert_snapshot!("export-ocsf", event("ocsf"));
    insta::assert_snapshot!("export-sarif", pretty(&pick("sarif").json()["runs"][0]["results"][0]));
    let bundle = pick("stix").json();
    let kinds = ["process", "note", "sighting", "attack-pattern", "observed-data"];
    let objects: Vec<String> = kinds
        .iter()
        .map(|kind| {
            pretty(list(&bundle, "objects").iter().find(|object| object["type"] == *kind).expect("one"))
        })
        .collect();
    insta::assert_snapshot!("export-stix", objects.join("\n"));
}

/// Findings of rules that the analyst gave say whose they are.
#[test]
fn findings_keep_who_found_them() {
    const YARA: &str = "rule Miner_Pool { strings: $a = \"stratum+tcp://\" condition: $a }";
    const SIGMA: &str = "title: Miner\nid: 00000000-1111-2222-3333-444444444444\nmodified: 2026-03-01\n\
        logsource: {category: process_creation, product: linux}\n\
        detection:\n  one:\n    CommandLine|contains: minexmr\n  condition: one\nlevel: high\n";
    let scratch = crate::support::Scratch::new();
    let (yara, sigma) = (scratch.put("rules.yar", YARA), scratch.put("rule.yml", SIGMA));
    let words = |form: &str| format!("-q --yara {} --sigma {} -o {form}", yara.display(), sigma.display());
    let of = |id: &'static str| move |value: &&Value| value.to_string().contains(id);

    let document = export(&words("json"), "shop-podman").json();
    let origin = |id: &'static str| {
        let found = list(&document, "findings").iter().find(|finding| finding["id"] == id).expect(id);
        found["origin"].clone()
    };
    assert_eq!(
        origin("YARA-Miner_Pool"),
        serde_json::json!({"kind": "yara", "rule": "Miner_Pool", "namespace": "rules.yar"})
    );
    let sigma_id = "SIGMA-00000000-1111-2222-3333-444444444444";
    assert_eq!(
        origin("SIGMA-00000000-1111-2222-3333-444444444444"),
        serde_json::json!({"kind": "sigma", "rule": "00000000-1111-2222-3333-444444444444", "version": "2026-03-01"})
    );
    assert_eq!(origin("EXE-DELETED"), serde_json::json!({"kind": "rule"}));

    let events = export(&words("ecs"), "shop-podman").lines();
    let rule = |id: &'static str| {
        events.iter().find(|event| event["rule"]["id"] == id).unwrap_or_else(|| panic!("{id}"))["rule"]
            .clone()
    };
    assert_eq!(
        (&rule("YARA-Miner_Pool")["ruleset"], &rule("YARA-Miner_Pool")["category"]),
        (&"yara".into(), &"rules.yar".into())
    );
    assert_eq!(
        (&rule(sigma_id)["ruleset"], &rule(sigma_id)["version"]),
        (&"sigma".into(), &"2026-03-01".into())
    );
    assert_eq!(rule("EXE-DELETED")["ruleset"], "ckptfx");

    let events = export(&words("ocsf"), "shop-podman").lines();
    let analytic = |id: &'static str| {
        let found = events.iter().find(|event| event["finding_info"]["analytic"]["uid"] == id).expect(id);
        found["finding_info"]["analytic"].clone()
    };
    assert_eq!(analytic("YARA-Miner_Pool")["category"], "yara");
    assert_eq!(analytic("YARA-Miner_Pool").get("version"), None);
    assert_eq!(
        (&analytic(sigma_id)["category"], &analytic(sigma_id)["version"]),
        (&"sigma".into(), &"2026-03-01".into())
    );
    assert_eq!(analytic("EXE-DELETED")["category"], "ckptfx");

    let log = export(&words("sarif"), "shop-podman").json();
    let results = list(&log["runs"][0], "results");
    let result = |id: &'static str| results.iter().find(|result| result["ruleId"] == id).expect(id);
    assert_eq!(result("YARA-Miner_Pool")["properties"]["origin"], "yara");
    assert_eq!(result(sigma_id)["properties"]["origin"], "sigma");
    assert_eq!(result("EXE-DELETED")["properties"]["origin"], "rule");

    let bundle = export(&words("stix"), "shop-podman").json();
    let notes = list(&bundle, "objects");
    assert!(notes.iter().any(|note| of("Found by the YARA rule Miner_Pool of rules.yar")(&note)));
    assert!(notes.iter().any(|note| of("Found by the Sigma rule 00000000-1111")(&note)));
}
