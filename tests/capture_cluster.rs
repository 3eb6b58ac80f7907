//! Checkpoints through an API server that answers as real ones do.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use crate::support::{Ended, Scratch, ckptfx};

const NODE_PATH: &str = "/var/lib/kubelet/checkpoints/checkpoint-web_shop-app-2026-06-01T14:00:00+02:00.tar";

/// How the fake cluster behaves.
#[derive(Clone)]
struct Cluster {
    /// Status and body of each answer to a request for a checkpoint; the last is repeated.
    checkpoint: Vec<(u16, String)>,
    allowed: bool,
    runtime: &'static str,
}

fn cluster() -> Cluster {
    let taken = (200, format!(r#"{{"items":["{NODE_PATH}"]}}"#));
    Cluster { checkpoint: vec![taken], allowed: true, runtime: "containerd://2.1.9" }
}

fn answer(cluster: &Cluster, request: &str, asked: usize) -> (u16, String) {
    let path = request.split(' ').nth(1).unwrap_or_default();
    let status = json!({"name": "app", "ready": true, "restartCount": 0, "image": "web:1", "imageID": "web@sha256:12",
        "containerID": "containerd://abcdef", "state": {"running": {"startedAt": "2026-06-01T10:00:00Z"}}});
    let pod = json!({"metadata": {"name": "web", "namespace": "shop", "uid": "u-1"},
        "spec": {"nodeName": "n1", "containers": [{"name": "app"}]}, "status": {"containerStatuses": [status]}});
    let body = if path.contains("/proxy/checkpoint/") {
        let last = cluster.checkpoint.len() - 1;
        return cluster.checkpoint[asked.min(last)].clone();
    } else if path.contains("selfsubjectaccessreviews") {
        json!({"status": {"allowed": cluster.allowed}})
    } else if path.starts_with("/api/v1/namespaces/shop/pods?") {
        json!({"metadata": {}, "items": [pod]})
    } else if path == "/api/v1/namespaces/shop/pods/web" {
        pod
    } else if path == "/api/v1/nodes/n1" {
        let info = json!({"kubeletVersion": "v1.33.2", "containerRuntimeVersion": cluster.runtime, "architecture": "amd64",
            "bootID": "", "kernelVersion": "6.18", "kubeProxyVersion": "", "machineID": "", "operatingSystem": "linux",
            "osImage": "Linux", "systemUUID": ""});
        let condition = |name: &str, status: &str| json!({"type": name, "status": status});
        json!({"metadata": {"name": "n1"}, "status": {"nodeInfo": info,
            "conditions": [condition("Ready", "True"), condition("DiskPressure", "False")]}})
    } else {
        return (
            404,
            json!({"kind": "Status", "message": "pods \"gone\" not found", "code": 404}).to_string(),
        );
    };
    (200, body.to_string())
}

/// A server, the kubeconfig that leads to it, and the checkpoints that were asked for.
fn serve(scratch: &Scratch, cluster: Cluster) -> (PathBuf, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut reader = BufReader::new(stream.try_clone().expect("cloned"));
            let (mut request, mut length) = (String::new(), 0);
            reader.read_line(&mut request).expect("a request");
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a length");
                }
                line.clear();
            }
            reader.by_ref().take(length).read_to_end(&mut Vec::new()).expect("a body");
            let count = log.lock().expect("held").len();
            let (status, body) = answer(&cluster, &request, count);
            if request.contains("/proxy/checkpoint/") {
                log.lock().expect("held").push(request.trim_end().to_owned());
            }
            let head =
                format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            // The other side may have seen enough.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
        }
    });
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": "not-a-secret"}}],
    });
    (scratch.put("kubeconfig", config.to_string()), asked)
}

/// Runs `capture` against a cluster; gives also the manifests and what was asked of the kubelet.
fn capture(cluster: Cluster, words: &[&str]) -> (Ended, Vec<Value>, Vec<String>) {
    let (scratch, out) = (Scratch::new(), Scratch::new());
    let (config, asked) = serve(&scratch, cluster);
    let fixed =
        ["capture", "-o", "json", "-n", "shop", "--kubeconfig", config.to_str().expect("plain"), "--dir"];
    let directory = out.0.path().to_str().expect("plain");
    let ended = ckptfx(fixed.iter().copied().chain([directory]).chain(words.iter().copied()));
    let manifests = fs::read_dir(out.0.path())
        .expect("readable")
        .map(|entry| {
            serde_json::from_slice(&fs::read(entry.expect("entry").path()).expect("read")).expect("JSON")
        })
        .collect();
    let asked = asked.lock().expect("held").clone();
    (ended, manifests, asked)
}

#[test]
fn a_container_is_found_and_recorded() {
    for words in [&["web"][..], &["web/app"], &["-l", "app=web"]] {
        let (ended, manifests, asked) = capture(cluster(), words);
        let ended = ended.status(0);
        assert_eq!(ended.json()["captures"][0]["running_after"], true);
        assert_eq!(ended.json()["captures"][0]["archive"], Value::Null, "it is on the node");
        assert_eq!(asked, ["POST /api/v1/nodes/n1/proxy/checkpoint/shop/web/app HTTP/1.1"]);
        let [manifest] = manifests.as_slice() else { panic!("{manifests:?}") };
        assert_eq!(manifest["archive"]["node_path"], NODE_PATH);
        assert_eq!(manifest["subject"]["container_id"], "abcdef");
        assert_eq!(manifest["source"]["runtime"], "containerd://2.1.9");
        assert!(!manifest.to_string().contains("not-a-secret"), "no credentials are recorded");
    }
}

#[test]
fn what_is_missing_is_told_before_anything_is_asked() {
    let denied = Cluster { allowed: false, ..cluster() };
    let old = Cluster { runtime: "containerd://1.7.27", ..cluster() };
    for (cluster, said) in [(denied, "may not create nodes/proxy"), (old, "too old")] {
        let (ended, manifests, asked) = capture(cluster.clone(), &["web"]);
        assert!(ended.status(2).stderr.contains(said));
        assert!(manifests.is_empty() && asked.is_empty());
        let (ended, _, asked) = capture(cluster, &["web", "--preflight"]);
        let checks = ended.status(1).json()["checks"].to_string();
        assert!(checks.contains(said) && asked.is_empty(), "{checks}");
    }
}

#[test]
fn refusals_are_told_in_plain_words_and_nothing_is_written() {
    for (status, body, code) in [
        (404, "404 page not found\n", "feature-gate-off"),
        (404, "pod does not exist", "pod-unknown-to-kubelet"),
        (401, "Unauthorized", "unauthorized"),
        (
            403,
            "Forbidden (user=k, verb=create, resource=nodes, subresource(s)=[checkpoint])\n",
            "kubelet-forbidden",
        ),
        (
            500,
            "checkpointing of shop/web/app failed (rpc error: code = Unknown desc = checkpoint/restore support not available)",
            "criu-support-off",
        ),
        (
            500,
            "checkpointing of shop/web/app failed (rpc error: code = DeadlineExceeded desc = context deadline exceeded)",
            "deadline",
        ),
        (
            503,
            r#"{"kind":"Status","message":"error trying to reach service: dial tcp 10.0.0.1:10250: connect: connection refused","code":503}"#,
            "kubelet-unreachable",
        ),
        (200, r#"{"items":[]}"#, "does not name one archive"),
        (200, r#"{"items":["/a","/b"]}"#, "does not name one archive"),
        (200, "no json", "not understood"),
    ] {
        let (ended, manifests, asked) =
            capture(Cluster { checkpoint: vec![(status, body.to_owned())], ..cluster() }, &["web"]);
        let ended = ended.status(2);
        assert!(ended.stderr.contains(code), "{body}: {}", ended.stderr);
        assert!(manifests.is_empty());
        assert_eq!(asked.len(), 1, "a checkpoint is never asked for twice: {body}");
    }
}

#[test]
fn two_checkpoints_in_each_others_way_are_tried_again() {
    let busy = (500, "checkpointing of shop/web/app failed (cannot pause a paused container)".to_owned());
    let taken = cluster().checkpoint[0].clone();
    let (ended, manifests, asked) = capture(Cluster { checkpoint: vec![busy, taken], ..cluster() }, &["web"]);
    ended.status(0);
    assert_eq!(asked.len(), 2);
    assert_eq!(manifests[0]["exchanges"].as_array().expect("a list").len(), 2);
}

#[test]
fn what_does_not_exist_is_told() {
    let (ended, ..) = capture(cluster(), &["gone"]);
    assert!(ended.status(2).stderr.contains("pod-not-found"));
    let (ended, ..) = capture(cluster(), &["web/nope"]);
    assert!(ended.status(2).stderr.contains("it has app"));
    let (ended, ..) = capture(cluster(), &["../../x"]);
    assert!(ended.status(2).stderr.contains("no name"));
}
