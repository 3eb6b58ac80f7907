use std::{collections::BTreeMap, fs, io::Read as _};

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{annotations::annotations, *};
use crate::manifest::sha256_hex;

fn file(path: &str, bytes: &'static [u8]) -> Entry {
    let kind = Kind::File(bytes.len() as u64, vec![(0, Bytes::from_static(bytes))]);
    Entry { path: path.into(), kind, mode: 0o600, mtime: 1_780_000_000 }
}

fn directory(path: &str, mode: u32) -> Entry {
    Entry { path: path.into(), kind: Kind::Directory, mode, mtime: 1_780_000_000 }
}

fn entries() -> Vec<Entry> {
    vec![
        file("spec.dump", b"{}"),
        directory("checkpoint", 0o600),
        file("checkpoint/inventory.img", b"inventory"),
        file("config.dump", b"{}"),
        Entry { path: b"checkpoint/parent".to_vec(), kind: Kind::Other, mode: 0o777, mtime: 0 },
        file("../evil", b"x"),
        file("config.dump", b"{\"later\":1}"),
    ]
}

fn crio() -> Origin {
    Origin {
        engine: "cri-o".to_owned(),
        container: Some("shop".to_owned()),
        runtime: Some("crun".to_owned()),
        architecture: "amd64".to_owned(),
        spec: Some(json!({
            "annotations": {"io.kubernetes.cri-o.Annotations": "{}"},
            "mounts": [{"destination": "/proc"}, {"destination": "/data"}, {"destination": "/etc/hosts"}],
        })),
        config: Some(json!({"rootfsImageRef": "a".repeat(64)})),
        ..Origin::default()
    }
}

fn refuses(entries: &[Entry], origin: &Origin, engine: Engine) -> Vec<String> {
    verdicts(entries, origin).into_iter().find(|verdict| verdict.engine == engine).unwrap().refuses
}

#[test]
fn the_layer_has_the_members_as_engines_take_them() {
    let place = tempfile::tempdir().unwrap();
    let image = Image::build(&entries(), &crio(), &place.path().join("x")).unwrap();
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(&image.layer).read_to_end(&mut tar).unwrap();
    assert_eq!(image.diff_id, format!("sha256:{}", sha256_hex(&tar)));
    let mut seen = BTreeMap::new();
    let mut order = Vec::new();
    for entry in tar::Archive::new(tar.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        assert_eq!((entry.header().uid().unwrap(), entry.header().gid().unwrap()), (0, 0));
        order.push(path.clone());
        seen.insert(path, (entry.header().mode().unwrap(), bytes));
    }
    assert_eq!(order, ["checkpoint/", "checkpoint/inventory.img", "config.dump", "spec.dump"]);
    assert_eq!(seen["checkpoint/"].0, 0o700, "a directory that nobody may enter is made passable");
    assert_eq!(seen["config.dump"].1, b"{\"later\":1}", "of two the last counts");
    assert_eq!(image.left_out, [b"checkpoint/parent".to_vec(), b"../evil".to_vec()]);
}

#[test]
fn the_same_members_give_the_same_image() {
    let place = tempfile::tempdir().unwrap();
    let one = Image::build(&entries(), &crio(), &place.path().join("x")).unwrap();
    let mut other: Vec<Entry> = entries();
    other.swap(0, 2);
    let other = Image::build(&other, &crio(), &place.path().join("y")).unwrap();
    assert_eq!(one.descriptor, other.descriptor);
    assert!(fs::read_dir(place.path()).unwrap().next().is_none(), "the layer has no name");
}

/// Every blob under its own hash, and what each names is there.
#[test]
fn a_layout_holds_what_it_names() {
    let place = tempfile::tempdir().unwrap();
    let image = Image::build(&entries(), &crio(), &place.path().join("x")).unwrap();
    let path = place.path().join("layout");
    write(&image, "registry.local:5000/shop:1", Form::Directory, &path).unwrap();
    let blobs: BTreeMap<String, Vec<u8>> = fs::read_dir(path.join("blobs/sha256"))
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (format!("sha256:{}", entry.file_name().to_str().unwrap()), fs::read(entry.path()).unwrap())
        })
        .collect();
    assert_eq!(blobs.len(), 3);
    for (digest, bytes) in &blobs {
        assert_eq!(*digest, format!("sha256:{}", hex::encode(Sha256::digest(bytes))));
    }
    let index: Value = serde_json::from_slice(&fs::read(path.join("index.json")).unwrap()).unwrap();
    assert_eq!(index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], "1");
    let manifest: Value =
        serde_json::from_slice(&blobs[index["manifests"][0]["digest"].as_str().unwrap()]).unwrap();
    assert_eq!(manifest["mediaType"], MANIFEST_TYPE);
    assert_eq!(manifest["annotations"]["io.kubernetes.cri-o.annotations.checkpoint.name"], "shop");
    assert_eq!(manifest["annotations"]["org.criu.checkpoint.container.name"], "shop");
    assert_eq!(manifest["annotations"]["io.podman.annotations.checkpoint.runtime.name"], "crun");
    let layer = &blobs[manifest["layers"][0]["digest"].as_str().unwrap()];
    assert_eq!(manifest["layers"][0]["size"], layer.len());
    let config: Value =
        serde_json::from_slice(&blobs[manifest["config"]["digest"].as_str().unwrap()]).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"][0], image.diff_id);
    assert_eq!(config["architecture"], "amd64");
    // Nothing is written over, and nothing is left beside it.
    assert!(matches!(write(&image, "x", Form::Archive, &path), Err(Error::Exists(_))));
    write(&image, "x", Form::Archive, &place.path().join("x.tar")).unwrap();
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
}

#[test]
fn engines_refuse_what_is_not_theirs() {
    let complete = entries();
    assert_eq!(refuses(&complete, &crio(), Engine::CriO), Vec::<String>::new());
    assert_eq!(refuses(&complete, &crio(), Engine::Containerd).len(), 1);
    assert_eq!(refuses(&complete, &crio(), Engine::Podman).len(), 1);
    let needs = verdicts(&complete, &crio())[0].needs.join("; ");
    assert!(needs.contains("/data, /etc/hosts") && !needs.contains("/proc"), "{needs}");
    let mut other = crio();
    other.config = Some(json!({"rootfsImageRef": "registry.local/shop@sha256:00"}));
    assert!(refuses(&complete, &other, Engine::CriO)[0].contains("no image id"));
    let mut not_json = crio();
    not_json.spec = Some(json!({"annotations": {"io.kubernetes.cri-o.Annotations": ""}}));
    assert!(refuses(&complete, &not_json, Engine::CriO)[0].contains("no JSON"));
}

#[test]
fn containerd_finds_base_images_by_name_only() {
    let mut complete = entries();
    let status = Entry { path: b"status.dump".to_vec(), ..complete[0].clone() };
    complete.push(Entry { kind: Kind::File(0, Vec::new()), ..status });
    let of = |reference: &str| Origin {
        engine: "containerd".to_owned(),
        config: Some(json!({"rootfsImageName": "r.local/shop:1", "rootfsImageRef": reference})),
        ..crio()
    };
    assert_eq!(refuses(&complete, &of("r.local/shop@sha256:00"), Engine::Containerd), Vec::<String>::new());
    assert!(refuses(&complete, &of("sha256:00"), Engine::Containerd)[0].contains("imported and not pulled"));
}

#[test]
fn what_is_incomplete_restores_nowhere() {
    let without: Vec<Entry> =
        entries().into_iter().filter(|entry| entry.path != b"checkpoint/inventory.img").collect();
    let pre_dump = Origin { is_pre_dump: true, ..crio() };
    let child = Origin { needs_parent: true, ..crio() };
    for (entries, origin) in [(without, crio()), (entries(), pre_dump), (entries(), child)] {
        assert!(verdicts(&entries, &origin).iter().all(|verdict| !verdict.refuses.is_empty()));
    }
}

#[test]
fn a_runtime_is_named_as_podman_names_it() {
    let origin = Origin { runtime: Some("io.containerd.runc.v2".to_owned()), ..crio() };
    assert_eq!(annotations::oci_runtime(&origin), Some("runc"));
    let unknown = Origin { runtime: None, ..crio() };
    assert!(
        annotations(&unknown).iter().all(|(key, _)| key != "io.podman.annotations.checkpoint.runtime.name")
    );
}

#[test]
fn a_pod_declares_every_mount_and_no_token() {
    let hostile = Origin { container: Some("Shop: {\"\n".to_owned()), ..crio() };
    let text = pod_manifest(&hostile, "registry.local/shop:1");
    assert!(text.contains("automountServiceAccountToken: false") && text.contains("mountPath: \"/data\""));
    assert!(text.contains("name: \"shop\"\n") && text.contains("restartPolicy: Never"));
    assert!(!text.contains("/etc/hosts"), "the kubelet mounts it by itself");
}

#[test]
fn names_are_split_at_the_tag() {
    assert_eq!(split_name("a.local:5000/b"), ("a.local:5000/b", "latest"));
    assert_eq!(split_name("a.local:5000/b:1"), ("a.local:5000/b", "1"));
    assert_eq!(split_name("b"), ("b", "latest"));
}
