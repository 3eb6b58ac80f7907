//! OCI images of checkpoints.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use ckptfx_testkit::{Container, PodmanVersion, rich};
use serde_json::Value;

use crate::support::{Ended, Scratch, ckptfx, command, finish, fixture, on};

fn image(words: &str, out: &Path, archive: &str) -> Ended {
    let mut arguments: Vec<std::ffi::OsString> =
        ["image"].into_iter().chain(words.split_whitespace()).map(Into::into).collect();
    arguments.extend(["--out".into(), out.into(), fixture(archive).into()]);
    ckptfx(arguments)
}

fn engines(record: &Value) -> Vec<(&str, bool)> {
    let engines = record["engines"].as_array().expect("engines");
    engines
        .iter()
        .map(|engine| {
            (engine["engine"].as_str().expect("a name"), engine["restores"].as_bool().expect("a verdict"))
        })
        .collect()
}

#[test]
fn each_engine_restores_its_own() {
    // The container of containerd was made of an image that was imported, which containerd does not find again.
    for (archive, own) in [("shop-crio", "cri-o"), ("shop-containerd", "none"), ("shop-podman", "podman")] {
        let document = on("image -o json", fixture(archive)).status(0).json();
        let record = &document["images"][0];
        for (engine, restores) in engines(record) {
            assert_eq!(restores, engine == own, "{archive} on {engine}: {record:#}");
        }
        assert_eq!(record["written"], Value::Null);
        assert_eq!(record["architecture"], "amd64");
    }
    let text = on("image", fixture("shop-containerd")).status(0).text();
    assert!(text.contains("imported and not pulled"), "{text}");
    insta::assert_snapshot!("crio", on("image", fixture("shop-crio")).status(0).text());
}

#[test]
fn what_is_written_is_read_back_as_the_same_checkpoint() {
    let scratch = Scratch::new();
    let before = on("ps -o json", fixture("webserver-containerd")).status(0).json();
    for (form, name) in [("oci-dir", "layout"), ("oci-archive", "image.tar")] {
        let out = scratch.path(name);
        image(&format!("-o {form} --name registry.local/web:1"), &out, "webserver-containerd").status(0);
        let after = on("ps -o json", &out).status(0).json();
        assert_eq!(after["processes"], before["processes"], "{form}");
        assert_eq!(after["evidence"]["format"], if form == "oci-dir" { "oci-layout" } else { "oci-archive" });
        let mode = fs::metadata(&out).expect("there").permissions().mode() & 0o7777;
        assert_eq!(mode, if form == "oci-dir" { 0o700 } else { 0o600 });
        // What exists is never written over.
        let again = image(&format!("-o {form}"), &out, "webserver-containerd").status(2);
        assert!(again.stderr.contains("exists already"), "{}", again.stderr);
    }
    assert_eq!(fs::read_dir(scratch.0.path()).expect("readable").count(), 2, "something is left over");
}

#[test]
fn the_same_archive_gives_the_same_bytes() {
    let scratch = Scratch::new();
    let (one, two) = (scratch.path("one.tar"), scratch.path("two.tar"));
    image("", &one, "webserver-crio").status(0);
    image("--threads 1", &two, "webserver-crio").status(0);
    assert!(fs::read(one).expect("readable") == fs::read(two).expect("readable"));
}

#[test]
fn the_record_keeps_to_its_schema() {
    let schema: Value = serde_json::from_slice(&ckptfx(["schema", "image"]).status(0).stdout).expect("JSON");
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    let scratch = Scratch::new();
    let made = scratch.put("rich.tar", Container::new(rich()).podman(PodmanVersion::V5).to_tar());
    for evidence in [fixture("shop-podman"), fixture("shop-crio"), made] {
        let ended = on("image -o json", &evidence);
        assert!(validator.is_valid(&ended.json()), "{}", ended.text());
    }
}

#[test]
fn a_pod_that_restores_it_is_described() {
    let scratch = Scratch::new();
    let (out, pod) = (scratch.path("image.tar"), scratch.path("pod.yaml"));
    image(&format!("--name registry.local/shop:1 --pod-manifest {}", pod.display()), &out, "shop-crio")
        .status(0);
    insta::assert_snapshot!("pod", fs::read_to_string(&pod).expect("written"));
    let again = image(&format!("--pod-manifest {}", pod.display()), &scratch.path("other"), "shop-crio");
    again.status(2);
}

#[test]
fn forms_of_images_are_for_images() {
    on("image -o yaml", fixture("shop-crio")).status(2);
    on("ps -o oci-dir", fixture("shop-crio")).status(2);
}

#[test]
fn without_a_place_an_image_is_called_after_its_archive() {
    let scratch = Scratch::new();
    for (form, name) in [("oci-dir", "shop-crio.oci"), ("oci-archive", "shop-crio.oci.tar")] {
        let mut command = command();
        command.current_dir(scratch.0.path()).args(["image", "-o", form]).arg(fixture("shop-crio"));
        let text = finish(&mut command, b"").status(0).text();
        assert!(text.contains(name), "{text}");
        assert_eq!(on("ps -o json", scratch.path(name)).status(0).json()["container"]["engine"], "cri-o");
        finish(&mut command, b"").status(2);
    }
    let out = scratch.path("elsewhere.tar");
    on(&format!("image -o oci-archive --out-file {}", out.display()), fixture("shop-crio")).status(0);
    assert_eq!(on("ps -o json", out).json()["evidence"]["format"], "oci-archive");
}

/// What other programs make of the image.
#[test]
#[cfg(feature = "capture")]
fn other_programs_read_it() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/image.sh");
    let output = Command::new("bash").arg(script).arg(crate::support::program()).output().expect("bash runs");
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
}
