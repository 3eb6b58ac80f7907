//! Images of processes that one hand changed: whatever is removed, doubled, renamed or cleared either changes nothing
//! that is shown, or is told with the name of the image.
//!
//! A part of the cases, told by a seed, runs each time; `CKPTFX_DAMAGE=all` runs all of them.

use std::{collections::BTreeMap, fmt::Write as _, ops::Range, path::Path};

use bytes::Bytes;
use ckptfx_analysis::{
    Case,
    files::file,
    memory::mapping,
    process::thread,
    search::{self, Source},
};
use ckptfx_parser::{Diagnostic, Severity};
use ckptfx_testkit::{Members, Rng, put_varint};

use crate::{
    exercise,
    support::{ARCHIVES, codes, members, on_bytes, plain, processes},
};

/// What is changed: the images of processes, by what their names begin with, and the messages in them.
const IMAGES: [(&str, &str); 8] = [
    ("core-", "core_entry"),
    ("mm-", "mm_entry"),
    ("pagemap-", "pagemap_entry"),
    ("pstree.", "pstree_entry"),
    ("ids-", "task_kobj_ids_entry"),
    ("fs-", "fs_entry"),
    ("fdinfo-", "fdinfo_entry"),
    ("files.", "file_entry"),
];

/// Number, whether it is required, and type of each field of each message, from the table of facts.
struct Facts(BTreeMap<String, BTreeMap<u64, (bool, String)>>);

impl Facts {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto/fields.tsv");
        let table = std::fs::read_to_string(path).expect("the table of fields");
        let mut messages: BTreeMap<String, BTreeMap<u64, (bool, String)>> = BTreeMap::new();
        for row in table.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>()) {
            let field = (row[2] == "required", row[3].to_owned());
            messages.entry(row[0].to_owned()).or_default().insert(row[1].parse().expect("a number"), field);
        }
        Self(messages)
    }

    /// The message without its `which`-th required field, counted through the messages in it, and its name; none when
    /// it has no more.
    fn clear(&self, name: &str, body: &[u8], which: &mut usize) -> Option<(Vec<u8>, String)> {
        for field in fields(body) {
            let Some((required, kind)) = self.0.get(name).and_then(|fields| fields.get(&field.number)) else {
                continue;
            };
            if *required && std::mem::replace(which, which.wrapping_sub(1)) == 0 {
                return Some((field.replaced(body, &[]), format!("field {} of {name}", field.number)));
            }
            if self.0.contains_key(kind)
                && let Some((inner, what)) = self.clear(kind, &body[field.value.clone()], which)
            {
                return Some((field.replaced(body, &bytes_field(field.number, &inner)), what));
            }
        }
        None
    }
}

/// Where a field of a message is.
struct Field {
    number: u64,
    /// With its key and length.
    whole: Range<usize>,
    value: Range<usize>,
}

impl Field {
    /// The message with other bytes in the place of the field.
    fn replaced(&self, body: &[u8], with: &[u8]) -> Vec<u8> {
        [&body[..self.whole.start], with, &body[self.whole.end..]].concat()
    }
}

fn fields(body: &[u8]) -> Vec<Field> {
    let mut found = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let start = body.len() - rest.len();
        let key = varint(&mut rest);
        let length = match key & 7 {
            0 => {
                let mut after = rest;
                varint(&mut after);
                rest.len() - after.len()
            }
            1 => 8,
            2 => usize::try_from(varint(&mut rest)).expect("a length"),
            5 => 4,
            other => panic!("wire type {other}"),
        };
        let value = body.len() - rest.len();
        rest = &rest[length..];
        found.push(Field { number: key >> 3, whole: start..value + length, value: value..value + length });
    }
    found
}

fn bytes_field(number: u64, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, number << 3 | 2);
    put_varint(&mut out, value.len() as u64);
    out.extend(value);
    out
}

fn number_field(number: u64, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, number << 3);
    put_varint(&mut out, value);
    out
}

/// The message with other bytes in the place of the field at the end of a path of numbers.
fn replace(body: &[u8], path: &[u64], with: &[u8]) -> Vec<u8> {
    let (number, rest) = path.split_first().expect("a path");
    let field = fields(body).into_iter().find(|field| field.number == *number).expect("the field is there");
    if rest.is_empty() {
        return field.replaced(body, with);
    }
    field.replaced(body, &bytes_field(*number, &replace(&body[field.value.clone()], rest, with)))
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().expect("a number");
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            break;
        }
    }
    value
}

/// Bodies of the entries of an image with a common header.
fn entries(image: &[u8]) -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    let mut rest = &image[8..];
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (body, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        entries.push(body.to_vec());
        rest = after;
    }
    entries
}

fn put_together(header: &[u8], entries: &[Vec<u8>]) -> Vec<u8> {
    let mut image = header[..8].to_vec();
    for entry in entries {
        image.extend(u32::try_from(entry.len()).expect("a length").to_le_bytes());
        image.extend(entry);
    }
    image
}

/// An archive that one hand changed.
struct Changed {
    what: String,
    /// Names of the images that must be told, any of them.
    names: Vec<String>,
    members: Members,
}

fn name_of(path: &[u8]) -> String {
    String::from_utf8_lossy(path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()).into_owned()
}

/// What there is to change: places of members with the message of each.
fn places(members: &Members) -> Vec<(usize, &'static str)> {
    let message = |path: &[u8]| {
        let name = name_of(path);
        let mut kinds =
            IMAGES.iter().filter(|(stem, _)| name.starts_with(stem) && !name.starts_with("pagemap-shmem"));
        kinds.next().map(|(_, message)| *message)
    };
    let all = members.list.iter().enumerate();
    all.filter_map(|(at, member)| Some((at, message(&member.path)?))).collect()
}

/// Each image removed, doubled with another's content, and renamed to a number that nothing has.
fn whole_images(members: &Members) -> Vec<Changed> {
    let mut cases = Vec::new();
    for (at, _) in places(members) {
        let path = members.list[at].path.clone();
        let name = name_of(&path);
        let mut without = members.clone();
        without.list.remove(at);
        cases.push(Changed { what: format!("without {name}"), names: vec![name.clone()], members: without });
        let mut renamed = members.clone();
        let other = match name.split_once('-') {
            Some((stem, _)) => format!("{stem}-77777.img"),
            None => format!("x{name}"),
        };
        let directory = &path[..path.len() - name.len()];
        renamed.list[at].path = [directory, other.as_bytes()].concat();
        cases.push(Changed {
            what: format!("{name} as {other}"),
            names: vec![name.clone(), other],
            members: renamed,
        });
        let stem = name.split('-').next().unwrap_or_default();
        let alike = members.list.iter().find(|member| {
            name_of(&member.path) != name && name_of(&member.path).split('-').next() == Some(stem)
        });
        if let Some(alike) = alike {
            // What stands for another process: the archive has its image once, and it is told or shown.
            let mut doubled = members.clone();
            let body = alike.body.clone();
            let mut copy = doubled.list[at].clone();
            copy.body = body;
            doubled.push(copy);
            cases.push(Changed { what: format!("{name} twice"), names: vec![name], members: doubled });
        }
    }
    cases
}

/// What is done to an entry.
enum Edit {
    Double,
    Remove,
    /// A required field is cleared, by its number in the order of the entry.
    Clear(usize),
}

/// What is said of the case, the member, the entry, and what is done to it.
type Edited = (String, usize, usize, Edit);

/// Each entry of an image doubled, and each required field cleared.
fn entries_of_images(facts: &Facts, members: &Members) -> Vec<Edited> {
    let mut cases = Vec::new();
    for (at, message) in places(members) {
        let name = name_of(&members.list[at].path);
        for (index, body) in entries(&members.list[at].body.to_vec()).iter().enumerate() {
            let message = if message == "pagemap_entry" && index == 0 { "pagemap_head" } else { message };
            cases.push((format!("entry {index} of {name} twice"), at, index, Edit::Double));
            // Which descriptors a table lacks nothing else can tell.
            if message != "fdinfo_entry" {
                cases.push((format!("without entry {index} of {name}"), at, index, Edit::Remove));
            }
            for which in 0.. {
                let Some((_, what)) = facts.clear(message, body, &mut { which }) else { break };
                cases.push((format!("{what} of entry {index} of {name}"), at, index, Edit::Clear(which)));
            }
        }
    }
    cases
}

fn change(facts: &Facts, members: &Members, (what, at, index, edit): &Edited) -> Changed {
    let mut members = members.clone();
    let message = places(&members).into_iter().find(|(place, _)| place == at).expect("an image").1;
    let image = members.list[*at].body.to_vec();
    let mut entries = entries(&image);
    let message = if message == "pagemap_entry" && *index == 0 { "pagemap_head" } else { message };
    match edit {
        Edit::Double => entries.insert(*index, entries[*index].clone()),
        Edit::Remove => drop(entries.remove(*index)),
        Edit::Clear(which) => {
            entries[*index] = facts.clear(message, &entries[*index], &mut { *which }).expect("a field").0
        }
    }
    members.list[*at].body = put_together(&image, &entries).into();
    Changed { what: what.clone(), names: vec![name_of(&members.list[*at].path)], members }
}

/// Everything that is shown of processes, files, mappings, threads and memory.
fn shown(tar: Vec<u8>) -> (String, Vec<Diagnostic>) {
    let mut text = String::new();
    let all = |_: &ckptfx_analysis::Task<'_>| true;
    let diagnostics = exercise::ask(Bytes::from(tar), &mut |case: &mut Case<'_>| {
        let mut put = |value: serde_json::Result<String>| text.push_str(&value.expect("JSON"));
        for task in &case.tasks {
            put(serde_json::to_string(&task.process));
        }
        put(serde_json::to_string(&file::files(case, &all)));
        put(serde_json::to_string(&thread::threads(case, &all)));
        put(serde_json::to_string(&mapping::mappings(case, &all)));
        let sources = [Source::Memory, Source::SharedMemory, Source::Memfd, Source::Unclaimed];
        let open = |_: &ckptfx_parser::archive::Member, _: &mut Vec<Diagnostic>| None;
        for region in search::regions(case, &sources, &open).expect("anonymous storage") {
            let pids: Vec<u32> = region.tasks(case).iter().map(|task| task.process.pid).collect();
            let sum: u64 =
                region.bytes().iter().fold(7, |sum: u64, byte| sum.rotate_left(5) ^ u64::from(*byte));
            write!(text, "{} {pids:?} {:x} {sum:x};", region.source, region.base()).expect("a string");
        }
    });
    (text, diagnostics)
}

#[track_caller]
fn check(name: &str, whole: &str, changed: Changed) {
    let (now, diagnostics) = shown(changed.members.to_tar());
    let told = diagnostics.iter().any(|diagnostic| {
        let names = |text: &str| changed.names.iter().any(|name| text.contains(name.as_str()));
        // A table that is not there is that of a process without descriptors, unless anything says otherwise: here two
        // processes have the same.
        let is_told = diagnostic.severity == Severity::Loss || diagnostic.code == "no-descriptors";
        is_told && (names(&diagnostic.subject) || names(&diagnostic.message))
    });
    assert!(
        told || now == whole,
        "{name}: {}: what is shown changes without a word; told is {diagnostics:#?}",
        changed.what
    );
}

fn is_full() -> bool {
    std::env::var("CKPTFX_DAMAGE").is_ok_and(|value| value == "all")
}

fn chosen(count: usize, wanted: usize, seed: u64) -> Vec<usize> {
    if is_full() || count <= wanted {
        return (0..count).collect();
    }
    let mut rng = Rng::new(seed);
    (0..wanted).map(|_| rng.below(count as u64) as usize).collect()
}

#[test]
fn nothing_that_is_changed_goes_without_a_word() {
    let facts = Facts::read();
    for (seed, name) in ARCHIVES.iter().enumerate() {
        let members = members(&plain(name));
        let (whole, diagnostics) = shown(members.to_tar());
        assert!(diagnostics.iter().all(|one| one.severity == Severity::Note), "{name}: {diagnostics:?}");
        let mut images = whole_images(&members);
        for at in chosen(images.len(), 12, seed as u64) {
            let placeholder = Changed { what: String::new(), names: Vec::new(), members: Members::new() };
            let changed = std::mem::replace(&mut images[at], placeholder);
            if !changed.what.is_empty() {
                check(name, &whole, changed);
            }
        }
        let inside = entries_of_images(&facts, &members);
        for at in chosen(inside.len(), 25, seed as u64) {
            check(name, &whole, change(&facts, &members, &inside[at]));
        }
    }
}

/// The number of the miner of `shop-podman`, and a text of its memory.
const MINER: u64 = 14;
const ITS_TEXT: &str = "pool.minexmr.example";

/// `shop-podman` with entries of one image changed.
fn with_entries(image: &str, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Members {
    let mut members = members(&plain("shop-podman"));
    let member = members.find_mut(&format!("checkpoint/{image}"));
    let bytes = member.body.to_vec();
    let mut bodies = entries(&bytes);
    change(&mut bodies);
    member.body = put_together(&bytes, &bodies).into();
    members
}

fn pid_of(entry: &[u8]) -> u64 {
    let field = fields(entry).into_iter().find(|field| field.number == 1).expect("a pid");
    varint(&mut &entry[field.value])
}

fn of_miner(bodies: &[Vec<u8>]) -> usize {
    bodies.iter().position(|entry| pid_of(entry) == MINER).expect("the miner")
}

#[test]
fn a_process_that_is_hidden_is_shown_and_searched() {
    let zombie = with_entries("core-14.img", |bodies| {
        bodies[0] = replace(&bodies[0], &[3, 1], &number_field(1, 2));
    });
    let mut absent = with_entries("pstree.img", |bodies| drop(bodies.remove(of_miner(bodies))));
    absent.list.retain(|member| !member.path.ends_with(b"/mm-14.img"));
    let as_thread = with_entries("pstree.img", |bodies| {
        let at = of_miner(bodies);
        bodies.remove(at);
        bodies[0].extend(number_field(5, MINER));
    });
    let nameless = with_entries("pstree.img", |bodies| {
        let at = of_miner(bodies);
        bodies[at] = replace(&bodies[at], &[1], &[]);
    });
    let without_pagemap = with_entries("pagemap-14.img", |bodies| bodies.truncate(1));
    // The archive, the image that is told, and whether the process has its command line.
    let cases = [
        ("called a zombie", zombie, "core-14.img", true),
        ("in no tree, without a map", absent, "mm-14.img", false),
        ("listed as a thread", as_thread, "mm-14.img", true),
        ("without its pid", nameless, "pstree.img", true),
        ("without its pagemap", without_pagemap, "pages-", false),
    ];
    for (what, members, told, has_command) in cases {
        let tar = members.to_tar();
        let shown = on_bytes("ps -o json", &tar).status(3);
        let document = shown.json();
        let miner = processes(&document).iter().find(|process| process["pid"] == MINER);
        let miner = miner.unwrap_or_else(|| panic!("{what}: the process is not shown"));
        assert!(shown.stderr.contains(told), "{what}: {}", shown.stderr);
        if has_command {
            assert!(miner["cmdline"].to_string().contains(ITS_TEXT), "{what}: {miner}");
        }
        let found = on_bytes(&format!("grep-mem -o json {ITS_TEXT}"), &tar).status(3).json();
        // What says where the pages are is the pagemap: with it they are those of the process.
        let expected = if what == "without its pagemap" { "unclaimed" } else { "memory" };
        let sources: Vec<&str> = found["matches"]
            .as_array()
            .expect("matches")
            .iter()
            .filter_map(|one| one["source"].as_str())
            .collect();
        assert!(sources.contains(&expected), "{what}: {sources:?}");
        let info = on_bytes("info -o json", &tar).status(3).json();
        let memory = &info["info"][0]["memory"];
        let sum =
            memory["claimed"].as_u64().expect("claimed") + memory["unclaimed"].as_u64().expect("unclaimed");
        assert_eq!(memory["pages_images"], sum, "{what}");
        let findings = on_bytes("triage -o json", &tar).json();
        let ids: Vec<&str> = findings["findings"]
            .as_array()
            .expect("findings")
            .iter()
            .filter_map(|one| one["id"].as_str())
            .collect();
        assert!(ids.contains(&"IMAGES-CONTRADICT"), "{what}: {ids:?}");
    }
}

#[test]
fn entries_that_replace_or_lack_something_are_told() {
    let threads = |document: &serde_json::Value| -> Vec<u64> {
        let miner = processes(document).iter().find(|process| process["pid"] == MINER).expect("the miner");
        miner["threads"]
            .as_array()
            .expect("threads")
            .iter()
            .filter_map(|thread| thread["tid"].as_u64())
            .collect()
    };
    let whole = threads(&on_bytes("ps -o json", plain("shop-podman")).status(0).json());
    assert_eq!(whole.len(), 3);
    // The first of two entries of one pid has one thread of its three.
    let twice = with_entries("pstree.img", |bodies| {
        let at = of_miner(bodies);
        let entry = bodies[at].clone();
        let first = fields(&entry).into_iter().filter(|field| field.number != 5);
        let mut first: Vec<u8> = first.flat_map(|field| entry[field.whole].to_vec()).collect();
        first.extend(number_field(5, MINER));
        bodies.insert(at, first);
    });
    let document = on_bytes("ps -o json", twice.to_tar()).status(3).json();
    assert_eq!(threads(&document), whole);
    assert_eq!(codes(&document, true), ["duplicate-pid"]);

    let other = with_entries("files.img", |bodies| {
        let regular =
            bodies.iter().find(|entry| fields(entry).iter().any(|field| field.number == 3)).expect("a file");
        let renamed = replace(regular, &[3, 6], &bytes_field(6, b"/bin/true"));
        bodies.push(renamed);
    });
    let document = on_bytes("files -o json", other.to_tar()).status(3).json();
    assert_eq!(codes(&document, true), ["duplicate-id"]);

    let nameless = with_entries("fdinfo-7.img", |bodies| {
        for body in bodies.iter_mut() {
            *body = replace(body, &[4], &[]);
        }
    });
    let document = on_bytes("files -o json", nameless.to_tar()).status(3).json();
    assert_eq!(codes(&document, true), ["missing-field"]);
    assert!(document["warnings"].to_string().contains("fdinfo-7.img"));
}

#[test]
fn every_byte_of_the_pages_images_is_accounted_for() {
    for name in ARCHIVES {
        let mut bytes = 0;
        let mut counted = (0, 0);
        let diagnostics = exercise::ask(Bytes::from(plain(name)), &mut |case| {
            let images = &case.checkpoint.images;
            let pages = images.files().filter(|(name, _)| name.starts_with("pages-"));
            bytes += pages.map(|(_, member)| member.size).sum::<u64>();
            let (claimed, unclaimed) = case.ledger.bytes();
            counted = (counted.0 + claimed, counted.1 + unclaimed);
            assert!(case.ledger.images.is_empty(), "{name}: {:?}", case.ledger.images);
        });
        assert!(bytes > 0 && diagnostics.iter().all(|one| one.severity == Severity::Note), "{name}");
        assert_eq!(counted, (bytes, 0), "{name}");
    }
}

#[test]
fn findings_rest_on_memory_that_belongs_to_nothing_as_well() {
    let mut members = with_entries("pagemap-14.img", |bodies| bodies.truncate(1));
    let text = b"xmrig stratum+tcp://pool.example:3333 {\"method\":\"mining.subscribe\",\"algo\":\"randomx\"} donate-level";
    let pages = members.find_mut("checkpoint/pages-9.img");
    let mut bytes = pages.body.to_vec();
    bytes[..text.len()].copy_from_slice(text);
    pages.body = bytes.into();
    let findings = on_bytes("triage -o json", members.to_tar()).json();
    let of_image = |finding: &&serde_json::Value| {
        finding["id"] != "IMAGES-CONTRADICT" && finding["subject"]["path"] == "checkpoint/pages-9.img"
    };
    let found = findings["findings"].as_array().expect("findings").iter().find(of_image);
    assert!(found.is_some(), "{findings}");
}
