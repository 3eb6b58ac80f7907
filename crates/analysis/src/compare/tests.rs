//! Pairs of checkpoints with known differences.

use std::io::Write as _;

use ckptfx_parser::input::{self, Input as Evidence, OpenOptions};
use ckptfx_testkit::{Checkpoint, Container, File, PodmanVersion, Process, RECIPES, Shared, Vma, rich};
use serde_json::json;

use super::*;
use crate::{Case, Task};

const HEAP: u64 = 0x5555_5600_0000;

fn all() -> Wish {
    Wish { kinds: Kind::ALL.to_vec(), all: false, filtered: false, strings: None, zeros: 1 << 20 }
}

fn diff_containers(before: &Container, after: &Container, wish: &Wish) -> Vec<Change> {
    diff_tars(&before.podman(PodmanVersion::V5).to_tar(), &after.podman(PodmanVersion::V5).to_tar(), wish)
}

fn diff_tars(before: &[u8], after: &[u8], wish: &Wish) -> Vec<Change> {
    let opened = [before, after].map(|tar| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(tar).unwrap();
        let options = OpenOptions::default();
        input::open(&Evidence::Path(file.path().to_path_buf()), &options).unwrap()
    });
    let mut cases = opened.each_ref().map(|opened| Case::read(&opened.checkpoints[0]));
    let [old, new] = &mut cases;
    let wanted = |_: &Task<'_>| true;
    changes(
        &mut Input { case: old, sources: &[], name: "a", wanted: &wanted },
        &mut Input { case: new, sources: &[], name: "b", wanted: &wanted },
        wish,
    )
}

fn diff(before: Checkpoint, after: Checkpoint) -> Vec<Change> {
    diff_containers(&Container::new(before), &Container::new(after), &all())
}

/// Kind, what became of it, and what it is.
fn short(changes: &[Change]) -> Vec<(Kind, Difference, String)> {
    changes
        .iter()
        .map(|change| (change.kind, change.change, change.subject.name.escaped().into_owned()))
        .collect()
}

fn dump(change: impl FnOnce(Process) -> Process) -> Checkpoint {
    let worker = Process::new(7)
        .comm("worker")
        .cmdline(["/usr/bin/worker"])
        .exe("/usr/bin/worker")
        .environ(["PATH=/usr/bin"])
        .memory(Vma::heap(HEAP, 0x8000).bytes(0, "unchanged text").bytes(0x3000, "before it was changed"))
        .memory(Vma::shared(0x7f20_0000_0000, 0x2000, "object"));
    let object = Shared::memfd("object", 0x2000).bytes(0, "memfd");
    Checkpoint::new().shared(object).process(Process::new(1).child(change(worker)))
}

#[test]
fn a_checkpoint_does_not_differ_from_itself() {
    for (name, tar) in RECIPES {
        let Ok(tar) = std::panic::catch_unwind(tar) else { continue };
        // Not every recipe is a single checkpoint with processes.
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&tar).unwrap();
        let options = OpenOptions::default();
        let Ok(opened) = input::open(&Evidence::Path(file.path().to_path_buf()), &options) else {
            continue;
        };
        if opened.checkpoints.is_empty() {
            continue;
        }
        let wish = Wish { strings: Some(StringWish { min: 4, max: 100 }), all: true, ..all() };
        assert_eq!(diff_tars(&tar, &tar, &wish), [], "{name}");
    }
}

#[test]
fn processes_are_matched_by_what_they_are() {
    let tree = |pids: [u32; 3]| {
        let worker = |pid| Process::new(pid).comm("nginx").exe("/usr/sbin/nginx").cmdline(["nginx: worker"]);
        let master = Process::new(pids[0]).comm("nginx").exe("/usr/sbin/nginx").cmdline(["nginx: master"]);
        Checkpoint::new().process(Process::new(1).child(master.child(worker(pids[1])).child(worker(pids[2]))))
    };
    let other = |dump, id: &str| Container::new(dump).with(|container| container.id = id.repeat(32));
    let changes = diff_containers(&other(tree([5, 6, 7]), "aa"), &other(tree([15, 26, 37]), "bb"), &all());
    assert_eq!(changes, []);

    let miner =
        Process::new(9).comm("kworker").exe("/tmp/miner").cmdline(["./miner"]).fd(9, File::dev_null());
    let mut more = tree([15, 26, 37]);
    more.processes[0].children[0].children.push(miner);
    let changes = diff_containers(&other(tree([5, 6, 7]), "aa"), &other(more.clone(), "bb"), &all());
    let expected = (Kind::Process, Difference::Added, "./miner".to_owned());
    assert_eq!(short(&changes), std::slice::from_ref(&expected));
    assert_eq!((changes[0].subject.pid, changes[0].subject.pid_before), (Some(9), None));
    assert_eq!(changes[0].after.as_ref().unwrap()["exe"], json!("/tmp/miner"));

    let changes = diff_containers(&other(more, "aa"), &other(tree([5, 6, 7]), "bb"), &all());
    assert_eq!(short(&changes), [(Kind::Process, Difference::Removed, "./miner".to_owned())]);
}

#[test]
fn each_kind_of_thing_is_compared() {
    let changes = diff(
        dump(|worker| worker.fd(5, File::regular("/var/log/a")).fd(6, File::tcp_listen("0.0.0.0:80"))),
        dump(|worker| {
            worker
                .uid(1000)
                .environ(["PATH=/tmp:/usr/bin", "LD_PRELOAD=/tmp/x.so"])
                .cwd("/tmp")
                .fd(5, File::regular("/var/log/b"))
                .fd(6, File::tcp_listen("0.0.0.0:8080"))
                .memory(Vma::anonymous(0x7f40_0000_0000, 0x1000).prot(7).bytes(0, "code"))
        })
        .mount(ckptfx_testkit::Mount::bind(150, "/host", "/data")),
    );
    let has = |kind, change, name: &str| {
        assert!(short(&changes).contains(&(kind, change, name.to_owned())), "{name}: {:#?}", short(&changes));
    };
    has(Kind::Process, Difference::Changed, "/usr/bin/worker");
    has(Kind::Environment, Difference::Added, "LD_PRELOAD");
    has(Kind::Environment, Difference::Changed, "PATH");
    has(Kind::File, Difference::Removed, "/var/log/a");
    has(Kind::File, Difference::Added, "/var/log/b");
    has(Kind::Socket, Difference::Removed, "tcp 0.0.0.0:80");
    has(Kind::Socket, Difference::Added, "tcp 0.0.0.0:8080");
    has(Kind::Mount, Difference::Added, "/data");
    has(Kind::File, Difference::Changed, "cwd /tmp");
    has(Kind::Credential, Difference::Changed, "process");
    // Another environment moves the stack: the layout is not the same.
    has(Kind::Mapping, Difference::Added, "anonymous rwxp");
    has(Kind::Memory, Difference::Changed, "0x7f4000000000 anonymous");
    let process = changes.iter().find(|change| change.kind == Kind::Process).unwrap();
    assert_eq!(process.before.as_ref().unwrap().keys().collect::<Vec<_>>(), ["cwd"]);
    assert!(changes.iter().all(|change| change.from == "a" && change.to == "b"));
}

#[test]
fn memory_is_compared_page_by_page() {
    let wish = Wish {
        kinds: vec![Kind::Memory, Kind::String],
        strings: Some(StringWish { min: 6, max: 1 }),
        ..all()
    };
    let after = dump(|worker| {
        worker.with(|worker| {
            let heap = worker.vmas.iter_mut().find(|vma| vma.start == HEAP).unwrap();
            *heap = Vma::heap(HEAP, 0x8000)
                .bytes(0, "unchanged text")
                .bytes(0x3000, "before it was CHANGED")
                .bytes(0x5ff0, "new text over a page border")
                .bytes(0x7800, "second new text");
        })
    });
    let changes = diff_containers(&Container::new(dump(|worker| worker)), &Container::new(after), &wish);
    let memory = changes[0].memory.as_ref().unwrap();
    assert_eq!((memory.by, memory.page_size), ("address", 4096));
    assert_eq!((memory.pages_changed, memory.bytes_changed), (1, 7));
    assert_eq!((memory.pages_added, memory.pages_removed, memory.pages_not_compared), (3, 0, 0));
    assert_eq!(
        memory.ranges,
        [
            ["0x555556003000".to_owned(), "0x555556004000".to_owned()],
            ["0x555556005000".to_owned(), "0x555556008000".to_owned()],
        ]
    );
    let texts: Vec<_> = changes[1..]
        .iter()
        .map(|change| {
            assert_eq!(change.kind, Kind::String);
            let facts = change.before.as_ref().or(change.after.as_ref()).unwrap();
            (change.change, facts["text"].as_str().unwrap().to_owned(), facts["address"].clone())
        })
        .collect();
    assert_eq!(
        texts,
        [
            (Difference::Removed, "before it was changed".to_owned(), json!("0x555556003000")),
            (Difference::Added, "before it was CHANGED".to_owned(), json!("0x555556003000")),
        ]
    );
}

/// Pages that one of the checkpoints lacks are not called equal, nor changed.
#[test]
fn what_is_not_captured_is_not_compared() {
    let lazy = dump(|worker| {
        worker.with(|worker| {
            let heap = worker.vmas.iter_mut().find(|vma| vma.start == HEAP).unwrap();
            *heap =
                Vma::heap(HEAP, 0x8000).bytes(0, "unchanged text").lazy(0x3000, 0x1000).bytes(0x4000, "new");
        })
    });
    let changes = diff(dump(|worker| worker), lazy);
    assert_eq!(changes.len(), 1, "{changes:#?}");
    let memory = changes[0].memory.as_ref().unwrap();
    assert_eq!((memory.pages_added, memory.pages_changed, memory.pages_not_compared), (1, 0, 1));
}

#[test]
fn shared_objects_are_compared_once() {
    let after = dump(|worker| worker).with(|dump| {
        dump.shared[0] = Shared::memfd("object", 0x2000).bytes(0, "MEMFD").bytes(0x1000, "more")
    });
    let changes = diff(dump(|worker| worker), after);
    assert_eq!(changes.len(), 1, "{changes:#?}");
    let memory = changes[0].memory.as_ref().unwrap();
    assert_eq!(
        (memory.by, memory.pages_changed, memory.bytes_changed, memory.pages_added),
        ("object", 1, 5, 1)
    );
    assert_eq!(changes[0].subject.pid, None);
}

/// An address layout of its own: mappings are told by name, and their addresses are no difference.
#[test]
fn another_layout_is_no_difference() {
    let moved = |by: u64| {
        let file = || File::mapped("/lib/libc.so.6");
        Checkpoint::new().process(
            Process::new(1)
                .memory(Vma::anonymous(0x7000_0000_0000 + by, 0x2000).bytes(0, "the same"))
                .memory(Vma::file(0x7100_0000_0000 + by, 0x3000, file()).bytes(0x1000, "relocated"))
                .with(|process| {
                    if by > 0 {
                        process.stack_pages = ckptfx_testkit::StackPages::Present;
                    }
                }),
        )
    };
    let changes = diff(moved(0), moved(0x10_0000));
    let moved_only = |change: &Change| matches!(change.kind, Kind::Mapping | Kind::Memory);
    assert!(changes.iter().all(moved_only), "{:#?}", short(&changes));
}

/// A fact that old images do not have is no difference.
#[test]
fn what_one_did_not_record_is_not_compared() {
    let old = ckptfx_testkit::rich_old(ckptfx_testkit::Criu::V3_13);
    let new = ckptfx_testkit::rich_old(ckptfx_testkit::Criu::V4_2);
    let wish = Wish { kinds: vec![Kind::Process, Kind::Environment, Kind::Mount], ..all() };
    let changes = diff_containers(&Container::new(old), &Container::new(new), &wish);
    assert_eq!(changes, []);
}

#[test]
fn a_filter_leaves_other_processes_out() {
    let mut after = rich();
    after.processes[0].children[0].environ.push(b"A=1".to_vec());
    after.processes[0].children[1].environ.push(b"B=2".to_vec());
    let opened = [rich(), after].map(|dump| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&Container::new(dump).podman(PodmanVersion::V5).to_tar()).unwrap();
        let options = OpenOptions::default();
        input::open(&Evidence::Path(file.path().to_path_buf()), &options).unwrap()
    });
    let mut cases = opened.each_ref().map(|opened| Case::read(&opened.checkpoints[0]));
    let [old, new] = &mut cases;
    let wanted = |task: &Task<'_>| task.process.pid == 20;
    let wish = Wish { kinds: vec![Kind::Environment, Kind::Rootfs], filtered: true, ..all() };
    let found = changes(
        &mut Input { case: old, sources: &[], name: "a", wanted: &wanted },
        &mut Input { case: new, sources: &[], name: "b", wanted: &wanted },
        &wish,
    );
    assert_eq!(short(&found), [(Kind::Environment, Difference::Added, "B".to_owned())]);
}
