//! What `grep-mem` finds: everything that is there, where it is, and nothing else.

use ckptfx_testkit::{
    Checkpoint, Container, Member, Outer, PodmanVersion, Process, Shared, Vma, incremental,
};
use serde_json::{Value, json};

use crate::support::{Ended, Scratch, address, ckptfx, fixture, on, on_bytes, plain};

const BASE: u64 = 0x7f00_0000_0000;

/// Pids of the processes in the three archives of the shop, by role.
struct Shop {
    name: &'static str,
    init: u64,
    app: u64,
    kworker: u64,
}

const SHOPS: [Shop; 3] = [
    Shop { name: "shop-podman", init: 1, app: 11, kworker: 14 },
    Shop { name: "shop-crio", init: 7, app: 17, kworker: 20 },
    Shop { name: "shop-containerd", init: 7, app: 17, kworker: 20 },
];

fn shop(name: &str, words: &[&str]) -> Ended {
    let path = fixture(name).into_os_string();
    let words = ["grep-mem"].iter().chain(words).map(Into::into);
    ckptfx(words.chain([path]))
}

#[track_caller]
fn hits(ended: Ended) -> Vec<Value> {
    ended.status(0).lines()
}

fn pids(hits: &[Value]) -> Vec<u64> {
    let mut pids: Vec<u64> = hits.iter().map(|hit| hit["pid"].as_u64().expect("pid")).collect();
    pids.dedup();
    pids
}

fn archive(process: Process) -> Vec<u8> {
    Container::new(Checkpoint::new().process(process)).podman(PodmanVersion::V5).to_tar()
}

fn with(vma: Vma) -> Vec<u8> {
    archive(Process::new(1).bare().memory(vma))
}

/// Addresses of hits in a small archive.
#[track_caller]
fn at(words: &str, tar: &[u8]) -> Vec<u64> {
    let hits = hits(on_bytes(&format!("grep-mem -o jsonl {words}"), tar));
    hits.iter().map(|hit| address(&hit["address"])).collect()
}

#[track_caller]
fn nothing(words: &str, tar: &[u8]) {
    let ended = on_bytes(&format!("grep-mem -o jsonl {words}"), tar).status(1);
    assert_eq!(ended.text(), "");
}

#[test]
fn planted_strings_are_in_the_process_that_holds_them() {
    for Shop { name, init, app, kworker, .. } in SHOPS {
        let of = |pattern: &str| pids(&hits(shop(name, &["-o", "jsonl", "-e", pattern])));
        // Only in the application's heap and environment.
        assert_eq!(of("tok_live_9f8e7d"), [app], "{name}");
        assert_eq!(of("-----BEGIN PRIVATE KEY-----"), [app], "{name}");
        assert_eq!(of("wJalrXUtnFEMI/K7MDENG"), [app], "{name}");
        assert_eq!(of("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."), [app], "{name}");
        assert_eq!(of("LD_PRELOAD=/usr/lib/libhook.so"), [kworker], "{name}");
        assert_eq!(of("stratum+tcp://"), [kworker], "{name}");
        // In the environment that all but two processes were given.
        let given = of("hunter2-correct-horse");
        assert!(given.contains(&init) && given.contains(&app) && given.contains(&kworker), "{name}");
    }
}

#[test]
fn a_string_over_a_page_border_is_found() {
    for Shop { name, kworker, .. } in SHOPS {
        let hits = hits(shop(name, &["-o", "jsonl", "SPLIT-ACROSS-PAGES"]));
        let [hit] = hits.as_slice() else { panic!("{name}: {} hits", hits.len()) };
        let start = address(&hit["address"]);
        assert_eq!(hit["pid"], kworker, "{name}");
        assert_ne!(start >> 12, (start + 17) >> 12, "{name}: {start:#x} does not cross a page");
    }
}

#[test]
fn text_in_utf_16_is_found_when_asked_for() {
    for Shop { name, kworker, .. } in SHOPS {
        let of = |encoding| hits(shop(name, &["-o", "jsonl", "--encoding", encoding, "WidePassword!2026"]));
        let wide = of("utf-16le");
        let [hit] = wide.as_slice() else { panic!("{name}: {} hits", wide.len()) };
        assert_eq!((&hit["pid"], &hit["length"]), (&json!(kworker), &json!(34)), "{name}");
        assert_eq!((&hit["text"], &hit["encoding"]), (&json!("WidePassword!2026"), &json!("utf-16le")));
        assert_eq!(hit["region"]["path"], "[heap]", "{name}");
        // As ASCII it is in the program, and nowhere in the heap.
        let narrow = of("ascii");
        assert!(!narrow.is_empty() && narrow.iter().all(|hit| hit["region"]["path"] != "[heap]"), "{name}");
        let all = of("all");
        assert!(narrow.iter().chain(&wide).all(|hit| all.contains(hit)), "{name}");
        assert_eq!(
            hits(shop(name, &["-o", "jsonl", "-i", "--encoding", "utf-16le", "wIDEpASSWORD"])).len(),
            1
        );
    }
}

#[test]
fn shared_memory_and_memfds_are_searched() {
    for Shop { name, kworker, .. } in SHOPS {
        for (pattern, source, path) in [
            ("SYSV-SHM-SECRET", "shared-memory", "/SYSV00004242 (deleted)"),
            ("SHARED-ANON-MARK", "shared-memory", "/dev/zero (deleted)"),
        ] {
            let hits = hits(shop(name, &["-o", "jsonl", pattern]));
            let hit = hits.iter().find(|hit| hit["source"] == source);
            let hit = hit.unwrap_or_else(|| panic!("{pattern} in {name}: {hits:?}"));
            assert_eq!((&hit["pid"], &hit["region"]["path"]), (&json!(kworker), &json!(path)), "{name}");
            assert_eq!(hit["region"]["perms"], "rw-s", "{name}");
        }
        let hits = hits(shop(name, &["-o", "jsonl", "#!/bin/sh\necho stage2-from-memfd"]));
        let hit = hits.iter().find(|hit| hit["source"] == "memfd");
        let hit = hit.unwrap_or_else(|| panic!("{name}: {hits:?}"));
        assert_eq!((&hit["pid"], &hit["offset"]), (&json!(kworker), &json!(0)), "{name}");
        assert_eq!(hit["region"]["path"], "/memfd:payload (deleted)", "{name}");
    }
    // One that nobody maps: only a descriptor leads to it, and it has no address.
    let tar = Container::new(ckptfx_testkit::rich()).podman(PodmanVersion::V5).to_tar();
    let found = on_bytes("grep-mem -o jsonl memfd", &tar).status(0).lines();
    assert_eq!((&found[0]["pid"], &found[0]["address"]), (&Value::Null, &Value::Null));
    assert_eq!((&found[0]["source"], &found[0]["offset"]), (&json!("memfd"), &json!(10)));
}

/// The member and offset of each hit hold the bytes.
#[test]
fn each_hit_says_where_in_the_archive_it_is() {
    let members = crate::support::members(&plain("shop-podman"));
    let words = ["-o", "jsonl", "-E", "(?i)secret|hunter2[a-z-]+|memfd"];
    let hits = hits(shop("shop-podman", &words));
    assert!(hits.len() > 20);
    for hit in &hits {
        let member = members.find(hit["member"].as_str().expect("member")).expect("in the tar");
        let at = usize::try_from(hit["member_offset"].as_u64().expect("offset")).expect("small");
        let length = usize::try_from(hit["length"].as_u64().expect("length")).expect("small");
        let text = hit["text"].as_str().expect("text").as_bytes();
        assert_eq!(&member.body.to_vec()[at..at + length], text, "{hit}");
    }
}

#[test]
fn results_come_in_order_and_do_not_depend_on_threads() {
    for words in [["-i", "-E", "pass[a-z]+|key|secret", "-C", "12"], ["-e", "a", "-e", "e", "--encoding=all"]]
    {
        for format in ["jsonl", "table"] {
            let run = |threads| {
                let options = ["-o", format, "--threads", threads, "-m", "2000"];
                shop("shop-containerd", &[&options[..], &words[..]].concat()).status(0).stdout
            };
            let first = run("1");
            assert!(first.len() > 1000);
            for threads in ["1", "4", "4", "2"] {
                assert!(run(threads) == first, "{words:?} with {threads} threads");
            }
        }
    }
    let hits = hits(shop("shop-containerd", &["-o", "jsonl", "-i", "password"]));
    let own: Vec<&Value> = hits.iter().filter(|hit| hit["source"] == "memory").collect();
    let mut last = (Value::Null, 0);
    let mut done: Vec<Value> = Vec::new();
    for hit in own {
        let here = address(&hit["address"]);
        if hit["pid"] == last.0 {
            assert!(here > last.1, "{here:#x} follows {:#x}", last.1);
        } else {
            assert!(!done.contains(&hit["pid"]), "{} comes twice", hit["pid"]);
            done.push(hit["pid"].clone());
        }
        last = (hit["pid"].clone(), here);
    }
}

#[test]
fn filters_leave_out_the_rest() {
    let all = hits(shop("shop-podman", &["-o", "jsonl", "hunter2-correct-horse"]));
    let filtered = |words: &[&str]| {
        let words = [&["-o", "jsonl"], words, &["hunter2-correct-horse"]].concat();
        hits(shop("shop-podman", &words))
    };
    let only = |keep: &dyn Fn(&Value) -> bool| -> Vec<Value> {
        let kept: Vec<Value> = all.iter().filter(|hit| keep(hit)).cloned().collect();
        assert!(!kept.is_empty() && kept.len() < all.len());
        kept
    };
    assert_eq!(filtered(&["--pid", "11,22"]), only(&|hit| hit["pid"] == 11 || hit["pid"] == 22));
    assert_eq!(filtered(&["--comm", "nginx"]), only(&|hit| hit["comm"] == "nginx"));
    assert_eq!(filtered(&["--comm", "[kworker/0:1]"]), only(&|hit| hit["pid"] == 14));
    let at = address(&all[3]["address"]);
    assert_eq!(filtered(&["--range", &format!("{at:#x}-{:#x}", at + 1)]).last(), Some(&all[3]));
    assert!(filtered(&["--perms", "rw-"]).len() == all.len());
    shop("shop-podman", &["--perms", "x", "hunter2-correct-horse"]).status(1);
    shop("shop-podman", &["--pid", "14", "tok_live_9f8e7d"]).status(1);
    let unknown = shop("shop-podman", &["--pid", "99999", "x"]).status(2);
    assert!(unknown.stderr.contains("no process 99999"), "{}", unknown.stderr);
    let wx = hits(shop("shop-podman", &["-o", "jsonl", "--perms", "rwx", "--hex", "??"]));
    assert!(!wx.is_empty() && wx.iter().all(|hit| hit["region"]["perms"] == "rwxp"));
}

#[test]
fn counting_listing_and_stopping() {
    let all = hits(shop("shop-podman", &["-o", "jsonl", "hunter2-correct-horse"]));
    let counts = hits(shop("shop-podman", &["-o", "jsonl", "-c", "hunter2-correct-horse"]));
    let total: u64 = counts.iter().map(|count| count["count"].as_u64().expect("count")).sum();
    assert_eq!(total, all.len() as u64);
    for count in &counts {
        let of_pid = all.iter().filter(|hit| hit["pid"] == count["pid"]).count();
        assert_eq!(count["count"], of_pid as u64);
    }
    let listed = hits(shop("shop-podman", &["-o", "jsonl", "-l", "hunter2-correct-horse"]));
    assert_eq!(pids(&listed), pids(&all));
    let limited = shop("shop-podman", &["-o", "jsonl", "-m", "3", "hunter2-correct-horse"]).status(0);
    assert_eq!(limited.lines(), all[..3]);
    assert!(limited.stderr.contains("max-count"), "{}", limited.stderr);
    shop("shop-podman", &["no such text anywhere"]).status(1);
    shop("shop-podman", &["-c", "no such text anywhere"]).status(1);
}

#[test]
fn no_match_bridges_a_gap() {
    // The two words end and begin at the borders of pages that are not adjacent.
    let hole = Vma::anonymous(BASE, 0x4000).bytes(0xffc, "left").bytes(0x2000, "right");
    nothing("leftright", &with(hole.clone()));
    assert_eq!(at("-e left -e right", &with(hole.clone())), [BASE + 0xffc, BASE + 0x2000]);
    nothing("-E left.*right", &with(hole));
    // The pages are adjacent in the pages file all the same; in the address space something else is between.
    let two = Process::new(1)
        .bare()
        .memory(Vma::anonymous(BASE, 0x1000).bytes(0xffc, "left"))
        .memory(Vma::anonymous(BASE + 0x2000, 0x1000).bytes(0, "right"));
    nothing("leftright", &archive(two));
    // Two processes one after the other in the archive.
    let child = Process::new(2).bare().memory(Vma::anonymous(BASE + 0x1000, 0x1000).bytes(0, "right"));
    let parent =
        Process::new(1).bare().memory(Vma::anonymous(BASE, 0x1000).bytes(0xffc, "left")).child(child);
    nothing("leftright", &archive(parent));
}

#[test]
fn a_match_runs_over_pages_entries_and_mappings() {
    let one = Vma::anonymous(BASE, 0x2000).bytes(0xffc, "leftright");
    assert_eq!(at("leftright", &with(one.clone())), [BASE + 0xffc]);
    let tar = |max_run| {
        let dump = Checkpoint::new().max_run(max_run).process(Process::new(1).bare().memory(one.clone()));
        Container::new(dump).podman(PodmanVersion::V5).to_tar()
    };
    assert_eq!(at("leftright", &tar(1)), [BASE + 0xffc]);
    let adjacent = Process::new(1)
        .bare()
        .memory(Vma::anonymous(BASE, 0x1000).bytes(0xffc, "left"))
        .memory(Vma::anonymous(BASE + 0x1000, 0x1000).prot(1).bytes(0, "right"));
    assert_eq!(at("leftright", &archive(adjacent)), [BASE + 0xffc]);
}

#[test]
fn a_page_set_that_processes_share_is_searched_once() {
    let map = |start| Vma::shared(start, 0x2000, "object");
    let dump = Checkpoint::new()
        .shared(Shared::anonymous("object", 0x2000).bytes(0x1100, "needle"))
        .process(Process::new(1).memory(map(BASE)).child(Process::new(2).memory(map(BASE + 0x9000))));
    let tar = Container::new(dump).podman(PodmanVersion::V5).to_tar();
    let found = hits(on_bytes("grep-mem -o jsonl needle", &tar));
    let [hit] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((&hit["pid"], &hit["shared_with"]), (&json!(1), &json!([2])));
    assert_eq!((&hit["address"], &hit["offset"]), (&json!("0x7f0000001100"), &json!(0x1100)));
    // Asked for the other process, the same bytes are at its address.
    let found = hits(on_bytes("grep-mem -o jsonl --pid 2 needle", &tar));
    assert_eq!((&found[0]["pid"], &found[0]["address"]), (&json!(2), &json!("0x7f000000a100")));
}

#[test]
fn case_words_and_kinds_of_patterns() {
    let tar = with(Vma::anonymous(BASE, 0x1000).bytes(0x10, b"Cat concat cat-nap CATS\0\x01\xfe\xff"));
    assert_eq!(at("cat", &tar), [BASE + 0x17, BASE + 0x1b]);
    assert_eq!(at("-i cat", &tar), [BASE + 0x10, BASE + 0x17, BASE + 0x1b, BASE + 0x23]);
    assert_eq!(at("-w cat", &tar), [BASE + 0x1b]);
    assert_eq!(at("-i -w cat", &tar), [BASE + 0x10, BASE + 0x1b]);
    assert_eq!(at("-E c.t-n[aeiou]p", &tar), [BASE + 0x1b]);
    assert_eq!(
        at(
            "-E -i (?m)^cats$",
            &with(Vma::anonymous(BASE, 0x1000).bytes(
                0,
                "cat
CATS
"
            ))
        ),
        [BASE + 4]
    );
    assert_eq!(at("--hex 00 --range 0x7f0000000027-0x7f0000000029", &tar), [BASE + 0x27]);
    let hex = hits(ckptfx_on(&["--hex", "43 41 ?? 53 00"], &tar));
    assert_eq!(address(&hex[0]["address"]), BASE + 0x23);
    assert_eq!(hex[0]["length"], 5);
    let two = hits(ckptfx_on(&["-e", "nap", "-e", "concat"], &tar));
    let order: Vec<(&Value, &Value)> =
        two.iter().map(|hit| (&hit["pattern"]["index"], &hit["pattern"]["text"])).collect();
    assert_eq!(order, [(&json!(1), &json!("concat")), (&json!(0), &json!("nap"))]);
}

fn ckptfx_on(words: &[&str], tar: &[u8]) -> Ended {
    let scratch = Scratch::new();
    let path = scratch.put("archive.tar", tar);
    let words = ["grep-mem", "-o", "jsonl"].iter().chain(words).map(Into::into);
    ckptfx(words.chain([path.into_os_string()]))
}

#[test]
fn patterns_from_a_file_may_be_any_bytes() {
    let content = b"--\x00\xff\xfe\x80binary\x00--".to_vec();
    let tar = with(Vma::anonymous(BASE, 0x1000).bytes(0x100, content));
    let scratch = Scratch::new();
    let patterns = scratch.put("patterns", b"\x00\xff\xfe\x80bin\n\nary\x00-\nnowhere\n");
    let found = hits(on_bytes(&format!("grep-mem -o jsonl -f {}", patterns.display()), &tar));
    let at: Vec<u64> = found.iter().map(|hit| address(&hit["address"])).collect();
    assert_eq!(at, [BASE + 0x102, BASE + 0x109]);
    assert_eq!(found[0]["bytes_b64"], "AP/+gGJpbg==");
    assert_eq!(found[0]["text_b64"], "AP/+gGJpbg==");
    let empty = scratch.put("empty", b"\n\n");
    on_bytes(&format!("grep-mem -f {}", empty.display()), &tar).status(2);
    on_bytes(&format!("grep-mem -f {}", scratch.path("none").display()), &tar).status(2);
}

#[test]
fn context_is_as_long_as_asked_and_stays_in_captured_memory() {
    let tar = with(Vma::anonymous(BASE, 0x1000).bytes(0, "abcdefgh needle ijklmnop"));
    let context = |words: &str| {
        hits(on_bytes(&format!("grep-mem -o jsonl {words} needle"), &tar))[0]["context"].clone()
    };
    assert_eq!(context("-C 3"), json!({"before": "gh ", "after": " ij"}));
    assert_eq!(context("-B 4"), json!({"before": "fgh ", "after": ""}));
    assert_eq!(context("-A 2"), json!({"before": "", "after": " i"}));
    assert_eq!(context("-C 100")["before"], "abcdefgh ");
}

#[test]
fn patterns_that_cannot_be_are_usage_errors() {
    let tar = with(Vma::anonymous(BASE, 0x1000).bytes(0, "x"));
    for words in [
        vec!["-E", "("],
        vec!["--hex", "4"],
        vec!["--hex", "zz"],
        vec!["-E", "--hex", "41"],
        vec!["--perms", "q", "x"],
        vec!["--range", "5-5", "x"],
        vec!["--encoding", "ebcdic", "x"],
        vec!["-e", ""],
        vec!["-c", "-l", "x"],
    ] {
        let ended = ckptfx_on(&words, &tar);
        assert_eq!(ended.status, Some(2), "{words:?}: {}", ended.stderr);
        assert!(!ended.stderr.is_empty() && ended.stdout.is_empty(), "{words:?}");
    }
}

#[test]
fn several_archives_are_searched_one_after_the_other() {
    let [one, other] = ["shop-podman", "shop-crio"].map(|name| fixture(name).into_os_string());
    let words = ["grep-mem", "-o", "jsonl", "tok_live_9f8e7d"].map(Into::into);
    let found = hits(ckptfx(words.into_iter().chain([one.clone(), other])));
    let names: Vec<&Value> = found.iter().map(|hit| &hit["evidence"]["name"]).collect();
    assert_eq!(names.first(), Some(&&json!("shop-podman.tar.zst")));
    assert_eq!(names.last(), Some(&&json!("shop-crio.tar.zst")));
    let words = ["grep-mem", "tok_live_9f8e7d"].map(Into::into);
    let partly = ckptfx(words.into_iter().chain([one, "/no/such/archive".into()])).status(3);
    assert!(partly.text().contains("tok_live") && partly.stderr.contains("archive"));
    assert_eq!(on("grep-mem tok_live_9f8e7d", "/no/such/archive").status, Some(2));
}

/// A search of any archive, as JSON.
fn found(words: &[&str], archive: &std::path::Path) -> Ended {
    let words = ["grep-mem", "-o", "json"].iter().chain(words).map(std::ffi::OsString::from);
    ckptfx(words.chain([archive.into()]))
}

/// Where each source's planted bytes are found, and whose they are.
#[test]
fn every_source_is_searched_with_its_provenance() {
    for engine in ["podman", "crio", "containerd"] {
        let archive = fixture(&format!("shop-{engine}"));
        let find = |source: &str, pattern: &str| -> Vec<Value> {
            let result = found(&["--source", source, pattern], &archive).json();
            result["matches"].as_array().unwrap().clone()
        };
        for (source, pattern, path) in [
            ("ghost-file", "\u{7f}ELF", None),
            ("rootfs", "ssh-", Some("/root/.ssh/authorized_keys")),
            ("metadata", "registry.local/shop", None),
        ] {
            let found = find(source, pattern);
            assert!(!found.is_empty(), "{engine}: {source}");
            assert!(
                found.iter().all(|hit| hit["source"] == source && hit["member"].is_string()),
                "{found:?}"
            );
            if let Some(path) = path {
                assert!(found.iter().any(|hit| hit["region"]["path"] == path), "{engine}: {found:?}");
            }
        }
        // The same bytes are found by position in the file that `rootfs cat` gives.
        let hit = find("rootfs", "ssh-")
            .into_iter()
            .find(|hit| hit["region"]["path"] == "/root/.ssh/authorized_keys");
        let hit = hit.unwrap();
        let file = on("rootfs cat /root/.ssh/authorized_keys", &archive).stdout;
        let offset = usize::try_from(hit["offset"].as_u64().unwrap()).unwrap();
        assert!(file[offset..].starts_with(b"ssh-"));
    }
}

#[test]
fn a_queue_is_attributed_to_those_who_hold_it() {
    let archive = fixture("shop-podman");
    let queues = on("queues -o json", &archive).json();
    let queues = queues["queues"].as_array().unwrap();
    assert!(queues.len() >= 3);
    for queue in queues {
        let text = queue["text"].as_str().unwrap();
        let result = found(&["--source", "pipe,socket-queue,tty,message-queue", text], &archive).json();
        let hit = &result["matches"][0];
        let mut pids: Vec<u64> =
            hit["shared_with"].as_array().unwrap().iter().map(|pid| pid.as_u64().unwrap()).collect();
        pids.extend(hit["pid"].as_u64());
        pids.sort_unstable();
        let mut holders: Vec<u64> = ["writers", "readers"]
            .iter()
            .flat_map(|side| queue[*side].as_array().unwrap())
            .map(|pid| pid.as_u64().unwrap())
            .collect();
        holders.sort_unstable();
        holders.dedup();
        assert_eq!(pids, holders, "{queue}");
        assert_eq!(hit["offset"], 0);
        assert_eq!(hit["address"], Value::Null);
    }
}

#[test]
fn coverage_says_what_was_searched_and_what_not() {
    let archive = fixture("shop-podman");
    let all = found(&["--source", "all", "no such text anywhere"], &archive).json();
    let coverage = &all["coverage"];
    assert_eq!(coverage["complete"], true);
    let whys = |coverage: &Value| -> Vec<String> {
        coverage["not_scanned"]
            .as_array()
            .unwrap()
            .iter()
            .map(|gap| gap["why"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(!whys(coverage).contains(&"not-asked-for".to_owned()));
    assert!(whys(coverage).contains(&"only-in-file".to_owned()));
    let one = found(&["--pid", "1", "no such text anywhere"], &archive).json();
    let bytes = |value: &Value, key: &str| -> u64 {
        let list = value["coverage"][key].as_array().unwrap();
        list.iter()
            .filter(|entry| entry["source"] == "memory" && (key == "scanned" || entry["why"] == "left-out"))
            .map(|entry| entry["bytes"].as_u64().unwrap())
            .sum()
    };
    // What one process has and what was left out make up the whole.
    assert_eq!(bytes(&one, "scanned") + bytes(&one, "not_scanned"), bytes(&all, "scanned"));
    // A search that is over before it began is partial, and says so.
    let output = found(&["--timeout", "0", "e"], &archive);
    let stopped = output.json();
    output.status(3);
    assert_eq!(stopped["matches"], Value::Array(Vec::new()));
    assert_eq!(stopped["coverage"]["complete"], false);
    assert_eq!(stopped["coverage"]["stopped"], "timeout");
    assert!(stopped["warnings"].as_array().unwrap().iter().any(|warning| warning["code"] == "timeout"));
}

/// How many bytes of memory were there to be searched once the archive was open.
#[track_caller]
fn stored(ended: &Ended) -> u64 {
    let line = ended.stderr.lines().find(|line| line.starts_with("ckptfx: searched ")).expect("verbose");
    line.split(" of ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .expect("a count")
        .parse()
        .expect("a number")
}

/// What came out, apart from the form and size of the archive.
fn outcome(ended: &Ended) -> (Option<i32>, Vec<String>, Vec<String>) {
    let without_form = |text: &str| {
        let Ok(Value::Object(mut document)) = serde_json::from_str(text) else { return text.to_owned() };
        document.remove("evidence");
        Value::Object(document).to_string()
    };
    let text = String::from_utf8_lossy(&ended.stdout);
    let is_one = serde_json::from_str::<Value>(&text).is_ok();
    let parts: Vec<&str> = if is_one { vec![&text] } else { text.lines().collect() };
    let parts = parts.into_iter().map(without_form).collect();
    let is_measured =
        |line: &str| ["opened", "searched"].iter().any(|word| line.starts_with(&format!("ckptfx: {word} ")));
    let told = ended.stderr.lines().filter(|line| !is_measured(line));
    (ended.status, parts, told.map(str::to_owned).collect())
}

/// Memory is searched while it is decompressed and mostly not stored: nobody may see that in the result.
#[test]
fn a_compressed_archive_gives_what_a_plain_one_gives() {
    let scratch = Scratch::new();
    let words: Vec<String> = (0..40).map(|i| format!("absent-{i}")).collect();
    let list = scratch.put("list", format!("{}\nnginx\nhunter2\n", words.join("\n")));
    let list = list.to_str().expect("UTF-8");
    let searches = [
        "-o jsonl SPLIT-ACROSS-PAGES",
        "-o json -C 100 SPLIT-ACROSS-PAGES",
        "-i -o json PASSWORD",
        "-w -o csv root",
        "-A 300 -B 7 hunter2",
        "-o jsonl --hex 7f454c460201",
        "-o json --encoding all -i widepassword!2026",
        "-o jsonl -e aa -e aaa -e aXa",
        "-c -o json /",
        "-l -e nginx -e python",
        "-o jsonl --perms rw- --source all -e SECRET -e 10.0.0",
        "-o json --threads 1 --comm nginx,kworker/u8:1 http",
        "-o jsonl -m 2 lib",
        "-o jsonl -E hunter[0-9]",
        "-o json there-is-no-such-text",
    ];
    let list = format!("-o jsonl -f {list}");
    let places = [Scratch::new(), Scratch::new(), Scratch::new()];
    for name in ["shop-podman", "shop-crio", "webserver-containerd"] {
        let tar = plain(name);
        let forms = [tar.clone(), Outer::ZstdFrames(3).pack(&tar), Outer::Gzip.pack(&tar)];
        let paths = [0, 1, 2].map(|at: usize| places[at].put("archive", &forms[at]));
        for search in searches.iter().copied().chain([list.as_str()]) {
            let [expected, others @ ..] =
                paths.each_ref().map(|path| outcome(&on(&format!("grep-mem {search}"), path)));
            for other in others {
                assert_eq!(other, expected, "{search} in {name}");
            }
        }
        let [all, some, _] = paths.each_ref().map(|path| stored(&on("grep-mem -v SPLIT-ACROSS", path)));
        assert!(some < all / 2, "{name}: {some} of {all} bytes were stored");
    }
}

#[test]
fn a_match_over_pages_that_lie_apart_in_the_archive_is_found_in_a_compressed_one() {
    let [before, after, _] = incremental();
    let (before, mut after) = Container::new(after).podman_with_previous(&Container::new(before));
    after.list.extend(before.list.iter().filter(|m| m.path.starts_with(b"pre-checkpoint/")).cloned());
    let tar = after.to_tar();
    // The last page of one file and the first of the other.
    let expected = at("000111", &tar);
    assert_eq!(expected, [BASE + 0xffd]);
    for outer in [Outer::Gzip, Outer::Zstd, Outer::Xz, Outer::Bzip2, Outer::Lz4] {
        assert_eq!(at("000111", &outer.pack(&tar)), expected, "{outer:?}");
    }
}

/// A file that is called like pages and is none, and pages that are not where the tar says at first sight.
#[test]
fn only_pages_are_left_out_of_what_is_stored() {
    let big = || Vma::anonymous(BASE, 1 << 20).bytes(0, vec![b'z'; 1 << 20]).bytes(0x8_1000, "needle");
    let mut members = Container::new(Checkpoint::new().process(Process::new(1).bare().memory(big())))
        .podman(PodmanVersion::V5);
    let decoy = Member::file("pages-7.img.log", 0o600, vec![b'z'; 300_000]);
    members.list.push(Member { path: b"dump.log".to_vec(), ..decoy.clone() });
    members.list.push(decoy);
    let tar = members.to_tar();
    let words = "grep-mem -v -o json --source all needle";
    let [plain, packed] = [tar.clone(), Outer::Zstd.pack(&tar)].map(|bytes| on_bytes(words, bytes));
    assert_eq!(outcome(&packed), outcome(&plain));
    let left_out = stored(&plain) - stored(&packed);
    assert_eq!(left_out, (1 << 20) - (64 << 10), "all of the pages but the unit that the needle is in");
}
