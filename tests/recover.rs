//! Deleted files, memfds and tmpfs files.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    time::Instant,
};

use ckptfx_testkit::{
    Checkpoint, Container, File, Ghost, Message, PodmanVersion, Process, Shared, Vma, rich,
};
use serde_json::{Value, json};

use crate::support::{Scratch, address, ckptfx, codes, fixture, on, on_bytes};

const SHOPS: [&str; 3] = ["shop-podman", "shop-crio", "shop-containerd"];

fn files(document: &Value) -> &Vec<Value> {
    document["recoverable"].as_array().expect("recoverable")
}

fn named<'d>(document: &'d Value, name: &str) -> &'d Value {
    files(document).iter().find(|file| file["name"] == name).unwrap_or_else(|| panic!("{name}: {document}"))
}

fn archive(checkpoint: Checkpoint) -> Vec<u8> {
    Container::new(checkpoint).podman(PodmanVersion::V5).to_tar()
}

#[test]
fn three_engines_give_the_same_programs() {
    // SHA-256 of what the workload ran, dropped and wrote: the same files in all three containers.
    let expected = [
        (
            "/tmp/.cache/kworkerd",
            "executable",
            "elf",
            "aedb269f2502e468345d9d921a6afaa80003d57859960b8e2af4e932c0db7a28",
        ),
        (
            "/tmp/libinject.so",
            "library",
            "elf",
            "ec84cfa690096f4e3d84f577148c4f146f0a25011f91d17392d9edd5ceddb2c8",
        ),
        (
            "/tmp/stage.dat",
            "open",
            "text",
            "1a9ac80c48432cc2df15fa95ead82a4644ee4f8cb8915e0fcde59f5ccde594eb",
        ),
        (
            "memfd:payload",
            "mapped",
            "script",
            "a45d8dc55ee8c02b67f382abaa99bd9b362c375cd814bb2c5d128997f32157a3",
        ),
        ("memfd:x", "executable", "elf", "4add4bb89d8ca0e3b1bd861130ddd7ae0fd9617a8055de0a38c8d2ca1ac95723"),
    ];
    for shop in SHOPS {
        let document = on("recover -o json", fixture(shop)).status(0).json();
        for (name, purpose, kind, hash) in expected {
            let file = named(&document, name);
            assert_eq!(file["purpose"], purpose, "{name}");
            assert_eq!(file["type"], kind, "{name}");
            assert_eq!(file["sha256"], hash, "{name} of {shop}");
            assert_eq!(file["complete"], true, "{name}");
        }
    }
}

#[test]
fn recovered_programs_are_what_was_mapped() {
    for shop in SHOPS {
        let scratch = Scratch::new();
        let out = scratch.path("out");
        let words = format!("recover --all -o json -O {}", out.display());
        let document = on(&words, fixture(shop)).status(0).json();
        let mut compared = 0;
        for file in files(&document) {
            let written = out.join(file["written"].as_str().expect("written"));
            let content = fs::read(&written).expect("readable");
            assert_eq!(content.len() as u64, file["size"].as_u64().expect("size"));
            assert_eq!(fs::metadata(&written).expect("there").mode() & 0o7777, 0o600);
            // CRIU read the build-id from the running container's own file.
            if let Some(id) = file["build_id"].as_str() {
                let id: Vec<u8> = (0..id.len())
                    .step_by(2)
                    .map(|at| u8::from_str_radix(&id[at..at + 2], 16).expect("hex"))
                    .collect();
                assert!(content.windows(id.len()).any(|window| window == id));
            }
            if !matches!(file["purpose"].as_str(), Some("executable" | "library")) {
                continue;
            }
            let pid = file["users"][0]["pid"].as_u64().expect("pid");
            let name = file["name"].as_str().expect("name");
            let link = if name.starts_with('/') {
                format!("{name} (deleted)")
            } else {
                format!("/{name} (deleted)")
            };
            let maps = on(&format!("maps --pid {pid} -o json"), fixture(shop)).status(0).json();
            let pieces = on(&format!("dump --pid {pid} -o json"), fixture(shop)).status(0).json();
            let memory = on(&format!("dump --pid {pid}"), fixture(shop)).status(0).stdout;
            for piece in pieces["pieces"].as_array().expect("pieces") {
                if piece["path"] != link.as_str()
                    || piece["perms"] != "r-xp"
                    || piece["content"] != "captured"
                {
                    continue;
                }
                let (start, end) = (address(&piece["start"]), address(&piece["end"]));
                let at = piece["file_offset"].as_u64().expect("offset") as usize;
                let bytes = &memory[at..at + (end - start) as usize];
                let holds = |map: &&Value| (address(&map["start"])..address(&map["end"])).contains(&start);
                let map = maps["maps"].as_array().expect("maps").iter().find(holds).expect("a mapping");
                let offset =
                    (map["offset"].as_u64().expect("offset") + start - address(&map["start"])) as usize;
                let length = bytes.len().min(content.len() - offset);
                assert!(content[offset..offset + length] == bytes[..length], "{name} at {start:#x}");
                compared += 1;
            }
        }
        assert_eq!(compared, 3, "{shop}");
    }
}

#[test]
fn nothing_that_exists_is_touched() {
    let shop = fixture("shop-podman");
    let scratch = Scratch::new();
    let out = scratch.path("out");
    fs::create_dir(&out).expect("made");
    let words = |id: &str, directory: &std::path::Path| format!("recover {id} -O {}", directory.display());

    // A link put where the file would go is not followed.
    let precious = scratch.put("precious", "precious");
    symlink(&precious, out.join("ghost-2_kworkerd")).expect("link");
    let ended = on(&words("ghost-2", &out), &shop).status(2);
    assert!(ended.stderr.contains("exists"), "{}", ended.stderr);
    assert_eq!(fs::read(&precious).expect("there"), b"precious");

    // Nor is a link in the place of the directory.
    let link = scratch.path("link");
    symlink(&out, &link).expect("link");
    on(&words("ghost-4", &link), &shop).status(2);
    on(&words("ghost-4", &precious), &shop).status(2);
    assert_eq!(fs::read_dir(&out).expect("there").count(), 1);

    let ended = on(&words("ghost-4 memfd-250", &out), &shop).status(0);
    assert!(ended.text().contains("ghost-4"));
    assert_eq!(fs::read(out.join("ghost-4_stage.dat")).expect("there").len(), 43);
    assert_eq!(fs::read(out.join("memfd-250_payload")).expect("there").len(), 33);
    on(&words("ghost-4", &out), &shop).status(2);

    // What cannot be meant.
    on(&words("ghost-99", &out), &shop).status(2);
    on(&words("ghost-4 --all", &out), &shop).status(2);
    on(&words("", &out), &shop).status(2);
    on("recover --all", &shop).status(2);
}

#[test]
fn a_directory_that_is_made_is_private() {
    let scratch = Scratch::new();
    let out = scratch.path("out");
    on(&format!("recover --all -O {}", out.display()), fixture("scenarios/log")).status(0);
    assert_eq!(fs::metadata(&out).expect("there").permissions().mode() & 0o077, 0);
}

#[test]
fn names_of_the_evidence_stay_names() {
    let process = Process::new(1)
        .fd(3, File::regular("/tmp/../../../escape").deleted(Ghost::new("one")))
        .fd(4, File::regular("/tmp/..").deleted(Ghost::new("two")))
        .fd(5, File::regular(b"/tmp/\x1b[31m\n\xff".to_vec()).deleted(Ghost::new("three").mode(0o104_755)));
    let scratch = Scratch::new();
    let out = scratch.path("deep/out");
    fs::create_dir(scratch.path("deep")).expect("made");
    let tar = scratch.put("archive.tar", archive(Checkpoint::new().process(process)));
    let document = on(&format!("recover --all -o json -O {}", out.display()), tar).status(0).json();
    let mut written: Vec<String> = fs::read_dir(&out)
        .expect("there")
        .map(|e| e.expect("entry").file_name().into_string().expect("UTF-8"))
        .collect();
    written.sort();
    assert_eq!(written, ["ghost-1_escape", "ghost-2_..", "ghost-3___31m__"]);
    assert_eq!(fs::read_dir(scratch.path("deep")).expect("there").count(), 1);
    let last = &files(&document)[2];
    assert_eq!(last["mode"], "4755");
    assert_eq!(fs::metadata(out.join("ghost-3___31m__")).expect("there").mode() & 0o7777, 0o600);
}

#[test]
fn the_kinds_of_files_are_told() {
    let mut chunked = vec![0; 40_000];
    chunked[20_000..20_003].copy_from_slice(b"abc");
    let mut link = Ghost::new("").mode(0o120_777);
    link.symlink = Some(b"/etc/shadow".to_vec());
    let mut owned = Ghost::new("#!/bin/sh\n").mode(0o100_750);
    (owned.uid, owned.gid) = (1000, 33);
    let process = Process::new(7)
        .fd(3, File::regular("/tmp/owned").deleted(owned))
        .fd(4, File::regular("/tmp/chunked").deleted(Ghost::new(chunked).chunks([(20_000, 3)])))
        .fd(5, File::regular("/tmp/link").deleted(link))
        .fd(6, File::regular("/a").deleted(Ghost::new("twice").label("both")))
        .fd(8, File::regular("/b").deleted(Ghost::new("twice").label("both")))
        .fd(9, File::memfd("lib"))
        .memory(Vma::shared(0x7f20_0000_0000, 0x1000, "lib").prot(5));
    let dump = Checkpoint::new().process(process).shared(Shared::memfd("lib", 5000).bytes(4096, "\x7fELF"));
    let document = on_bytes("recover -o json", archive(dump)).status(0).json();
    let owned = named(&document, "/tmp/owned");
    assert_eq!(
        [&owned["kind"], &owned["purpose"], &owned["type"], &owned["mode"], &owned["uid"], &owned["gid"]],
        [&json!("ghost"), &json!("open"), &json!("script"), &json!("0750"), &json!(1000), &json!(33)]
    );
    assert_eq!(owned["users"], json!([{"pid": 7, "role": "fd", "fd": 3, "comm": owned["users"][0]["comm"]}]));
    let chunked = named(&document, "/tmp/chunked");
    assert_eq!(
        [&chunked["kind"], &chunked["size"], &chunked["stored_bytes"]],
        [&json!("ghost-chunked"), &json!(40_000), &json!(3)]
    );
    assert_eq!(chunked["sha256"].as_str().map(str::len), Some(64));
    let link = named(&document, "/tmp/link");
    assert_eq!(
        [&link["type"], &link["link_target"], &link["sha256"]],
        [&json!("symlink"), &json!("/etc/shadow"), &Value::Null]
    );
    let both = named(&document, "/a");
    assert_eq!(both["other_names"], json!(["/b"]));
    assert_eq!(both["users"].as_array().map(Vec::len), Some(2));
    let memfd = named(&document, "memfd:lib");
    assert_eq!(
        [&memfd["purpose"], &memfd["size"], &memfd["complete"]],
        [&json!("library"), &json!(5000), &json!(true)]
    );
}

#[test]
fn shared_memory_is_given_when_asked_for() {
    let tar = archive(rich());
    let kinds = |words: &str| -> Vec<String> {
        let document = on_bytes(words, &tar).status(0).json();
        files(&document).iter().map(|file| file["kind"].as_str().expect("kind").to_owned()).collect()
    };
    assert_eq!(kinds("recover -o json"), ["ghost-chunked", "ghost", "memfd", "tmpfs-file"].map(String::from));
    let more = kinds("recover --shared-memory -o json");
    assert_eq!(more.iter().filter(|kind| *kind == "shared-memory").count(), 2);
    // A filter leaves what the processes use.
    assert!(kinds("recover --comm bash -o json").is_empty());
}

/// A deleted file that claims `size` bytes, with one chunk.
fn claim(size: u64, offset: u64, length: u64, data: &[u8]) -> Checkpoint {
    let chunk = Message::new().uint(1, length).uint(2, offset).into_bytes();
    let payload = [&(chunk.len() as u32).to_le_bytes()[..], &chunk, data].concat();
    let entry = Message::new()
        .uint(1, 0_u32)
        .uint(2, 0_u32)
        .uint(3, 0o100_644_u32)
        .uint(4, 50_u32)
        .uint(5, 9_u32)
        .flag(9, true)
        .uint(10, size);
    Checkpoint::sample().entry_with("ghost-file", "5", entry, payload)
}

#[test]
fn a_claim_of_exabytes_is_neither_hashed_nor_written() {
    let scratch = Scratch::new();
    let bomb = scratch.put("bomb.tar", archive(claim(8 << 60, 4 << 60, 3, b"abc")));
    let started = Instant::now();
    let document = on("recover -o json", &bomb).status(3).json();
    let file = &files(&document)[0];
    assert_eq!(
        (&file["sha256"], &file["stored_bytes"], &file["complete"]),
        (&Value::Null, &json!(3), &json!(true))
    );
    assert!(codes(&document, true).contains(&"too-large"));
    let out = scratch.path("out");
    let ended = on(&format!("recover ghost-5 -O {}", out.display()), &bomb).status(2);
    assert!(ended.stderr.contains("--max-size"), "{}", ended.stderr);
    assert_eq!(fs::read_dir(&out).expect("made").count(), 0);
    assert!(started.elapsed().as_secs() < 20);
}

#[test]
fn holes_are_written_as_holes() {
    let scratch = Scratch::new();
    let sparse = scratch.put("sparse.tar", archive(claim(1 << 30, (1 << 30) - 3, 3, b"abc")));
    let out = scratch.path("out");
    on(&format!("recover ghost-5 -O {}", out.display()), &sparse).status(0);
    let metadata = fs::metadata(out.join("ghost-5")).expect("written");
    assert_eq!(metadata.len(), 1 << 30);
    assert!(metadata.blocks() * 512 < 1 << 20);
}

#[test]
fn what_is_missing_is_told_and_only_written_when_asked() {
    let scratch = Scratch::new();
    let cut = scratch.put("cut.tar", archive(claim(100, 10, 50, b"abc")));
    let document = on("recover -o json", &cut).status(3).json();
    assert_eq!(
        (&files(&document)[0]["complete"], &files(&document)[0]["sha256"]),
        (&json!(false), &Value::Null)
    );
    let out = scratch.path("out");
    on(&format!("recover ghost-5 -O {}", out.display()), &cut).status(2);
    on(&format!("recover ghost-5 --partial -O {}", out.display()), &cut).status(3);
    let content = fs::read(out.join("ghost-5")).expect("written");
    assert_eq!((content.len(), &content[10..13]), (100, b"abc".as_slice()));
}

#[test]
fn a_lost_image_is_told() {
    let process = Process::new(1).fd(3, File::regular("/tmp/gone").deleted(Ghost::new("content")));
    let dump = Checkpoint::new().process(process).without("ghost-file-1.img");
    let document = on_bytes("recover -o json", archive(dump)).status(3).json();
    assert!(files(&document).is_empty());
    assert!(codes(&document, true).contains(&"missing-ghost"));
}

#[test]
fn help_says_what_is_written() {
    let help = ckptfx(["recover", "--help"]).status(0).text();
    assert!(help.contains("ghost-2 memfd-253 -O recovered"), "{help}");
}
