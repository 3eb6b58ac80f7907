//! What `yara` finds with the rules of `fixtures/rules`: what was planted, whose it is, and nothing in what is clean.

use std::{collections::BTreeSet, path::Path, process::Command};

use ckptfx_testkit::{Checkpoint, Container, PodmanVersion, Process, Vma};
use serde_json::{Value, json};

use crate::support::{Ended, Scratch, address, ckptfx, command, finish, fixture, on, skip};

const BASE: u64 = 0x7f00_0000_0000;

fn rules() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rules").display().to_string()
}

/// The rules of the fixtures over an archive of the fixtures.
fn yara(words: &str, name: &str) -> Ended {
    on(&format!("yara -r {} {words}", rules()), fixture(name))
}

fn matches(ended: &Ended) -> Vec<Value> {
    ended.json()["matches"].as_array().expect("matches").clone()
}

/// Rule, pid and source of each match.
fn found(matches: &[Value]) -> BTreeSet<(String, Option<u64>, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    matches.iter().map(|one| (text(&one["rule"]), one["pid"].as_u64(), text(&one["source"]))).collect()
}

/// One rule of its own over an archive of one process.
fn own(rule: &str, words: &str, vmas: Vec<Vma>) -> Ended {
    let scratch = Scratch::new();
    let rule = scratch.put("own.yar", rule);
    let mut process = Process::new(1).bare();
    for vma in vmas {
        process = process.memory(vma);
    }
    let tar = Container::new(Checkpoint::new().process(process)).podman(PodmanVersion::V5).to_tar();
    on(&format!("yara -o json -r {} {words}", rule.display()), scratch.put("one.tar", tar))
}

#[test]
fn planted_things_are_found_in_every_shop() {
    for (name, app, kworker, shell, memfd) in
        [("shop-podman", 11, 14, 24, 25), ("shop-crio", 17, 20, 30, 31), ("shop-containerd", 17, 20, 32, 33)]
    {
        let found = found(&matches(&yara("-o json --source all", name).status(0)));
        for (rule, pid, source) in [
            ("credential_private_key", Some(app), "memory"),
            ("credential_json_web_token", Some(app), "memory"),
            ("credential_cloud_key", Some(app), "memory"),
            ("credential_database_url", Some(app), "memory"),
            ("credential_wide_password", Some(kworker), "memory"),
            ("miner_pool_url", Some(kworker), "memory"),
            ("miner_pool_host", Some(kworker), "memory"),
            ("miner_wallet", Some(kworker), "memory"),
            ("implant_preload", Some(kworker), "memory"),
            ("shell_interactive_quiet", Some(shell), "memory"),
            ("implant_kernel_title", Some(memfd), "memory"),
            ("implant_stage_memfd", Some(kworker), "memfd"),
            ("implant_kernel_name", Some(kworker), "ghost-file"),
            ("tool_recon_commands", Some(kworker), "pipe"),
            ("webshell_gate", Some(kworker), "socket-queue"),
            ("persistence_cron_download", None, "rootfs"),
            ("persistence_second_root", None, "rootfs"),
            ("persistence_authorized_key", None, "rootfs"),
            ("persistence_setuid_shell_name", None, "rootfs"),
        ] {
            let wanted = (rule.to_owned(), pid, source.to_owned());
            assert!(found.contains(&wanted), "{name}: {wanted:?} is not among {found:#?}");
        }
    }
}

#[test]
fn a_clean_web_server_has_nothing_but_information() {
    for name in ["webserver-podman", "webserver-podman-as-written", "webserver-crio", "webserver-containerd"]
    {
        for one in matches(&yara("-o json --source all", name)) {
            let severity =
                one["meta"].as_array().unwrap().iter().find(|meta| meta["name"] == "severity").unwrap();
            assert_eq!(severity["value"], "info", "{name}: {}", one["rule"]);
        }
    }
    assert_eq!(yara("-q --source all", "webserver-podman").status(1).text(), "");
}

/// The bytes of each string are those that `dump` gives at its address, and those of the member at its offset.
#[test]
fn strings_are_where_they_are_said_to_be() {
    let members = crate::support::members(&crate::support::plain("shop-podman"));
    let archive = fixture("shop-podman");
    let mut checked = 0;
    for one in matches(&yara("-o json", "shop-podman").status(0)) {
        for string in one["strings"].as_array().unwrap() {
            let length = usize::try_from(string["length"].as_u64().unwrap()).unwrap();
            let bytes = base64(string["bytes_b64"].as_str().unwrap());
            assert_eq!(bytes.len(), length.min(512), "{one}");
            if let (Some(_), Some(pid)) = (string["address"].as_str(), one["pid"].as_u64()) {
                let start = address(&string["address"]);
                let range = format!("{start:x}-{:x}", start + bytes.len() as u64);
                let dumped = on(&format!("dump --pid {pid} --range {range}"), &archive).status(0);
                assert_eq!(dumped.stdout, bytes, "{one}");
                let region = &string["region"];
                assert!((address(&region["start"])..address(&region["end"])).contains(&start), "{one}");
                checked += 1;
            }
            let offset = usize::try_from(string["member_offset"].as_u64().unwrap()).unwrap();
            let member = members.find(string["member"].as_str().unwrap()).unwrap();
            assert_eq!(member.body.to_vec()[offset..offset + bytes.len()], bytes, "{one}");
        }
    }
    assert!(checked > 20, "{checked}");
}

fn base64(text: &str) -> Vec<u8> {
    base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).expect("base64")
}

#[test]
fn a_string_over_a_page_border_counts_and_one_over_a_gap_does_not() {
    let rule = "rule r { strings: $a = \"SPLIT-ACROSS\" condition: $a }";
    let at_border = Vma::anonymous(BASE, 0x2000).bytes(0xffa, "SPLIT-ACROSS");
    let result = own(rule, "", vec![at_border]).status(0);
    let strings = &matches(&result)[0]["strings"];
    assert_eq!((&strings[0]["address"], &strings[0]["length"]), (&json!("0x7f0000000ffa"), &json!(12)));
    let halves = vec![
        Vma::anonymous(BASE, 0x1000).bytes(0xffa, "SPLIT-"),
        Vma::anonymous(BASE + 0x2000, 0x1000).bytes(0, "ACROSS"),
    ];
    assert_eq!(matches(&own(rule, "", halves).status(1)), [Value::Null; 0]);
}

#[test]
fn conditions_can_read_memory_and_ask_for_variables() {
    let rule =
        "rule r { strings: $a = \"magic\" condition: for any i in (1..#a) : ( uint8(@a[i] + 5) == limit ) }";
    let vma = || vec![Vma::anonymous(BASE, 0x1000).bytes(16, "magic!").bytes(64, "magic?")];
    assert_eq!(matches(&own(rule, "-d limit=63", vma()).status(0)).len(), 1);
    own(rule, "-d limit=64", vma()).status(1);
    // Without the variable the rule means nothing, and no other is left.
    let failed = own(rule, "", vma()).status(2);
    assert!(failed.stderr.contains("own.yar:1:") && failed.stderr.contains("limit"), "{}", failed.stderr);
}

#[test]
fn only_what_is_asked_for_is_scanned() {
    let rule = "rule r : t { strings: $a = \"word\" condition: $a }\nrule other { condition: true }";
    let vmas = || {
        vec![
            Vma::anonymous(BASE, 0x1000).bytes(0, "word"),
            Vma::anonymous(BASE + 0x10_0000, 0x1000).bytes(0, "word"),
        ]
    };
    let strings = |words: &str| {
        let result = own(rule, &format!("--tag t {words}"), vmas());
        let places: Vec<u64> = matches(&result)
            .iter()
            .flat_map(|one| one["strings"].as_array().unwrap().clone())
            .map(|string| address(&string["address"]))
            .collect();
        (result, places)
    };
    assert_eq!(strings("").1, [BASE, BASE + 0x10_0000]);
    let (result, places) = strings("--range 7f0000000000-7f0000001000");
    assert_eq!(places, [BASE]);
    let coverage = &result.json()["coverage"];
    assert_eq!(coverage["scanned"][0]["bytes"], 0x1000);
    let left_out = coverage["not_scanned"].as_array().unwrap().iter().find(|gap| gap["why"] == "left-out");
    assert_eq!(left_out.unwrap()["bytes"], 0x1000);
    assert_eq!(strings("--perms x").0.status, Some(1));
    // Fewer places are given than there are, and that is said.
    let (result, places) = strings("--max-strings 1");
    assert_eq!(places, [BASE]);
    assert_eq!(matches(&result)[0]["string_count"], 2);
    assert_eq!(result.json()["warnings"][0]["code"], "max-strings");
}

#[test]
fn a_rule_that_does_not_compile_costs_itself_and_is_named() {
    let rule = "import \"elf\"\nrule bad { condition: elf.nothing }\nrule good { condition: true }";
    let result = own(rule, "", vec![Vma::anonymous(BASE, 0x1000).bytes(0, "x")]).status(3);
    assert_eq!(found(&matches(&result)), [("good".to_owned(), Some(1), "memory".to_owned())].into());
    let warnings = &result.json()["warnings"];
    let of = |code: &str| {
        let all = warnings.as_array().unwrap().iter();
        all.filter(|one| one["code"] == code).cloned().collect::<Vec<Value>>()
    };
    assert_eq!(of("bad-rule")[0]["subject"], "own.yar");
    let message = of("bad-rule")[0]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("2:") && message.contains("bad"), "{message}");
    assert_eq!(of("module-over-memory").len(), 1);
}

#[test]
fn wrong_use_is_an_error() {
    let archive = fixture("webserver-podman");
    let scratch = Scratch::new();
    assert_eq!(on("yara", &archive).status, Some(2));
    assert_eq!(on("yara -r /no/such/rules", &archive).status, Some(2));
    assert_eq!(on(&format!("yara -r {}", scratch.0.path().display()), &archive).status, Some(2));
    assert_eq!(yara("-d novalue", "webserver-podman").status, Some(2));
    assert_eq!(yara("--pid 4711", "webserver-podman").status, Some(2));
}

#[test]
fn a_scan_without_time_gives_no_rule_a_wrong_answer() {
    let rule = "rule r { strings: $a = \"word\" condition: not $a }";
    let result = own(rule, "--timeout 0", vec![Vma::anonymous(BASE, 0x1000).bytes(0, "word")]);
    let document = result.json();
    assert_eq!(document["matches"], json!([]));
    assert_eq!(result.status, Some(3));
    assert_eq!(document["coverage"]["stopped"], "timeout");
}

#[test]
fn the_result_does_not_depend_on_threads_or_packing() {
    let one = yara("-o json --source all --threads 1", "shop-crio").status(0).text();
    assert_eq!(one, yara("-o json --source all --threads 4", "shop-crio").status(0).text());
    let mut program = command();
    let words = ["yara", "-o", "json", "--source", "all", "-r", &rules(), "-"];
    let tar = crate::support::plain("shop-crio");
    let plain = finish(program.args(words), &tar).status(0);
    let of = |text: &str| serde_json::from_str::<Value>(text).unwrap()["matches"].as_array().unwrap().len();
    assert_eq!(of(&plain.text()), of(&one));
}

#[test]
fn counts_and_tables() {
    let counts = yara("-c -o json --source pipe,rootfs", "shop-podman").status(0).json();
    assert_eq!(
        counts["counts"],
        json!([
            {"pid": null, "comm": null, "source": "rootfs", "count": 5},
            {"pid": 14, "comm": "[kworker/0:1]", "source": "pipe", "count": 1},
        ])
    );
    insta::assert_snapshot!(
        "yara-table",
        yara("-q --source all --comm sh --comm nc", "shop-podman").status(0).text()
    );
    insta::assert_snapshot!(
        "yara-strings",
        yara("-q -s --tag miner --tag hiding", "shop-podman").status(0).text()
    );
    insta::assert_snapshot!("yara-csv", yara("-q -o csv --source rootfs", "shop-podman").status(0).text());
    let one = yara("-q -o jsonl --tag wallet --pid 14", "shop-podman").status(0).lines();
    insta::assert_snapshot!("yara-record", serde_json::to_string_pretty(&one[0]).unwrap());
}

/// The `yara` program, over the memory of each process as `dump` writes it mapping by mapping, finds no rule that
/// `ckptfx yara` does not find there.
#[test]
fn the_yara_program_finds_nothing_more() {
    if Command::new("yara").arg("--version").output().is_err() {
        skip("there is no yara");
        return;
    }
    let scratch = Scratch::new();
    let directory = rules();
    let archive = fixture("shop-podman");
    let ours = found(&matches(&yara("-o json", "shop-podman").status(0)));
    let mut seen = 0;
    for pid in [1, 8, 11, 14, 22, 24, 25] {
        let dumped =
            ckptfx(["dump", "--missing", "skip", "-q", "--pid", &pid.to_string(), archive.to_str().unwrap()]);
        let file = scratch.put(&format!("{pid}.bin"), &dumped.stdout);
        for rules in ["miners", "webshells", "shells", "implants", "credentials"] {
            let rules = format!("{directory}/{rules}.yar");
            let output = Command::new("yara").args(["-w", &rules]).arg(&file).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            for line in String::from_utf8(output.stdout).unwrap().lines() {
                let rule = line.split(' ').next().unwrap().to_owned();
                let is_ours = ours.iter().any(|(ours, owner, _)| *ours == rule && *owner == Some(pid));
                assert!(is_ours, "{rule} in {pid}");
                seen += 1;
            }
        }
    }
    assert!(seen > 15, "{seen}");
}

/// An object that several processes map is one match, and all of them are named.
#[test]
fn a_shared_object_is_scanned_once_and_belongs_to_all() {
    let scratch = Scratch::new();
    let rule = scratch.put("any.yar", "rule any { condition: true }");
    let archive = fixture("shop-podman");
    let of = |words: &str| {
        let words = format!("yara -o json --source shared-memory {words} -r {}", rule.display());
        matches(&on(&words, &archive).status(0))
    };
    let all = of("");
    let shared = all.iter().find(|one| !one["shared_with"].as_array().unwrap().is_empty());
    let shared = shared.expect("nginx shares memory with its workers");
    let mut pids: Vec<u64> =
        shared["shared_with"].as_array().unwrap().iter().filter_map(Value::as_u64).collect();
    // Asked for by another of its processes, it is that one's.
    let other = pids[0];
    pids.extend(shared["pid"].as_u64());
    let again = of(&format!("--pid {other}"));
    let again = again.iter().find(|one| one["path"] == shared["path"]).expect("the same object");
    assert_eq!(again["pid"], other);
    assert_eq!(again["shared_with"].as_array().unwrap().len() + 1, pids.len());
}
