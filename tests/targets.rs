//! What the fuzz targets of `fuzz/` do, and bytes that they begin with. It is shared with `fuzz/` by its path, so that
//! every test run does the same with seeds.

use std::{fs, io::Read as _, path::Path, sync::LazyLock};

use ckptfx_parser::{
    Limits,
    archive::{Archive, MemberKind, index_stream, index_tar},
    image::Kind,
    memory::captured_regions,
    source::{Compression, Silent},
};
use ckptfx_scan::{Options, PatternKind, Plan, Region};
use ckptfx_testkit::{
    Container, CrioVersion, Member, Members, Outer, PodmanVersion, RootfsDiff, damage, rich,
};

use crate::{exercise, mutate};

/// A fuzz target.
pub struct Target {
    /// Its name, and that of the directory of its corpus.
    pub name: &'static str,
    /// What it does; it must come to an end without a panic.
    pub run: fn(&[u8]),
    /// Bytes to begin with, of real archives where there are any.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 13] = [
    Target { name: "archive", run: archive, seeds: archive_seeds },
    Target { name: "index", run: index, seeds: archive_seeds },
    Target { name: "compressed", run: compressed, seeds: compressed_seeds },
    Target { name: "image", run: image, seeds: image_seeds },
    Target { name: "interpret", run: interpret, seeds: interpret_seeds },
    Target { name: "case", run: case, seeds: case_seeds },
    Target { name: "memory", run: memory, seeds: memory_seeds },
    Target { name: "tars", run: tars, seeds: tars_seeds },
    Target { name: "netlink", run: netlink, seeds: netlink_seeds },
    Target { name: "metadata", run: metadata, seeds: metadata_seeds },
    Target { name: "logs", run: logs, seeds: logs_seeds },
    Target { name: "kubelet", run: kubelet, seeds: kubelet_seeds },
    Target { name: "pattern", run: pattern, seeds: pattern_seeds },
];

/// Longest seed, but for whole archives.
const SEED: usize = 4096;

/// Archives of the test kit that parts are changed of.
static SAMPLES: LazyLock<[Members; 2]> = LazyLock::new(|| {
    let rich = Container::new(rich()).with(|container| {
        container.log = Some(b"2024-06-01T12:00:00Z stdout F ready\n".to_vec());
        container.rootfs = RootfsDiff::sample();
    });
    [rich.crio(CrioVersion::V1_29), rich.podman(PodmanVersion::V5)]
});

/// The real archives, without what pages hold beyond their first 4 KiB.
fn real() -> Vec<Members> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = if root.join("fixtures").exists() { root } else { root.parent().expect("fuzz/") };
    ["webserver-crio", "webserver-podman", "scenarios/webshell"]
        .map(|name| {
            let path = root.join("fixtures").join(format!("{name}.tar.zst"));
            let tar = zstd::decode_all(fs::File::open(path).expect(name)).expect(name);
            let mut members = Members::new();
            let archive = index_tar(&tar.into(), name, &Limits::DEFAULT);
            for member in archive.members().iter().filter(|member| member.kind == MemberKind::File) {
                let most = if member.path.windows(6).any(|part| part == b"pages-") { SEED } else { 1 << 18 };
                members.push(Member::file(
                    member.path.clone(),
                    member.mode,
                    damage::cut(member.bytes(), most),
                ));
            }
            members
        })
        .into()
}

/// The beginning of each member of the real archives that has one of these endings.
fn real_parts(endings: &[&str]) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    for members in real() {
        let wanted = |member: &&Member| endings.iter().any(|end| member.path.ends_with(end.as_bytes()));
        parts.extend(
            members.list.iter().filter(wanted).map(|member| damage::cut(&member.body.to_vec(), SEED)),
        );
    }
    parts
}

/// Bytes after one that chooses.
fn chosen(choice: usize, bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(choice).expect("few choices")], bytes].concat()
}

/// A sample with another content of a member, which is put there if there is none.
fn with(sample: usize, path: &str, content: &[u8]) -> bytes::Bytes {
    let mut members = SAMPLES[sample % SAMPLES.len()].clone();
    members.list.retain(|member| member.path != path.as_bytes());
    members.file(path, 0o644, content);
    members.to_tar().into()
}

/// Any bytes as evidence: tars, streams and images of images, and every question asked of what is found.
pub fn archive(bytes: &[u8]) {
    exercise::evidence(bytes.to_vec().into());
}

fn archive_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = real().iter().map(Members::to_tar).collect();
    let small = Container::sample();
    let sample = small.crio(CrioVersion::V1_29);
    seeds.extend([sample.to_tar(), Outer::Zstd.pack(&sample.to_tar()), Outer::Gzip.pack(&sample.to_tar())]);
    seeds.extend(ckptfx_testkit::Stream::shards(1).write(&small.docker_directory()));
    for form in ["oci-plain", "docker-archive", "pod-map", "opaque-directory", "compressed-pages"] {
        let recipe = ckptfx_testkit::RECIPES.iter().find(|(name, _)| *name == form).expect(form);
        seeds.push((recipe.1)());
    }
    seeds.extend(damage::hostile_members().into_iter().map(|(_, member)| {
        let list = vec![member];
        damage::cut(&Members { list, ..Members::new() }.to_tar(), SEED)
    }));
    seeds
}

/// Any bytes as a tar and as a stream of images: what the index says of each member holds together.
pub fn index(bytes: &[u8]) {
    let bytes = bytes::Bytes::copy_from_slice(bytes);
    consistent(&index_tar(&bytes, "x", &exercise::LIMITS), bytes.len());
    // Streams that cannot be put together are refused.
    if let Ok(archive) = index_stream(std::slice::from_ref(&bytes), "x", &exercise::LIMITS) {
        consistent(&archive, bytes.len());
    }
}

fn consistent(archive: &Archive, length: usize) {
    for member in archive.members() {
        assert!(archive.find(&member.path).is_some(), "a member is not found by its own path");
        assert!(!member.path.starts_with(b"/"));
        let leads_out = member.path.split(|byte| *byte == b'/').any(|part| part == b"..");
        let is_said = || archive.diagnostics.iter().any(|diagnostic| diagnostic.code == "unsafe-path");
        assert!(!leads_out || is_said(), "{:?} without a word", member.path);
        let mut end = 0;
        for (offset, piece) in member.pieces().expect("it is in memory") {
            assert!(offset >= end, "pieces overlap");
            end = offset + piece.len() as u64;
            assert!(end <= member.size, "a piece lies behind the end");
            assert!(piece.len() <= length);
        }
    }
}

/// Formats with their first bytes.
const MAGICS: [&[u8]; 6] =
    [b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh91AY&SY", b"\x04\x22\x4d\x18", b""];

/// Any bytes behind the magic of each format: the decoders, in one thread and, where the input is long, in two.
pub fn compressed(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let magic = MAGICS[usize::from(*first) % MAGICS.len()];
    let mut input = [magic, rest].concat();
    if first & 0x80 != 0 {
        input.resize(input.len().max(300_000), 0);
    }
    if let Some(format) = Compression::detect(&input) {
        let limits = Limits { decompressed_bytes: 4 << 20, ..Limits::DEFAULT };
        let mut length = 0;
        let mut sink = |block: Vec<u8>| {
            length += block.len();
            Ok(block)
        };
        format.decompress(&input, &limits, &Silent, &mut sink).expect("a sink that takes all");
        assert!(length <= 8 << 20);
    }
}

fn compressed_seeds() -> Vec<Vec<u8>> {
    let text: Vec<u8> =
        (0..2000_u32).flat_map(|number| format!("line {}\n", number % 97).into_bytes()).collect();
    let packers = [Outer::Gzip, Outer::Zstd, Outer::Xz, Outer::Bzip2, Outer::Lz4];
    let packed = packers.map(|packer| packer.pack(&text));
    // What stands before it all is the empty magic, in one thread and in two; two streams follow one another.
    let mut seeds = Vec::new();
    for packed in &packed {
        seeds.extend([chosen(5, packed), chosen(0x80 + 1, packed), chosen(5, &packed.repeat(2))]);
    }
    seeds.extend(real_parts(&[".tar.gz.img"]).iter().map(|part| chosen(5, part)));
    seeds
}

/// Any bytes as an image of each kind: framing, decoding and showing.
pub fn image(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let kind = Kind::ALL[usize::from(*kind) % Kind::ALL.len()];
    let pattern = kind.descriptor().files.first().copied().unwrap_or("x.img");
    let name = pattern.replace("%u", "1").replace("%x", "1").replace("%lu", "1").replace("%d", "1");
    let magic = kind.descriptor().magic.to_le_bytes();
    let common = 0x5456_4319_u32.to_le_bytes();
    exercise::decode(&name, rest);
    exercise::decode(&name, &[&common, &magic, rest].concat());
}

fn image_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for members in real().iter().chain(&*SAMPLES) {
        for member in &members.list {
            let path = String::from_utf8_lossy(&member.path);
            let name = path.rsplit('/').next().unwrap_or_default();
            let Some((descriptor, _)) = ckptfx_parser::image::registry::identify(name) else { continue };
            let is_it = |kind: &Kind| kind.descriptor().name == descriptor.name;
            let Some(kind) = Kind::ALL.iter().position(is_it) else { continue };
            let bytes = member.body.to_vec();
            seeds.push(chosen(kind, &damage::cut(bytes.get(8..).unwrap_or(&bytes), SEED)));
        }
    }
    seeds.sort();
    seeds.dedup();
    seeds
}

/// Images of the samples that are interpreted.
static IMAGES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let paths = SAMPLES[0].list.iter().map(|member| String::from_utf8_lossy(&member.path).into_owned());
    paths.filter(|path| path.ends_with(".img") && !path.contains("/pages-")).collect()
});

/// Any bytes as the content of one image of a checkpoint that is otherwise whole, the magic excepted.
pub fn interpret(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let path = &IMAGES[usize::from(*choice) % IMAGES.len()];
    let before = SAMPLES[0].find(path).expect("a member").body.to_vec();
    let head = if path.ends_with("inventory.img") { 4 } else { 8 };
    let content = [before.get(..head).unwrap_or_default(), rest].concat();
    let bytes = with(0, path, &content);
    exercise::evidence_and(bytes, &|_| false);
}

fn interpret_seeds() -> Vec<Vec<u8>> {
    let content = |path: &String| SAMPLES[0].find(path).expect("a member").body.to_vec();
    let seed =
        |(choice, path)| chosen(choice, &damage::cut(content(path).get(8..).unwrap_or_default(), SEED));
    IMAGES.iter().enumerate().map(seed).collect()
}

/// A checkpoint in which fields of messages are changed, doubled, removed and nested: what every analysis makes of
/// images that decode well and mean nonsense.
pub fn case(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let mut members = SAMPLES[usize::from(*first) % SAMPLES.len()].clone();
    mutate::members(&mut members, &mut mutate::Choices::of(rest));
    exercise::evidence_and(members.to_tar().into(), &|_| false);
}

fn case_seeds() -> Vec<Vec<u8>> {
    (0..32)
        .map(|seed| {
            let mut bytes = vec![0; 64];
            ckptfx_testkit::Rng::new(seed).fill(&mut bytes);
            bytes
        })
        .collect()
}

/// The pagemap, the mappings and the pages of one process: what is said of its memory holds together.
pub fn memory(bytes: &[u8]) {
    let [first, second, third, rest @ ..] = bytes else { return };
    let (pagemap, rest) = rest.split_at(rest.len().min(usize::from(*first) * 8));
    let (mm, pages) = rest.split_at(rest.len().min(usize::from(*second) * 8));
    let mut members = SAMPLES[0].clone();
    let mut put = |path: &str, content: &[u8]| {
        if !content.is_empty() {
            let head = damage::cut(&members.find(path).expect("a member").body.to_vec(), 8);
            members.set(path, [&head, content].concat());
        }
    };
    put("checkpoint/pagemap-1.img", pagemap);
    put("checkpoint/mm-1.img", mm);
    put("checkpoint/pages-1.img", &pages.repeat(1 + usize::from(*third) * 16));
    exercise::ask(members.to_tar().into(), &mut |case| {
        exercise::memory(case);
        for task in &case.tasks {
            let Some(space) = &task.space else { continue };
            let runs = &space.pages.runs;
            assert!(runs.iter().all(|run| run.length > 0 && run.start.checked_add(run.length).is_some()));
            assert!(runs.windows(2).all(|pair| pair[0].end() <= pair[1].start), "page runs overlap");
            assert!(space.vmas.windows(2).all(|pair| pair[0].end <= pair[1].start), "mappings overlap");
            for region in captured_regions(&space.pages).expect("anonymous storage") {
                let end = region.start + region.bytes().len() as u64;
                assert!(region.place(region.start).is_some() && region.place(end).is_none());
                let read = space.bytes(region.start, end, 1 << 16, &case.shared);
                if let Ok(read) = read {
                    assert!(region.bytes().starts_with(&read) || space.vma_at(region.start).is_none());
                }
            }
            for vma in &space.vmas {
                let runs = space.runs(vma.start, vma.end, &case.shared);
                let length: u64 = runs.iter().map(|run| run.length).sum();
                assert_eq!(length, vma.end - vma.start, "a mapping is not wholly accounted for");
            }
        }
    });
}

fn memory_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for members in real() {
        for pid in [1, 7, 12, 20] {
            let content = |stem: &str| {
                let bytes = members.find(&format!("checkpoint/{stem}-{pid}.img"))?.body.to_vec();
                Some(damage::cut(bytes.get(8..)?, 255 * 8))
            };
            let (Some(mut pagemap), Some(mm)) = (content("pagemap"), content("mm")) else { continue };
            pagemap.resize(pagemap.len().next_multiple_of(8), 0);
            let count = |bytes: &[u8]| u8::try_from(bytes.len().div_ceil(8)).expect("short");
            let head = [count(&pagemap), count(&mm), 255];
            seeds.push([&head, &*pagemap, &*mm].concat());
        }
    }
    let sample = |path: &str| SAMPLES[0].find(path).expect("a member").body.to_vec()[8..].to_vec();
    let mut pagemap = sample("checkpoint/pagemap-7.img");
    pagemap.resize(pagemap.len().next_multiple_of(8), 0);
    let head = [u8::try_from(pagemap.len() / 8).expect("short"), 0, 1];
    seeds.push([&head, &*pagemap, b"page"].concat());
    seeds
}

/// Where tars of file systems are in an archive.
const TARS: [(usize, &str); 5] = [
    (0, "rootfs-diff.tar"),
    (0, "checkpoint/tmpfs-dev-65.tar.gz.img"),
    (1, "devshm-checkpoint.tar"),
    (1, "artifacts/volumes/data.tar"),
    (1, "volumes/data.tar"),
];

/// Any bytes as a tar of a file system: root file system, tmpfs, shared memory, volume.
pub fn tars(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let (sample, path) = TARS[usize::from(*choice) % TARS.len()];
    exercise::ask(with(sample, path, rest), &mut |case| {
        exercise::archives(case);
        exercise::conclusions(case);
    });
}

fn tars_seeds() -> Vec<Vec<u8>> {
    let mut list: Vec<Member> = damage::hostile_members()
        .into_iter()
        .map(|(_, member)| member)
        .filter(|member| member.path.len() < 1000 && member.body.len() < 1000)
        .collect();
    list.extend([
        Member::file("etc/.wh.passwd", 0o644, ""),
        Member::file("etc/.wh..wh..opq", 0o644, ""),
        Member::file("bin/su", 0o4755, "#!/bin/sh\n"),
        Member::symlink("etc/link", "../../outside"),
    ]);
    let one = |member: Member| Members { list: vec![member], ..Members::new() }.to_tar();
    let mut tars: Vec<Vec<u8>> = list.into_iter().map(one).collect();
    tars.extend(real_parts(&["rootfs-diff.tar", ".tar.gz.img", "devshm-checkpoint.tar"]));
    tars.push(RootfsDiff::sample().plain().expect("files"));
    tars.push(Outer::Gzip.pack(tars.last().expect("a tar")));
    let places = (0..TARS.len()).cycle();
    places.zip(&tars).map(|(choice, tar)| chosen(choice, &damage::cut(tar, 4 * SEED))).collect()
}

/// What writes netlink messages, tables of the firewall and settings.
const NETWORK: [&str; 9] =
    ["ifaddr", "route", "route6", "rule", "netns-ct", "netns-exp", "iptables", "ip6tables", "nftables"];

/// Any bytes as what `ip`, the firewall or connection tracking wrote.
pub fn netlink(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let name = format!("{}-10.img", NETWORK[usize::from(*choice) % NETWORK.len()]);
    exercise::decode(&name, rest);
    exercise::ask(with(0, &format!("checkpoint/{name}"), rest), &mut |case| {
        exercise::network(case);
    });
}

fn netlink_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for members in real() {
        for member in &members.list {
            let path = String::from_utf8_lossy(&member.path);
            let name = path.rsplit('/').next().unwrap_or_default();
            let stem = name.rsplit_once('-').map_or(name, |(stem, _)| stem);
            if let Some(choice) = NETWORK.iter().position(|known| *known == stem) {
                seeds.push(chosen(choice, &damage::cut(&member.body.to_vec(), SEED)));
            }
        }
    }
    // A message of a connection, with tuples within tuples.
    let attribute = |kind: u16, value: &[u8]| {
        let mut out = u16::try_from(value.len() + 4).expect("short").to_le_bytes().to_vec();
        out.extend(kind.to_le_bytes());
        out.extend(value);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    };
    let ip = attribute(0x8001, &[attribute(1, &[10, 0, 0, 1]), attribute(2, &[10, 0, 0, 2])].concat());
    let ports =
        attribute(0x8002, &[attribute(1, &[6]), attribute(2, &[0, 80]), attribute(3, &[1, 0])].concat());
    let body = [vec![2, 0, 0, 0], attribute(0x8001, &[ip, ports].concat())].concat();
    let mut message = u32::try_from(body.len() + 16).expect("short").to_le_bytes().to_vec();
    message.extend([0, 1, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    message.extend(body);
    seeds.extend([chosen(4, &message), chosen(5, &message)]);
    seeds
}

/// The files that engines write beside the images.
const METADATA: [(usize, &str); 9] = [
    (0, "spec.dump"),
    (0, "config.dump"),
    (0, "bind.mounts"),
    (0, "status"),
    (0, "status.dump"),
    (0, "deleted.files"),
    (1, "spec.dump"),
    (1, "config.dump"),
    (1, "network.status"),
];

/// Any bytes as a file of the engine's.
pub fn metadata(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let (sample, path) = METADATA[usize::from(*choice) % METADATA.len()];
    exercise::ask(with(sample, path, rest), &mut |case| {
        exercise::processes(case);
        exercise::archives(case);
        exercise::conclusions(case);
    });
}

fn metadata_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (choice, (_, name)) in METADATA.iter().enumerate() {
        let is_it = |member: &&Member| member.path == name.as_bytes();
        for members in real().iter().chain(&*SAMPLES) {
            let found = members.list.iter().filter(is_it);
            seeds.extend(found.map(|member| chosen(choice, &damage::cut(&member.body.to_vec(), 4 * SEED))));
        }
    }
    seeds
}

/// Where logs are in an archive.
const LOGS: [(usize, &str); 5] = [
    (0, "dump.log"),
    (0, "io.kubernetes.cri-o.LogPath"),
    (0, "container.log"),
    (1, "ctr.log"),
    (1, "checkpoint/dump.log"),
];

/// Any bytes as a log: of the container, of CRIU, and as what a failed capture left.
pub fn logs(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let (sample, path) = LOGS[usize::from(*choice) % LOGS.len()];
    for explanation in ckptfx_capture::explain::explain(rest) {
        assert!(!explanation.code.is_empty() && explanation.line > 0);
    }
    exercise::ask(with(sample, path, rest), &mut |case| {
        exercise::logs(case);
        exercise::conclusions(case);
    });
}

fn logs_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for part in real_parts(&["dump.log", "ctr.log", "LogPath", "container.log"]) {
        seeds.extend((0..LOGS.len()).map(|choice| chosen(choice, &part)));
    }
    seeds.push(chosen(1, b"2024-06-01T12:00:00Z stdout P a\n2024-06-01T12:00:00Z stdout F b\nno log\n"));
    let failed =
        b"(00.000000) Version: 4.1 (gitid 0)\n(00.1) Error (criu/tty.c:1): tty: Found slave peer index 1\n\
                   (00.2) Error (criu/cr-dump.c:2098): Dumping FAILED.\n";
    seeds.push(chosen(0, failed));
    seeds
}

/// Any bytes as what a kubelet answers, well or ill: a path that it names is one that may stand in a command.
pub fn kubelet(bytes: &[u8]) {
    if let Ok(path) = ckptfx_capture::answer::archive_path(bytes) {
        let plain = |character: char| character.is_ascii_alphanumeric() || "/-._:+".contains(character);
        assert!(path.starts_with('/') && path.chars().all(plain) && !path.contains("/../"), "{path:?}");
    }
    ckptfx_capture::explain::explain(bytes);
    ckptfx_capture::explain::is_transient(bytes);
}

fn kubelet_seeds() -> Vec<Vec<u8>> {
    let answers = [
        r#"{"items":["/var/lib/kubelet/checkpoints/checkpoint-a_b-c-2024-06-01T14:00:00+02:00.tar"]}"#,
        r#"{"items":["/a","/../b"]}"#,
        r#"{"items":["/a;reboot\u0000"]}"#,
        "checkpointing of default/shop/web failed (rpc error: code = Unknown desc = failed to checkpoint container)",
        r#"{"kind":"Status","status":"Failure","message":"pods \"shop\" is forbidden","code":403}"#,
    ];
    answers.map(|answer| answer.as_bytes().to_vec()).into()
}

/// Any text as a pattern, searched in any bytes: what kind of pattern and how long it is come first.
pub fn pattern(bytes: &[u8]) {
    let [kind, length, rest @ ..] = bytes else { return };
    let (pattern, bytes) = rest.split_at(rest.len().min(usize::from(*length)));
    let kind = match kind % 2 {
        0 => PatternKind::Literal(pattern.to_vec()),
        _ => PatternKind::Regex(String::from_utf8_lossy(pattern).into_owned()),
    };
    if let Ok(plan) = Plan::builder().pattern(kind).skip_unencodable(true).build() {
        let _ = plan.count(&[Region::new(0x1000, bytes)], &Options::default());
    }
}

fn pattern_seeds() -> Vec<Vec<u8>> {
    let patterns =
        ["(a*)*b", "[[:alpha:]]{3,9}x?", "(?i)pass(word|wd)=\\S+", "\\x00\\xff", "^a|b$", "(?s-u).{20}"];
    let seed = |pattern: &&str| {
        let head = [1, u8::try_from(pattern.len()).expect("short")];
        [&head, pattern.as_bytes(), b"aaaaaaaaaaaaab password=x a\0b\xff"].concat()
    };
    patterns.iter().map(seed).chain([b"\0\x03abcxxabcab".to_vec()]).collect()
}

/// Every file of the corpus that is kept for a target.
pub fn corpus(name: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = if root.ends_with("fuzz") { root.join("kept") } else { root.join("fuzz/kept") };
    let Ok(entries) = fs::read_dir(corpus.join(name)) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let mut bytes = Vec::new();
            fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).expect("readable");
            bytes
        })
        .collect()
}
