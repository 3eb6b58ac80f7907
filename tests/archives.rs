//! Every form that evidence comes in is opened, and says the same.

use ckptfx_testkit::{
    Annotations, Container, Image, ImageFormat, LayerCompression, Member, Members, Outer, PodmanVersion,
    RECIPES, Stream, damage, rich,
};
use serde_json::{Value, json};

use crate::support::{
    ARCHIVES, Ended, Scratch, codes, command, finish, fixture, members, on, on_bytes, plain, processes,
};

const WORDS: &str = "ps --env -o json";

/// What `ps` says of the processes in one form, and in which format it says the evidence is.
#[track_caller]
fn facts(ended: Ended) -> (Value, String, Value) {
    let document = ended.status(0).json();
    assert_eq!(codes(&document, true), [""; 0]);
    let format = document["evidence"]["format"].as_str().expect("format").to_owned();
    (document["processes"].clone(), format, document["container"].clone())
}

fn nested(archive: &[u8]) -> Vec<u8> {
    let mut pod = Members::new();
    pod.push(Member::file("k8s_one_pod_default_uid_0.tar", 0o600, archive.to_vec()));
    pod.file("pod.dump", 0o600, r#"{"metadata": {"name": "pod"}}"#);
    pod.file("pod.options", 0o600, r#"{"version": 1, "containers": ["k8s_one_pod_default_uid_0"]}"#);
    pod.dot_slash().to_tar()
}

/// The CRIU images alone.
fn images(members: &Members) -> Members {
    let list = members.list.iter().filter_map(|member| {
        let name = member.path.strip_prefix(b"checkpoint/").filter(|name| !name.is_empty())?;
        Some(Member { path: name.to_vec(), ..member.clone() })
    });
    Members { list: list.collect(), ..Members::new() }
}

/// All forms of one real archive. Returns how many there were.
fn every_form(name: &str) -> usize {
    let tar = plain(name);
    let members = members(&tar);
    let (expected, _, container) = facts(on_bytes(WORDS, &tar));
    assert!(!expected.as_array().expect("list").is_empty());
    let mut count = 0;
    let mut same = |form: &str, format: &str, ended: Ended| {
        let (processes, said, head) = facts(ended);
        assert_eq!(processes, expected, "{name} as {form}");
        assert_eq!(said, format, "{name} as {form}");
        // Bare images do not tell of the container.
        if !form.starts_with("bare") {
            let without_time = |mut head: Value| {
                head["checkpointed"] = Value::Null;
                head["checkpointed_from"] = Value::Null;
                head
            };
            assert_eq!(without_time(head), without_time(container.clone()), "{name} as {form}");
        }
        count += 1;
    };
    same("written", "tar+zstd", on(WORDS, fixture(name)));
    for (outer, format) in [
        (Outer::None, "tar"),
        (Outer::Gzip, "tar+gzip"),
        (Outer::GzipMembers(5), "tar+gzip"),
        (Outer::Zstd, "tar+zstd"),
        (Outer::ZstdFrames(5), "tar+zstd"),
        (Outer::Xz, "tar+xz"),
        (Outer::Bzip2, "tar+bzip2"),
        (Outer::Lz4, "tar+lz4"),
    ] {
        same(&format!("{outer:?}"), format, on_bytes(WORDS, outer.pack(&tar)));
    }
    let stdin = |bytes: &[u8]| finish(command().args(WORDS.split(' ')).arg("-"), bytes);
    same("standard input", "tar", stdin(&tar));
    same("compressed standard input", "tar+gzip", stdin(&Outer::Gzip.pack(&tar)));
    same("./ repacked", "tar", on_bytes(WORDS, members.clone().dot_slash().to_tar()));
    same("without directories", "tar", on_bytes(WORDS, members.clone().without_directories().to_tar()));
    let scratch = Scratch::new();
    members.to_dir(&scratch.path("unpacked")).expect("unpacked");
    same("directory", "directory", on(WORDS, scratch.path("unpacked")));
    same("bare images", "directory", on(WORDS, scratch.path("unpacked/checkpoint")));
    for compression in [LayerCompression::Plain, LayerCompression::Gzip, LayerCompression::Zstd] {
        let image = Image::new(members.clone()).annotations(Annotations::All).compression(compression);
        let layout = image.members(ImageFormat::Oci);
        same("OCI archive", "oci-archive", on_bytes(WORDS, layout.to_tar()));
        if compression == LayerCompression::Gzip {
            layout.to_dir(&scratch.path("layout")).expect("unpacked");
            same("OCI layout", "oci-layout", on(WORDS, scratch.path("layout")));
        }
    }
    let docker =
        Image::new(members.clone()).compression(LayerCompression::Plain).members(ImageFormat::Docker);
    same("Docker archive", "docker-archive", on_bytes(WORDS, docker.to_tar()));
    same("pod archive", "tar", on_bytes(WORDS, nested(&tar)));
    for shards in [1, 3] {
        let stream = Stream { interleave: true, record: 5000, ..Stream::shards(shards) };
        let directory = Scratch::new();
        for (index, shard) in stream.write(&images(&members)).iter().enumerate() {
            directory.put(&format!("img-{index}"), shard);
        }
        same("bare shards", "criu-stream", on(WORDS, directory.0.path()));
        if shards == 1 {
            same("bare stream", "criu-stream", on(WORDS, directory.path("img-0")));
        }
    }
    count
}

#[test]
fn shop_archives_say_the_same_in_every_form() {
    for name in ARCHIVES.iter().filter(|name| name.starts_with("shop")) {
        assert_eq!(every_form(name), 24, "{name}");
    }
}

#[test]
fn webserver_archives_say_the_same_in_every_form() {
    for name in ARCHIVES.iter().filter(|name| name.starts_with("webserver")) {
        assert_eq!(every_form(name), 24, "{name}");
    }
}

#[test]
fn scenario_archives_say_the_same_in_every_form() {
    for name in ARCHIVES.iter().filter(|name| name.starts_with("scenarios")) {
        assert_eq!(every_form(name), 24, "{name}");
    }
}

#[test]
fn an_archive_behind_the_end_is_shown_as_a_part_of_its_own() {
    let (first, second) = (plain("webserver-crio"), plain("webserver-podman"));
    let tar = members(&first).stale_tail(second.clone()).to_tar();
    let place = format!("archive at byte {}", tar.len() - second.len());
    for (outer, input) in
        [("tar", tar.clone()), ("tar+zstd", [Outer::Zstd.pack(&first), Outer::Zstd.pack(&second)].concat())]
    {
        let document = on_bytes(WORDS, input).status(0).json();
        let [crio, podman] = document.as_array().expect("two documents").as_slice() else {
            panic!("{document:#}")
        };
        for (part, engine, tar) in [(crio, "cri-o", &first), (podman, "podman", &second)] {
            assert_eq!(part["processes"], facts(on_bytes(WORDS, tar)).0, "{outer} {engine}");
            assert_eq!(part["container"]["engine"], engine);
            assert_eq!(part["evidence"]["format"], outer);
            assert_eq!(codes(part, false), ["second-archive"]);
        }
        if outer == "tar" {
            assert_eq!(podman["evidence"]["part"], place);
        }
    }
}

#[test]
fn bytes_behind_the_end_that_are_no_checkpoint_are_a_loss() {
    let tar = plain("webserver-crio");
    let other = Members { list: vec![Member::file("etc/passwd", 0o644, "root\n")], ..Members::new() };
    for tail in [b"hidden".to_vec(), other.to_tar(), vec![1; 5000]] {
        let document = on_bytes(WORDS, members(&tar).stale_tail(tail).to_tar()).status(3).json();
        assert_eq!(document["processes"], facts(on_bytes(WORDS, &tar)).0);
        assert_eq!(codes(&document, true), ["trailing-data"]);
    }
    on_bytes(WORDS, members(&tar).stale_tail(vec![0; 5000]).to_tar()).status(0);
}

#[test]
fn bytes_behind_the_end_of_a_nested_archive_are_a_loss() {
    let mut members = members(&plain("shop-podman"));
    let diff = members.find_mut("rootfs-diff.tar");
    let other = Members { list: vec![Member::file("etc/hidden", 0o4755, "x")], ..Members::new() };
    diff.body = [diff.body.to_vec(), other.to_tar()].concat().into();
    let document = on_bytes("rootfs -o json", members.to_tar()).status(3).json();
    assert_eq!(codes(&document, true), ["trailing-data"]);
}

#[test]
fn members_of_one_path_that_differ_are_a_loss() {
    let members = members(&plain("webserver-crio"));
    let same = damage::duplicate(members.clone(), "config.dump", None);
    assert_eq!(codes(&on_bytes(WORDS, same.to_tar()).status(0).json(), false), ["duplicate-member"]);
    let other = damage::duplicate(members, "checkpoint/pages-1.img", Some(vec![7; 0x10000].into()));
    let document = on_bytes(WORDS, other.to_tar()).status(3).json();
    assert!(codes(&document, true).contains(&"duplicate-member"));
    // What a search while decompressing leaves out cannot be compared, so that nothing is left out.
    let ended = on_bytes("grep-mem -c -e nginx", Outer::Zstd.pack(&other.to_tar()));
    assert_eq!(ended.status, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("duplicate-member"), "{}", ended.stderr);
}

#[test]
fn padding_around_compressed_data_is_no_damage() {
    let tar = plain("webserver-crio");
    let zeros = vec![0; 1000];
    for outer in [Outer::Gzip, Outer::Zstd, Outer::Xz, Outer::Bzip2, Outer::Lz4] {
        on_bytes(WORDS, [outer.pack(&tar), zeros.clone()].concat()).status(0);
        let document = on_bytes(WORDS, [outer.pack(&tar), b"hidden".to_vec()].concat()).status(3).json();
        assert_eq!(codes(&document, true), ["truncated-compression"], "{outer:?}");
    }
    let (first, second) = tar.split_at(tar.len() / 2);
    let padded = [Outer::Xz.pack(first), vec![0; 8], Outer::Xz.pack(second), vec![0; 4]].concat();
    on_bytes(WORDS, padded).status(0);
}

#[test]
fn a_damaged_first_header_costs_its_member_only() {
    let tar = plain("webserver-crio");
    let pids = |list: &[Value]| list.iter().map(|process| process["pid"].clone()).collect::<Vec<_>>();
    let document = on_bytes(WORDS, damage::flip(&tar, 3)).status(3).json();
    assert_eq!(pids(processes(&document)), pids(processes(&on_bytes(WORDS, &tar).json())));
    assert_eq!(codes(&document, true), ["bad-header"]);
}

#[test]
fn a_path_that_leads_out_makes_no_checkpoint() {
    let tar = plain("webserver-crio");
    let mut members = members(&tar);
    let tree = members.find_mut("checkpoint/pstree.img").clone();
    members.push(Member { path: b"checkpoint/../checkpoint/pstree.img".to_vec(), ..tree });
    let document = on_bytes(WORDS, members.to_tar()).status(3).json();
    assert_eq!(document["processes"], facts(on_bytes(WORDS, &tar)).0);
    assert_eq!(codes(&document, true), ["unsafe-path"]);
}

#[test]
fn both_files_of_the_same_podman_checkpoint_have_their_engine_and_processes() {
    for (name, engine) in [("podman", "podman"), ("crio", "cri-o"), ("containerd", "containerd")] {
        for what in ["shop", "webserver"] {
            let (processes, _, container) = facts(on(WORDS, fixture(&format!("{what}-{name}"))));
            assert_eq!(container["engine"], engine);
            assert_eq!(container["name"], what);
            assert!(processes.as_array().expect("list").len() >= 3);
            let of_pod = engine != "podman";
            assert_eq!(container["namespace"].is_string(), of_pod, "{what}-{name}");
        }
    }
}

/// What each ready-made archive must be taken for.
struct Recipe {
    format: &'static str,
    engine: &'static str,
    /// Number of processes in each checkpoint.
    processes: &'static [usize],
    lost: &'static [&'static str],
    noted: &'static [&'static str],
}

fn expected(name: &str) -> Recipe {
    let tar = |engine| Recipe { format: "tar", engine, processes: &[4], lost: &[], noted: &[] };
    let outer = |format| Recipe { format, ..tar("podman") };
    let machine = Recipe { processes: &[1], ..tar("podman") };
    match name {
        "crio125" | "crio" | "opaque-directory" | "dot-slash" | "no-directories" => tar("cri-o"),
        "containerd20" | "containerd" => tar("containerd"),
        "podman3" | "podman5-gzip-members" => outer("tar+gzip"),
        "podman5" | "podman6" | "podman5-zstd-frames" => outer("tar+zstd"),
        "podman5-xz" => outer("tar+xz"),
        "podman5-bzip2" => outer("tar+bzip2"),
        "podman5-lz4" => outer("tar+lz4"),
        "podman5-plain" | "criu-4.1" | "criu-3.19" | "criu-3.13" => tar("podman"),
        "criu-3.3" | "criu-2.12" | "criu-1.8" | "criu-1.5" | "criu-1.1" => tar("podman"),
        "pre-checkpoint" => Recipe { processes: &[0], lost: &["pre-dump"], ..tar("podman") },
        "with-previous" => {
            Recipe { processes: &[1], lost: &["missing-parent", "unavailable"], ..tar("podman") }
        }
        "pod-array" | "pod-map" => Recipe { processes: &[4, 2], ..tar("cri-o") },
        // Bare images do not say who made them.
        "runc" | "docker" => tar("unknown"),
        "chain" => Recipe { processes: &[1], ..tar("unknown") },
        "ctr-index" => Recipe { format: "oci-archive", ..tar("containerd") },
        "oci" | "oci-plain" | "oci-zstd" => Recipe { format: "oci-archive", ..tar("cri-o") },
        "docker-archive" => Recipe { format: "docker-archive", ..tar("cri-o") },
        "stale-tail" => Recipe { processes: &[4, 2], noted: &["second-archive"], ..tar("cri-o") },
        "empty-checkpoint" => {
            Recipe { processes: &[0], lost: &["missing-image", "no-images"], ..tar("cri-o") }
        }
        "compressed-pages" | "compressed-regions" => tar("podman"),
        "cipher" => Recipe { lost: &["encoded-pages", "unavailable"], ..tar("podman") },
        "unknown-fields" => Recipe { processes: &[5], lost: &["missing-image"], ..tar("cri-o") },
        _ if ["x86-compat", "arm", "aarch64", "ppc64le", "s390x", "mips64", "loongarch64", "riscv64"]
            .contains(&name) =>
        {
            machine
        }
        _ => panic!("nothing is known of the recipe {name}"),
    }
}

#[test]
fn every_recipe_is_taken_for_what_it_is() {
    for (name, make) in RECIPES {
        let ended = on_bytes(WORDS, make());
        let expected = expected(name);
        let lossy = !expected.lost.is_empty();
        assert_eq!(ended.status, Some(if lossy { 3 } else { 0 }), "{name}: {}", ended.stderr);
        let documents = match ended.json() {
            Value::Array(documents) => documents,
            document => vec![document],
        };
        let counts: Vec<usize> = documents.iter().map(|document| processes(document).len()).collect();
        assert_eq!(counts, expected.processes, "{name}");
        for document in &documents {
            assert_eq!(document["evidence"]["format"], expected.format, "{name}");
            assert_eq!(document["container"]["engine"], expected.engine, "{name}");
            assert_eq!(codes(document, true), expected.lost, "{name}");
            assert_eq!(codes(document, false), expected.noted, "{name}");
        }
    }
}

/// The same processes in the archives of all engines and releases, as far as the release records it.
#[test]
fn recipes_of_the_same_processes_say_the_same() {
    let by_name = |name: &str| {
        let (_, make) = RECIPES.iter().find(|(other, _)| *other == name).expect("a recipe");
        on_bytes(WORDS, make()).json()
    };
    let reference = by_name("podman5-plain")["processes"].clone();
    for name in [
        "crio125",
        "crio",
        "containerd20",
        "containerd",
        "podman3",
        "podman6",
        "oci",
        "ctr-index",
        "runc",
        "docker",
    ] {
        assert_eq!(by_name(name)["processes"], reference, "{name}");
    }
    let mut old = 0;
    for (name, _) in RECIPES.iter().filter(|(name, _)| name.starts_with("criu-")) {
        let document = by_name(name);
        for (process, other) in processes(&document).iter().zip(reference.as_array().expect("list")) {
            for key in [
                "pid",
                "ppid",
                "pgid",
                "sid",
                "comm",
                "cmdline",
                "environ",
                "exe",
                "exe_deleted",
                "state",
                "exit_code",
                "uid",
                "gid",
                "cwd",
                "root",
                "umask",
                "seccomp",
            ] {
                // Seccomp was not looked at.
                if key == "seccomp" && ["criu-1.1", "criu-1.5"].contains(name) {
                    assert_eq!(process[key], Value::Null);
                    continue;
                }
                assert_eq!(process[key], other[key], "{key} of {} of {name}", process["pid"]);
            }
        }
        old += 1;
    }
    assert_eq!(old, 8);
}

/// What the description said is what is read, value by value.
#[test]
fn described_processes_are_read_back() {
    let tar = Container::new(rich()).podman(PodmanVersion::V5).to_tar();
    let document = on_bytes(WORDS, tar).status(0).json();
    let worker = &processes(&document)[1];
    assert_eq!(worker["pid"], 7);
    assert_eq!(worker["comm"], "worker");
    assert_eq!(worker["cmdline"], json!(["/usr/bin/worker", "--serve"]));
    assert_eq!(worker["environ"][1], "DB_PASSWORD=example");
    assert_eq!(worker["uid"], json!({"real": 1000, "effective": 1000, "saved": 1000, "fs": 1000}));
    assert_eq!(worker["seccomp"], "filter");
    let threads: Vec<&Value> =
        worker["threads"].as_array().expect("list").iter().map(|t| &t["tid"]).collect();
    assert_eq!(threads, [7, 8, 9]);
    let zombie = &processes(&document)[3];
    assert_eq!((&zombie["state"], &zombie["exit_code"]), (&json!("zombie"), &json!(7)));
}
