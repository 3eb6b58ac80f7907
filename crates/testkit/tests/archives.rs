//! The kit's own products, looked at with the `tar` crate and a reader of a few lines.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use ckptfx_testkit::{
    Checkpoint, Container, CrioVersion, Dialect, Large, Member, Members, Outer, PodmanVersion, RECIPES,
    Stream, damage, magic,
};
use std::collections::BTreeMap;
use std::io::Read;

fn unpack(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match bytes {
        [0x1f, 0x8b, ..] => flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut out),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            zstd::stream::read::Decoder::new(bytes).expect("zstd").read_to_end(&mut out)
        }
        [0xfd, b'7', b'z', ..] => liblzma::read::XzDecoder::new(bytes).read_to_end(&mut out),
        [b'B', b'Z', b'h', ..] => bzip2::read::MultiBzDecoder::new(bytes).read_to_end(&mut out),
        [0x04, 0x22, 0x4d, 0x18, ..] => lz4_flex::frame::FrameDecoder::new(bytes).read_to_end(&mut out),
        _ => {
            out = bytes.to_vec();
            Ok(0)
        }
    }
    .expect("whole stream");
    out
}

fn list(tar: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().expect("tar");
    entries
        .map(|entry| {
            let mut entry = entry.expect("entry");
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("content");
            (entry.path_bytes().into_owned(), bytes)
        })
        .collect()
}

/// Checks header and entry sizes; payload images only by their header.
fn check_image(name: &str, bytes: &[u8]) {
    let stem = name.trim_end_matches(".img");
    let base = stem.rsplit_once('-').map_or(stem, |(base, _)| base);
    let found = magic(stem).or_else(|| magic(base));
    let Some(expected) = found else {
        return;
    };
    let first = u32::from_le_bytes(bytes[..4].try_into().expect("word"));
    let second = u32::from_le_bytes(bytes[4..8].try_into().expect("word"));
    let big = first.swap_bytes() == 0x5456_4319 || first.swap_bytes() == 0x5831_3116;
    let fix = |word: u32| if big { word.swap_bytes() } else { word };
    let mut at = if fix(first) == expected {
        4
    } else {
        assert_eq!(fix(second), expected, "{name}");
        8
    };
    let payload = ["data", "queues", "ghost", "stream", "ipcns"];
    if payload.iter().any(|part| stem.contains(part)) {
        return;
    }
    while at < bytes.len() {
        let size = u32::from_le_bytes(bytes[at..at + 4].try_into().expect("word"));
        at += 4 + fix(size) as usize;
    }
    assert_eq!(at, bytes.len(), "{name}");
}

#[test]
fn every_recipe_is_a_tar_of_well_framed_images() {
    for (name, make) in RECIPES {
        let bytes = make();
        assert!(bytes == make(), "{name} differs from run to run");
        let members = list(&unpack(&bytes));
        assert!(!members.is_empty(), "{name}");
        for (path, content) in members {
            let path = String::from_utf8(path).expect("plain names");
            let file = path.rsplit('/').next().unwrap_or("");
            if file.ends_with(".img") {
                check_image(file, &content);
            }
        }
    }
}

#[test]
fn tar_dialects_agree() {
    let mut members = Container::sample().crio(CrioVersion::V1_29);
    members.push(Member::file("a/".repeat(90) + "long", 0o644, "x"));
    members.push(Member::symlink("link", "t".repeat(150)));
    let names = |members: &Members| -> Vec<Vec<u8>> {
        list(&members.to_tar()).into_iter().map(|(path, _)| path).collect()
    };
    let expected: Vec<Vec<u8>> = members.list.iter().map(|member| member.path.clone()).collect();
    for dialect in [Dialect::Ustar, Dialect::Pax, Dialect::Gnu] {
        assert_eq!(names(&members.clone().dialect(dialect)), expected, "{dialect:?}");
    }
}

#[test]
fn outer_compression_keeps_the_bytes() {
    let tar = Container::sample().podman(PodmanVersion::V5).to_tar();
    for outer in [
        Outer::Gzip,
        Outer::GzipMembers(4),
        Outer::Zstd,
        Outer::ZstdFrames(4),
        Outer::Xz,
        Outer::Bzip2,
        Outer::Lz4,
    ] {
        assert!(unpack(&outer.pack(&tar)) == tar, "{outer:?}");
    }
}

#[test]
fn shards_merge_to_the_images() {
    let members = Container::sample().docker_directory();
    let stream = Stream { interleave: true, record: 1000, ..Stream::shards(3) };
    let mut records = BTreeMap::new();
    for shard in stream.write(&members) {
        let mut rest = &shard[..];
        while !rest.is_empty() {
            let size = u32::from_le_bytes(rest[..4].try_into().expect("word")) as usize;
            let (sequence, field, value) = marker(&rest[4..4 + size]);
            rest = &rest[4 + size..];
            let length = if field == 3 { value.1 } else { 0 };
            records.insert(sequence, (field, value.0, rest[..length].to_vec()));
            rest = &rest[length..];
        }
    }
    let mut files: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut current = Vec::new();
    let (_, (last, ..)) = records.last_key_value().expect("records");
    assert_eq!(*last, 5);
    for (field, name, data) in records.into_values() {
        match field {
            2 => current = name,
            3 => files.entry(current.clone()).or_default().extend(data),
            _ => {}
        }
    }
    for member in members.list.iter().filter(|member| !member.body.is_empty()) {
        assert!(files[&member.path] == member.body.to_vec());
    }
}

/// Sequence number, body field, and its text or number.
fn marker(bytes: &[u8]) -> (u64, u8, (Vec<u8>, usize)) {
    let mut at = 1;
    let varint = |at: &mut usize| {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let byte = bytes[*at];
            *at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    };
    let sequence = varint(&mut at);
    let field = bytes[at] >> 3;
    at += 1;
    let value = varint(&mut at);
    let text = if field == 2 { bytes[at..].to_vec() } else { Vec::new() };
    (sequence, field, (text, value as usize))
}

#[test]
fn needles_lie_where_the_truth_says() {
    let large = Large { size: 8 << 20, processes: 3, count: 9, ..Large::default() };
    let mut tar = Vec::new();
    let truth = large.write(&mut tar).expect("memory");
    let members: BTreeMap<Vec<u8>, Vec<u8>> = list(&tar).into_iter().collect();
    let needles = truth["needles"].as_array().expect("array");
    assert_eq!(needles.len(), 9);
    for needle in needles {
        let pid = &needle["pid"];
        let address = needle["address"].as_str().expect("hex");
        let address = u64::from_str_radix(&address[2..], 16).expect("hex");
        let pagemap = &members[format!("checkpoint/pagemap-{pid}.img").as_bytes()];
        let (pages, offset) = locate(pagemap, address);
        let pages = &members[format!("checkpoint/pages-{pages}.img").as_bytes()];
        assert_eq!(&pages[offset..offset + large.needle.len()], &large.needle[..]);
    }
}

/// Pages file and offset of an address; entries are `{1: vaddr, 2, 4: flags, 5: pages}`.
fn locate(pagemap: &[u8], address: u64) -> (u64, usize) {
    let mut at = 8;
    let mut offset = 0;
    let mut pages_id = 0;
    while at < pagemap.len() {
        let size = u32::from_le_bytes(pagemap[at..at + 4].try_into().expect("word")) as usize;
        let body = &pagemap[at + 4..at + 4 + size];
        at += 4 + size;
        let fields = integers(body);
        if pages_id == 0 {
            pages_id = fields[&1];
            continue;
        }
        let (start, count) = (fields[&1], fields[&5]);
        if (start..start + count * 4096).contains(&address) {
            return (pages_id, (offset + address - start) as usize);
        }
        offset += count * 4096;
    }
    panic!("{address:#x} is in no entry");
}

fn integers(bytes: &[u8]) -> BTreeMap<u64, u64> {
    let mut numbers = Vec::new();
    let (mut value, mut shift) = (0_u64, 0);
    for byte in bytes {
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if *byte < 0x80 {
            numbers.push(value);
            (value, shift) = (0, 0);
        }
    }
    numbers.chunks(2).map(|pair| (pair[0] >> 3, pair[1])).collect()
}

#[test]
fn damage_does_what_it_says() {
    let members = Container::new(Checkpoint::sample()).crio(CrioVersion::V1_29);
    let tar = members.to_tar();
    let borders = members.borders();
    assert_eq!(borders.len(), members.list.len() + 1);
    assert_eq!(*borders.last().expect("some") as usize, tar.len() - 1024);
    assert!(damage::cuts(&members).len() > borders.len());
    assert_eq!(damage::permute(members.clone(), 3).list.len(), members.list.len());
    let doubled = damage::duplicate(members.clone(), "config.dump", Some("{}".into()));
    assert_eq!(doubled.list.len(), members.list.len() + 1);
    let huge = damage::huge_entry(members.clone(), "checkpoint/pstree.img", u32::MAX);
    assert_ne!(huge, members);
    for (name, archive) in damage::hostile(&members, true) {
        assert!(archive.to_tar().len() > tar.len(), "{name}");
    }
    for dialect in [Dialect::Ustar, Dialect::Gnu] {
        let head = damage::huge_header("checkpoint/pages-1.img", 9 << 30, dialect);
        let mut archive = tar::Archive::new(&head[..]);
        let entry = archive.entries().expect("tar").next();
        assert_eq!(entry.expect("one").expect("entry").size(), 9 << 30);
    }
}

#[test]
fn directories_unpack() {
    let root = tempfile::tempdir().expect("temporary directory");
    Container::sample().runc_directory().to_dir(root.path()).expect("written");
    assert!(root.path().join("inventory.img").is_file());
    assert!(root.path().join("descriptors.json").is_file());
}
