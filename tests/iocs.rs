//! What `iocs` finds, whose it is, and what lists match.

use std::ffi::OsString;

use serde_json::{Value, json};

use crate::support::{Ended, Scratch, ckptfx, fixture, on};

const WALLET: &str =
    "44AFFq5kSiGBoZ4NMDwYtN18obc8AemS33DBLWs3H7otXft3XjrpDtQGv7SqSsaBYBb98uNbr2VBBEt7f2wfn3RVGQBEP3A";

fn iocs(words: &str, name: &str) -> Vec<Value> {
    on(&format!("iocs -o jsonl {words}"), fixture(name)).status(0).lines()
}

#[track_caller]
fn one<'v>(found: &'v [Value], kind: &str, value: &str) -> &'v Value {
    let hit = found.iter().find(|it| it["kind"] == kind && it["value"] == value);
    hit.unwrap_or_else(|| panic!("no {kind} {value}"))
}

fn matching(list: &str, name: &str) -> Ended {
    let scratch = Scratch::new();
    let list = scratch.put("feed", list);
    let words = ["iocs", "-o", "json", "--match"].map(OsString::from);
    ckptfx(words.into_iter().chain([list.into_os_string(), fixture(name).into_os_string()]))
}

#[test]
fn planted_indicators_have_their_owner() {
    for (name, app, miner) in [("shop-podman", 11, 14), ("shop-crio", 17, 20), ("shop-containerd", 17, 20)] {
        let found = iocs("", name);
        assert_eq!(one(&found, "monero", WALLET)["pids"], json!([miner]), "{name}");
        assert_eq!(one(&found, "url", "stratum+tcp://pool.minexmr.example:3333")["pids"], json!([miner]));
        assert_eq!(one(&found, "domain", "pool.minexmr.example")["pids"], json!([miner]));
        assert_eq!(one(&found, "url", "postgres://db.internal:5432/orders")["pids"], json!([app]));
        let cron = one(&found, "url", "http://198.51.100.7/x.sh");
        assert_eq!(cron["sources"], json!(["rootfs"]));
        assert_eq!(cron["places"][0]["region"]["path"], "/etc/crontab");
        assert!(one(&found, "ipv4", "198.51.100.7")["count"] == 1);
        let domain = one(&found, "domain", "db.internal");
        assert_eq!(
            domain["places"].as_array().expect("places").len() as u64,
            domain["count"].as_u64().expect("count")
        );
    }
}

#[test]
fn passwords_are_not_among_them() {
    for name in ["shop-podman", "shop-crio"] {
        let text = on("iocs -o json", fixture(name)).status(0).text();
        assert!(!text.contains("S3cr3t-Pa55"), "{name}");
    }
}

#[test]
fn kinds_can_be_chosen() {
    let found = iocs("--kind monero,ipv4", "shop-podman");
    assert!(found.iter().all(|it| it["kind"] == "monero" || it["kind"] == "ipv4") && found.len() > 1);
    on("iocs --kind luck", fixture("shop-podman")).status(2);
}

#[test]
fn lists_match_memory_sockets_files_and_hashes() {
    let crontab = on("rootfs -o json --hash", fixture("shop-podman")).status(0).json();
    let changes = crontab["changes"].as_array().expect("changes");
    let hash = changes.iter().find(|it| it["path"] == "/etc/crontab").expect("crontab")["sha256"].clone();
    let list = format!(
        "# a feed\npool[.]minexmr[.]example\n127.0.0.1\n{}\n/etc/crontab\nwidepassword\nnothere.example\n{WALLET}\n",
        hash.as_str().expect("sha256")
    );
    let found = matching(&list, "shop-podman").status(0).json();
    let found = found["iocs"].as_array().expect("iocs");
    assert!(found.iter().all(|it| it["value"] != "nothere.example"));
    let pool = one(found, "domain", "pool.minexmr.example");
    assert_eq!(pool["pids"], json!([14]));
    assert_eq!(pool["matched"], json!([{"list": "feed", "id": "line 2"}]));
    let local = one(found, "ipv4", "127.0.0.1");
    assert!(local["sockets"].as_array().expect("sockets").iter().any(|it| it["local"] == "127.0.0.1:31337"));
    let by_hash = one(found, "sha256", hash.as_str().expect("sha256"));
    assert_eq!(by_hash["files"][0]["path"], "/etc/crontab");
    assert_eq!(by_hash["files"][0]["by"], "sha256");
    assert_eq!(one(found, "file", "/etc/crontab")["files"][0]["by"], "name");
    // In UTF-16, and in another case.
    assert!(one(found, "text", "widepassword")["count"].as_u64() > Some(1));
    assert_eq!(one(found, "monero", WALLET)["pids"], json!([14]));
}

#[test]
fn bundles_and_events() {
    let stix = r#"{"type": "bundle", "id": "bundle--1", "objects": [{"type": "indicator", "id": "indicator--7",
        "pattern_type": "stix", "pattern": "[domain-name:value = 'pool.minexmr.example']"}]}"#;
    let found = matching(stix, "shop-podman").status(0).json();
    assert_eq!(found["iocs"][0]["matched"], json!([{"list": "feed", "id": "indicator--7"}]));
    let misp = r#"{"response": [{"Event": {"Attribute": [
        {"type": "domain", "value": "pool.minexmr.example", "uuid": "u-1"}]}}]}"#;
    let found = matching(misp, "shop-podman").status(0).json();
    assert_eq!(found["iocs"][0]["matched"], json!([{"list": "feed", "id": "u-1"}]));
    matching("nothere.example\n", "shop-podman").status(1);
    matching("{\"a\": 1}", "shop-podman").status(2);
}

#[test]
fn threads_do_not_change_the_result() {
    let of = |threads: &str| on(&format!("iocs -o json --threads {threads}"), fixture("shop-crio")).text();
    assert_eq!(of("1"), of("4"));
}
