use std::sync::atomic::AtomicU64;

use proptest::prelude::*;
use prost::Message as _;

use super::{registry::*, *};
use crate::{Diagnostic, Limits, Severity, proto};

static DECODED: AtomicU64 = AtomicU64::new(0);

/// Writes images, so that the tests need no real ones.
struct Writer {
    bytes: Vec<u8>,
    order: ByteOrder,
}

impl Writer {
    fn new(order: ByteOrder, words: &[u32]) -> Self {
        let mut writer = Self { bytes: Vec::new(), order };
        words.iter().for_each(|word| writer.word(*word));
        writer
    }

    fn little(kind: Kind) -> Self {
        Self::new(ByteOrder::Little, &[COMMON_MAGIC, kind.descriptor().magic])
    }

    fn word(&mut self, word: u32) {
        self.bytes.extend(match self.order {
            ByteOrder::Little => word.to_le_bytes(),
            ByteOrder::Big => word.to_be_bytes(),
        });
    }

    fn entry(mut self, message: &impl prost::Message) -> Self {
        self.word(u32::try_from(message.encoded_len()).unwrap());
        self.bytes.extend(message.encode_to_vec());
        self
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes);
        self
    }

    fn file<'a>(&'a self, name: &'a str) -> ImageFile<'a> {
        ImageFile {
            name,
            bytes: &self.bytes,
            order: ByteOrder::Little,
            limits: &Limits::DEFAULT,
            decoded: &DECODED,
        }
    }
}

fn task(pid: u32) -> proto::PstreeEntry {
    proto::PstreeEntry { pid: Some(pid), ppid: Some(0), pgid: Some(pid), sid: Some(pid), threads: vec![pid] }
}

fn pids(file: &ImageFile<'_>) -> (Vec<u32>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let entries = read::<proto::PstreeEntry>(file, &mut diagnostics);
    (entries.iter().map(|entry| entry.value.pid.unwrap()).collect(), diagnostics)
}

#[track_caller]
fn check_pids(image: &Writer, name: &str, expected: &[u32], code: Option<(&str, u64)>) {
    let (found, diagnostics) = pids(&image.file(name));
    assert_eq!(found, expected);
    let codes: Vec<_> =
        diagnostics.iter().map(|diagnostic| (diagnostic.code, diagnostic.offset.unwrap())).collect();
    assert_eq!(codes, Vec::from_iter(code));
    assert!(diagnostics.iter().all(|diagnostic| diagnostic.subject == name));
}

#[test]
fn every_framing() {
    let magic = Kind::Pstree.descriptor().magic;
    for order in [ByteOrder::Little, ByteOrder::Big] {
        for words in [&[COMMON_MAGIC, magic][..], &[magic]] {
            let image = Writer::new(order, words).entry(&task(1)).entry(&task(2));
            check_pids(&image, "pstree.img", &[1, 2], None);
            check_pids(&image, "renamed", &[1, 2], None);
        }
    }
}

#[test]
fn inventory_and_services() {
    let inventory = proto::InventoryEntry { img_version: Some(2), ..Default::default() };
    let image = Writer::new(ByteOrder::Big, &[Kind::Inventory.descriptor().magic]).entry(&inventory);
    let file = image.file("inventory.img");
    let opened = open(&file).unwrap().unwrap();
    assert_eq!((opened.framing, opened.order), (Framing::TypeOnly, ByteOrder::Big));
    let mut diagnostics = Vec::new();
    assert_eq!(read::<proto::InventoryEntry>(&file, &mut diagnostics)[0].value, inventory);
    let image = Writer::new(ByteOrder::Little, &[SERVICE_MAGIC, Kind::Stats.descriptor().magic])
        .entry(&proto::StatsEntry::default());
    assert_eq!(read::<proto::StatsEntry>(&image.file("stats-dump"), &mut diagnostics).len(), 1);
    assert_eq!(open(&image.file("stats-dump")).unwrap().unwrap().framing, Framing::Service);
    assert_eq!(diagnostics, []);
}

#[test]
fn plugin_images_have_long_sizes() {
    let message = proto::CriuDmabufNode { gem_handle: Some(7) };
    let mut image = Writer::new(ByteOrder::Little, &[]);
    image.bytes.extend((message.encoded_len() as u64).to_le_bytes());
    image.bytes.extend(message.encode_to_vec());
    let mut diagnostics = Vec::new();
    let found = read::<proto::CriuDmabufNode>(&image.file("amdgpu-dmabuf_3.img"), &mut diagnostics);
    assert_eq!((found[0].value, diagnostics), (message, vec![]));
    assert_eq!(found[0].body.start, 8);
}

#[test]
fn locations() {
    let data = proto::PipeDataEntry { pipe_id: Some(5), bytes: Some(3), size: None };
    let image = Writer::little(Kind::PipesData).entry(&data).raw(b"abc").entry(&data).raw(b"def");
    let mut diagnostics = Vec::new();
    for name in ["pipes-data.img", "renamed.img"] {
        let file = image.file(name);
        let found = read::<proto::PipeDataEntry>(&file, &mut diagnostics);
        assert_eq!(found.len(), 2);
        assert_eq!(file.slice(&found[1].payload), b"def");
        assert_eq!(proto::PipeDataEntry::decode(file.slice(&found[1].body)).unwrap(), data);
    }
    let fifo = Writer::little(Kind::FifoData).entry(&data).raw(b"abc");
    assert_eq!(read::<proto::PipeDataEntry>(&fifo.file("fifo-data.img"), &mut diagnostics).len(), 1);
    assert_eq!(diagnostics, []);
}

#[test]
fn empty_is_absent() {
    check_pids(&Writer::new(ByteOrder::Little, &[]), "pstree.img", &[], None);
    check_pids(&Writer::little(Kind::Pstree), "pstree.img", &[], None);
}

#[test]
fn damage() {
    let two = || Writer::little(Kind::Pstree).entry(&task(1)).entry(&task(2));
    let end = two().bytes.len() as u64;
    for cut in 1..=3 {
        check_pids(&two().raw(&[9; 3][..cut]), "pstree.img", &[1, 2], Some(("truncated-image", end)));
    }
    check_pids(&two().raw(&[9, 0, 0, 0, 1]), "pstree.img", &[1, 2], Some(("truncated-image", end)));
    check_pids(&two().raw(&[255; 4]), "pstree.img", &[1, 2], Some(("oversized-entry", end)));
    check_pids(
        &two().raw(&[1, 0, 0, 0, 255]).entry(&task(3)),
        "pstree.img",
        &[1, 2, 3],
        Some(("undecodable-entry", end + 4)),
    );
    check_pids(&two(), "mm-1.img", &[], Some(("bad-magic", 4)));
    check_pids(
        &Writer::new(ByteOrder::Little, &[COMMON_MAGIC]),
        "pstree.img",
        &[],
        Some(("truncated-image", 4)),
    );
    check_pids(
        &Writer::new(ByteOrder::Little, &[]).raw(b"ab"),
        "pstree.img",
        &[],
        Some(("truncated-image", 2)),
    );
    check_pids(&Writer::new(ByteOrder::Little, &[7]), "pstree.img", &[], Some(("bad-magic", 0)));
    check_pids(&Writer::new(ByteOrder::Little, &[7]), "something", &[], Some(("unknown-image", 0)));
}

#[test]
fn a_short_payload_is_kept() {
    let data = proto::PipeDataEntry { pipe_id: Some(5), bytes: Some(9), size: None };
    let image = Writer::little(Kind::PipesData).entry(&data).raw(b"abc");
    let mut diagnostics = Vec::new();
    let file = image.file("pipes-data.img");
    let found = read::<proto::PipeDataEntry>(&file, &mut diagnostics);
    assert_eq!(file.slice(&found[0].payload), b"abc");
    assert_eq!(diagnostics[0].code, "truncated-image");
    assert_eq!(diagnostics[0].offset, Some(image.bytes.len() as u64));
}

#[test]
fn the_wrong_type_is_refused() {
    let image = Writer::little(Kind::Mm);
    let mut diagnostics = Vec::new();
    assert!(read::<proto::PstreeEntry>(&image.file("mm-1.img"), &mut diagnostics).is_empty());
    assert_eq!(diagnostics[0].code, "unexpected-image");
    diagnostics.clear();
    assert!(read_ghost(&image.file("mm-1.img"), &mut diagnostics).is_none());
    assert_eq!(diagnostics[0].code, "unexpected-image");
}

#[test]
fn what_follows_a_single_entry_is_told() {
    let whole = proto::FsEntry { cwd_id: Some(1), root_id: Some(2), ..Default::default() };
    let image = Writer::little(Kind::Fs).entry(&whole).raw(b"hidden");
    let mut diagnostics = Vec::new();
    assert_eq!(read::<proto::FsEntry>(&image.file("fs-1.img"), &mut diagnostics).len(), 1);
    assert_eq!((diagnostics[0].code, diagnostics[0].severity), ("trailing-data", Severity::Loss));
}

#[test]
fn a_required_field_that_is_missing_is_told_and_the_entry_is_read() {
    let cleared = proto::PstreeEntry { pid: None, ..task(7) };
    let image = Writer::little(Kind::Pstree).entry(&task(1)).entry(&cleared).entry(&task(2));
    let mut diagnostics = Vec::new();
    let entries = read::<proto::PstreeEntry>(&image.file("pstree.img"), &mut diagnostics);
    assert_eq!(entries.len(), 3);
    let [problem] = diagnostics.as_slice() else { panic!("{diagnostics:?}") };
    assert_eq!((problem.code, problem.severity), ("missing-field", Severity::Loss));
    assert_eq!(problem.offset, Some(entries[1].body.start));
    assert!(problem.message.contains("pid of pstree_entry"), "{}", problem.message);
}

#[test]
fn undecodable_entries_are_not_reported_without_end() {
    let mut image = Writer::little(Kind::Pstree);
    for _ in 0..1000 {
        image = image.raw(&[1, 0, 0, 0, 255]);
    }
    let (_, diagnostics) = pids(&image.file("pstree.img"));
    assert_eq!(diagnostics.len(), 101);
    assert!(diagnostics[100].message.starts_with("900 more"));
}

#[test]
fn pagemaps() {
    let head = proto::PagemapHead { pages_id: Some(4) };
    let entry = proto::PagemapEntry {
        vaddr: Some(0x1000),
        compat_nr_pages: Some(0),
        nr_pages: Some(1 << 40),
        ..Default::default()
    };
    let image = Writer::little(Kind::Pagemap).entry(&head).entry(&entry).entry(&entry);
    let mut diagnostics = Vec::new();
    for name in ["pagemap-1.img", "pagemap-shmem-1.img", "renamed.img"] {
        let (found, entries) = read_pagemap(&image.file(name), &mut diagnostics);
        assert_eq!(found.unwrap().value, head);
        assert!(entries.len() == 2 && entries.iter().all(|one| one.value == entry));
        assert_eq!(read::<proto::PagemapEntry>(&image.file(name), &mut diagnostics).len(), 2);
    }
    assert_eq!(diagnostics, []);
}

#[test]
fn ghosts() {
    let mut entry = proto::GhostFileEntry { mode: Some(0o100_600), size: Some(9000), ..Default::default() };
    let mut diagnostics = Vec::new();
    let image = Writer::little(Kind::GhostFile).entry(&entry).raw(b"content");
    let file = image.file("ghost-file-1f.img");
    let ghost = read_ghost(&file, &mut diagnostics).unwrap();
    let GhostContent::Inline(range) = ghost.content else { panic!("{ghost:?}") };
    assert_eq!(file.slice(&range), b"content");

    entry.chunks = Some(true);
    let chunk = |len, off| proto::GhostChunkEntry { len: Some(len), off: Some(off) };
    let image = Writer::little(Kind::GhostFile)
        .entry(&entry)
        .entry(&chunk(3, 0))
        .raw(b"abc")
        .entry(&chunk(2, 8192))
        .raw(b"de");
    let file = image.file("ghost-file-1f.img");
    let ghost = read_ghost(&file, &mut diagnostics).unwrap();
    let GhostContent::Chunks(chunks) = ghost.content else { panic!("{ghost:?}") };
    assert_eq!((chunks[1].offset, file.slice(&chunks[1].range)), (8192, &b"de"[..]));
    assert_eq!(diagnostics, []);

    let cut = ImageFile { bytes: &image.bytes[..image.bytes.len() - 1], ..file };
    let ghost = read_ghost(&cut, &mut diagnostics).unwrap();
    let GhostContent::Chunks(chunks) = ghost.content else { panic!("{ghost:?}") };
    assert_eq!((chunks[1].length, cut.slice(&chunks[1].range)), (2, &b"d"[..]));
    assert_eq!(diagnostics.len(), 1);

    entry.mode = Some(0o120_777);
    let image = Writer::little(Kind::GhostFile).entry(&entry);
    assert_eq!(
        read_ghost(&image.file("ghost-file-1.img"), &mut diagnostics).unwrap().content,
        GhostContent::None
    );
}

#[test]
fn message_queues() {
    let queue = proto::IpcMsgEntry { qnum: Some(1), ..Default::default() };
    let message = proto::IpcMsg { mtype: Some(3), msize: Some(5) };
    let image = Writer::new(ByteOrder::Big, &[COMMON_MAGIC, Kind::IpcnsMsg.descriptor().magic])
        .entry(&queue)
        .entry(&message)
        .raw(b"hello\0\0\0")
        .entry(&proto::IpcMsgEntry::default());
    let mut diagnostics = Vec::new();
    let file = image.file("ipcns-msg-10.img");
    let queues = read_message_queues(&file, &mut diagnostics);
    assert_eq!(queues.len(), 2);
    assert_eq!(queues[0].1[0].value, message);
    assert_eq!(file.slice(&queues[0].1[0].payload), b"hello");
    // The queues here lack what the test is not about.
    diagnostics.retain(|problem| problem.code != "missing-field");
    assert_eq!(diagnostics, []);
}

#[test]
fn nested_messages_do_not_exhaust_the_stack() {
    let mut directory = proto::CgroupDirEntry::default();
    let mut encoded = Vec::new();
    for _ in 0..1000 {
        let mut outer = Vec::new();
        prost::encoding::bytes::encode(2, &encoded, &mut outer);
        encoded = outer;
    }
    assert!(directory.merge(&encoded[..]).is_err());
}

#[test]
fn a_million_pagemap_entries() {
    let entry = proto::PagemapEntry {
        vaddr: Some(0x7fff_0000_0000),
        compat_nr_pages: Some(0),
        nr_pages: Some(3),
        flags: Some(4),
        ..Default::default()
    };
    let mut image = Writer::little(Kind::Pagemap).entry(&proto::PagemapHead { pages_id: Some(1) });
    for _ in 0..1_000_000 {
        image = image.entry(&entry);
    }
    let mut diagnostics = Vec::new();
    let (_, entries) = read_pagemap(&image.file("pagemap-1.img"), &mut diagnostics);
    assert_eq!((entries.len(), diagnostics.len()), (1_000_000, 0));
}

fn names() -> impl Strategy<Value = String> {
    let templates: Vec<_> = Kind::ALL.iter().flat_map(|kind| kind.descriptor().files).collect();
    proptest::sample::select(templates).prop_map(|template| template.replace("%u", "1").replace("%x", "1"))
}

proptest! {
    #[test]
    fn any_bytes_are_survived(
        name in names(),
        kind in proptest::sample::select(Kind::ALL),
        tail in proptest::collection::vec(any::<u8>(), 0..300),
        headed in any::<bool>(),
    ) {
        let words = [COMMON_MAGIC, kind.descriptor().magic];
        let image = Writer::new(ByteOrder::Little, if headed { &words } else { &[] }).raw(&tail);
        let name = if headed { kind.descriptor().files[0].replace("%u", "1").replace("%x", "1") } else { name };
        let file = image.file(&name);
        let length = image.bytes.len() as u64;
        if let Ok(Some(opened)) = open(&file) {
            let mut position = opened.header_length();
            for entry in opened.entries().filter_map(Result::ok) {
                prop_assert!(entry.offset >= position + 4);
                position = entry.offset + entry.body.len() as u64 + entry.payload.len() as u64;
                prop_assert!(position <= length);
            }
        }
        let mut diagnostics = Vec::new();
        let _ = read::<proto::FileEntry>(&file, &mut diagnostics);
        let _ = read_pagemap(&file, &mut diagnostics);
        let _ = read_ghost(&file, &mut diagnostics);
        let _ = read_message_queues(&file, &mut diagnostics);
    }

    #[test]
    fn a_cut_costs_only_the_tail(count in 1_u32..20, cut in 1_usize..40) {
        let mut image = Writer::little(Kind::Pstree);
        let mut ends = vec![8];
        for pid in 0..count {
            image = image.entry(&task(pid));
            ends.push(image.bytes.len());
        }
        let keep = image.bytes.len().saturating_sub(cut).max(8);
        image.bytes.truncate(keep);
        let (found, diagnostics) = pids(&image.file("pstree.img"));
        prop_assert_eq!(found.len() + 1, ends.iter().filter(|end| **end <= keep).count());
        prop_assert_eq!(diagnostics.is_empty(), ends.contains(&keep));
    }

    #[test]
    fn what_is_written_is_read(
        tasks in proptest::collection::vec((any::<u32>(), any::<u32>(), proptest::collection::vec(any::<u32>(), 0..5)), 0..20)
    ) {
        let tasks: Vec<_> = tasks
            .into_iter()
            .map(|(pid, ppid, threads)| proto::PstreeEntry { ppid: Some(ppid), threads, ..task(pid) })
            .collect();
        let image = tasks.iter().fold(Writer::little(Kind::Pstree), Writer::entry);
        let mut diagnostics = Vec::new();
        let found = read::<proto::PstreeEntry>(&image.file("pstree.img"), &mut diagnostics);
        prop_assert_eq!(found.into_iter().map(|entry| entry.value).collect::<Vec<_>>(), tasks);
        prop_assert!(diagnostics.is_empty());
    }
}
