//! Folders: every piece of evidence in them is found, and what cannot be read is told.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{PermissionsExt as _, symlink},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
};

use ckptfx_testkit::{Body, Checkpoint, Container, ImageFormat, PodmanVersion, Process, ctr_export};
use serde_json::{Value, json};

use crate::support::{Ended, Scratch, codes, command, finish, on, program};

/// A container whose first process is called as it is.
fn container(name: &str) -> Container {
    Container::new(Checkpoint::new().process(Process::new(1).comm(name).cmdline([name])))
        .with(|container| container.name = name.to_owned())
}

fn archive(name: &str) -> Vec<u8> {
    container(name).podman(PodmanVersion::V5).to_tar()
}

/// Puts files into a folder; those above them are made.
fn put(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, bytes).expect("written");
}

fn rows(ended: &Ended) -> Vec<Value> {
    ended.json()["checkpoints"].as_array().expect("checkpoints").clone()
}

/// Path, name of the container and status of each row.
fn told(ended: &Ended) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    rows(ended)
        .iter()
        .map(|row| (text(&row["evidence"]["path"]), text(&row["container"]["name"]), text(&row["status"])))
        .collect()
}

fn expect(rows: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    rows.iter().map(|(one, two, three)| (one.to_string(), two.to_string(), three.to_string())).collect()
}

#[test]
fn an_unpacked_checkpoint_hides_no_archive() {
    let scratch = Scratch::new();
    let folder = scratch.path("case");
    container("open").podman(PodmanVersion::V5).to_dir(&folder).expect("unpacked");
    put(&folder, "beside.tar", archive("beside"));
    put(&folder, "deeper/below.tar", archive("below"));
    put(&folder, "checkpoint/among.tar", archive("among"));
    // Parts of the unpacked checkpoint are no evidence of their own.
    put(&folder, "volumes/data.tar", archive("part"));
    put(&folder, "notes.txt", "nothing");
    let found = told(&on("list -o json", &folder).status(0));
    let expected = [
        ("-", "open", "read"),
        ("beside.tar", "beside", "read"),
        ("checkpoint/among.tar", "among", "read"),
        ("deeper/below.tar", "below", "read"),
    ];
    assert_eq!(found, expect(&expected));
    // Every command that takes a folder sees the same.
    for words in ["ps", "info", "grep-mem -c zzz", "triage", "strings", "files", "history", "secrets", "iocs"]
    {
        let ended = on(&format!("{words} -q -o json"), &folder);
        assert_eq!(ended.json().as_array().expect("several").len(), expected.len(), "{words}");
    }
    assert_eq!(rows(&on("scan -q -o json", &folder).status(0)).len(), expected.len());
}

#[test]
fn checkpoints_in_the_open_lie_side_by_side() {
    let scratch = Scratch::new();
    let folder = scratch.path("case");
    container("one").podman(PodmanVersion::V5).to_dir(&folder.join("a")).expect("unpacked");
    container("two").podman(PodmanVersion::V5).to_dir(&folder.join("deep/b")).expect("unpacked");
    put(&folder, "c.tar", archive("three"));
    ctr_export(&[container("four")]).to_dir(&folder.join("layout")).expect("unpacked");
    let ended = on("list -o json", &folder).status(0);
    let paths: Vec<_> = told(&ended).into_iter().map(|(path, ..)| path).collect();
    assert_eq!(paths, ["a", "deep/b", "c.tar", "layout"]);
    let table = on("list", &folder).status(0).text();
    let first: Vec<&str> = table.lines().skip(1).filter_map(|line| line.split("  ").next()).collect();
    assert_eq!(first, ["a", "deep/b", "c.tar", "layout"], "{table}");
    let put_deep = |name: &str| put(&folder, name, archive("five"));
    ["x/y/d.tar", "x/z/d.tar", "x/e.tar"].into_iter().for_each(put_deep);
    let table = on("list", &folder).status(0).text();
    let shown: Vec<&str> = table.lines().skip(4).filter_map(|line| line.split("  ").next()).collect();
    assert_eq!(shown, ["layout", "e.tar", "y/d.tar", "z/d.tar"], "{table}");
}

#[test]
fn a_file_that_makes_an_image_of_it_hides_no_checkpoint() {
    for file in ["manifest.json", "pod.dump", "index.json"] {
        let mut members = container("open").runc_directory();
        members.file(file, 0o644, *b"[]");
        members.file("oci-layout", 0o644, *b"{}");
        let scratch = Scratch::new();
        members.to_dir(&scratch.path("case")).expect("unpacked");
        for path in [scratch.path("case"), scratch.put("archive.tar", members.to_tar())] {
            let document = on("ps -q -o json", path).status(0).json();
            assert_eq!(document["processes"][0]["comm"], "open", "{file}");
        }
    }
}

/// A folder with one good archive, and everything that cannot be read; a loop of links does so for root as well.
fn faulty() -> Scratch {
    let scratch = Scratch::new();
    let folder = scratch.path("case");
    put(&folder, "good.tar", archive("good"));
    put(&folder, "sub/empty.tar.gz", "");
    put(&folder, "sub/empty.log", "");
    let whole = zstd::encode_all(archive("cut").as_slice(), 3).expect("compressed");
    put(&folder, "cut.tar.zst", &whole[..whole.len() / 3]);
    put(&folder, "cut.tar", &archive("cut")[..700]);
    // What its name says does not count where the bytes can be read, nor is everything that can be read a checkpoint.
    put(&folder, "words.tar", "no archive at all");
    put(&folder, "other.tar", Container::sample().rootfs.layer().to_tar());
    symlink("loop.tar", folder.join("loop.tar")).expect("linked");
    symlink("gone", folder.join("dangling.txt")).expect("linked");
    scratch
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_goes_on() {
    let scratch = faulty();
    let folder = scratch.path("case");
    let expected = [
        ("cut.tar", "-", "unreadable"),
        ("cut.tar.zst", "-", "unreadable"),
        ("good.tar", "good", "read"),
        ("loop.tar", "-", "unreadable"),
        ("other.tar", "-", "no-checkpoint"),
        ("sub/empty.tar.gz", "-", "unreadable"),
    ];
    let ended = on("list -o json", &folder).status(3);
    assert_eq!(told(&ended), expect(&expected));
    assert!(ended.stderr.contains("words.tar") && ended.stderr.contains("cut.tar.zst"), "{}", ended.stderr);
    let first = &rows(&ended)[0];
    assert_eq!((&first["processes"], &first["captured_bytes"]), (&Value::Null, &Value::Null));
    assert!(first["reason"].as_str().expect("why").len() > 10);
    // No path of this machine.
    let here = scratch.0.path().to_str().expect("plain");
    assert!(!ended.text().contains(here), "{}", ended.text());
    assert_eq!(codes(&ended.json(), true), ["unreadable-evidence"]);

    let mut sorted = told(&on("scan -q -o json", &folder).status(3));
    sorted.sort();
    assert_eq!(sorted, expect(&expected));
    for words in ["list -q", "scan -q", "ps -q", "info", "triage -q", "grep-mem zzz"] {
        on(words, &folder).status(3);
        on(&format!("{words} --strict"), &folder).status(2);
    }
    let documents = on("ps -q -o json", &folder).status(3).json();
    let lost: Vec<&Value> = documents.as_array().expect("several").iter().collect();
    assert_eq!(lost.len(), expected.len());
    assert_eq!(lost[0]["evidence"]["status"], "unreadable");
    assert_eq!(lost[0]["warnings"][0]["code"], "unreadable-evidence");
    assert!(lost[2]["evidence"].get("status").is_none());
}

#[test]
fn a_folder_without_anything_to_read_is_told_apart_from_one_without_evidence() {
    let scratch = Scratch::new();
    put(&scratch.path("lost"), "a.tar", "");
    put(&scratch.path("none"), "notes.txt", "nothing");
    put(&scratch.path("other"), "a.tar", Container::sample().rootfs.layer().to_tar());
    for words in ["list", "scan", "ps"] {
        on(&format!("{words} -q -o json"), scratch.path("lost")).status(3);
        on(words, scratch.path("none")).status(2);
        on(words, scratch.path("other")).status(2);
    }
}

/// Runs the program as somebody for whom permissions hold. Tests may run as root, for whom they do not.
fn as_nobody(words: &str, folder: &Path) -> Ended {
    let mut command = command();
    // Where the program is built nobody else may look.
    let place = Scratch::new();
    if is_root() {
        fs::set_permissions(place.0.path(), fs::Permissions::from_mode(0o755)).expect("opened");
        let copy = place.path("ckptfx");
        fs::copy(program(), &copy).expect("copied");
        command = std::process::Command::new(copy);
        command.uid(65534).gid(65534);
    }
    finish(command.args(words.split(' ')).arg(folder), b"")
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

#[test]
fn a_closed_folder_and_a_closed_file_cost_themselves() {
    let scratch = Scratch::new();
    fs::set_permissions(scratch.0.path(), fs::Permissions::from_mode(0o755)).expect("opened");
    let folder = scratch.path("case");
    put(&folder, "good.tar", archive("good"));
    put(&folder, "closed.tar", archive("closed"));
    put(&folder, "closed.txt", "a note");
    put(&folder, "sub/hidden.tar", archive("hidden"));
    for name in ["closed.tar", "closed.txt", "sub"] {
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o0)).expect("closed");
    }
    for words in ["list", "scan"] {
        let ended = as_nobody(&format!("{words} -o json"), &folder).status(3);
        let mut found = told(&ended);
        found.sort();
        let expected =
            [("closed.tar", "-", "unreadable"), ("good.tar", "good", "read"), ("sub", "-", "unreadable")];
        assert_eq!(found, expect(&expected), "{words}");
    }
    let documents = as_nobody("ps -q -o json", &folder).status(3).json();
    assert_eq!(documents.as_array().expect("several").len(), 3);
    as_nobody("ps -q --strict", &folder).status(2);
    fs::set_permissions(folder.join("sub"), fs::Permissions::from_mode(0o755)).expect("opened");
}

#[test]
fn names_stay_different() {
    let scratch = Scratch::new();
    let folder = scratch.path("case");
    fs::create_dir(&folder).expect("made");
    for name in [b"n\xff.tar".as_slice(), b"n\xfe.tar"] {
        fs::write(folder.join(OsStr::from_bytes(name)), archive("same")).expect("written");
    }
    let ended = on("list -o json", &folder).status(0);
    let evidence: Vec<Value> = rows(&ended).iter().map(|row| row["evidence"].clone()).collect();
    assert_eq!(evidence[0]["name"], "n\\xfe.tar");
    assert_eq!(evidence[0]["name_b64"], "bv4udGFy");
    assert_eq!(evidence[1]["path_b64"], "bv8udGFy");
    let table = on("list", &folder).status(0).text();
    assert!(table.contains("n\\xfe.tar ") && table.contains("n\\xff.tar "), "{table}");

    // As much of the path as tells apart what has one name.
    for name in ["a/x.tar", "b/x.tar", "b/y.tar"] {
        put(&scratch.path("more"), name, archive("same"));
    }
    let words = |words: &str, paths: &[&str]| {
        let paths: Vec<PathBuf> = paths.iter().map(|path| scratch.path(path)).collect();
        let mut command = command();
        finish(command.args(words.split(' ')).args(paths), b"")
    };
    let paths = |ended: Ended| told(&ended).into_iter().map(|(path, ..)| path).collect::<Vec<_>>();
    assert_eq!(paths(words("list -o json", &["more/a", "more/b"])), ["a/x.tar", "b/x.tar", "y.tar"]);
    assert_eq!(paths(words("list -o json", &["more/a/x.tar", "more/b/x.tar"])), ["a/x.tar", "b/x.tar"]);
    assert_eq!(paths(words("list -o json", &["more/a/x.tar"])), ["-"]);
    // What is named twice is told twice, and no more of its path for that.
    assert_eq!(paths(words("list -o json", &["more/b", "more/b/y.tar"])), ["x.tar", "y.tar", "-"]);
    let table = words("ps", &["more"]).status(0).text();
    assert!(table.contains("==> a/x.tar <==") && table.contains("==> b/x.tar <=="), "{table}");
}

#[test]
fn each_checkpoint_of_an_export_is_one() {
    let export = ctr_export(&[container("one"), container("two")]);
    let scratch = Scratch::new();
    export.to_dir(&scratch.path("layout")).expect("unpacked");
    for path in [scratch.put("export.tar", export.to_tar()), scratch.path("layout")] {
        let documents = on("ps -o json", &path).status(0).json();
        let told: Vec<_> = documents
            .as_array()
            .expect("two")
            .iter()
            .map(|one| {
                json!([one["evidence"]["part"], one["container"]["engine"], one["processes"][0]["comm"]])
            })
            .collect();
        let expected = [
            json!(["checkpoints/one:1", "containerd", "one"]),
            json!(["checkpoints/two:1", "containerd", "two"]),
        ];
        assert_eq!(told, expected);
        let info = on("info -o json", &path).status(0).json();
        assert_eq!(info[0]["info"][0]["command"], json!(["one"]));
        assert_eq!(info[1]["info"][0]["command"], json!(["two"]));
        assert_eq!(info[1]["container"]["image"], "registry.local/counter:1.4");
    }
    // One by itself has no part, and the same name twice gets a digest.
    let alone = on("ps -o json", scratch.put("one.tar", ctr_export(&[container("one")]).to_tar())).json();
    assert!(alone["evidence"].get("part").is_none());
    let mut other = container("one");
    other.checkpoint.hostname = "other".to_owned();
    let same = ctr_export(&[container("one"), other]).to_tar();
    let documents = on("ps -o json", scratch.put("same.tar", same)).json();
    assert_ne!(documents[0]["evidence"]["part"], documents[1]["evidence"]["part"]);
}

#[test]
fn the_read_write_layer_of_ctr_is_what_the_container_changed() {
    let index = Container::sample().ctr_index();
    let scratch = Scratch::new();
    let path = scratch.put("ctr.tar", index.to_tar());
    let document = on("rootfs -o json", &path).status(0).json();
    assert_eq!(document["container"]["engine"], "containerd");
    let changes = document["changes"].as_array().expect("changes");
    assert!(changes.iter().any(|change| change["origin"] == "rootfs-diff" && change["kind"] == "regular"));
}

#[test]
fn exports_of_a_real_containerd() {
    let data = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    let two = data("containerd-ctr-two.tar.zst");
    let documents = on("ps -o json", &two).status(0).json();
    let pids = |index: usize| -> Vec<u64> {
        let processes = documents[index]["processes"].as_array().expect("processes");
        processes.iter().map(|process| process["pid"].as_u64().expect("a pid")).collect()
    };
    assert_eq!((pids(0), pids(1)), (vec![1], vec![1, 7, 8]));
    assert_eq!(documents[0]["evidence"]["part"], "ck/a:1");
    assert_eq!(documents[1]["container"]["image"], "registry.local/base:1");
    for (marker, part) in [("CONTAINER-A-MARKER", "ck/a:1"), ("CONTAINER-B-MARKER", "ck/b:1")] {
        let lines = on(&format!("grep-mem -q -o jsonl {marker}"), &two).status(0).lines();
        assert!(!lines.is_empty() && lines.iter().all(|line| line["evidence"]["part"] == part), "{marker}");
    }
    let info = on("info -o json", &two).status(0).json();
    let command = |index: usize| info[index]["info"][0]["command"][0].clone();
    assert_eq!((command(0), command(1)), (json!("python3"), json!("sh")));

    let rw = data("containerd-ctr-rw.tar.zst");
    let document = on("rootfs -o json", &rw).status(0).json();
    assert_eq!(document["container"]["engine"], "containerd");
    let changes = document["changes"].as_array().expect("changes");
    assert!(changes.iter().any(|change| change["path"] == "/root/made" && change["origin"] == "rootfs-diff"));
}

#[test]
fn commands_for_one_checkpoint_take_the_one_of_a_folder() {
    let scratch = Scratch::new();
    // Two checkpoints in the only archive of a folder are two documents in one list.
    put(&scratch.path("export"), "two.tar", ctr_export(&[container("one"), container("two")]).to_tar());
    let documents = on("ps -o json", scratch.path("export")).status(0).json();
    assert_eq!(documents.as_array().expect("a list").len(), 2);

    put(&scratch.path("one"), "a.tar", archive("one"));
    put(&scratch.path("one"), "notes.txt", "nothing");
    let document = on("report -o json", scratch.path("one")).status(0).json();
    assert_eq!(document["container"]["name"], "one");
    put(&scratch.path("one"), "sub/b.tar", archive("two"));
    let ended = on("report -o json", scratch.path("one")).status(2);
    assert!(ended.stderr.contains("a.tar, b.tar"), "{}", ended.stderr);
    // What lies in the open is meant, and the rest is told.
    container("open").podman(PodmanVersion::V5).to_dir(&scratch.path("one")).expect("unpacked");
    let document = on("report -o json", scratch.path("one")).status(0).json();
    assert_eq!(document["container"]["name"], "open");
    assert!(codes(&document, false).contains(&"other-evidence"));
}

#[test]
fn one_damaged_blob_costs_itself() {
    let mut export = ctr_export(&[container("one"), container("two")]);
    let is_layer = |bytes: &[u8]| bytes.starts_with(&[0x1f, 0x8b]);
    let image = ckptfx_testkit::Image::new(container("three").podman(PodmanVersion::V5));
    let mut layers = image.members(ImageFormat::Oci);
    for member in layers.list.iter_mut().chain(&mut export.list) {
        if let Body::Bytes(bytes) = &mut member.body
            && is_layer(bytes)
        {
            bytes.truncate(12);
        }
    }
    let scratch = Scratch::new();
    let ended = on("ps -q -o json", scratch.put("export.tar", export.to_tar())).status(0);
    assert_eq!(ended.json().as_array().expect("two").len(), 2);
    on("rootfs -q", scratch.path("export.tar")).status(3);
    let ended = on("ps", scratch.put("image.tar", layers.to_tar())).status(2);
    assert!(ended.stderr.contains("gzip"), "{}", ended.stderr);
}
