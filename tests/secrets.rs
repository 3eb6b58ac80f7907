//! What `secrets` finds: everything that was planted, with its owner; masked; and nothing where nothing is.

use std::collections::BTreeSet;

use ckptfx_testkit::{Checkpoint, Container, PodmanVersion, Process, Vma};
use serde_json::Value;

use crate::support::{Scratch, ckptfx, fixture, on, on_bytes};

/// Archive, and pid of the program that has the keys.
const SHOPS: [(&str, u64); 3] = [("shop-podman", 11), ("shop-crio", 17), ("shop-containerd", 17)];

/// What was planted, none of which may be shown without being asked for.
const PLANTED: [&str; 6] = [
    "S3cr3t-Pa55",
    "hunter2-correct-horse",
    "tok_live_9f8e7d",
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG",
    "eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6ZGVmYXVsdDpkZWZhdWx0In0",
];

fn secrets(words: &str, name: &str) -> Vec<Value> {
    let found = on(&format!("secrets -o json {words}"), fixture(name)).status(0).json();
    found["secrets"].as_array().expect("secrets").clone()
}

fn rules(secrets: &[Value]) -> Vec<&str> {
    secrets.iter().map(|secret| secret["rule"].as_str().expect("rule")).collect()
}

fn pids(secret: &Value) -> BTreeSet<u64> {
    let places = secret["places"].as_array().expect("places");
    places.iter().filter_map(|place| place["pid"].as_u64()).collect()
}

#[test]
fn planted_secrets_have_their_owner() {
    for (name, app) in SHOPS {
        let found = secrets("", name);
        assert_eq!(
            rules(&found),
            [
                "private-key",
                "database-url",
                "json-web-token",
                "variable",
                "variable",
                "aws-access-key-id",
                "aws-secret-access-key",
                "json-web-token"
            ],
            "{name}"
        );
        let [key, url, token, password, app_token, id, aws, part] = found.as_slice() else {
            panic!("{name}")
        };
        for secret in [key, url, token, app_token, id, aws, part] {
            assert_eq!(pids(secret), BTreeSet::from([app]), "{name} {}", secret["rule"]);
        }
        // The environment of everything that the entry point started.
        assert!(pids(password).len() > 2 && pids(password).contains(&app), "{name}");
        assert_eq!(key["details"]["bits"], 2048);
        assert_eq!(key["details"]["algorithm"], "RSA");
        assert!(
            key["places"]
                .as_array()
                .expect("places")
                .iter()
                .any(|place| place["source"] == "rootfs"
                    && place["region"]["path"] == "/etc/ssl/private/app.key"),
            "{name}"
        );
        assert_eq!(url["text"], "postgres://app:…@db.internal:5432/orders");
        assert_eq!(token["title"], "Kubernetes service account token");
        assert_eq!(token["details"]["kubernetes"]["service_account"], "default");
        assert_eq!(app_token["text"], "APP_TOKEN=…");
        assert_eq!(app_token["role"], "environment");
        assert_eq!(id["details"]["placeholder"], true);
        assert_eq!(part["details"]["signed"], false);
    }
    // The pods of the Kubernetes archives are in the namespace `prod`, the token is for `default`.
    assert_eq!(secrets("", "shop-crio")[2]["details"]["identity"], "foreign");
    assert_eq!(secrets("", "shop-podman")[2]["details"]["identity"], "unknown");
}

#[test]
fn places_are_where_the_bytes_are() {
    let found = secrets("--show-secrets --rule database-url", "shop-podman");
    assert_eq!(found[0]["secret"], "S3cr3t-Pa55");
    let matches = on("grep-mem -o jsonl S3cr3t-Pa55", fixture("shop-podman")).status(0).lines();
    let places = found[0]["places"].as_array().expect("places");
    for place in places.iter().filter(|place| place["source"] == "memory") {
        assert!(
            matches.iter().any(|hit| hit["address"] == place["address"] && hit["pid"] == place["pid"]),
            "{place}"
        );
    }
}

#[test]
fn a_clean_web_server_has_none() {
    for name in ["webserver-podman", "webserver-podman-as-written", "scenarios/log", "scenarios/inject"] {
        assert_eq!(secrets("", name), Vec::<Value>::new(), "{name}");
    }
    // These pods were given a password in their environment, which nginx has on its heap.
    for name in ["webserver-crio", "webserver-containerd"] {
        let found = secrets("", name);
        assert_eq!(rules(&found), ["variable"], "{name}");
        assert_eq!(found[0]["text"], "DB_PASSWORD=…", "{name}");
    }
}

#[test]
fn nothing_is_shown_unasked_in_any_form() {
    for format in ["table", "json", "jsonl", "csv"] {
        for name in ["shop-podman", "shop-crio", "scenarios/bash"] {
            let ended = on(&format!("secrets -o {format} -v"), fixture(name)).status(0);
            let all = format!("{}{}", ended.text(), ended.stderr);
            for planted in PLANTED.into_iter().chain(["hunter2", "MIIEvQIBADANBg"]) {
                assert!(!all.contains(planted), "{format} {name} shows {planted}");
            }
        }
    }
    let shown = on("secrets -o csv --show-secrets", fixture("shop-podman")).status(0).text();
    for planted in PLANTED {
        assert!(shown.contains(planted), "{planted}");
    }
}

#[test]
fn threads_do_not_change_the_result() {
    let of = |threads: &str| on(&format!("secrets -o json --threads {threads}"), fixture("shop-crio")).text();
    assert_eq!(of("1"), of("4"));
}

#[test]
fn confidence_and_exit_status() {
    let shop = fixture("shop-podman");
    assert_eq!(secrets("--min-confidence high", "shop-podman").len(), 3);
    assert_eq!(secrets("--min-confidence medium", "shop-podman").len(), 5);
    on("secrets --fail-on high", &shop).status(1);
    on("secrets --fail-on high --min-confidence high --rule password-hash", &shop).status(0);
    on("secrets --fail-on high", fixture("webserver-crio")).status(0);
    on("secrets --fail-on medium", fixture("webserver-crio")).status(1);
    on("secrets --rule nosuch", &shop).status(2);
}

#[test]
fn rules_of_users() {
    let scratch = Scratch::new();
    let rules = scratch.put(
        "rules.toml",
        "[[rule]]\nid = 'flag'\ntitle = 'Flag'\nregex = 'FLAG\\{([a-z0-9-]{1,60})\\}'\ngroup = 1\nconfidence = 'high'\n",
    );
    let page = b"\0FLAG{a-b-c}\0FLAG{}\0".to_vec();
    let process = Process::new(7).bare().memory(Vma::anonymous(0x7f00_0000_0000, 0x1000).bytes(0, page));
    let archive = scratch.put(
        "archive.tar",
        Container::new(Checkpoint::new().process(process)).podman(PodmanVersion::V5).to_tar(),
    );
    let words = ["secrets", "-o", "jsonl", "--show-secrets", "--rules"].map(std::ffi::OsString::from);
    let found =
        ckptfx(words.into_iter().chain([rules.into_os_string(), archive.into_os_string()])).status(0).lines();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["secret"], "a-b-c");
    assert_eq!(found[0]["address"], "0x7f0000000006");
    assert_eq!(found[0]["pid"], 7);
    let listed = ckptfx(["secrets", "--list-rules", "-o", "json"]).status(0).json();
    assert!(listed["rules"].as_array().expect("rules").len() > 50);
}

#[test]
fn hostile_memory_ends_in_time_and_is_told() {
    // Tokens without end, heads of keys without feet, and nothing but dots.
    let mut bytes = Vec::new();
    for text in [
        "eyJ",
        "-----BEGIN PRIVATE KEY-----\n",
        "postgres://a:",
        "Cookie: a=b; ",
        "\x30\x30\x02\x01\x00\x30\x05\x06",
    ] {
        while bytes.len() % (1 << 19) != 0 || bytes.is_empty() {
            let room = (1 << 19) - bytes.len() % (1 << 19);
            bytes.extend_from_slice(&text.as_bytes()[..text.len().min(room)]);
        }
        bytes.push(0);
    }
    let length = (bytes.len() as u64).next_multiple_of(0x1000);
    let process = Process::new(1).bare().memory(Vma::anonymous(0x7f00_0000_0000, length).bytes(0, bytes));
    let tar = Container::new(Checkpoint::new().process(process)).podman(PodmanVersion::V5).to_tar();
    on_bytes("secrets -o json", tar).status(0);
}
