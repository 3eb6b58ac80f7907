//! Bringing archives home from a node: what arrives, and that nothing is left behind whatever happens.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    fake::{
        Script, Shared,
        cluster::{Cluster, PodState, on_node},
        http::Reply,
        kubelet::{Kubelet, Made},
    },
    support::{Ended, Scratch, command, finish, plain},
};

/// A cluster with an archive on its node, and a place for what comes home.
struct Case {
    scratch: Scratch,
    node: Scratch,
    out: Scratch,
    cluster: Cluster,
    archive: PathBuf,
    bytes: Vec<u8>,
}

impl Case {
    fn new(change: impl FnOnce(Cluster) -> Cluster) -> Self {
        let (scratch, node, out) = (Scratch::new(), Scratch::new(), Scratch::new());
        let bytes = plain("webserver-containerd");
        let archive = on_node(node.0.path(), &bytes);
        let cluster =
            Cluster { node: node.0.path().to_path_buf(), ..Cluster::new(Kubelet::new([Made::Taken])) };
        Self { scratch, node, out, cluster: change(cluster), archive, bytes }
    }

    fn command(&self, words: &[&str]) -> std::process::Command {
        let mut command = command();
        command
            .args([
                "capture",
                "-o",
                "json",
                "-n",
                "shop",
                "web/app",
                "--fetch",
                "--fetch-namespace",
                "ckptfx-fetch",
            ])
            .arg("--kubeconfig")
            .arg(self.cluster.serve(&self.scratch))
            .arg("--dir")
            .arg(self.out.0.path())
            .args(words);
        command
    }

    fn run(&self, words: &[&str]) -> Ended {
        finish(&mut self.command(words), b"")
    }

    fn start(&self, words: &[&str]) -> Child {
        let mut command = self.command(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
    }

    /// Waits until a command like this runs in the pod.
    fn wait_for(&self, begin: &str) {
        while !self.log().iter().any(|line| line.starts_with(begin)) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> Vec<String> {
        self.cluster.log.lock().clone()
    }

    /// Files that came home, manifests apart from the rest.
    fn files(&self) -> (Vec<PathBuf>, Vec<Value>) {
        let all =
            fs::read_dir(self.out.0.path()).expect("readable").map(|entry| entry.expect("an entry").path());
        let is_manifest = |path: &PathBuf| path.to_string_lossy().ends_with(".manifest.json");
        let (manifests, rest): (Vec<PathBuf>, Vec<PathBuf>) = all.partition(is_manifest);
        let read = |path: PathBuf| serde_json::from_slice(&fs::read(path).expect("readable")).expect("JSON");
        (rest, manifests.into_iter().map(read).collect())
    }

    /// The pod is gone, no part of an archive is here, the archive is on its node, and a manifest says so.
    #[track_caller]
    fn nothing_left_behind(&self) -> Value {
        assert!(self.cluster.pods.lock().is_empty(), "a pod is left: {:?}", self.log());
        let (rest, mut manifests) = self.files();
        assert!(rest.is_empty(), "left over: {rest:?}");
        assert!(fs::read(&self.archive).expect("on the node") == self.bytes);
        assert_eq!(manifests.len(), 1, "the checkpoint was taken, and its record must be there");
        let manifest = manifests.remove(0);
        assert_eq!(manifest["archive"]["sha256"], Value::Null);
        manifest
    }
}

#[test]
fn an_archive_comes_home_with_its_hash() {
    let case = Case::new(|cluster| cluster);
    let record = case.run(&[]).status(0).json()["captures"][0].clone();
    let archive = Path::new(record["archive"].as_str().expect("a path"));
    assert!(fs::read(archive).expect("readable") == case.bytes);
    let (rest, manifests) = case.files();
    assert_eq!((rest.len(), manifests.len()), (1, 1));
    let fetch = &manifests[0]["fetch"];
    assert_eq!(fetch["node_sha256"], record["sha256"]);
    assert_eq!(
        (&fetch["pod_removed"], &fetch["resumed"], &fetch["deleted_on_node"]),
        (&true.into(), &0.into(), &false.into())
    );
    assert!(case.cluster.pods.lock().is_empty());
    // Nothing was changed on the node.
    assert_eq!(fs::read_dir(case.node.0.path()).expect("readable").count(), 1);
    let log = case.log();
    assert_eq!(log.iter().filter(|line| *line == "create pod").count(), 1);
    assert_eq!(log.iter().filter(|line| *line == "delete pod").count(), 1);
}

/// The pod gets nothing that it does not need.
#[test]
fn the_pod_has_least_privilege() {
    for (words, read_only) in [(&[][..], true), (&["--keep"], false), (&["--delete-remote"], false)] {
        let case = Case::new(|cluster| Cluster { slow: Duration::from_millis(400), ..cluster });
        let child = case.start(words);
        case.wait_for("exec tail");
        let pod = case.cluster.pods.lock()[0].clone();
        assert!(child.wait_with_output().expect("it ends").status.success());
        let spec = &pod["spec"];
        assert_eq!(spec["nodeName"], "n1");
        assert_eq!(spec["automountServiceAccountToken"], false);
        assert_eq!(spec["restartPolicy"], "Never");
        assert!(spec["activeDeadlineSeconds"].as_u64().expect("a limit") <= 6 * 3600);
        assert_eq!(
            spec["volumes"],
            json!([{"name": "checkpoints", "hostPath": {"path": "/var/lib/kubelet/checkpoints", "type": "Directory"}}])
        );
        let container = &spec["containers"][0];
        assert_eq!(container["volumeMounts"][0]["readOnly"], read_only);
        assert_eq!(container["securityContext"]["capabilities"]["drop"], json!(["ALL"]));
        assert_eq!(container["securityContext"]["privileged"], Value::Null);
    }
}

#[test]
fn a_stream_that_breaks_off_is_taken_up_where_it_broke() {
    let breaks = [Some(100_000), Some(1), None];
    let case = Case::new(|cluster| Cluster { breaks: Shared::new(Script::new(breaks)), ..cluster });
    let record = case.run(&[]).status(0).json()["captures"][0].clone();
    assert!(fs::read(record["archive"].as_str().expect("a path")).expect("readable") == case.bytes);
    assert_eq!(case.files().1[0]["fetch"]["resumed"], 2);
    let tails: Vec<String> = case.log().into_iter().filter(|line| line.starts_with("exec tail")).collect();
    assert!(tails[1].contains("+100001 ") && tails[2].contains("+100002 "), "{tails:?}");
}

#[test]
fn a_stream_that_brings_nothing_more_fails_and_leaves_nothing() {
    let breaks = [Some(5_000), Some(0)];
    let case = Case::new(|cluster| Cluster { breaks: Shared::new(Script::new(breaks)), ..cluster });
    let ended = case.run(&[]).status(3);
    assert!(ended.stderr.contains("stopped at 5000 of"), "{}", ended.stderr);
    let manifest = case.nothing_left_behind();
    assert!(manifest["notes"][0].as_str().expect("a note").contains("on the node only"));
    // The record of the result has both what was sealed and why the archive is not here.
    let record = &ended.json()["captures"][0];
    assert!(record["manifest"].is_string() && record["error"].is_string());
}

#[test]
fn an_archive_that_changed_is_not_kept_and_not_deleted() {
    let case = Case::new(|cluster| Cluster { wrong_hash: true, ..cluster });
    let ended = case.run(&["--delete-remote"]).status(3);
    assert!(ended.stderr.contains("changed on its way"), "{}", ended.stderr);
    case.nothing_left_behind();
}

/// A node under somebody else's control answers what it likes: nothing but an archive is fetched.
#[test]
fn a_kubelet_cannot_choose_what_is_fetched() {
    for path in [
        "/etc/shadow",
        "/var/lib/kubelet/pki/kubelet.key",
        "/var/lib/kubelet/checkpoints/x/checkpoint-a.tar",
        "/checkpoint-a.tar",
    ] {
        let reply = Reply::json(200, format!(r#"{{"items":["{path}"]}}"#));
        let case = Case::new(|cluster| Cluster { kubelet: Kubelet::new([Made::Other(reply)]), ..cluster });
        let ended = case.run(&["--keep"]).status(3);
        assert!(ended.stderr.contains("--fetch-from"), "{path}: {}", ended.stderr);
        assert!(case.log().is_empty(), "no pod is made: {:?}", case.log());
        assert_eq!(case.nothing_left_behind()["archive"]["node_path"], path);
    }
}

/// Another directory of checkpoints must be named.
#[test]
fn checkpoints_may_lie_elsewhere() {
    let name =
        Path::new(crate::fake::kubelet::NODE_PATH).file_name().expect("a name").to_str().expect("plain");
    let reply = Reply::json(200, format!(r#"{{"items":["/data/kubelet/checkpoints/{name}"]}}"#));
    let case = Case::new(|cluster| Cluster { kubelet: Kubelet::new([Made::Other(reply)]), ..cluster });
    let record =
        case.run(&["--fetch-from", "/data/kubelet/checkpoints"]).status(0).json()["captures"][0].clone();
    assert!(record["archive"].is_string());
}

#[test]
fn a_copy_is_bounded_in_size_and_time() {
    let case = Case::new(|cluster| cluster);
    let ended = case.run(&["--fetch-max-size", "0"]).status(3);
    let size = case.bytes.len();
    assert!(ended.stderr.contains(&format!("has {size} bytes, more than the 0")), "{}", ended.stderr);
    assert!(!case.log().iter().any(|line| line.starts_with("exec tail")), "{:?}", case.log());
    case.nothing_left_behind();
    let case = Case::new(|cluster| Cluster { slow: Duration::from_secs(2), ..cluster });
    let ended = case.run(&["--fetch-timeout", "3s"]).status(3);
    assert!(ended.stderr.contains("given up after 3 s"), "{}", ended.stderr);
    assert!(ended.stderr.contains("--fetch-timeout"), "{}", ended.stderr);
    case.nothing_left_behind();
    let ended = case.run(&["--fetch-timeout", "6h"]).status(2);
    assert!(ended.stderr.contains("5 hours at most"), "{}", ended.stderr);
}

/// What lies there under an archive's name must be a file: a link leads elsewhere, a pipe never ends.
#[test]
fn only_a_file_is_fetched() {
    let case = Case::new(|cluster| cluster);
    fs::remove_file(&case.archive).expect("removed");
    std::os::unix::fs::symlink("/proc/version", &case.archive).expect("made");
    let ended = case.run(&[]).status(3);
    assert!(ended.stderr.contains("no regular file"), "{}", ended.stderr);
    assert!(!case.log().iter().any(|line| line.starts_with("exec tail") || line.starts_with("exec sha")));
}

#[test]
fn a_slow_stream_is_waited_for() {
    let case = Case::new(|cluster| Cluster { slow: Duration::from_millis(300), ..cluster });
    case.run(&[]).status(0);
    assert!(case.cluster.pods.lock().is_empty());
}

#[test]
fn an_interrupt_removes_the_pod_and_what_has_come() {
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        let case = Case::new(|cluster| Cluster { slow: Duration::from_secs(5), ..cluster });
        let child = case.start(&[]);
        case.wait_for("exec tail");
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).expect("sent");
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains("interrupted; the archive is still on the node"), "{said}");
        case.nothing_left_behind();
    }
}

#[test]
fn a_pod_that_does_not_start_is_told_and_removed() {
    for (state, said) in [(PodState::NoImage, "--fetch-image"), (PodState::Fails, "low on resource")] {
        let case = Case::new(|cluster| Cluster { pod_state: state, ..cluster });
        let ended = case.run(&[]).status(3);
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
        case.nothing_left_behind();
    }
}

#[test]
fn a_pod_that_is_refused_is_told() {
    let message = "pods \"x\" is forbidden: violates PodSecurity \"baseline:latest\": hostPath volumes";
    let refused =
        Reply::json(403, json!({"kind": "Status", "message": message, "reason": "Forbidden", "code": 403}));
    let case = Case::new(|cluster| Cluster { create: Some(refused), ..cluster });
    let ended = case.run(&[]).status(3);
    assert!(
        ended.stderr.contains("PodSecurity") && ended.stderr.contains("--fetch-namespace"),
        "{}",
        ended.stderr
    );
    case.nothing_left_behind();
    // Without an answer nobody knows whether the pod was made, so it is removed all the same.
    let case = Case::new(|cluster| Cluster { create: Some(Reply::Dropped), ..cluster });
    case.run(&[]).status(3);
    assert_eq!(case.log().last().map(String::as_str), Some("delete pod"));
}

#[test]
fn a_marker_keeps_the_archive_and_deleting_it_must_be_asked_for() {
    let case = Case::new(|cluster| cluster);
    case.run(&["--keep"]).status(0);
    let marker = format!("{}.keep", case.archive.display());
    assert!(Path::new(&marker).exists() && case.archive.exists());
    assert_eq!(case.files().1[0]["fetch"]["kept"], true);
    let case = Case::new(|cluster| cluster);
    case.run(&["--delete-remote"]).status(0);
    assert!(!case.archive.exists());
    let (rest, manifests) = case.files();
    assert_eq!(rest.len(), 1);
    assert_eq!(manifests[0]["fetch"]["deleted_on_node"], true);
}

#[test]
fn what_came_home_can_be_triaged_at_once() {
    let case = Case::new(|cluster| cluster);
    let record = case.run(&["--triage"]).status(0).json()["captures"][0].clone();
    let findings = fs::read(record["triage"].as_str().expect("a path")).expect("readable");
    let findings: Value = serde_json::from_slice(&findings).expect("JSON");
    assert_eq!(findings["schema"], "ckptfx.triage.v1");
    let ended = finish(command().args(["capture", "web", "--triage"]), b"").status(2);
    assert!(ended.stderr.contains("add --fetch"), "{}", ended.stderr);
}
