//! Memory is given to the byte, and what is not there is named.

use std::path::Path;

use ckptfx_testkit::{
    Arch, Checkpoint, Container, CrioVersion, Criu, Kind, Member, Members, PodmanVersion, Process, Shared,
    Vma, damage, incremental, raw, rich, rich_old,
};
use serde_json::{Value, json};

use crate::support::{Ended, Scratch, address, by_pid, codes, fixture, on, on_bytes};

const BASE: u64 = 0x7f00_0000_0000;

fn archive(dump: Checkpoint) -> Members {
    Container::new(dump).podman(PodmanVersion::V5)
}

/// One process with one mapping.
fn with(vma: Vma) -> Vec<u8> {
    archive(Checkpoint::new().process(Process::new(1).memory(vma))).to_tar()
}

fn range(pid: u32, start: u64, length: u64) -> String {
    format!("dump --pid {pid} --range {start:#x}-{:#x}", start + length)
}

fn pages(letters: &str) -> Vec<u8> {
    letters.bytes().flat_map(|letter| [letter; 0x1000]).collect()
}

#[track_caller]
fn says(ended: Ended, status: i32, words: &[&str]) -> Ended {
    let ended = ended.status(status);
    for word in words {
        assert!(ended.stderr.contains(word), "{word:?} is not in: {}", ended.stderr);
    }
    ended
}

#[test]
fn a_chain_of_dumps_gives_each_page_from_the_dump_that_has_it() {
    let chain = raw::chain(&incremental()).to_tar();
    assert_eq!(on_bytes(&range(1, BASE, 0x8000), &chain).status(0).stdout, pages("01200000"));
    // A piece that begins and ends inside pages, over two borders of dumps.
    let piece = on_bytes(&range(1, BASE + 0xfff, 0x1002), &chain).status(0);
    assert_eq!(piece.stdout, [b"0".as_slice(), &[b'1'; 0x1000], b"2"].concat());
}

#[test]
fn a_match_runs_over_pages_of_different_dumps() {
    let chain = raw::chain(&incremental()).to_tar();
    for (pattern, at) in [("01111", 0xfff), ("1112", 0x1ffd), ("2000", 0x2fff)] {
        let found = on_bytes(&format!("grep-mem -o jsonl {pattern}"), &chain).status(0).lines();
        assert_eq!(found.len(), 1, "{pattern}");
        assert_eq!(address(&found[0]["address"]), BASE + at, "{pattern}");
    }
}

#[test]
fn the_parent_may_be_in_the_archive_or_given_beside_it() {
    let [before, after, _] = incremental();
    let (before, after) = Container::new(after).podman_with_previous(&Container::new(before));
    let scratch = Scratch::new();
    let parent = scratch.put("pre.tar", before.to_tar());
    let dump = range(1, BASE, 0x8000);
    let given = format!("{dump} --parent {}", parent.display());
    assert_eq!(on_bytes(&given, after.to_tar()).status(0).stdout, pages("01100000"));
    before.to_dir(&scratch.path("unpacked")).expect("unpacked");
    let directory = format!("{dump} --parent {}", scratch.path("unpacked").display());
    assert_eq!(on_bytes(&directory, after.to_tar()).status(0).stdout, pages("01100000"));

    // Both in one archive, as somebody may put them together; and a directory where the link was.
    let mut both = after.clone();
    both.list.extend(before.list.iter().filter(|m| m.path.starts_with(b"pre-checkpoint/")).cloned());
    assert_eq!(on_bytes(&dump, both.to_tar()).status(0).stdout, pages("01100000"));
    let mut inside = after.clone();
    inside.list.retain(|member| !matches!(member.kind, Kind::Symlink(_)));
    inside.list.extend(before.list.iter().filter_map(|member| {
        let name = member.path.strip_prefix(b"pre-checkpoint/").filter(|name| !name.is_empty())?;
        Some(Member { path: [b"checkpoint/parent/", name].concat(), ..member.clone() })
    }));
    assert_eq!(on_bytes(&dump, inside.to_tar()).status(0).stdout, pages("01100000"));

    let lost = says(on_bytes(&dump, after.to_tar()), 2, &["in a parent dump that was not given"]);
    assert!(lost.stdout.is_empty());
    let zeros = on_bytes(&format!("{dump} --missing zero"), after.to_tar()).status(3);
    assert_eq!(zeros.stdout, [vec![0; 0x1000], pages("11"), vec![0; 0x5000]].concat());
    let skipped = on_bytes(&format!("{dump} --missing skip"), after.to_tar()).status(3);
    assert_eq!(skipped.stdout, pages("11"));
}

#[test]
fn a_parent_that_leads_in_a_circle_or_out_of_the_evidence_is_only_missing() {
    for target in ["../checkpoint", ".", "/etc", "../../../etc", "../nowhere"] {
        let [_, after, _] = incremental();
        let tar = Container::new(after.parent(target)).podman(PodmanVersion::V5).to_tar();
        let document = on_bytes("ps -o json", &tar).status(3).json();
        assert!(codes(&document, true).contains(&"missing-parent"), "{target}: {document}");
    }
}

#[test]
fn what_was_never_written_is_zero() {
    let tar = with(Vma::anonymous(BASE, 0x5000).bytes(0x1ffe, "xyz").hole(0x3000, 0x1000));
    let mut expected = vec![0; 0x5000];
    expected[0x1ffe..0x2001].copy_from_slice(b"xyz");
    assert_eq!(on_bytes(&range(1, BASE, 0x5000), &tar).status(0).stdout, expected);
    // Outside of every mapping there is nothing, not zeros.
    let beyond = says(on_bytes(&range(1, BASE + 0x4000, 0x2000), &tar), 2, &["not mapped", "--missing"]);
    assert!(beyond.stdout.is_empty());
}

#[test]
fn lazy_pages_are_named() {
    let tar = with(Vma::anonymous(BASE, 0x3000).bytes(0, [b'a'; 0x3000]).lazy(0x1000, 0x1000));
    says(
        on_bytes(&range(1, BASE, 0x3000), &tar),
        2,
        &["4096 of the bytes", "lazy", "0x7f0000001000-0x7f0000002000"],
    );
    assert_eq!(on_bytes(&range(1, BASE, 0x1000), &tar).status(0).stdout, pages("a"));
    let zero = on_bytes(&format!("{} --missing zero", range(1, BASE, 0x3000)), &tar);
    assert_eq!(says(zero, 3, &["4096 bytes"]).stdout, [pages("a"), vec![0; 0x1000], pages("a")].concat());
    let skip = on_bytes(&format!("{} --missing skip", range(1, BASE, 0x3000)), &tar);
    assert_eq!(skip.status(3).stdout, pages("aa"));
    // Both sides of the gap are there, and nothing bridges it.
    assert_eq!(on_bytes("grep-mem -o jsonl aaaa", &tar).status(3).lines().len(), 2 * 0x1000 / 4);
}

#[test]
fn pages_that_are_lazy_and_present_are_read() {
    let vma = Vma::anonymous(BASE, 0x2000).bytes(0, [b'a'; 0x2000]).page_flags(0x1000, 0x1000, 2 | 4);
    assert_eq!(on_bytes(&range(1, BASE, 0x2000), with(vma)).status(0).stdout, pages("aa"));
}

#[test]
fn shared_memory_is_found_through_the_processes_that_map_it() {
    let tar = archive(rich()).to_tar();
    for (at, text) in [(0x7f20_0000_0000, "shared anonymous"), (0x7f30_0000_0008, "sysv")] {
        let dump = on_bytes(&range(7, at, text.len() as u64), &tar).status(0);
        assert_eq!(dump.text(), text);
    }
}

/// Before 3.0 the bytes of a segment follow its entry.
#[test]
fn old_system_v_segments_are_read_and_searched() {
    for criu in [Criu::V1_8, Criu::V2_12] {
        let tar = archive(rich_old(criu)).to_tar();
        assert_eq!(on_bytes(&range(7, 0x7f30_0000_0008, 4), &tar).status(0).text(), "sysv");
        assert_eq!(on_bytes(&range(7, 0x7f30_0000_8000, 4), &tar).status(0).stdout, [0; 4]);
        let hits = on_bytes("grep-mem -o jsonl sysv", &tar).status(0).lines();
        assert_eq!(
            (hits.len(), &hits[0]["pid"], &hits[0]["source"]),
            (1, &json!(7), &json!("shared-memory"))
        );
        let cut = damage::shorten(archive(rich_old(criu)), "checkpoint/ipcns-shm-11.img", 200).to_tar();
        let cut = on_bytes(&range(7, 0x7f30_0000_8000, 4), &cut);
        says(cut, 2, &["lost"]);
    }
}

#[test]
fn a_shared_object_ends_with_its_last_page_whatever_the_page_size() {
    for page_size in [0x1000, 0x4000, 0x1_0000] {
        let dump = Checkpoint::new()
            .arch(Arch::Aarch64)
            .page_size(page_size)
            .shared(Shared::memfd("object", 0x1001).bytes(0x0ffe, "abc"))
            .process(Process::new(1).memory(Vma::shared(BASE, 0x4_0000, "object")));
        let tar = archive(dump).to_tar();
        let end = 0x1001_u64.next_multiple_of(page_size);
        let mut expected = vec![0; usize::try_from(end).expect("small")];
        expected[0xffe..0x1001].copy_from_slice(b"abc");
        assert_eq!(on_bytes(&range(1, BASE, end), &tar).status(0).stdout, expected, "{page_size}");
        assert_eq!(on_bytes(&range(1, BASE, end + 1), &tar).status, Some(2), "{page_size}");
    }
}

#[test]
fn page_sizes_come_from_the_evidence() {
    for (arch, page_size) in [
        (Arch::Aarch64, 0x1000),
        (Arch::Aarch64, 0x4000),
        (Arch::Aarch64, 0x1_0000),
        (Arch::Ppc64le, 0x1_0000),
        (Arch::Ppc64le, 0x1000),
        (Arch::Mips64, 0x4000),
        (Arch::LoongArch64, 0x4000),
        (Arch::S390x, 0x1000),
        (Arch::Arm, 0x1000),
        (Arch::Riscv64, 0x1000),
    ] {
        let start = if arch.narrow() { 0x6000_0000 } else { 0x7000_0000_0000 };
        let vma = Vma::anonymous(start, 0x10_0000)
            .bytes(page_size - 3, "across")
            .bytes(6 * page_size, "after a hole");
        let dump = Checkpoint::new().arch(arch).page_size(page_size).process(Process::new(1).memory(vma));
        let tar = archive(dump).to_tar();
        let found = on_bytes("grep-mem -o jsonl -e across -e after", &tar).status(0).lines();
        let at: Vec<u64> = found.iter().map(|hit| address(&hit["address"])).collect();
        assert_eq!(at, [start + page_size - 3, start + 6 * page_size], "{arch:?} {page_size}");
        let dump = on_bytes(&range(1, start + page_size - 4, 8), &tar).status(0);
        assert_eq!(dump.stdout, b"\0across\0", "{arch:?} {page_size}");
        let document = on_bytes("ps -o json", &tar).status(0).json();
        assert_eq!(by_pid(&document)[&1]["cmdline"], json!(["/bin/sh"]), "{arch:?} {page_size}");
    }
}

#[test]
fn old_and_new_page_counts_are_read() {
    for criu in [Criu::V1_1, Criu::V2_12, Criu::V3_3, Criu::V3_13, Criu::V3_19, Criu::V4_1, Criu::V4_2] {
        let vma = Vma::anonymous(BASE, 0x6000).bytes(0, pages("ab")).bytes(0x4ffc, "needle!!");
        let tar = archive(Checkpoint::new().criu(criu).process(Process::new(1).memory(vma))).to_tar();
        let mut expected = [pages("ab"), vec![0; 0x4000]].concat();
        expected[0x4ffc..0x5004].copy_from_slice(b"needle!!");
        assert_eq!(on_bytes(&range(1, BASE, 0x6000), &tar).status(0).stdout, expected, "{criu:?}");
    }
}

#[test]
fn encoded_pages_are_named_as_not_readable() {
    // Sizes that do not add up are those of another CRIU.
    let mut foreign = archive(rich().compressed_pages(4));
    let pages = foreign.find_mut("checkpoint/pages-2.img");
    pages.body = [pages.body.to_vec(), vec![1]].concat().into();
    for (members, word) in [(foreign, "compressed"), (archive(rich().cipher()), "encrypted")] {
        let tar = members.to_tar();
        let ps = says(on_bytes("ps -o json", &tar), 3, &[word]);
        let worker = ps.json()["processes"][1].clone();
        // What needs memory is unknown, the rest is there.
        assert_eq!((&worker["cmdline"], &worker["comm"]), (&Value::Null, &json!("worker")));
        says(on_bytes(&range(7, 0x7f00_0000_0000, 0x20), &tar), 2, &["compressed or encrypted"]);
        says(on_bytes("grep-mem rwx", &tar), 3, &[word]);
    }
}

/// What must be the same however pages are stored.
fn without_places(mut value: Value) -> Value {
    match &mut value {
        Value::Object(map) => {
            map.remove("evidence");
            map.remove("member_offset");
            map.values_mut().for_each(|value| *value = without_places(value.take()));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| *value = without_places(value.take())),
        _ => {}
    }
    value
}

#[test]
fn compressed_pages_say_what_plain_ones_do() {
    let plain = archive(rich()).to_tar();
    let find = "grep-mem -o jsonl -e rwx -e worker";
    let dump = range(7, 0x7f00_0000_0000, 0x20);
    for pages in [1, 64] {
        let tar = archive(rich().compressed_pages(pages)).to_tar();
        for words in
            ["ps --env -o jsonl", "maps --anomalies -o jsonl", "strings -o jsonl", "secrets -o jsonl", find]
        {
            let (ours, theirs) = (on_bytes(words, &tar), on_bytes(words, &plain));
            assert_eq!(ours.status, theirs.status, "{words} {pages}: {}", ours.stderr);
            let facts = |ended: &Ended| ended.lines().into_iter().map(without_places).collect::<Vec<_>>();
            assert!(facts(&ours) == facts(&theirs), "{words} {pages}");
        }
        for words in [dump.as_str(), "core --pid 7"] {
            let (ours, theirs) = (on_bytes(words, &tar), on_bytes(words, &plain));
            assert_eq!(ours.status, theirs.status, "{words} {pages}: {}", ours.stderr);
            assert!(ours.stdout == theirs.stdout, "{words} {pages}");
        }
        // A search while decompressing would look at the blocks.
        let found = on_bytes(find, ckptfx_testkit::Outer::Zstd.pack(&tar)).lines();
        assert_eq!(found.len(), on_bytes(find, &plain).lines().len());
        let of_memory = found.iter().filter(|one| one["source"] == "memory");
        for one in of_memory {
            assert!(one["member"].as_str().is_some_and(|member| member.contains("pages-")), "{one:#}");
            assert_eq!(one["member_offset"], Value::Null);
        }
    }
}

#[test]
fn a_damaged_block_costs_its_pages_only() {
    let text = |word: &str| word.repeat(0x2000 / word.len());
    let contents = [text("alphabet"), text("betatest"), text("gammaray")].concat();
    let vma = Vma::anonymous(BASE, contents.len() as u64).bytes(0, contents.clone());
    let dump = Checkpoint::new().process(Process::new(1).bare().memory(vma)).compressed_pages(2);
    let mut members = archive(dump);
    let pages = members.find_mut("checkpoint/pages-1.img");
    let mut bytes = pages.body.to_vec();
    let third = bytes.len() / 3;
    bytes[third..third + 4].fill(0xff);
    pages.body = bytes.into();
    let tar = members.to_tar();
    let ended = says(on_bytes(&range(1, BASE, 0x2000), &tar), 3, &["damaged-pages", "8192 bytes"]);
    assert!(ended.stdout == contents.as_bytes()[..0x2000]);
    says(on_bytes(&range(1, BASE, 0x6000), &tar), 2, &["0x7f0000002000-0x7f0000004000"]);
    let counts = on_bytes("grep-mem -o jsonl -e alphabet -e betatest -e gammaray", &tar).status(3).lines();
    let count = |word: &str| counts.iter().filter(|hit| hit["text"] == word).count();
    assert_eq!((count("alphabet"), count("betatest"), count("gammaray")), (1024, 0, 1024));
}

#[test]
fn cut_pages_cost_what_is_cut_off() {
    let tar = |length| {
        let vma = Vma::anonymous(BASE, 0x4000).bytes(0, pages("abcd"));
        let dump = Checkpoint::new().process(Process::new(1).bare().memory(vma));
        damage::shorten(archive(dump), "checkpoint/pages-1.img", length).to_tar()
    };
    let ended =
        says(on_bytes(&range(1, BASE, 0x2000), tar(0x2000)), 3, &["truncated-pages", "8192 of 16384"]);
    assert_eq!(ended.stdout, pages("ab"));
    says(on_bytes(&range(1, BASE, 0x4000), tar(0x2000)), 2, &["0x7f0000002000-0x7f0000004000"]);
    let found = on_bytes("grep-mem -o jsonl -e bbbb -e cccc", tar(0x2000)).status(3).lines();
    assert!(!found.is_empty() && found.iter().all(|hit| hit["text"] == "bbbb"));
}

#[test]
fn a_zombie_has_an_end_and_no_memory() {
    let tar = archive(rich()).to_tar();
    let document = on_bytes("ps --env -o json", &tar).status(0).json();
    let zombie = by_pid(&document)[&21];
    for (key, value) in [
        ("state", json!("zombie")),
        ("exit_code", json!(7)),
        ("comm", json!("defunct")),
        ("cmdline", Value::Null),
        ("exe", Value::Null),
        ("threads", json!([])),
        ("captured_bytes", Value::Null),
    ] {
        assert_eq!(zombie[key], value, "{key}");
    }
    says(on_bytes("dump --pid 21", &tar), 2, &["no memory"]);
    let killed = Process::new(1).child(Process::new(2).zombie(9));
    let document = on_bytes("ps -o json", archive(Checkpoint::new().process(killed)).to_tar()).json();
    assert_eq!(document["processes"][1]["exit_code"], Value::Null);
    assert_eq!(document["processes"][1]["exit_signal"], 9);
}

#[test]
fn guards_are_no_zeros_in_whatever_order_they_are_listed() {
    let process = Process::new(1)
        .memory(Vma::anonymous(BASE, 0x8000).bytes(0, "a"))
        .memory(Vma::guard(BASE + 0x6000, 0x1000))
        .memory(Vma::guard(BASE + 0x2000, 0x1000));
    let tar = archive(Checkpoint::new().process(process)).to_tar();
    for guard in [0x2000, 0x6000] {
        says(on_bytes(&range(1, BASE + guard, 0x1000), &tar), 2, &["4096 of the bytes"]);
    }
    for free in [0x1000, 0x3000, 0x5000, 0x7000] {
        assert_eq!(on_bytes(&range(1, BASE + free, 0x1000), &tar).status(0).stdout, vec![0; 0x1000]);
    }
}

#[test]
fn mappings_can_be_named() {
    let shop = fixture("shop-podman");
    let listed = on("dump --pid 14 -o json", &shop).status(0).json();
    let pieces = listed["pieces"].as_array().expect("pieces");
    let of = |path: &str| -> Vec<&Value> { pieces.iter().filter(|piece| piece["path"] == path).collect() };
    for (name, path) in [("heap", "[heap]"), ("stack", "[stack]"), ("vdso", "[vdso]")] {
        let pieces = of(path);
        let length = address(&pieces[pieces.len() - 1]["end"]) - address(&pieces[0]["start"]);
        let index = pieces[0]["vma"].to_string();
        let dump = on(&format!("dump --pid 14 --vma {name}"), &shop).status(0).stdout;
        assert_eq!(dump.len() as u64, length, "{name}");
        assert_eq!(on(&format!("dump --pid 14 --vma {index}"), &shop).status(0).stdout, dump, "{name}");
    }
    says(on("dump --pid 14 --vma 9999", &shop), 2, &["the last is"]);
    says(on("dump --pid 14 --vma rope", &shop), 2, &["heap, stack, vdso or an index"]);
    says(on("dump --pid 15", &shop), 2, &["no process 15", "and 4 more"]);
    says(on("dump --pid 14 --vma 0", &shop), 2, &["only in the mapped file"]);
}

/// The list of pieces says where each is in a dump with the same options, and where in the archive.
#[test]
fn the_list_of_pieces_leads_to_the_bytes() {
    let tar = crate::support::plain("shop-podman");
    let members = crate::support::members(&tar);
    let scratch = Scratch::new();
    let path = scratch.put("shop.tar", &tar);
    let whole = on("dump --pid 14", &path).status(0).stdout;
    let mut covered = 0;
    let mut check = |words: &str| {
        let dump = on(words, &path).status(0).stdout;
        let listed = on(&format!("{words} -o json"), &path).status(0).json();
        for piece in listed["pieces"].as_array().expect("pieces") {
            let Some(offset) = piece["file_offset"].as_u64() else { continue };
            let length = address(&piece["end"]) - address(&piece["start"]);
            if piece["content"] == "zero" {
                let at = usize::try_from(offset).expect("small");
                assert!(dump[at..at + usize::try_from(length).expect("small")].iter().all(|byte| *byte == 0));
                continue;
            }
            let member = members.find(piece["member"].as_str().expect("member")).expect("in the tar");
            let at = piece["member_offset"].as_u64().expect("offset");
            let slice = |bytes: &[u8], at: u64| {
                let at = usize::try_from(at).expect("small");
                bytes[at..at + usize::try_from(length).expect("small")].to_vec()
            };
            assert!(slice(&dump, offset) == slice(&member.body.to_vec(), at), "{words}: {piece}");
            covered += length;
        }
    };
    check("dump --pid 14 --vma heap");
    check("dump --pid 14 --vma 4");
    check("dump --pid 14");
    covered_all(&whole, &path);
    assert!(covered > 0x2000);
}

fn covered_all(whole: &[u8], path: &Path) {
    let listed = on("dump --pid 14 -o json", path).status(0).json();
    let mut next = 0;
    for piece in listed["pieces"].as_array().expect("pieces") {
        if let Some(offset) = piece["file_offset"].as_u64() {
            assert_eq!(offset, next);
            next += address(&piece["end"]) - address(&piece["start"]);
        }
    }
    assert_eq!(next, whole.len() as u64);
}

#[test]
fn a_dump_names_a_process_of_one_checkpoint_only() {
    let pod = ckptfx_testkit::pod_archive(
        &[Container::sample(), Container::sample().with(|it| it.name = "other".to_owned())],
        ckptfx_testkit::PodOptions::Array,
    );
    says(on_bytes("dump --pid 1", pod.to_tar()), 2, &["2 checkpoints"]);
    let one = Container::sample().crio(CrioVersion::V1_29).to_tar();
    assert!(!on_bytes("dump --pid 1", one).status(0).stdout.is_empty());
}
