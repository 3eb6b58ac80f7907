use bytes::Bytes;
use ckptfx_testkit::{Checkpoint, Container, PodmanVersion, Process, Vma, incremental};

use super::*;
use crate::{
    Limits,
    archive::{Archive, index_tar},
    checkpoint::tests::directory,
    memory::{captured_regions, pagemap::PRESENT},
};

const BASE: u64 = 0x7f00_0000_0000;

fn archive(dumps: &[(&str, &Checkpoint)], change: impl Fn(&str, Vec<u8>) -> Vec<u8>) -> Archive {
    let files = dumps.iter().flat_map(|(path, dump)| {
        dump.images().into_iter().map(move |(name, body)| (format!("{path}/{name}"), body.to_vec()))
    });
    Archive::of_files(files.map(|(path, bytes)| {
        let bytes = Bytes::from(change(&path, bytes));
        (path.into_bytes(), bytes)
    }))
}

fn dump() -> Checkpoint {
    let vma = Vma::anonymous(BASE, 0x8000).bytes(0, [b'a'; 0x2000]).bytes(0x4000, [b'b'; 0x2000]);
    Checkpoint::new().process(Process::new(1).bare().memory(vma))
}

/// Start, length and first byte of each run, or the letter of why there is none.
type Shape = Vec<(u64, u64, char)>;

fn shape(pages: &Pages<'_>) -> Shape {
    let letter = |run: &PageRun<'_>| match run.content {
        Content::Captured { bytes, .. } => {
            bytes.held().unwrap().first().map_or('0', |byte| char::from(*byte))
        }
        Content::Packed { .. } => 'Z',
        Content::Searched { .. } => 'S',
        Content::Lazy => 'L',
        Content::InMissingParent => 'P',
        Content::Encoded => 'E',
        Content::Lost => 'X',
        Content::Unmarked => 'U',
    };
    pages.runs.iter().map(|run| (run.start - BASE, run.length, letter(run))).collect()
}

fn read(archive: Archive) -> (Shape, Option<u64>, Vec<&'static str>) {
    let images = directory(archive, "a");
    let mut diagnostics = Vec::new();
    let pages = Pages::read(&images, "pagemap-1.img", 0x1000, &mut diagnostics);
    let codes = diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    (shape(&pages), pages.lost_from, codes)
}

#[test]
fn counts_and_flags_of_all_releases() {
    let entry = |compat, flags, nr, in_parent| proto::PagemapEntry {
        vaddr: Some(0),
        compat_nr_pages: compat,
        in_parent,
        flags,
        nr_pages: nr,
        ..Default::default()
    };
    assert_eq!(normalise(&entry(Some(3), None, None, None)), (3, PRESENT));
    assert_eq!(normalise(&entry(Some(3), None, None, Some(true))), (3, PARENT));
    assert_eq!(normalise(&entry(Some(3), Some(LAZY), None, None)), (3, LAZY));
    // Since 4.2 the old count is written as 0.
    assert_eq!(normalise(&entry(Some(0), Some(PRESENT), Some(1 << 33), None)), (1 << 33, PRESENT));
}

#[test]
fn a_whole_pagemap_has_nothing_lost() {
    let expected = vec![(0, 0x2000, 'a'), (0x4000, 0x2000, 'b')];
    assert_eq!(read(archive(&[("a", &dump())], |_, bytes| bytes)), (expected, None, vec![]));
}

#[test]
fn cut_pages_keep_whole_pages_before_the_cut() {
    let cut = |path: &str, mut bytes: Vec<u8>| {
        if path == "a/pages-1.img" {
            bytes.truncate(0x3000);
        }
        bytes
    };
    let (runs, lost_from, codes) = read(archive(&[("a", &dump())], cut));
    assert_eq!(runs, [(0, 0x2000, 'a'), (0x4000, 0x1000, 'b'), (0x5000, 0x1000, 'X')]);
    assert_eq!((lost_from, codes), (None, vec!["truncated-pages"]));
}

#[test]
fn after_a_cut_pagemap_nothing_is_known() {
    let cut = |path: &str, mut bytes: Vec<u8>| {
        if path == "a/pagemap-1.img" {
            bytes.truncate(bytes.len() - 1);
        }
        bytes
    };
    let (runs, lost_from, codes) = read(archive(&[("a", &dump())], cut));
    assert_eq!(runs, [(0, 0x2000, 'a')]);
    assert_eq!(lost_from, Some(BASE + 0x2000));
    assert!(!codes.is_empty());
}

#[test]
fn pages_of_parents_are_followed() {
    let [first, second, third] = incremental();
    let all = [("a", &third), ("a/parent", &second), ("a/parent/parent", &first)];
    let letters = |runs: Shape| -> Shape { runs.into_iter().filter(|(start, ..)| *start < 0x8000).collect() };
    let (runs, ..) = read(archive(&all, |_, bytes| bytes));
    let expected = [(0, 0x1000, '0'), (0x1000, 0x1000, '1'), (0x2000, 0x1000, '2'), (0x3000, 0x5000, '0')];
    assert_eq!(letters(runs), expected);
    let (runs, _, codes) = read(archive(&all[..2], |_, bytes| bytes));
    let expected = [(0, 0x1000, 'P'), (0x1000, 0x1000, '1'), (0x2000, 0x1000, '2'), (0x3000, 0x5000, 'P')];
    assert_eq!(letters(runs), expected);
    assert!(codes.contains(&"missing-parent"));
}

#[test]
fn what_was_searched_already_has_no_bytes() {
    let tar = Container::new(dump()).podman(PodmanVersion::V5).to_tar();
    let mut archive = index_tar(&Bytes::from(tar), "x.tar", &Limits::DEFAULT);
    let member = archive.find(b"checkpoint/pages-1.img").unwrap();
    let start = member.offset.unwrap();
    let (pages, first) = (start..start + member.size, archive.members()[0].offset.unwrap_or(0));
    for wrong in [pages.start - 1..pages.end, pages.start..pages.end + 1, first..first + 1] {
        assert!(!archive.set_holes(&[wrong]));
    }
    assert!(archive.set_holes(&[start + 0x800..start + 0x1800, start + 0x3800..start + 0x4000]));
    let images = directory(archive, "checkpoint");
    let pages = Pages::read(&images, "pagemap-1.img", 0x1000, &mut Vec::new());
    let expected = [
        (0, 0x800, 'a'),
        (0x800, 0x1000, 'S'),
        (0x1800, 0x800, 'a'),
        (0x4000, 0x1800, 'b'),
        (0x5800, 0x800, 'S'),
    ];
    assert_eq!(shape(&pages), expected);
    assert!(pages.lie_in_order());
    let regions = captured_regions(&pages).unwrap();
    let told: Vec<_> =
        regions.iter().map(|it| (it.start - BASE, it.length, it.bytes().len(), it.goes_on)).collect();
    assert_eq!(
        told,
        [
            (0, 0x800, 0x800, false),
            (0x800, 0x1000, 0, true),
            (0x1800, 0x800, 0x800, true),
            (0x4000, 0x1800, 0x1800, false),
            (0x5800, 0x800, 0, true)
        ]
    );
}

#[test]
fn pages_of_a_parent_do_not_lie_in_order() {
    let [first, second, _] = incremental();
    let images = directory(archive(&[("a", &second), ("a/parent", &first)], |_, bytes| bytes), "a");
    assert!(!Pages::read(&images, "pagemap-1.img", 0x1000, &mut Vec::new()).lie_in_order());
}

#[test]
fn a_clip_keeps_bytes_and_addresses_together() {
    let images = directory(archive(&[("a", &dump())], |_, bytes| bytes), "a");
    let pages = Pages::read(&images, "pagemap-1.img", 0x1000, &mut Vec::new());
    let clips: Vec<_> = pages.within(BASE + 0x1fff, BASE + 0x4001).collect();
    let offsets: Vec<_> = clips
        .iter()
        .map(|run| match run.content {
            Content::Captured { bytes, offset, .. } => (run.start - BASE, bytes.held().unwrap(), offset),
            _ => (0, b"".as_slice(), None),
        })
        .collect();
    assert_eq!(offsets, [(0x1fff, b"a".as_slice(), Some(0x1fff)), (0x4000, b"b", Some(0x2000))]);
}
