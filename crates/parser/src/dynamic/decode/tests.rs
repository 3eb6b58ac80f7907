use std::sync::atomic::AtomicU64;

use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::{
    image::{ByteOrder, Kind, read, registry::COMMON_MAGIC},
    proto,
};

static DECODED: AtomicU64 = AtomicU64::new(0);

/// The bytes of an image with these entries, each followed by raw bytes.
fn image(kind: Kind, order: ByteOrder, entries: &[(Vec<u8>, &[u8])]) -> Vec<u8> {
    let word = |word: u32| match order {
        ByteOrder::Little => word.to_le_bytes(),
        ByteOrder::Big => word.to_be_bytes(),
    };
    let mut bytes = [word(COMMON_MAGIC), word(kind.descriptor().magic)].concat();
    for (body, payload) in entries {
        bytes.extend(word(u32::try_from(body.len()).unwrap()));
        bytes.extend(body);
        bytes.extend(*payload);
    }
    bytes
}

fn decoded(name: &str, bytes: &[u8]) -> (Vec<Json>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let file =
        ImageFile { name, bytes, order: ByteOrder::Little, limits: &Limits::DEFAULT, decoded: &DECODED };
    let image = decode(&file, Numbering::Generic, &mut diagnostics);
    (image.map(|image| image.entries).unwrap_or_default(), diagnostics)
}

#[track_caller]
fn check(kind: Kind, message: &impl prost::Message, payload: &[u8], expected: Json) {
    let name = kind.descriptor().files[0].replace("%u", "1").replace("%x", "1");
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let bytes = image(kind, order, &[(message.encode_to_vec(), payload)]);
        assert_eq!(decoded(&name, &bytes), (vec![expected.clone()], vec![]));
    }
}

#[test]
fn header() {
    let bytes = image(Kind::Pstree, ByteOrder::Little, &[]);
    let file = ImageFile {
        name: "pstree.img",
        bytes: &bytes,
        order: ByteOrder::Little,
        limits: &Limits::DEFAULT,
        decoded: &DECODED,
    };
    let image = decode(&file, Numbering::Generic, &mut Vec::new()).unwrap();
    assert_eq!((image.kind, image.message, image.framing), ("PSTREE", Some("pstree_entry"), "v1.1"));
    assert_eq!(image.magic.as_deref(), Some("0x50273030"));
    assert_eq!(open(&ImageFile { bytes: &[], ..file }, Numbering::Generic).unwrap().map(|_| ()), None);
}

#[test]
fn what_is_missing_and_what_is_unknown() {
    let mut body = proto::PipeEntry { id: Some(1), pipe_id: Some(2), ..Default::default() }.encode_to_vec();
    body.extend([0xa0, 0x06, 5, 0xaa, 0x06, 1, b'x', 0xad, 0x06, 1, 0, 0, 0]);
    let bytes = image(Kind::Pipes, ByteOrder::Little, &[(body, b"")]);
    let expected = json!({
        "id": 1,
        "pipe_id": 2,
        "unknown_fields": [
            { "number": 100, "wire_type": "varint", "value": 5 },
            { "number": 101, "wire_type": "bytes", "value": "eA==" },
            { "number": 101, "wire_type": "fixed32", "value": 1 },
        ],
        "missing_fields": ["flags", "fown"],
    });
    assert_eq!(decoded("pipes.img", &bytes), (vec![expected], vec![]));
}

#[test]
fn text_in_no_encoding() {
    let names = proto::UtsnsEntry { nodename: Some(b"a\xff".to_vec()), domainname: Some("é".into()) };
    let expected = json!({ "nodename": "a\\xff", "nodename_b64": "Yf8=", "domainname": "é" });
    check(Kind::Utsns, &names, b"", expected);
    let head = proto::PluginsEntry { plugins: vec![b"ok".to_vec(), vec![0xfe]] };
    let mut bytes = Kind::Inventory.descriptor().magic.to_le_bytes().to_vec();
    let inventory = proto::InventoryEntry { plugins_entry: Some(head), ..Default::default() }.encode_to_vec();
    bytes.push(u8::try_from(inventory.len()).unwrap());
    bytes.extend([0; 3]);
    bytes.extend(inventory);
    let plugins = &decoded("inventory.img", &bytes).0[0]["plugins_entry"];
    assert_eq!(*plugins, json!({ "plugins": ["ok", "\\xfe"], "plugins_b64": [null, "/g=="] }));
}

#[test]
fn numbers_of_every_encoding() {
    let lock = proto::FileLockEntry { pid: Some(-1), start: Some(i64::MIN), ..Default::default() };
    let bytes = image(Kind::FileLocks, ByteOrder::Little, &[(lock.encode_to_vec(), b"")]);
    let entry = &decoded("filelocks.img", &bytes).0[0];
    assert_eq!((&entry["pid"], &entry["start"]), (&json!(-1), &json!(i64::MIN)));
    // Not packed and packed.
    for threads in [&[0x28, 1, 0x28, 0x80, 2][..], &[0x2a, 3, 1, 0x80, 2]] {
        let bytes = image(Kind::Pstree, ByteOrder::Little, &[(threads.to_vec(), b"")]);
        assert_eq!(decoded("pstree.img", &bytes).0[0]["threads"], json!([1, 256]));
    }
    let file = proto::RegFileEntry { mnt_id: Some(-1), ..Default::default() };
    let bytes = image(Kind::RegFiles, ByteOrder::Little, &[(file.encode_to_vec(), b"")]);
    assert_eq!(decoded("reg-files.img", &bytes).0[0]["mnt_id"], json!(-1));
    let file = proto::FdinfoEntry { r#type: Some(77), ..Default::default() };
    let bytes = image(Kind::Fdinfo, ByteOrder::Little, &[(file.encode_to_vec(), b"")]);
    assert_eq!(decoded("fdinfo-2.img", &bytes).0[0]["type"], json!(77));
}

#[test]
fn pagemaps_of_every_release() {
    let head = proto::PagemapHead { pages_id: Some(3) }.encode_to_vec();
    let new = proto::PagemapEntry {
        vaddr: Some(0x1000),
        compat_nr_pages: Some(0),
        flags: Some(4),
        nr_pages: Some(1 << 33),
        ..Default::default()
    };
    let old = proto::PagemapEntry {
        vaddr: Some(0),
        compat_nr_pages: Some(2),
        in_parent: Some(true),
        ..Default::default()
    };
    let entries = [(head, &b""[..]), (new.encode_to_vec(), b""), (old.encode_to_vec(), b"")];
    let bytes = image(Kind::Pagemap, ByteOrder::Little, &entries);
    let expected = vec![
        json!({ "pages_id": 3 }),
        json!({ "vaddr": "0x1000", "compat_nr_pages": 0, "flags": "PE_PRESENT", "nr_pages": 1_u64 << 33 }),
        json!({ "vaddr": "0x0", "compat_nr_pages": 2, "in_parent": true }),
    ];
    assert_eq!(decoded("pagemap-1.img", &bytes), (expected, vec![]));
}

#[test]
fn payloads() {
    let pipe = proto::PipeDataEntry { pipe_id: Some(1), bytes: Some(2), size: Some(65536) };
    check(Kind::PipesData, &pipe, b"hi", json!({ "pipe_id": 1, "bytes": 2, "size": 65536, "extra": "aGk=" }));
    let desc = proto::IpcDescEntry::default();
    let semaphores = proto::IpcSemEntry { desc: Some(desc), nsems: Some(3) }.encode_to_vec();
    let bytes = image(Kind::IpcnsSem, ByteOrder::Big, &[(semaphores, &[0, 1, 0, 2, 1, 0, 9, 9])]);
    assert_eq!(decoded("ipcns-sem-1.img", &bytes).0[0]["extra"], json!([1, 2, 256]));

    let queue = proto::IpcMsgEntry { desc: Some(desc), qbytes: Some(9), qnum: Some(1) }.encode_to_vec();
    let message = proto::IpcMsg { mtype: Some(7), msize: Some(2) }.encode_to_vec();
    let payload = [&[0, 0, 0, 4][..], &message, b"hi\0\0\0\0\0\0"].concat();
    let bytes = image(Kind::IpcnsMsg, ByteOrder::Big, &[(queue, &payload)]);
    assert_eq!(
        decoded("ipcns-msg-1.img", &bytes).0[0]["extra"],
        json!([{ "mtype": 7, "msize": 2, "extra": "aGk=" }])
    );
}

#[test]
fn damaged_entries_are_kept() {
    let good = proto::PstreeEntry { pid: Some(1), ..Default::default() }.encode_to_vec();
    let bytes = image(Kind::Pstree, ByteOrder::Little, &[(vec![0xff], b""), (good, b"")]);
    let (entries, diagnostics) = decoded("pstree.img", &bytes);
    assert_eq!(entries[0], json!({ "undecodable": "/w==", "extra": "" }));
    assert_eq!(entries[1]["pid"], json!(1));
    assert_eq!((diagnostics[0].code, diagnostics[0].offset), ("undecodable-entry", Some(12)));
    let (entries, diagnostics) = decoded("pstree.img", &bytes[..bytes.len() - 1]);
    assert_eq!((entries.len(), diagnostics[1].code), (1, "truncated-image"));
}

#[test]
fn raw_images() {
    assert_eq!(decoded("pages-1.img", &[0; 4096]).0[0]["size"], json!(4096));
    assert_eq!(decoded("nftables-3.img", b"table inet x").0, [json!({ "text": "table inet x" })]);
    assert_eq!(decoded("iptables-3.img", b"").0.len(), 0);
}

#[test]
fn netlink() {
    let mut stream = 0x4531_1224_u32.to_le_bytes().to_vec();
    let attribute = [8, 0, 1, 0, 10, 0, 0, 1];
    stream.extend(36_u32.to_le_bytes());
    stream.extend([24, 0, 2, 0]);
    stream.extend(1_700_000_000_u32.to_le_bytes());
    stream.extend(77_u32.to_le_bytes());
    stream.extend([2, 24, 0, 0, 254, 2, 0, 1, 0, 0, 0, 0]);
    stream.extend(attribute);
    let expected = json!({
        "len": 36,
        "type": 24,
        "type_name": "RTM_NEWROUTE",
        "flags": 2,
        "seq": 1_700_000_000,
        "pid": 77,
        "header": "AhgAAP4CAAEAAAAA",
        "attributes": [{ "type": 1, "nested": false, "value": "CgAAAQ==" }],
    });
    assert_eq!(decoded("route-3.img", &stream), (vec![expected.clone()], vec![]));
    assert_eq!(decoded("netns-ct-3.img", &stream[4..]).0[0]["seq"], json!(1_700_000_000));
    let end = stream.len() as u64;
    stream.extend([15, 0, 0, 0, 1]);
    let (entries, diagnostics) = decoded("route-3.img", &stream);
    assert_eq!(entries, [expected]);
    assert_eq!((diagnostics[0].code, diagnostics[0].offset), ("truncated-image", Some(end)));
    assert_eq!(decoded("rule-3.img", b"nonsense").1[0].code, "bad-magic");
}

fn file_name() -> impl Strategy<Value = String> {
    let templates: Vec<_> = Kind::ALL.iter().flat_map(|kind| kind.descriptor().files).collect();
    proptest::sample::select(templates).prop_map(|template| template.replace("%u", "1").replace("%x", "1"))
}

proptest! {
    #[test]
    fn any_bytes_are_survived(name in file_name(), bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decoded(&name, &bytes);
    }

    #[test]
    fn any_entries_are_survived(
        kind in proptest::sample::select(Kind::ALL),
        body in proptest::collection::vec(prop_oneof![0..32_u8, any::<u8>()], 0..60),
        payload in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let name = kind.descriptor().files[0].replace("%u", "1").replace("%x", "1");
        let _ = decoded(&name, &image(kind, ByteOrder::Little, &[(body, &payload)]));
    }

    #[test]
    fn both_ways_of_reading_agree(body in proptest::collection::vec(prop_oneof![0..32_u8, any::<u8>()], 0..60)) {
        let bytes = image(Kind::Files, ByteOrder::Little, &[(body, b"")]);
        let file = ImageFile { name: "files.img", bytes: &bytes, order: ByteOrder::Little, limits: &Limits::DEFAULT, decoded: &DECODED };
        let typed = read::<proto::FileEntry>(&file, &mut Vec::new());
        let (generic, _) = decoded("files.img", &bytes);
        prop_assert_eq!(typed.is_empty(), generic[0].get("undecodable").is_some());
        if let Some(entry) = typed.first() {
            prop_assert_eq!(entry.value.id.map(Json::from), generic[0].get("id").cloned());
        }
    }
}
