//! Checkpoints through an API server.

use std::fs;

use serde_json::{Value, json};

use crate::{
    fake::{
        cluster::Cluster,
        http::Reply,
        kubelet::{Kubelet, Made, NODE_PATH},
    },
    support::{Ended, Scratch, ckptfx},
};

fn cluster(made: impl IntoIterator<Item = Made>) -> Cluster {
    Cluster::new(Kubelet::new(made))
}

/// Runs `capture` against a cluster; gives also the manifests.
fn capture(cluster: &Cluster, words: &[&str]) -> (Ended, Vec<Value>) {
    let (scratch, out) = (Scratch::new(), Scratch::new());
    let config = cluster.serve(&scratch);
    let fixed =
        ["capture", "-o", "json", "-n", "shop", "--kubeconfig", config.to_str().expect("plain"), "--dir"];
    let directory = out.0.path().to_str().expect("plain");
    let ended = ckptfx(fixed.iter().copied().chain([directory]).chain(words.iter().copied()));
    let manifests = fs::read_dir(out.0.path()).expect("readable").map(|entry| {
        let bytes = fs::read(entry.expect("an entry").path()).expect("readable");
        serde_json::from_slice(&bytes).expect("JSON")
    });
    (ended, manifests.collect())
}

#[test]
fn a_container_is_found_and_recorded() {
    for words in [
        &["web"][..],
        &["web/app"],
        &["pod/web"],
        &["pods/web/app"],
        &["-l", "app=web"],
        &["--deployment", "web"],
        &["--deployment", "web", "--all-nodes", "--jobs", "2"],
    ] {
        let cluster = cluster([Made::Taken]);
        let (ended, manifests) = capture(&cluster, words);
        let ended = ended.status(0);
        assert_eq!(ended.json()["captures"][0]["running_after"], true);
        assert_eq!(ended.json()["captures"][0]["archive"], Value::Null, "it is on the node");
        assert_eq!(*cluster.kubelet.asked.lock(), ["/checkpoint/shop/web/app"]);
        let [manifest] = manifests.as_slice() else { panic!("{manifests:?}") };
        assert_eq!(manifest["archive"]["node_path"], NODE_PATH);
        assert_eq!(manifest["subject"]["container_id"], "id-of-app");
        assert_eq!(manifest["source"]["runtime"], "containerd://2.1.9");
        assert!(!manifest.to_string().contains("not-a-secret"), "no credentials are recorded");
    }
    // Which containers are meant must be said once.
    ckptfx(["capture", "web", "--all-nodes"]).status(2);
}

/// What is checked beforehand, and what is said of each that is missing.
#[test]
fn what_is_missing_is_told_before_anything_is_asked() {
    let ready = || cluster([Made::Taken]);
    let off = json!({"kubeletconfig": {"featureGates": {"ContainerCheckpoint": false}}});
    let handlers = json!({"kubeletconfig": {"enableDebuggingHandlers": false}});
    let mut told = String::new();
    for (name, cluster) in [
        ("no permission", Cluster { denied: vec!["create nodes/proxy"], ..ready() }),
        ("an old runtime", Cluster { runtime: "containerd://1.7.27", ..ready() }),
        ("an old kubelet", Cluster { kubelet_version: "v1.24.9", ..ready() }),
        ("a gate that is off", Cluster { configuration: Some(off), ..ready() }),
        ("no debugging handlers", Cluster { configuration: Some(handlers), ..ready() }),
        ("no disk", Cluster { disk_pressure: "True", ..ready() }),
    ] {
        let (ended, manifests) = capture(&cluster, &["web"]);
        let ended = ended.status(2);
        told.push_str(&format!("{name}:\n{}\n", ended.stderr));
        assert!(manifests.is_empty() && cluster.kubelet.asked.lock().is_empty());
        let (ended, _) = capture(&cluster, &["web", "--preflight"]);
        let document = ended.status(1).json();
        let states: Vec<&Value> =
            document["checks"].as_array().expect("a list").iter().map(|check| &check["state"]).collect();
        assert_eq!(states.iter().filter(|state| **state == "missing").count(), 1, "{name}: {document}");
        assert!(cluster.kubelet.asked.lock().is_empty());
    }
    insta::assert_snapshot!("missing", told);
    // The check can be wrong, and then it must not stand in the way.
    let wrong = Cluster { runtime: "containerd://1.7.27", ..ready() };
    capture(&wrong, &["web", "--no-preflight"]).0.status(0);
}

#[test]
fn a_preflight_reads_well() {
    let (scratch, cluster) = (Scratch::new(), cluster([Made::Taken]));
    let config = cluster.serve(&scratch);
    let words =
        ["capture", "-n", "shop", "web", "--preflight", "--fetch", "--fetch-namespace", "ckptfx-fetch"];
    let ended = ckptfx(words.iter().copied().chain(["--kubeconfig", config.to_str().expect("plain")]));
    insta::assert_snapshot!("preflight", ended.status(0).text());
}

/// What the API server itself answers; kubelets are in `capture_kubelet`.
#[test]
fn refusals_of_the_api_server_are_told_in_plain_words() {
    let status = |code: u16, reason: &str, message: &str| {
        let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code});
        Reply::json(code, body)
    };
    let mut told = String::new();
    for reply in [
        status(401, "Unauthorized", "Unauthorized"),
        status(
            403,
            "Forbidden",
            "nodes \"n1\" is forbidden: User \"responder\" cannot create resource \"nodes/proxy\" in API group \"\" at the \
             cluster scope",
        ),
        status(404, "NotFound", "nodes \"n1\" not found"),
        status(
            503,
            "ServiceUnavailable",
            "error trying to reach service: dial tcp 10.0.0.1:10250: connect: connection refused",
        ),
    ] {
        let cluster = Cluster { refusal: Some(reply), ..cluster([Made::Taken]) };
        let (ended, manifests) = capture(&cluster, &["web"]);
        told.push_str(&ended.status(2).stderr);
        told.push('\n');
        assert!(manifests.is_empty());
    }
    // The kubelet's own refusal passes through, and is told as the kubelet's.
    let cluster = cluster([Made::Taken]);
    let refuses = Cluster { kubelet: Kubelet { allowed: false, ..cluster.kubelet.clone() }, ..cluster };
    told.push_str(&capture(&refuses, &["web"]).0.status(2).stderr);
    insta::assert_snapshot!("api_server", told);
}

#[test]
fn two_checkpoints_in_each_others_way_are_tried_again() {
    for busy in
        ["cannot pause a paused container", "open /run/x/ctrd-checkpoint/status: no such file or directory"]
    {
        let cluster = cluster([Made::Failed(busy), Made::Taken]);
        let (ended, manifests) = capture(&cluster, &["web"]);
        ended.status(0);
        assert_eq!(cluster.kubelet.asked.lock().len(), 2);
        assert_eq!(manifests[0]["exchanges"].as_array().expect("a list").len(), 2);
    }
}

#[test]
fn what_does_not_exist_is_told() {
    let cluster = cluster([Made::Taken]);
    assert!(capture(&cluster, &["gone"]).0.status(2).stderr.contains("pod-not-found"));
    assert!(capture(&cluster, &["web/nope"]).0.status(2).stderr.contains("it has app, sidecar"));
    assert!(capture(&cluster, &["../../x"]).0.status(2).stderr.contains("no name"));
}
