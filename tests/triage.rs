//! Verdicts on real checkpoints.

use serde_json::Value;

use crate::support::{ARCHIVES, Scratch, ckptfx, fixture, on};

fn findings(words: &str, archive: &str) -> Vec<Value> {
    let document = on(&format!("triage {words} -o json"), fixture(archive)).status(0).json();
    document["findings"].as_array().expect("findings").clone()
}

/// Processes and paths of the findings with an id, and their severities.
fn subjects<'f>(findings: &'f [Value], id: &str) -> Vec<(&'f str, &'f Value, &'f Value)> {
    let chosen = findings.iter().filter(|finding| finding["id"] == id);
    chosen
        .map(|finding| {
            let severity = finding["severity"].as_str().expect("severity");
            (severity, &finding["subject"]["exe"], &finding["subject"]["path"])
        })
        .collect()
}

#[track_caller]
fn assert_found(findings: &[Value], id: &str, severity: &str, exe: Option<&str>, path: Option<&str>) {
    let found = subjects(findings, id);
    let text = |text: Option<&str>| text.map_or(Value::Null, Value::from);
    assert!(
        found.iter().any(|(level, program, place)| *level == severity
            && **program == text(exe)
            && (path.is_none() || **place == text(path))),
        "{id} {severity} {exe:?} {path:?}: {found:?}"
    );
}

#[test]
fn the_intrusion_is_told_with_its_subjects_for_each_engine() {
    for archive in ["shop-podman", "shop-crio", "shop-containerd"] {
        let findings = findings("", archive);
        let miner = Some("/tmp/.cache/kworkerd");
        for (id, severity) in [
            ("MINER-STRINGS", "critical"),
            ("EXE-DELETED", "high"),
            ("KTHREAD-MASQUERADE", "high"),
            ("PRELOAD-ENV", "high"),
            ("RWX-ANON-CODE", "high"),
            ("RAW-SOCKET", "medium"),
        ] {
            assert_found(&findings, id, severity, miner, None);
        }
        assert_found(&findings, "LIB-WRITABLE-DIR", "high", miner, Some("/tmp/libinject.so"));
        assert_found(&findings, "EXE-MEMFD", "critical", Some("memfd:x"), None);
        assert_found(&findings, "STDIO-SOCKET-SHELL", "critical", Some("/usr/bin/dash"), None);
        assert_found(&findings, "HISTORY-DISABLED", "medium", Some("/usr/bin/dash"), None);
        assert_found(&findings, "AUTH-KEYS-ADDED", "high", None, Some("/root/.ssh/authorized_keys"));
        assert_found(&findings, "CRON-CHANGED", "high", None, Some("/etc/crontab"));
        assert_found(&findings, "ACCOUNT-CHANGED", "high", None, Some("/etc/passwd"));
        assert_found(&findings, "SETUID-ADDED", "critical", None, Some("/usr/bin/.rootsh"));
        assert_eq!(findings[0]["id"], "MINER-STRINGS", "the worst is the first");
        // The first process, and the web server and the application beside the intrusion, did nothing.
        for harmless in ["/usr/bin/sleep", "/usr/bin/python3.11"] {
            let grave = findings.iter().filter(|finding| finding["subject"]["exe"] == harmless);
            // That the application was given a token of another pod is told below.
            let others = grave.filter(|finding| finding["id"] != "SA-TOKEN-FOREIGN");
            assert!(others.clone().all(|finding| finding["severity"] == "info"), "{others:?}");
        }
    }
}

#[test]
fn each_scenario_has_its_finding() {
    let inject = findings("", "scenarios/inject");
    assert_found(&inject, "RIP-IN-ANON", "critical", Some("/scen/sim"), None);
    assert_found(&inject, "RWX-ANON-CODE", "high", Some("/scen/sim"), None);
    let cow = findings("", "scenarios/cow");
    assert_found(
        &cow,
        "TEXT-PATCHED",
        "high",
        Some("/usr/bin/python3.11"),
        Some("/usr/lib/x86_64-linux-gnu/libc.so.6"),
    );
    assert_eq!(subjects(&cow, "RWX-ANON-CODE"), [], "shared memory that holds no code");
    let bash = findings("", "scenarios/bash");
    assert_found(&bash, "HISTORY-DISABLED", "medium", Some("/usr/bin/bash"), None);
    assert_found(&bash, "SUSPICIOUS-COMMAND", "high", Some("/usr/bin/bash"), None);
    assert_found(&bash, "QUEUE-COMMAND", "high", Some("/usr/bin/bash"), None);
    let webshell = findings("", "scenarios/webshell");
    assert_found(&webshell, "WEB-SPAWN-SHELL", "high", Some("/usr/bin/dash"), None);
    assert_found(&webshell, "PIPE-CMD-OUTPUT", "info", Some("/usr/bin/dash"), None);
    let log = findings("", "scenarios/log");
    assert_found(&log, "LOG-TRUNCATED", "high", Some("/scen/sim"), Some("/tmp/auth.log"));
    assert_found(&log, "LOG-DELETED-OPEN", "high", Some("/scen/sim"), Some("/tmp/access.log"));
    // What one scenario has the others have not.
    for (archive, found) in
        [("inject", &inject), ("cow", &cow), ("bash", &bash), ("webshell", &webshell), ("log", &log)]
    {
        for (id, home) in [
            ("RIP-IN-ANON", "inject"),
            ("TEXT-PATCHED", "cow"),
            ("HISTORY-DISABLED", "bash"),
            ("WEB-SPAWN-SHELL", "webshell"),
            ("LOG-TRUNCATED", "log"),
        ] {
            assert_eq!(subjects(found, id).is_empty(), archive != home, "{id} in {archive}");
        }
    }
}

#[test]
fn a_token_is_judged_by_the_pod_that_the_engine_names() {
    let app = Some("/usr/bin/python3.11");
    for archive in ["shop-crio", "shop-containerd"] {
        let findings = findings("", archive);
        assert_found(&findings, "SA-TOKEN-FOREIGN", "critical", app, None);
        assert_eq!(subjects(&findings, "SA-TOKEN-UNEXPECTED"), [], "{archive}");
    }
    // Podman has no namespaces of Kubernetes that the token could differ from.
    let podman = findings("", "shop-podman");
    assert_eq!(subjects(&podman, "SA-TOKEN-FOREIGN"), []);
    assert_found(&podman, "SA-TOKEN-UNEXPECTED", "info", app, None);
    // The application's own key, and the keys of examples that it was given.
    for id in ["PRIVATE-KEY-IN-MEMORY", "CLOUD-KEY-IN-MEMORY"] {
        assert_found(&podman, id, "info", app, None);
        assert_eq!(subjects(&podman, id).len(), 1, "{id}");
    }
    // What the shell was typed and the terminal still holds.
    assert_found(&findings("", "scenarios/bash"), "QUEUE-SECRET", "medium", Some("/usr/bin/bash"), None);
}

#[test]
fn yara_rules_are_told_with_the_others() {
    const RULES: &str = r#"
rule Miner_Pool : T1496_001 {
  meta: description = "talks to a mining pool" score = 80 mitre_attack = "T1071"
  strings: $a = "stratum+tcp://"
  condition: $a
}
rule Broken { condition: nosuch }
"#;
    let scratch = Scratch::new();
    let rules = scratch.put("rules.yar", RULES);
    let words = format!("triage -o json --yara {}", rules.display());
    let document = on(&words, fixture("shop-podman")).status(3).json();
    let found = document["findings"].as_array().expect("findings");
    let yara: Vec<&Value> = found.iter().filter(|finding| finding["id"] == "YARA-Miner_Pool").collect();
    assert_eq!(yara[0]["subject"]["pid"], 14);
    assert_eq!(yara[0]["story"], "process-14");
    assert_eq!(yara[0]["severity"], "high");
    assert_eq!(yara[0]["why"], "the YARA rule Miner_Pool matches: talks to a mining pool");
    let ids: Vec<&Value> =
        yara[0]["attack"].as_array().expect("a list").iter().map(|one| &one["technique"]).collect();
    assert_eq!(ids, ["T1071", "T1496.001"]);
    let of_file = yara.iter().any(|finding| finding["subject"]["path"] == "/tmp/.cache/kworkerd");
    assert!(of_file, "{yara:?}");
    let bad = document["warnings"].as_array().expect("warnings").iter().any(|one| one["code"] == "bad-rule");
    assert!(bad, "{}", document["warnings"]);
    // Nothing matches in what has nothing of the kind.
    let clean = on(&words, fixture("webserver-podman")).status(3).json();
    let ids: Vec<&str> =
        clean["findings"].as_array().expect("findings").iter().filter_map(|one| one["id"].as_str()).collect();
    assert!(!ids.iter().any(|id| id.starts_with("YARA-")), "{ids:?}");
    on("triage --yara /nonexistent", fixture("shop-podman")).status(2);
}

#[test]
fn ordinary_web_servers_have_nothing_to_look_at() {
    for archive in
        ["webserver-podman", "webserver-podman-as-written", "webserver-crio", "webserver-containerd"]
    {
        assert_eq!(findings("--min-severity medium", archive), Vec::<Value>::new(), "{archive}");
        on("triage --fail-on medium", fixture(archive)).status(0);
    }
}

#[test]
fn the_status_tells_what_was_asked() {
    let archive = fixture("scenarios/webshell");
    on("triage --fail-on high -q", &archive).status(1);
    on("triage --fail-on critical -q", &archive).status(0);
    on("triage --fail-on high --ignore WEB-SPAWN-SHELL -q", &archive).status(0);
    on("triage --fail-on high --ignore WEB-SPAWN-SHELL:/usr/bin/dash -q", &archive).status(0);
    on("triage --fail-on high --ignore WEB-SPAWN-SHELL:/usr/bin/bash -q", &archive).status(1);
    on("triage --fail-on nonsense", &archive).status(2);
}

#[test]
fn what_is_known_is_counted_and_not_shown() {
    let scratch = Scratch::new();
    let archive = fixture("shop-podman");
    let report = scratch.put("known.json", on("triage -o json", &archive).status(0).stdout);
    let words = format!("triage -o json --baseline {}", report.display());
    let again = on(&words, &archive).status(0).json();
    assert_eq!(again["findings"].as_array().map(Vec::len), Some(0));
    assert!(
        again["warnings"].as_array().expect("warnings").iter().any(|warning| warning["code"] == "suppressed")
    );
    // The same intrusion in another engine's archive has other pids.
    let other = on(&words, fixture("shop-crio")).status(0).json();
    let left: Vec<&Value> =
        other["findings"].as_array().expect("findings").iter().map(|finding| &finding["id"]).collect();
    assert_eq!(left, ["SA-TOKEN-FOREIGN", "SECCOMP-OFF"]);
    let lines = scratch.put("known.txt", "# looked at\nEXE-MEMFD\nPRELOAD-ENV:/tmp/.cache/kworkerd\n");
    let words = format!("triage -o json --baseline {}", lines.display());
    let found = on(&words, &archive).status(0).json();
    let ids: Vec<&Value> =
        found["findings"].as_array().expect("findings").iter().map(|finding| &finding["id"]).collect();
    assert!(!ids.contains(&&"EXE-MEMFD".into()) && !ids.contains(&&"PRELOAD-ENV".into()));
}

#[test]
fn sigma_rules_of_a_directory() {
    const RULE: &str = "
title: Interactive shell
id: 5a1f0f9e-0000-4000-8000-000000000001
level: high
logsource: {product: linux, category: process_creation}
detection:
  selection: {Image|endswith: /dash, CommandLine|contains: ' -i'}
  condition: selection
tags: [attack.execution, attack.t1059.004]
";
    let scratch = Scratch::new();
    scratch.put("rule.yml", RULE);
    scratch.put("other.yml", RULE.replace("Image|endswith", "Hashes"));
    scratch.put("notes.txt", "no rule");
    let words = format!("triage -o json --sigma {}", scratch.0.path().display());
    let document = on(&words, fixture("shop-podman")).status(0).json();
    let found = document["findings"].as_array().expect("findings");
    let sigma: Vec<&Value> = found
        .iter()
        .filter(|finding| finding["id"].as_str().is_some_and(|id| id.starts_with("SIGMA-")))
        .collect();
    assert_eq!(sigma.len(), 1);
    assert_eq!(sigma[0]["subject"]["pid"], 24);
    assert_eq!(sigma[0]["story"], "process-24");
    assert_eq!(
        sigma[0]["attack"],
        serde_json::json!([{"technique": "T1059.004", "tactic": "execution", "version": "19"}])
    );
    let unsupported = document["warnings"]
        .as_array()
        .expect("warnings")
        .iter()
        .find(|one| one["code"] == "unsupported-rule");
    assert!(unsupported.expect("it is named")["subject"].as_str().expect("text").contains("other.yml"));
    on("triage --sigma /nonexistent", fixture("shop-podman")).status(2);
}

#[test]
fn what_people_see() {
    // The next steps name the archive as it was named.
    let seen = |words: &str, archive: &str| {
        let path = fixture(archive);
        let folder = format!("{}/", path.parent().expect("a folder").display());
        on(words, &path).status(0).text().replace(&folder, "cases/")
    };
    insta::assert_snapshot!("triage-shop-podman", seen("triage", "shop-podman"));
    insta::assert_snapshot!("triage-webserver-crio", seen("triage -q", "webserver-crio"));
    insta::assert_snapshot!(
        "triage-explain",
        ckptfx(["triage", "--explain", "log-truncated"]).status(0).text()
    );
    insta::assert_snapshot!("triage-list-rules", ckptfx(["triage", "--list-rules"]).status(0).text());
    ckptfx(["triage", "--explain", "NO-SUCH-RULE"]).status(2);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    for archive in ARCHIVES {
        let run = |threads: &str| {
            on(&format!("triage -o json --threads {threads}"), fixture(archive)).status(0).stdout
        };
        assert_eq!(run("1"), run("3"), "{archive}");
    }
}

#[test]
fn techniques_are_named_after_either_version() {
    let of = |version: &str| {
        let found = findings(&format!("--attack {version}"), "scenarios/log");
        let log = found.iter().find(|finding| finding["id"] == "LOG-TRUNCATED").expect("found").clone();
        log["attack"][0].clone()
    };
    assert_eq!(
        of("18"),
        serde_json::json!({"technique": "T1070.002", "tactic": "defense-evasion", "version": "18"})
    );
    assert_eq!(
        of("19"),
        serde_json::json!({"technique": "T1685.006", "tactic": "defense-impairment", "version": "19"})
    );
}

#[test]
fn a_line_says_what_it_is_about_and_what_it_rests_on() {
    for line in on("triage -q -o jsonl", fixture("scenarios/inject")).status(0).lines() {
        assert_eq!(line["evidence"]["name"], "inject.tar.zst");
        assert!(line["record_evidence"].is_array(), "{line}");
    }
    let table = on("triage -q -o csv", fixture("scenarios/inject")).status(0);
    let mut reader = csv::Reader::from_reader(table.stdout.as_slice());
    let header: Vec<String> = reader.headers().expect("a header").iter().map(str::to_owned).collect();
    let names: std::collections::BTreeSet<&String> = header.iter().collect();
    assert_eq!(names.len(), header.len(), "{header:?}");
}
