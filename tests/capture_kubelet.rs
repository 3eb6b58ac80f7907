//! Checkpoints straight from a kubelet, over TLS.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;

use crate::{
    fake::{
        http::{self, Reply},
        kubelet::{Kubelet, Made, NODE_PATH, TOKEN},
        tls::Pki,
    },
    support::{Ended, Scratch, ckptfx},
};

/// A kubelet that runs, and what a client needs.
struct Node {
    scratch: Scratch,
    pki: Pki,
    port: u16,
    token: PathBuf,
}

fn node(kubelet: &Kubelet) -> Node {
    let scratch = Scratch::new();
    let pki = Pki::new(&scratch);
    let served = kubelet.clone();
    let port = http::listen(Some(pki.server.clone()), move |request, stream| {
        served.serve(request).write(stream);
    });
    let token = scratch.put("token", TOKEN);
    Node { scratch, pki, port, token }
}

impl Node {
    fn capture(&self, words: &[&str]) -> (Ended, Vec<PathBuf>) {
        let out = self.scratch.path("out");
        fs::create_dir_all(&out).expect("made");
        let url = format!("https://127.0.0.1:{}", self.port);
        let fixed = ["capture", "-o", "json", "-n", "shop", "web/app", "--kubelet", &url];
        let directory = ["--dir", text(&out)];
        let ended = ckptfx(fixed.iter().chain(&directory).chain(words).copied());
        let files = fs::read_dir(&out).expect("readable").map(|entry| entry.expect("an entry").path());
        (ended, files.collect())
    }

    /// With a token and the authority that is right.
    fn by_token(&self, more: &[&str]) -> (Ended, Vec<PathBuf>) {
        let words = ["--ca", text(&self.pki.ca), "--token-file", text(&self.token)];
        self.capture(&[words.as_slice(), more].concat())
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("plain")
}

#[test]
fn a_client_certificate_or_a_token_gets_in() {
    let node = node(&Kubelet::new([Made::Taken]));
    let (ca, certificate, key) = (text(&node.pki.ca), text(&node.pki.certificate), text(&node.pki.key));
    let (ended, files) = node.capture(&["--ca", ca, "--cert", certificate, "--key", key]);
    assert_eq!(ended.status(0).json()["captures"][0]["node_path"], NODE_PATH);
    let manifest: Value = serde_json::from_slice(&fs::read(&files[0]).expect("readable")).expect("JSON");
    assert_eq!(manifest["source"]["via"], "kubelet");
    let (ended, files) = node.by_token(&[]);
    ended.status(0);
    assert_eq!(files.len(), 2);
    for file in files {
        assert!(!fs::read_to_string(file).expect("readable").contains(TOKEN), "no credentials are recorded");
    }
    let (ended, _) = node.capture(&["--ca", ca]);
    assert!(ended.status(2).stderr.contains("[unauthorized]"));
}

/// A token's file ends with a newline like any other, as kubectl takes it.
#[test]
fn the_end_of_a_tokens_line_is_not_part_of_it() {
    let node = node(&Kubelet::new([Made::Taken]));
    for end in ["\n", "\r\n", "\n\n"] {
        let token = node.scratch.put("line", format!("{TOKEN}{end}"));
        node.capture(&["--ca", text(&node.pki.ca), "--token-file", text(&token)]).0.status(0);
    }
    for none in ["\n", "", "two words\n", "\u{1b}x"] {
        let token = node.scratch.put("none", none);
        let (ended, _) = node.capture(&["--ca", text(&node.pki.ca), "--token-file", text(&token)]);
        assert!(ended.status(2).stderr.contains("holds no bearer token"), "{none:?}");
    }
}

/// Nothing is sent to a server that is not known to be the right one, unless that is said.
#[test]
fn the_servers_certificate_is_checked() {
    let kubelet = Kubelet::new([Made::Taken]);
    let node = node(&kubelet);
    let token = ["--token-file", text(&node.token)];
    let mut told = String::new();
    for words in [&[][..], &["--ca", text(&node.pki.other_ca)]] {
        let (ended, files) = node.capture(&[&token, words].concat());
        told.push_str(&ended.status(2).stderr.replace(&node.port.to_string(), "PORT"));
        assert!(files.is_empty() && kubelet.asked.lock().is_empty());
    }
    insta::assert_snapshot!("unknown_ca", told);
    let (ended, _) = node.by_token(&["--server-name", "other.example"]);
    assert!(ended.status(2).stderr.contains("[unknown-ca]"), "a certificate for another name is refused");
    node.by_token(&["--server-name", "localhost"]).0.status(0);
    node.capture(&[&token, &["--insecure"][..]].concat()).0.status(0);
    let missing = node.capture(&["--ca", "/no/such/file"]).0.status(2);
    assert!(missing.stderr.contains("/no/such/file"), "{}", missing.stderr);
}

/// Every answer of a kubelet, and what the user is told.
#[test]
fn every_refusal_of_a_kubelet_is_told_in_plain_words() {
    let failed = |error| Kubelet::new([Made::Failed(error)]);
    let raw = |status, body: &str| Kubelet::new([Made::Other(Reply::text(status, body))]);
    let taken = || Kubelet::new([Made::Taken]);
    let cases = [
        (
            "moved",
            Kubelet::new([Made::Other(Reply::Full(
                301,
                vec![("Location", "/checkpoint/".into())],
                Vec::new(),
            ))]),
        ),
        ("not allowed", Kubelet { allowed: false, ..taken() }),
        ("not allowed, before 1.32", Kubelet { allowed: false, old_words: true, ..taken() }),
        ("no attributes", raw(403, "Authorization error: could not determine attributes for request")),
        (
            "no review",
            raw(
                500,
                "Authorization error (user=responder, verb=create, resource=nodes, subresource=checkpoint)",
            ),
        ),
        ("gate off", Kubelet { gate: false, ..taken() }),
        ("path", raw(404, "404: Page Not Found")),
        ("no pod", raw(404, "pod does not exist")),
        ("no container", raw(404, "container app does not exist")),
        ("timeout", raw(404, "cannot parse value of timeout parameter")),
        ("method", raw(405, "405: Method Not Allowed")),
        (
            "media type",
            raw(415, "415: Unsupported Media Type\n\nAvailable representations: application/json"),
        ),
        ("accept", raw(406, "406: Not Acceptable\n\nAvailable representations: application/json")),
        ("not created", failed("container app not found")),
        ("negative timeout", failed("CheckpointContainer requires the timeout value to be > 0")),
        (
            "unknown method",
            failed(
                "rpc error: code = Unimplemented desc = unknown method CheckpointContainer for service \
                 runtime.v1.RuntimeService",
            ),
        ),
        (
            "containerd 1.7",
            failed("rpc error: code = Unimplemented desc = method CheckpointContainer not implemented"),
        ),
        ("CRI-O off", failed("rpc error: code = Unknown desc = checkpoint/restore support not available")),
        (
            "containerd without CRIU",
            failed(
                "rpc error: code = Unknown desc = CRIU binary not found or too old (<31600). Failed to checkpoint \
                 container \"id-of-app\": exec: \"criu\": executable file not found in $PATH",
            ),
        ),
        (
            "containerd off",
            failed(
                "rpc error: code = Unknown desc = failed to checkpoint container \"id-of-app\": criu support is \
                 disabled by configuration",
            ),
        ),
        (
            "no CRIU in the shim's path",
            failed(
                "rpc error: code = Unknown desc = failed to checkpoint container \"id-of-app\": criu binary not found \
                 in shim path or system PATH",
            ),
        ),
        (
            "old CRIU",
            failed(
                "rpc error: code = Unknown desc = failed to checkpoint container \"id-of-app\": checkpoint/restore \
                 requires at least CRIU 31600, current version is 31500",
            ),
        ),
        (
            "gone, CRI-O",
            failed("rpc error: code = NotFound desc = could not find container \"id-of-app\": no such id"),
        ),
        (
            "ended, containerd",
            failed(
                "rpc error: code = Unknown desc = container \"id-of-app\" is in CONTAINER_EXITED state. only \
                 CONTAINER_RUNNING containers can be checkpointed",
            ),
        ),
        ("ended, CRI-O", failed("rpc error: code = Unknown desc = container id-of-app is not running")),
        (
            "CRIU failed, CRI-O",
            failed(
                "rpc error: code = Unknown desc = failed to checkpoint container id-of-app: running \"/usr/bin/crun\" \
                 [\"checkpoint\" \"--file-locks\" \"--image-path\" \"/x/checkpoint\"] failed: exit status 1",
            ),
        ),
        (
            "CRIU failed, containerd",
            failed(
                "rpc error: code = Unknown desc = checkpointing container \"id-of-app\" failed: runc did not terminate \
                 successfully: exit status 1: criu failed: type NOTIFY errno 0 path= /run/x/criu-dump.log",
            ),
        ),
        ("too slow", failed("rpc error: code = DeadlineExceeded desc = context deadline exceeded")),
        ("something new", failed("rpc error: code = Unknown desc = the moon is full")),
    ];
    let mut told = String::new();
    for (name, kubelet) in cases {
        let node = node(&kubelet);
        let (ended, files) = node.by_token(&[]);
        let ended = ended.status(2);
        assert!(files.is_empty(), "{name} left something");
        assert!(kubelet.asked.lock().len() <= 1, "{name}: a checkpoint is never asked for twice");
        told.push_str(&format!("== {name}\n{}", ended.stderr));
    }
    insta::assert_snapshot!("refusals", told);
}

/// Success that is none, and bodies that are no text.
#[test]
fn odd_answers_are_told_as_they_are() {
    let ok = |body: &str| Reply::json(200, body);
    let long = "x".repeat(200_000);
    for (reply, said) in [
        (ok(r#"{"items":[]}"#), "does not name one archive"),
        (ok(r#"{"items":["/a","/b"]}"#), "does not name one archive"),
        (ok(r#"{"items":["/a/../../etc/shadow"]}"#), "does not name one archive"),
        (ok("no json"), "not understood"),
        (ok(""), "not understood"),
        (Reply::text(500, long), "xxx"),
        (Reply::text(500, b"\xff\xfe\x1b[31m".to_vec()), "500"),
        (Reply::Dropped, "broke off"),
        (Reply::Cut(b"{".to_vec(), 100), "broke off"),
    ] {
        let kubelet = Kubelet::new([Made::Other(reply)]);
        let node = node(&kubelet);
        let (ended, files) = node.by_token(&[]);
        let ended = ended.status(2);
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
        assert!(ended.stderr.len() < 4 << 10, "{said}: {} bytes of error", ended.stderr.len());
        assert!(!ended.stderr.contains('\x1b'), "{:?}", ended.stderr);
        assert!(files.is_empty());
    }
}

#[test]
fn a_slow_checkpoint_is_waited_for() {
    let taken = Reply::json(200, format!(r#"{{"items":["{NODE_PATH}"]}}"#));
    let node = node(&Kubelet::new([Made::Other(Reply::Late(Duration::from_secs(2), Box::new(taken)))]));
    let (ended, files) = node.by_token(&["--timeout", "1"]);
    // A kubelet cannot be given less than its own two minutes, so that nothing less ends the wait.
    ended.status(0);
    assert_eq!(files.len(), 1);
}

#[test]
fn nobody_there_is_told() {
    let (scratch, closed) = (Scratch::new(), std::net::TcpListener::bind("127.0.0.1:0").expect("a port"));
    let port = closed.local_addr().expect("an address").port();
    drop(closed);
    let url = format!("https://127.0.0.1:{port}");
    let ended = ckptfx(["capture", "-n", "shop", "web", "--kubelet", &url, "--dir", text(scratch.0.path())]);
    assert!(ended.status(2).stderr.contains("[connection-refused]"));
    let ended = ckptfx(["capture", "-n", "shop", "web", "--kubelet", "http://127.0.0.1:10250"]).status(2);
    assert!(ended.stderr.contains("https://NODE:10250"), "{}", ended.stderr);
}
