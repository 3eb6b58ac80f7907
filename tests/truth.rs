//! What the program says of real checkpoints equals what the kernel said of the same processes.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{Scratch, WITH_TRUTH, address, by_pid, ckptfx, on, plain, truth};

/// Bits of `linux/capability.h`, written down here a second time on purpose.
const CAPABILITIES: &str = "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP \
    LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO \
    SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD \
    LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND \
    AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE";

fn capabilities(mask: &Value) -> Value {
    let mask = u64::from_str_radix(mask.as_str().expect("mask"), 16).expect("hexadecimal");
    let names = CAPABILITIES.split_whitespace().enumerate();
    json!(
        names
            .filter(|(bit, _)| mask >> bit & 1 == 1)
            .map(|(_, name)| format!("CAP_{name}"))
            .collect::<Vec<_>>()
    )
}

fn number(value: &Value) -> Value {
    json!(value.as_str().expect("text").parse::<u64>().expect("a number"))
}

fn ids(values: &Value) -> Value {
    json!({"real": number(&values[0]), "effective": number(&values[1]),
           "saved": number(&values[2]), "fs": number(&values[3])})
}

/// The kernel's record in the words of `ps -o json`.
fn expected(process: &Value) -> Value {
    let exe = process["exe"].as_str().expect("exe");
    let bare = exe.strip_suffix(" (deleted)");
    // The one difference of spelling: a memfd is `memfd:NAME`, where the kernel makes up a path.
    let memfd = bare.and_then(|path| path.strip_prefix("/memfd:")).map(|name| format!("memfd:{name}"));
    let numbers = |list: &Value| json!(list.as_array().expect("list").iter().map(number).collect::<Vec<_>>());
    let state = match process["state"].as_str().expect("state").chars().next() {
        Some('R' | 'S' | 'D') => "running",
        Some('T') => "stopped",
        Some('Z') => "zombie",
        other => panic!("state {other:?}"),
    };
    let threads = process["threads"].as_array().expect("threads").iter();
    json!({
        "pid": process["pid"],
        "ppid": process["ppid"],
        // One number for each pid namespace; the last is the container's.
        "pgid": number(process["pgid"].as_array().expect("list").last().expect("own namespace")),
        "sid": number(process["sid"].as_array().expect("list").last().expect("own namespace")),
        "comm": process["comm"],
        "state": state,
        "exe": memfd.clone().unwrap_or_else(|| bare.unwrap_or(exe).to_owned()),
        "exe_deleted": bare.is_some(),
        "exe_memfd": memfd.is_some(),
        "cmdline": process["cmdline"],
        "environ": process["environ"],
        "uid": ids(&process["uid"]),
        "gid": ids(&process["gid"]),
        "groups": numbers(&process["groups"]),
        "capabilities": {
            "inheritable": capabilities(&process["caps"]["CapInh"]),
            "permitted": capabilities(&process["caps"]["CapPrm"]),
            "effective": capabilities(&process["caps"]["CapEff"]),
            "bounding": capabilities(&process["caps"]["CapBnd"]),
            "ambient": capabilities(&process["caps"]["CapAmb"]),
        },
        "no_new_privs": process["no_new_privs"] == "1",
        "seccomp": (["disabled", "strict", "filter"]
            [process["seccomp"].as_str().expect("mode").parse::<usize>().expect("mode")]),
        "cwd": process["cwd"],
        "root": process["root"],
        "umask": process["umask"],
        "threads": threads
            .map(|thread| json!({"tid": thread["tid"], "comm": thread["comm"], "state": state}))
            .collect::<Vec<_>>(),
    })
}

/// The processes below the container's first one: what CRIU dumps. The truth has others too when a process
/// was started into the container or re-parented.
fn dumped(truth: &Value) -> BTreeMap<u64, &Value> {
    let all = truth["processes"].as_array().expect("processes");
    let pid = |process: &Value| process["pid"].as_u64().expect("pid");
    let ppid = |process: &Value| process["ppid"].as_u64().expect("ppid");
    let first = all.iter().filter(|process| ppid(process) == 0).map(pid).min().expect("a first process");
    let mut tree = BTreeMap::new();
    let mut pending = vec![first];
    while let Some(parent) = pending.pop() {
        tree.extend(all.iter().filter(|process| pid(process) == parent).map(|process| (parent, process)));
        pending.extend(all.iter().filter(|process| ppid(process) == parent).map(pid));
    }
    tree
}

#[test]
fn processes_are_those_that_the_kernel_saw() {
    let mut compared = 0;
    for name in WITH_TRUTH {
        let truth = truth(name);
        let said = on("ps --env -o json", crate::support::fixture(name)).status(0).json();
        assert_eq!(said["warnings"], json!([]), "{name}");
        let said = by_pid(&said);
        let tree = dumped(&truth);
        assert_eq!(said.keys().collect::<Vec<_>>(), tree.keys().collect::<Vec<_>>(), "{name}");
        for (pid, process) in tree {
            let expected = expected(process);
            for (key, value) in expected.as_object().expect("object") {
                assert_eq!(&said[&pid][key], value, "{key} of process {pid} of {name}");
                compared += 1;
            }
        }
    }
    // Nobody can empty the truth files unseen.
    assert!(compared > 500, "only {compared} facts were compared");
}

#[test]
fn a_process_outside_the_tree_is_not_made_up() {
    // CRI-O re-parents nginx, which made itself a daemon, to the pause process: CRIU does not see it.
    let truth = truth("shop-crio");
    let all = truth["processes"].as_array().expect("processes").len();
    assert_eq!((all, dumped(&truth).len()), (9, 6));
    let info = on("info -o json", crate::support::fixture("shop-crio")).status(0);
    assert!(info.text().contains("re-parented"), "{}", info.text());
}

#[test]
fn private_memory_is_what_the_kernel_saw() {
    let scratch = Scratch::new();
    let mut compared = 0;
    for name in WITH_TRUTH {
        let archive = scratch.put("archive.tar", plain(name));
        let truth = truth(name);
        for (pid, process) in dumped(&truth) {
            for map in process["maps"].as_array().expect("maps") {
                let Some(expected) = map["sha256"].as_str() else { continue };
                let text = |key: &str| map[key].as_str().expect("an address").to_owned();
                let range = format!("0x{}-0x{}", text("start"), text("end"));
                let pid = pid.to_string();
                let dump = ckptfx(
                    ["dump", "--pid", &pid, "--range", &range]
                        .map(Into::into)
                        .into_iter()
                        .chain([archive.clone().into_os_string()]),
                )
                .status(0);
                let sha256: String =
                    Sha256::digest(&dump.stdout).iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(sha256, expected, "{range} of process {pid} of {name}");
                compared += 1;
            }
        }
    }
    assert!(compared > 200, "only {compared} mappings were compared");
}

/// Mappings have the addresses, permissions and names that `/proc/PID/maps` shows.
#[test]
fn mappings_are_those_that_the_kernel_saw() {
    type Mapping = (u64, u64, String, String);
    for name in WITH_TRUTH {
        let truth = truth(name);
        for (pid, process) in dumped(&truth) {
            let words = format!("dump --pid {pid} -o json");
            let said = on(&words, crate::support::fixture(name)).status(0).json();
            let mut mappings: BTreeMap<u64, Mapping> = BTreeMap::new();
            for piece in said["pieces"].as_array().expect("pieces") {
                let text = |key: &str| piece[key].as_str().expect(key).to_owned();
                let (start, end) = (address(&piece["start"]), address(&piece["end"]));
                mappings
                    .entry(piece["vma"].as_u64().expect("index"))
                    .and_modify(|mapping| mapping.1 = end)
                    .or_insert_with(|| (start, end, text("perms"), text("path")));
            }
            let said: Vec<Mapping> = mappings.into_values().collect();
            let mut kernel: Vec<Mapping> = Vec::new();
            for map in process["maps"].as_array().expect("maps") {
                let text = |key: &str| map[key].as_str().expect(key).to_owned();
                let hex = |key: &str| u64::from_str_radix(&text(key), 16).expect(key);
                kernel.push((hex("start"), hex("end"), text("perms"), text("name")));
            }
            assert_eq!(said, kernel, "process {pid} of {name}");
        }
    }
}
