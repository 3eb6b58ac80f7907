//! Checkpoints of running containers, against servers that say what the real ones say.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::support::{Scratch, ckptfx, fixture, on, plain};

/// What the fake Podman does when it is asked for a checkpoint.
#[derive(Clone)]
enum Answer {
    Archive(Vec<u8>),
    /// Half of an archive, and then nothing.
    Broken(Vec<u8>),
    Error(&'static str, &'static str),
}

/// A socket that answers like Podman, and the requests that it saw.
fn podman(scratch: &Scratch, answer: Answer, running_after: bool) -> (PathBuf, Arc<Mutex<Vec<String>>>) {
    let path = scratch.path("podman.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut reader = BufReader::new(stream.try_clone().expect("cloned"));
            let mut request = String::new();
            reader.read_line(&mut request).expect("a request");
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
                line.clear();
            }
            let before = log.lock().expect("held").iter().any(|line: &String| line.starts_with("POST"));
            log.lock().expect("held").push(request.trim_end().to_owned());
            let (status, body, claimed) = if request.contains("/version ") {
                ("200 OK", br#"{"Version":"5.8.2"}"#.to_vec(), None)
            } else if request.starts_with("GET") {
                let running = !before || running_after;
                let body = format!(
                    r#"{{"Id":"{}","Name":"web","ImageName":"localhost/web:1","ImageDigest":"sha256:1234","OCIRuntime":"crun","State":{{"Status":"{}","Running":{running}}}}}"#,
                    "a".repeat(64),
                    if running { "running" } else { "exited" }
                );
                ("200 OK", body.into_bytes(), None)
            } else {
                match &answer {
                    Answer::Archive(bytes) => ("200 OK", bytes.clone(), None),
                    Answer::Broken(bytes) => ("200 OK", bytes[..bytes.len() / 2].to_vec(), Some(bytes.len())),
                    Answer::Error(status, body) => (*status, body.as_bytes().to_vec(), None),
                }
            };
            let length = claimed.unwrap_or(body.len());
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            // The other side may have seen enough.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    (path, seen)
}

fn captures(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .expect("readable")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

fn capture(socket: &Path, directory: &Path, more: &[&str]) -> crate::support::Ended {
    let words = ["capture", "-o", "json", "web", "--dir", directory.to_str().expect("plain")];
    let podman = format!("--podman={}", socket.display());
    ckptfx(words.iter().copied().chain([podman.as_str()]).chain(more.iter().copied()))
}

#[test]
fn podman_is_captured_sealed_and_left_running() {
    let (scratch, out) = (Scratch::new(), Scratch::new());
    let tar = plain("webserver-podman");
    let (socket, seen) = podman(&scratch, Answer::Archive(tar.clone()), true);
    let ended = capture(&socket, out.0.path(), &["--operator", "analyst", "--case", "1"]).status(0);
    let record = &ended.json()["captures"][0];
    let archive = PathBuf::from(record["archive"].as_str().expect("a path"));
    assert!(fs::read(&archive).expect("readable") == tar);
    assert_eq!(fs::metadata(&archive).expect("there").permissions().mode() & 0o7777, 0o600);
    let hash: String = Sha256::digest(&tar).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(record["sha256"], hash.as_str());
    assert_eq!(record["running_after"], true);
    let manifest = fs::read(record["manifest"].as_str().expect("a path")).expect("readable");
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    assert_eq!(manifest["schema"], "ckptfx.manifest.v1");
    assert_eq!(manifest["archive"]["sha256"], hash.as_str());
    assert_eq!(manifest["operator"]["name"], "analyst");
    assert_eq!(manifest["subject"]["image_id"], "sha256:1234");
    let posts: Vec<String> =
        seen.lock().expect("held").iter().filter(|line| line.starts_with("POST")).cloned().collect();
    assert_eq!(posts.len(), 1);
    assert!(posts[0].contains("leaveRunning=true") && posts[0].contains("export=true"), "{posts:?}");
    // What was captured is a checkpoint like any other.
    let (ours, theirs) =
        (on("ps -o json", &archive).json(), on("ps -o json", fixture("webserver-podman")).json());
    assert_eq!(ours["processes"], theirs["processes"]);
    assert_eq!(captures(out.0.path()).len(), 2);
    for (name, document) in [("capture", &ended.json()), ("manifest", &manifest)] {
        let schema = ckptfx(["schema", name]).status(0).json();
        let validator = jsonschema::draft202012::new(&schema).expect("a schema");
        let errors: Vec<String> = validator.iter_errors(document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

#[test]
fn an_archive_that_breaks_off_leaves_nothing() {
    let (scratch, out) = (Scratch::new(), Scratch::new());
    let (socket, _) = podman(&scratch, Answer::Broken(plain("webserver-podman")), true);
    let ended = capture(&socket, out.0.path(), &[]).status(2);
    assert!(ended.stderr.contains("broke off"), "{}", ended.stderr);
    assert!(captures(out.0.path()).is_empty());
}

#[test]
fn refusals_of_podman_are_told_in_plain_words() {
    for (status, body, code) in [
        (
            "404 Not Found",
            r#"{"cause":"no such container","message":"no container with name or ID \"web\" found: no such container","response":404}"#,
            "container-unknown-to-runtime",
        ),
        (
            "500 Internal Server Error",
            r#"{"cause":"x","message":"checkpointing a container requires root","response":500}"#,
            "rootless",
        ),
    ] {
        let (scratch, out) = (Scratch::new(), Scratch::new());
        let (socket, _) = podman(&scratch, Answer::Error(status, body), true);
        let ended = capture(&socket, out.0.path(), &[]).status(2);
        assert!(ended.stderr.contains(code), "{}", ended.stderr);
        assert!(captures(out.0.path()).is_empty());
    }
}

#[test]
fn a_workload_that_stopped_is_told() {
    let (scratch, out) = (Scratch::new(), Scratch::new());
    let (socket, _) = podman(&scratch, Answer::Archive(plain("webserver-podman")), false);
    let ended = capture(&socket, out.0.path(), &[]).status(3);
    assert!(ended.stderr.contains("not-running-after"), "{}", ended.stderr);
    assert_eq!(ended.json()["captures"][0]["running_after"], false);
}

#[test]
fn each_of_a_chain_names_the_one_before() {
    let (scratch, out) = (Scratch::new(), Scratch::new());
    let (socket, _) = podman(&scratch, Answer::Archive(plain("webserver-podman")), true);
    let ended = capture(&socket, out.0.path(), &["--every", "1s", "--count", "2"]).status(0);
    let document = ended.json();
    let manifest = |index: usize| {
        fs::read(document["captures"][index]["manifest"].as_str().expect("a path")).expect("readable")
    };
    let first: String = Sha256::digest(manifest(0)).iter().map(|byte| format!("{byte:02x}")).collect();
    let second: Value = serde_json::from_slice(&manifest(1)).expect("JSON");
    assert_eq!(second["chain"]["index"], 2);
    assert_eq!(second["chain"]["previous_sha256"], first.as_str());
}

/// Three captures of one container, and where they are.
fn chain() -> (Scratch, Vec<PathBuf>) {
    let (scratch, out) = (Scratch::new(), Scratch::new());
    let (socket, _) = podman(&scratch, Answer::Archive(plain("webserver-podman")), true);
    let document = capture(&socket, out.0.path(), &["--every", "1s", "--count", "3"]).status(0).json();
    let manifests = document["captures"].as_array().expect("a list").iter();
    let paths = manifests.map(|record| PathBuf::from(record["manifest"].as_str().expect("a path"))).collect();
    (out, paths)
}

#[test]
fn a_chain_is_read_by_diff_timeline_and_verify() {
    let (out, manifests) = chain();
    for evidence in [vec![out.0.path().to_path_buf()], manifests.clone()] {
        let words = ["diff", "-o", "json"].map(std::ffi::OsString::from).into_iter();
        let ended = ckptfx(words.chain(evidence.iter().map(Into::into))).status(0);
        let documents = ended.json();
        assert_eq!(documents.as_array().expect("a list").len(), 2, "two steps of three checkpoints");
        for document in documents.as_array().expect("a list") {
            assert_eq!(document["changes"], serde_json::json!([]), "they are the same");
        }
        let words = ["timeline", "-o", "json"].map(std::ffi::OsString::from).into_iter();
        let ended = ckptfx(words.chain(evidence.iter().map(Into::into))).status(0);
        assert_eq!(ended.json().as_array().expect("a list").len(), 3);
    }
    let all = on("ps -o json", out.0.path()).status(0).json();
    assert_eq!(all.as_array().expect("a list").len(), 3, "an archive and its manifest are one");
    assert!(on("ps", &manifests[0]).status(0).text().contains("nginx"), "a manifest stands for its archive");
    let verified = on("verify -o json", &manifests[2]).status(0).json()["verified"].clone();
    assert_eq!((&verified["same"], &verified["manifests"]), (&true.into(), &2.into()));
    assert!(on("verify", &manifests[2]).status(0).text().contains("2 manifests before it"));
}

#[test]
fn a_chain_that_was_tampered_with_is_told() {
    // An archive that is another one.
    let (out, manifests) = chain();
    let archive = manifests[1].to_str().expect("plain").replace(".manifest.json", ".tar");
    let mut bytes = fs::read(&archive).expect("readable");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&archive, bytes).expect("written");
    let ended = on("diff", out.0.path()).status(3);
    assert_eq!(ended.stderr.matches("[seal-broken]").count(), 2, "once in each step: {}", ended.stderr);
    assert!(on("verify", &manifests[1]).status(1).text().contains("NOT"));
    on("verify", &manifests[2]).status(0);

    // A manifest that is another one, and one that is gone.
    let (out, manifests) = chain();
    let text = fs::read_to_string(&manifests[1]).expect("readable");
    fs::write(&manifests[1], text.replace("\"operator\"", " \"operator\"")).expect("written");
    let ended = on("timeline", out.0.path()).status(3);
    assert!(ended.stderr.contains("is not the one that was sealed"), "{}", ended.stderr);
    let differences = on("verify -o json", &manifests[2]).status(1).json()["differences"].clone();
    assert_eq!((&differences[0]["what"], &differences[0]["problem"]), (&"manifest".into(), &"sha256".into()));
    fs::remove_file(&manifests[1]).expect("removed");
    let ended = on("diff", out.0.path()).status(3);
    assert!(
        ended.stderr.contains("[chain-broken]") && ended.stderr.contains("is not there"),
        "{}",
        ended.stderr
    );
    assert_eq!(on("verify -o json", &manifests[2]).status(1).json()["differences"][0]["problem"], "missing");
}

#[test]
fn a_manifest_leads_nowhere_else() {
    let (_out, manifests) = chain();
    let text = fs::read_to_string(&manifests[0]).expect("readable");
    let mut value: Value = serde_json::from_str(&text).expect("JSON");
    for name in ["../x.tar", "/etc/passwd", "..", ""] {
        value["archive"]["name"] = name.into();
        fs::write(&manifests[0], value.to_string()).expect("written");
        assert!(on("ps", &manifests[0]).status(2).stderr.contains("beside it"), "{name}");
        on("verify", &manifests[0]).status(2);
    }
    value["archive"]["name"] = Value::Null;
    value["archive"]["node_path"] = "/var/lib/kubelet/checkpoints/x.tar".into();
    fs::write(&manifests[0], value.to_string()).expect("written");
    assert!(on("ps", &manifests[0]).status(2).stderr.contains("on its node only"));
    fs::write(&manifests[0], r#"{"schema":"ckptfx.manifest.v1"}"#).expect("written");
    on("ps", &manifests[0]).status(2);
}

#[test]
fn nobody_listening_is_told() {
    let out = Scratch::new();
    let ended = capture(&out.path("no.sock"), out.0.path(), &[]).status(2);
    assert!(ended.stderr.contains("No such file"), "{}", ended.stderr);
    ckptfx(["capture"]).status(2);
    ckptfx(["capture", "x", "--cert", "only"]).status(2);
}
