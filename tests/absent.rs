//! What is not in the archive is said to be missing: memory left on the source, mounts from outside, memory of GPUs, and
//! what a dump that failed had not written yet.

use ckptfx_testkit::{Checkpoint, Container, Mount, PodmanVersion, Process, Vma, raw::Stage};
use serde_json::{Value, json};

use crate::support::{Scratch, codes, on, on_bytes, processes};

const HEAP: u64 = 0x5555_5600_0000;

fn process(pid: u32) -> Process {
    Process::new(pid).comm("app").memory(Vma::heap(HEAP, 0x8000).bytes(0x100, "here it is"))
}

#[test]
fn memory_that_was_left_on_the_source_is_told_by_every_command() {
    let lazy = |pid| {
        Process::new(pid)
            .comm("app")
            .memory(Vma::heap(HEAP, 0x8000).bytes(0x100, "here it is").lazy(0x2000, 0x3000))
    };
    let dump = Checkpoint::new().process(lazy(1).child(lazy(7)).child(process(8)));
    let tar = Container::new(dump).podman(PodmanVersion::V5).to_tar();
    for words in [
        "info",
        "triage",
        "secrets",
        "ps",
        "maps",
        "strings",
        "grep-mem -c here",
        "report",
        "iocs",
        "history",
    ] {
        let document = on_bytes(&format!("{words} -q -o json"), &tar).status(3).json();
        assert!(codes(&document, true).contains(&"lazy-pages"), "{words}");
    }
    let document = on_bytes("scan -q -o json", &tar).status(3).json();
    assert_eq!(document["checkpoints"][0]["partial"], true);
    let ended = on_bytes("info -o json", &tar).status(3);
    assert!(ended.stderr.contains("24576 bytes of memory of the processes 1, 7 "), "{}", ended.stderr);
    assert_eq!(ended.json()["info"][0]["memory"]["left_on_source"], 24576);
    let table = on_bytes("info", &tar).text();
    assert!(table.contains("24.0 KiB: on the source of a lazy migration"), "{table}");
    // Without any nothing is said.
    let whole = Container::new(Checkpoint::new().process(process(1))).podman(PodmanVersion::V5).to_tar();
    let document = on_bytes("info -o json", whole).status(0).json();
    assert_eq!(document["info"][0]["memory"]["left_on_source"], 0);
}

#[test]
fn what_was_mounted_from_outside_is_named_and_is_no_loss() {
    let container = || {
        Container::new(Checkpoint::new().process(process(1))).with(|container| {
            container.binds.push(("/srv/data".to_owned(), "/data".to_owned()));
        })
    };
    let tar = container().podman(PodmanVersion::V5).to_tar();
    let document = on_bytes("info -o json", &tar).status(0).json();
    let info = &document["info"][0];
    assert_eq!(
        info["not_captured"],
        json!([{"destination": "/data", "source": "/srv/data", "kind": "bind"}]),
        "the files that engines make do not count"
    );
    let sentence = "content of what was mounted from outside: /data";
    assert!(info["not_here"].as_array().expect("a list").contains(&json!(sentence)), "{info}");
    let ended = on_bytes("rootfs -o json", &tar).status(0);
    assert!(codes(&ended.json(), false).contains(&"not-captured"));
    let coverage = on_bytes("grep-mem --source volume -q -o json here", &tar).json()["coverage"].clone();
    let gaps = coverage["not_scanned"].as_array().expect("a list");
    assert!(gaps.iter().any(|gap| gap["why"] == "not-captured" && gap["source"] == "volume"), "{gaps:?}");

    // A raw dump has no specification: the images tell.
    let dump = Checkpoint::new().process(process(1)).mount(Mount::bind(140, "/srv/x", "/x"));
    let directory = Container::new(dump).runc_directory().to_tar();
    let document = on_bytes("info -o json", directory).status(0).json();
    let expected = json!([{"destination": "/x", "source": "/srv/x", "kind": "bind"}]);
    assert_eq!(document["info"][0]["not_captured"], expected);
}

#[test]
fn the_images_of_a_gpu_are_named_and_its_memory_is_searched() {
    let gpu = |dump: Checkpoint| {
        dump.with(|dump| dump.plugins.push("amdgpu_plugin".to_owned()))
            .raw_image("amdgpu-kfd-4.img", [0; 8])
            .raw_image("amdgpu-renderD-128.img", [0; 8])
    };
    let dump = gpu(Checkpoint::new().process(process(1)))
        .raw_image("amdgpu-pages-4-0a1b.img", [vec![0_u8; 0x1000], b"weights of a model".to_vec()].concat());
    let tar = Container::new(dump).podman(PodmanVersion::V5).to_tar();
    let found = on_bytes("grep-mem -o json weights", &tar).status(0).json();
    let hit = &found["matches"][0];
    assert_eq!((&hit["source"], &hit["pid"]), (&json!("gpu-memory"), &Value::Null));
    assert_eq!(hit["member"], "checkpoint/amdgpu-pages-4-0a1b.img");
    assert_eq!(hit["member_offset"], 0x1000);
    let info = on_bytes("info -o json", &tar).status(0).json()["info"][0].clone();
    assert_eq!(info["plugins"], json!(["amdgpu_plugin"]));
    assert_eq!(info["gpu_images"].as_array().expect("a list").len(), 3);
    assert_eq!(info["memory"]["gpu"], 0x1000 + 18);
    assert!(on_bytes("info", &tar).text().contains("amdgpu-renderD-128.img (8 B)"));
    let without = Container::new(gpu(Checkpoint::new().process(process(1)))).podman(PodmanVersion::V5);
    assert!(
        on_bytes("info", without.to_tar()).text().contains("none is here: there is no amdgpu-pages image")
    );

    let cuda = Checkpoint::new().process(process(1)).with(|dump| dump.plugins.push("cuda_plugin".to_owned()));
    let table = on_bytes("info", Container::new(cuda).podman(PodmanVersion::V5).to_tar()).status(0).text();
    assert!(table.contains("cuda_plugin") && table.contains("is among their pages"), "{table}");
}

#[test]
fn a_dump_that_failed_is_called_that_and_shown() {
    let first = process(1)
        .thread(2)
        .fd(3, ckptfx_testkit::File::regular("/var/lib/app/data"))
        .child(process(7).comm("child"));
    let container = Container::new(Checkpoint::new().process(first));
    for stage in Stage::ALL {
        let scratch = Scratch::new();
        let members = container.failed_dump(stage, "Can't dump something");
        let names: Vec<_> =
            members.list.iter().map(|member| String::from_utf8_lossy(&member.path).into_owned()).collect();
        members.to_dir(&scratch.path("dump")).expect("unpacked");
        for path in [scratch.path("dump"), scratch.put("dump.tar", members.to_tar())] {
            let ended = on("ps -o json", &path).status(3);
            let message = "this dump failed: Error (criu/x.c:1): Can't dump something";
            assert!(ended.stderr.contains(message), "{stage:?}: {}", ended.stderr);
            assert!(!ended.stderr.contains("pre-dump"), "{stage:?}: {}", ended.stderr);
            let info = on("info -q", &path).status(3).text();
            assert!(info.contains("dump failed") && info.contains("Can't dump something"), "{info}");
            let document = ended.json();
            assert!(codes(&document, true).contains(&"failed-dump"), "{stage:?} {names:?}");
            let pids: Vec<_> = processes(&document).iter().map(|one| one["pid"].clone()).collect();
            match stage {
                Stage::Files | Stage::Pages | Stage::Core => {}
                Stage::Mappings => {
                    assert_eq!(pids, [1]);
                    let files = on("files -q -o json", &path).json();
                    let files = files["files"].as_array().expect("files");
                    assert!(files.iter().any(|file| file["path"] == "/var/lib/app/data"), "{files:?}");
                }
                Stage::Processes | Stage::Tree => assert_eq!(pids, [1, 7]),
            }
            if stage >= Stage::Mappings {
                on("grep-mem -q here", &path).status(3);
                let found = on("grep-mem -q -o json here", &path).json();
                assert!(!found["matches"].as_array().expect("matches").is_empty(), "{stage:?}");
            }
        }
    }
}
