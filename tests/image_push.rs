//! Images of checkpoints that are sent to a registry.

use serde_json::Value;

use crate::{
    fake::registry::{self, Registry},
    support::{Ended, Scratch, command, finish, fixture},
};

/// Sends an image, with nothing of the caller's credentials.
fn push(target: &str, more: &[&str]) -> Ended {
    let mut command = command();
    for name in ["HOME", "XDG_RUNTIME_DIR", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE"] {
        command.env_remove(name);
    }
    command.args(["image", "-o", "json", "--push", target]).args(more).arg(fixture("webserver-crio"));
    finish(&mut command, b"")
}

#[test]
fn a_registry_gets_the_image_whole() {
    let registry = Registry::default();
    let target = format!("{}/forensics/web:1", registry.serve());
    let record = push(&target, &["--plain-http"]).status(0).json()["images"][0].clone();
    let manifests = registry.manifests.lock().clone();
    let manifest = &manifests["forensics/web:1"];
    assert_eq!(record["digest"], registry::digest(manifest));
    assert!(record["pushed"].as_str().expect("a name").ends_with(&registry::digest(manifest)));
    let manifest: Value = serde_json::from_slice(manifest).expect("JSON");
    let blobs = registry.blobs.lock().clone();
    for descriptor in [&manifest["config"], &manifest["layers"][0]] {
        let blob = &blobs[descriptor["digest"].as_str().expect("a digest")];
        assert_eq!(descriptor["size"], blob.len());
    }
    assert_eq!(record["layer_digest"], manifest["layers"][0]["digest"]);
    // What is there is not sent again.
    let sent =
        |registry: &Registry| registry.seen.lock().iter().filter(|line| line.contains("uploads")).count();
    let before = sent(&registry);
    push(&target, &["--plain-http"]).status(0);
    assert_eq!(sent(&registry), before);
}

#[test]
fn what_a_registry_refuses_is_told() {
    let registry = Registry { wants: Some("Basic dXNlcjpwYXNz"), ..Registry::default() };
    let target = format!("{}/web:1", registry.serve());
    let refused = push(&target, &["--plain-http"]).status(2);
    assert!(refused.stderr.contains("[unauthorized]"), "{}", refused.stderr);
    let scratch = Scratch::new();
    let host = target.split('/').next().expect("a host");
    let auth = scratch.put("auth.json", format!(r#"{{"auths":{{"{host}":{{"auth":"dXNlcjpwYXNz"}}}}}}"#));
    push(&target, &["--plain-http", "--auth-file", auth.to_str().expect("plain")]).status(0);
    let full = Registry { full: true, ..Registry::default() };
    let refused = push(&format!("{}/web:1", full.serve()), &["--plain-http"]).status(2);
    assert!(refused.stderr.contains("no space left"), "{}", refused.stderr);
    assert!(full.manifests.lock().is_empty());
    // TLS unless it is said otherwise, and then on this machine only.
    let tls = push(&target, &[]).status(2);
    assert!(!tls.stderr.is_empty());
    let elsewhere = push("registry.example/web:1", &["--plain-http"]).status(2);
    assert!(elsewhere.stderr.contains("--insecure"), "{}", elsewhere.stderr);
    assert!(push("web:1", &[]).status(2).stderr.contains("no registry"));
}
