//! What people read of facts that are easily got wrong.

use ckptfx_testkit::{Checkpoint, Container, File, PodmanVersion, Process, Shared, Vma};
use serde_json::{Value, json};

use crate::support::{field, fixture, members, on, on_bytes, plain};

fn records<'d>(document: &'d Value, list: &str) -> &'d Vec<Value> {
    document[list].as_array().expect(list)
}

fn archive(dump: Checkpoint) -> Vec<u8> {
    Container::new(dump).podman(PodmanVersion::V5).to_tar()
}

#[test]
fn a_program_with_readline_keeps_what_was_typed() {
    let document = on("history -o json", field("clean-sqlite-readline")).status(0).json();
    let typed: Vec<_> = records(&document, "commands")
        .iter()
        .map(|one| ["comm", "time", "line", "found"].map(|key| one[key].clone()))
        .collect();
    let entry = |time: &str, line: &str| ["sqlite3", time, line, "history-entry"].map(Value::from);
    assert_eq!(
        typed,
        [
            entry("2026-11-29T04:43:03Z", "create table typed_sqlite(a);"),
            entry("2026-11-29T04:43:04Z", "select * from typed_sqlite;"),
        ]
    );
}

#[test]
fn history_takes_nothing_for_an_entry_that_is_none() {
    let document = on("history -o json", field("bad-token-shell")).status(0).json();
    let lines: Vec<_> = records(&document, "commands").iter().map(|one| one["line"].as_str()).collect();
    assert_eq!(lines.len(), 8, "{lines:?}");
    assert!(lines.iter().all(|line| line.is_some_and(str::is_ascii)), "{lines:?}");
    assert_eq!(lines[1], Some("kubectl --token=$T get secrets -A"));
    let document = on("history -o json", field("clean-userns")).json();
    assert_eq!(records(&document, "commands"), &Vec::<Value>::new());
}

#[test]
fn owners_are_those_that_the_container_sees() {
    let document = on("rootfs -o json", field("clean-userns")).json();
    let of = |path: &str| {
        let change = records(&document, "changes").iter().find(|one| one["path"] == path).expect(path);
        ["uid", "gid", "host_uid", "host_gid"].map(|key| change[key].clone())
    };
    let expected = [0, 0, 100_000, 100_000].map(Value::from);
    // Made on the node, and made inside.
    assert_eq!(of("/srvn"), expected);
    assert_eq!(of("/dev/fd"), expected);
    let document = on("rootfs -o json", fixture("shop-podman")).status(0).json();
    assert!(records(&document, "changes").iter().all(|change| change["host_uid"].is_null()));
}

#[test]
fn a_derived_time_says_so_and_one_of_a_copy_is_not_used() {
    let of = |tar: &[u8]| {
        let info = on_bytes("info -o json", tar).status(0).json();
        let timeline = on_bytes("timeline -o json", tar).status(0).json();
        let derived = records(&timeline, "events").iter().filter(|event| event["reliability"] == "derived");
        let kinds: Vec<String> =
            derived.filter_map(|event| event["kind"].as_str().map(str::to_owned)).collect();
        (info, kinds)
    };
    let engine = plain("scenarios/log");
    let (info, kinds) = of(&engine);
    assert_eq!(info["container"]["checkpointed"], "2026-11-23T22:16:06Z");
    assert_eq!(info["container"]["checkpointed_from"], "archived time of inventory.img");
    assert_eq!(kinds, ["node-booted", "checkpointed", "first-image-written", "last-image-written"]);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("log.tar"), &engine).expect("written");
    let list = on("list", folder.path()).status(0).text();
    assert!(list.contains("~2026-11-23T22:16:06Z"), "{list}");
    // Copied file by file an hour later, and packed.
    let mut copy = members(&engine);
    for (index, member) in copy.list.iter_mut().enumerate() {
        member.mtime = 1_795_472_166 + 3600 + index as u64 / 40;
    }
    let (info, kinds) = of(&copy.to_tar());
    assert_eq!((&info["container"]["checkpointed"], kinds), (&Value::Null, Vec::new()));
    assert!(records(&info, "warnings").iter().any(|one| one["code"] == "doubtful-times"), "{info}");
}

#[test]
fn a_mapping_past_the_end_of_its_object_is_no_loss() {
    let short = File::mapped("/lib/short.so").size(0x800).label("short");
    let process = Process::new(1).memory(Vma::shared(0x7e00_0000_0000, 0x3000, "object")).memory(Vma::file(
        0x7d00_0000_0000,
        0x3000,
        short,
    ));
    let tar = archive(
        Checkpoint::new().process(process).shared(Shared::memfd("object", 0x1001).bytes(0x0ffe, "abc")),
    );
    let document = on_bytes("core --pid 1 -o json", &tar).status(0).json();
    let after: Vec<_> = records(&document, "segments")
        .iter()
        .filter(|segment| segment["missing"] == "after the end of the file")
        .filter(|segment| segment["start"].as_str().is_some_and(|start| start.starts_with("0x7")))
        .map(|segment| (segment["start"].clone(), segment["end"].clone()))
        .collect();
    assert_eq!(
        after,
        [
            (json!("0x7d0000001000"), json!("0x7d0000003000")),
            (json!("0x7e0000002000"), json!("0x7e0000003000"))
        ],
        "{document}"
    );
    let refused = on_bytes("dump --pid 1 --range 0x7e0000002000-0x7e0000003000", &tar).status(2);
    assert!(refused.stderr.contains("after the end of the file"), "{}", refused.stderr);
    assert!(on_bytes("grep-mem abc", &tar).status(0).text().contains("abc"));
}

#[test]
fn locks_and_dead_processes_are_in_the_table_of_files() {
    let mut dump = Checkpoint::new().process(
        Process::new(1)
            .fd(5, File::regular("/srv/data").label("data"))
            .fd(6, File::regular("/proc/9/stat").dead_process(9))
            .child(Process::new(2).no_fds().fd(7, File::same_as("data"))),
    );
    dump.locks = vec![(1, 5, 2, 1, 0, 0), (1, 5, 1, 0, 4, 8)];
    let text = on_bytes("files", archive(dump)).status(0).text();
    let ends_with = |end: &str| text.lines().any(|line| line.ends_with(end));
    assert!(ends_with("/srv/data (POSIX F_RDLCK 8 at 4) (FLOCK F_WRLCK)"), "{text}");
    assert!(ends_with("/srv/data (FLOCK F_WRLCK)"), "{text}");
    assert!(ends_with("/proc/9/stat (deleted) (of dead process 9)"), "{text}");
}
