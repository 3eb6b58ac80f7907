//! Mappings, threads, credentials, signals and timers, and the core files made of them.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use ckptfx_testkit::{
    Arch, Checkpoint, Container, Creds, Criu, File, Message, PodmanVersion, Process, Registers, Vma,
};
use serde_json::{Value, json};

use crate::support::{
    ARCHIVES, Scratch, WITH_TRUTH, address, ckptfx, codes, finish, fixture, on, on_bytes, skip, truth,
};

fn list<'a>(document: &'a Value, key: &str) -> &'a Vec<Value> {
    document[key].as_array().expect(key)
}

/// Records of a real archive by pid.
fn by_pid(words: &str, key: &str, archive: &str) -> BTreeMap<u64, Vec<Value>> {
    let document = on(&format!("{words} -o json"), fixture(archive)).status(0).json();
    let mut found: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
    for record in list(&document, key) {
        found.entry(record["pid"].as_u64().expect("pid")).or_default().push(record.clone());
    }
    found
}

fn kernel_process(truth: &Value, pid: u64) -> &Value {
    list(truth, "processes").iter().find(|process| process["pid"] == pid).expect("the kernel saw it")
}

fn dump(checkpoint: Checkpoint) -> Vec<u8> {
    Container::new(checkpoint).podman(PodmanVersion::V5).to_tar()
}

#[test]
fn maps_are_what_the_kernel_showed() {
    let mut compared = 0;
    for name in WITH_TRUTH {
        let truth = truth(name);
        for (pid, maps) in by_pid("maps", "maps", name) {
            let kernel: Vec<Value> = list(kernel_process(&truth, pid), "maps")
                .iter()
                .map(|map| {
                    let hex = |key: &str| u64::from_str_radix(map[key].as_str().expect(key), 16).expect(key);
                    json!([hex("start"), hex("end"), map["perms"], hex("offset"), map["name"]])
                })
                .collect();
            let said: Vec<Value> = maps
                .iter()
                .map(|map| {
                    let (start, end) = (address(&map["start"]), address(&map["end"]));
                    json!([start, end, map["perms"], map["offset"], map["path"]])
                })
                .collect();
            assert_eq!(said, kernel, "process {pid} of {name}");
            compared += said.len();
        }
    }
    assert_eq!(compared, 1102);
}

/// Rule, severity and path of everything odd.
fn anomalies(name: &str) -> Vec<(String, String, String)> {
    let document = on("maps --anomalies -o json", fixture(name)).status(0).json();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let mut found = Vec::new();
    for map in list(&document, "maps") {
        for odd in list(map, "anomalies") {
            found.push((text(&odd["rule"]), text(&odd["severity"]), text(&map["path"])));
        }
    }
    found
}

#[test]
fn what_is_odd_is_found_and_nothing_else() {
    let shop = [
        ("deleted-code", "high", "/tmp/.cache/kworkerd (deleted)"),
        ("deleted-code", "high", "/tmp/libinject.so (deleted)"),
        ("writable-code", "high", ""),
        ("memfd-code", "high", "/memfd:x (deleted)"),
    ];
    for name in ARCHIVES {
        let expected: &[(&str, &str, &str)] = match name {
            "scenarios/inject" => &[("writable-code", "high", ""), ("foreign-code-running", "critical", "")],
            "scenarios/cow" => &[
                ("modified-code", "high", "/usr/lib/x86_64-linux-gnu/libc.so.6"),
                // Shared anonymous memory looks like a memfd, and is none.
                ("writable-code", "medium", "/dev/zero (deleted)"),
            ],
            _ if name.starts_with("shop-") => &shop,
            _ => &[],
        };
        let found = anomalies(name);
        let found: Vec<_> = found.iter().map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str())).collect();
        assert_eq!(found, expected, "{name}");
    }
    let document = on("maps --anomalies -o json", fixture("scenarios/cow")).json();
    let evidence = list(&document["maps"][0]["anomalies"][0], "evidence").clone();
    let values: Vec<_> = evidence.iter().map(|fact| (&fact["what"], &fact["value"])).collect();
    assert_eq!(values[0], (&json!("modified pages"), &json!("1")));
    assert_eq!(values[1], (&json!("modified page"), &json!("file offset 0xd5000")));
    assert_eq!(values[2].0, "split mapping");
}

#[test]
fn harmless_causes_are_told_from_harmful_ones() {
    let base = 0x7f00_0000_0000;
    let with = |process: Process| {
        let document = on_bytes("maps --anomalies -o json", dump(Checkpoint::new().process(process))).json();
        list(&document, "maps")
            .iter()
            .flat_map(|map| list(map, "anomalies").clone())
            .map(|odd| {
                format!("{} {}", odd["rule"].as_str().expect("rule"), odd["severity"].as_str().expect("it"))
            })
            .collect::<Vec<_>>()
    };
    let process = || Process::new(1);
    let code = || Vma::file(base, 0x4000, File::mapped("/usr/lib/libx.so"));
    let writable = || Vma::anonymous(base + 0x10_0000, 0x1000).prot(7);
    assert!(with(process().memory(code())).is_empty());
    assert_eq!(with(process().memory(code().bytes(0x2000, "hook"))), ["modified-code high"]);
    assert_eq!(with(process().memory(writable())), ["writable-code high"]);
    let java = || Vma::file(base, 0x4000, File::mapped("/usr/lib/jvm/lib/server/libjvm.so"));
    assert_eq!(with(process().memory(java()).memory(writable())), ["writable-code medium"]);
    let fake = Vma::file(base, 0x4000, File::mapped("/tmp/libjvm.so"));
    assert_eq!(with(process().memory(fake).memory(writable())), ["writable-code high"]);
    let upgraded = Vma::file(base, 0x4000, File::mapped("/usr/lib/libx.so").linked("/usr/lib/link_remap.1"));
    assert_eq!(with(process().memory(upgraded)), ["deleted-code low"]);
    let program = Vma::anonymous(base, 0x2000).prot(5).bytes(0, b"\x7fELF");
    assert_eq!(with(process().memory(program)), ["anonymous-code high"]);
    assert_eq!(with(process().memory(Vma::heap(base, 0x2000).prot(7))), ["executable-heap high"]);
    let inside = process().memory(Vma::anonymous(base, 0x1000).prot(5)).registers(Registers {
        ip: Some(base + 8),
        sp: Some(base - 0x1000),
        ..Registers::default()
    });
    assert_eq!(with(inside.clone()), ["anonymous-code medium", "foreign-code-running high"]);
    let document = on_bytes("threads -o json", dump(Checkpoint::new().process(inside))).json();
    let rules: Vec<_> = list(&document["threads"][0], "anomalies").iter().map(|odd| &odd["rule"]).collect();
    assert_eq!(rules, ["foreign-code-running", "pivoted-stack"]);
}

#[test]
fn threads_are_those_of_the_kernel_and_say_where_they_were() {
    for name in WITH_TRUTH {
        let truth = truth(name);
        for (pid, threads) in by_pid("threads", "threads", name) {
            let said: Vec<Value> =
                threads.iter().map(|thread| json!({"tid": thread["tid"], "comm": thread["comm"]})).collect();
            assert_eq!(json!(said), kernel_process(&truth, pid)["threads"], "process {pid} of {name}");
            for thread in &threads {
                // Everybody slept when the checkpoint was made.
                assert!(thread["syscall"]["name"].is_string(), "{thread}");
                assert!(thread["ip"]["perms"].as_str().expect("mapped").contains('x'), "{thread}");
                assert_eq!(thread["registers"]["ip"], thread["ip"]["address"]);
            }
        }
    }
    let threads = by_pid("threads", "threads", "scenarios/inject");
    let thread = &threads[&1][1];
    assert_eq!(thread["ip"]["perms"], "rwxp");
    assert_eq!(thread["syscall"]["name"], "pause");
    assert_eq!(thread["syscall"]["outcome"], "restart");
}

#[test]
fn registers_of_every_architecture() {
    for (arch, name, ip, call) in [
        (Arch::X86_64, "x86_64", "ip", "execve"),
        (Arch::X86Compat, "i386", "ip", ""),
        (Arch::Arm, "arm", "pc", ""),
        (Arch::Aarch64, "aarch64", "pc", "pivot_root"),
        (Arch::Ppc64le, "ppc64", "nip", ""),
        (Arch::S390x, "s390x", "psw_addr", ""),
        (Arch::Mips64, "mips64", "cp0_epc", ""),
        (Arch::LoongArch64, "loongarch64", "pc", ""),
        (Arch::Riscv64, "riscv64", "pc", ""),
    ] {
        let number = if arch == Arch::Aarch64 { 41 } else { 59 };
        let registers = Registers { syscall: Some(number), ip: Some(0x1234_5678), ..Registers::default() };
        let process = Process::new(1).registers(registers);
        let document =
            on_bytes("threads -o json", dump(Checkpoint::new().arch(arch).process(process))).json();
        let thread = &document["threads"][0];
        assert_eq!(thread["architecture"], name);
        assert_eq!(thread["registers"][ip], "0x12345678", "{name}");
        assert_eq!(thread["ip"]["address"], "0x12345678", "{name}");
        assert_eq!(thread["ip"]["path"], Value::Null, "{name}");
        // A 32-bit x86 task has its in a segment, which this one does not use.
        assert_eq!(thread["tls"].is_string(), arch != Arch::X86Compat, "{name}");
        if !call.is_empty() {
            assert_eq!(thread["syscall"]["name"], call, "{name}");
        }
    }
}

#[test]
fn credentials_are_those_of_the_kernel() {
    for name in WITH_TRUTH {
        let truth = truth(name);
        for (pid, records) in by_pid("creds", "credentials", name) {
            let kernel = kernel_process(&truth, pid);
            assert_eq!(records.len(), 1, "no thread has other credentials");
            let record = &records[0];
            let ids = |ids: &Value| {
                ["real", "effective", "saved", "fs"].map(|kind| ids[kind].as_u64().expect("id").to_string())
            };
            assert_eq!(json!(ids(&record["uid"])), kernel["uid"], "{name} {pid}");
            assert_eq!(json!(ids(&record["gid"])), kernel["gid"], "{name} {pid}");
            let mode = kernel["seccomp"].as_str().expect("mode");
            assert_eq!(
                record["seccomp"],
                ["disabled", "strict", "filter"][mode.parse::<usize>().expect("it")]
            );
            assert_eq!(list(record, "filters").is_empty(), mode == "0", "{name} {pid}");
            assert_eq!(record["no_new_privs"], kernel["no_new_privs"] == "1");
        }
    }
    let text = on("creds --pid 14 --filters", fixture("shop-podman")).status(0).text();
    for line in ["0: ld [4]  ; arch", "1: jeq #0xc000003e, 5, 0  ; x86_64", "ret ERRNO(38)", "ret ALLOW"] {
        assert!(text.lines().any(|found| found.trim_start().ends_with(line)), "{line} is not in: {text}");
    }
}

/// Instructions of 8 bytes.
fn filter(instructions: &[(u16, u8, u8, u32)]) -> Vec<u8> {
    let bytes = |&(code, jt, jf, k): &(u16, u8, u8, u32)| {
        [&code.to_le_bytes()[..], &[jt, jf], &k.to_le_bytes()].concat()
    };
    instructions.iter().flat_map(bytes).collect()
}

#[test]
fn threads_of_a_synchronised_leader_are_filtered_too() {
    let allow = filter(&[(6, 0, 0, 0x7fff_0000)]);
    let process = |flags| {
        let leader = Process::new(1)
            .seccomp(0)
            .thread_with(2, |thread| thread.seccomp_filter = None)
            .thread_with(3, |thread| {
                thread.creds = Some(Creds { uids: [5; 4], ..Creds::default() });
                thread.seccomp_filter = None;
            });
        let checkpoint =
            Checkpoint::new().filter(allow.clone(), Some(1), flags).filter(allow.clone(), None, flags);
        on_bytes("creds -o json", dump(checkpoint.process(leader))).status(0).json()
    };
    let together = process(1);
    let records = list(&together, "credentials");
    let differences: Vec<_> = records.iter().map(|record| (&record["tid"], &record["differs_in"])).collect();
    assert_eq!(differences, [(&json!(1), &json!([])), (&json!(3), &json!(["uid"]))]);
    assert_eq!(records[1]["seccomp"], "filter");
    assert_eq!(records[1]["seccomp_source"], "leader");
    assert_eq!(list(&records[1], "filters").len(), 2);
    let apart = process(0);
    let records = list(&apart, "credentials");
    assert_eq!(records[1]["differs_in"], json!(["seccomp"]));
    assert_eq!(records[1]["seccomp"], "disabled");
}

#[test]
fn chains_of_filters_that_lead_nowhere_are_told() {
    let allow = filter(&[(6, 0, 0, 0x7fff_0000)]);
    for (prev, count) in [(0, 1), (77, 1)] {
        let checkpoint =
            Checkpoint::new().filter(allow.clone(), Some(prev), 0).process(Process::new(1).seccomp(0));
        let document = on_bytes("creds -o json", dump(checkpoint)).status(3).json();
        assert_eq!(codes(&document, true), ["bad-filter-chain"]);
        assert_eq!(list(&document["credentials"][0], "filters").len(), count);
    }
}

#[test]
fn signals_are_those_of_the_kernel() {
    for name in WITH_TRUTH {
        let truth = truth(name);
        for (pid, signals) in by_pid("signals --all", "signals", name) {
            let mask = |disposition: &str| {
                let numbers = signals.iter().filter(|signal| signal["disposition"] == disposition);
                let bit = |signal: &Value| 1_u64 << (signal["number"].as_u64().expect("number") - 1);
                format!("{:016x}", numbers.map(bit).sum::<u64>())
            };
            let kernel = kernel_process(&truth, pid);
            assert_eq!(mask("ignored"), kernel["sig_ign"], "process {pid} of {name}");
            assert_eq!(mask("handled"), kernel["sig_cgt"], "process {pid} of {name}");
            for signal in signals.iter().filter(|signal| signal["disposition"] == "handled") {
                assert!(signal["handler"]["perms"].as_str().expect("mapped").contains('x'), "{signal}");
            }
        }
    }
}

#[test]
fn pending_signals_have_their_sender() {
    let process = Process::new(1)
        .with(|it| it.pending = vec![(15, 0, 77, 1000), (10, -6, 5, 0)])
        .thread_with(2, |thread| thread.pending = vec![(12, -2, 9, 9)]);
    for criu in [Criu::V4_2, Criu::V3_3, Criu::V2_12] {
        let tar = dump(Checkpoint::new().criu(criu).process(process.clone()));
        let document = on_bytes("signals -o json", tar).json();
        let found: Vec<_> =
            list(&document, "signals").iter().map(|signal| (&signal["signal"], &signal["pending"])).collect();
        let expected = [
            ("SIGUSR1", json!({"tid": null, "code": "SI_TKILL", "sender_pid": 5, "sender_uid": 0})),
            ("SIGUSR2", json!({"tid": 2, "code": "SI_TIMER", "timer": 9, "overrun": 9, "value": "0x0"})),
            ("SIGTERM", json!({"tid": null, "code": "SI_USER", "sender_pid": 77, "sender_uid": 1000})),
        ];
        for ((name, pending), (expected_name, expected)) in found.iter().zip(&expected) {
            assert_eq!(
                (name.as_str().expect("name"), pending.as_array().map(Vec::len)),
                (*expected_name, Some(1))
            );
            // What a signal of this kind does not have is null.
            for (key, value) in pending[0].as_object().expect("an object") {
                assert_eq!(value, expected.get(key).unwrap_or(&Value::Null), "{criu:?}: {name} {key}");
            }
        }
        assert_eq!(found.len(), 3);
    }
    // Before CRIU 1.3 they had images of their own.
    let old = dump(Checkpoint::new().criu(Criu::V1_1).process(process.with(|it| it.ignored = vec![1, 64])));
    let document = on_bytes("signals -o json", old).json();
    let found: Vec<_> = list(&document, "signals").iter().map(|signal| &signal["signal"]).collect();
    assert_eq!(found, ["SIGHUP", "SIGUSR1", "SIGTERM", "SIGRTMAX"]);
}

#[test]
fn timers_are_given_in_nanoseconds() {
    let interval = Message::new().uint(1, 1_u32).uint(2, 500_000_u32).uint(3, 0_u32).uint(4, 250_000_u32);
    let posix = [1_u32, 7, 34, 4, 0xbeef, 3, 10, 0, 9, 999_999_999];
    let posix = (1..).zip(posix).fold(Message::new(), |message, (field, value)| message.uint(field, value));
    let idle = (1..=4).fold(Message::new(), |message, field| message.uint(field, 0_u32));
    let timers = Message::new().message(1, &interval).message(2, &idle).message(3, &idle);
    let timers = timers.message(4, &posix.uint(11, 2_u32));
    let process = Process::new(1).with(|it| it.extra_tc = Message::new().message(7, &timers));
    let document = on_bytes("timers -o json", dump(Checkpoint::new().process(process))).status(0).json();
    let timers = list(&document, "timers");
    assert_eq!(timers.len(), 2);
    assert_eq!(timers[0]["kind"], "real");
    assert_eq!(
        (&timers[0]["remaining_ns"], &timers[0]["interval_ns"]),
        (&json!(250_000_000), &json!(1_500_000_000))
    );
    assert_eq!(timers[0]["signal"], "SIGALRM");
    let expected = json!({
        "pid": 1, "comm": "sh", "kind": "posix", "id": 1, "clock": "CLOCK_BOOTTIME", "armed": true,
        "remaining_ns": 9_999_999_999_u64, "interval_ns": 10_000_000_000_u64, "notify": "SIGEV_THREAD_ID",
        "signal": "SIGRTMIN", "notify_tid": 2, "value": "0xbeef", "overrun": 3,
    });
    assert_eq!(timers[1], expected);
    for name in ARCHIVES {
        let document = on("timers -o json", fixture(name)).status(0).json();
        assert!(list(&document, "timers").is_empty(), "{name}");
    }
}

/// Runs gdb on a core; none where there is no gdb.
fn gdb(core: &Path, commands: &[&str]) -> Option<String> {
    let mut command = Command::new("gdb");
    // Without this gdb fills what is missing from files of the machine it runs on.
    command.args(["-nx", "-batch", "-iex", "set sysroot /nonexistent"]);
    command.args(commands.iter().flat_map(|command| ["-ex", *command])).arg("-c").arg(core);
    if Command::new("gdb").arg("--version").output().is_err() {
        skip("there is no gdb");
        return None;
    }
    Some(String::from_utf8_lossy(&finish(&mut command, b"").stdout).into_owned())
}

fn core_of(archive: &Path, pid: u64, target: &Path, more: &[&str]) -> crate::support::Ended {
    let pid = pid.to_string();
    let words = ["core", "--pid", &pid, "--out-file"].map(Into::into).into_iter();
    let words = words.chain([target.into(), archive.into()]).chain(more.iter().map(Into::into));
    ckptfx::<std::ffi::OsString>(words)
}

#[test]
fn gdb_sees_threads_registers_and_memory() {
    let archive = fixture("shop-podman");
    let scratch = Scratch::new();
    let found = on("grep-mem --pid 11 -o json hunter2-correct-horse", &archive).status(0).json();
    let secret = found["matches"][0]["address"].as_str().expect("address").to_owned();
    for (pid, threads) in by_pid("threads", "threads", "shop-podman") {
        let core = scratch.path("core");
        core_of(&archive, pid, &core, &[]).status(0);
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&core).expect("written").permissions().mode() & 0o777, 0o600);
        let print = format!("x/s {secret}");
        let mut commands = vec!["info threads", "thread apply all -ascending info registers rip rsp fs_base"];
        if pid == 11 {
            commands.push(&print);
        }
        let Some(said) = gdb(&core, &commands) else { return };
        for thread in &threads {
            assert!(said.contains(&format!("LWP {}", thread["tid"])), "{said}");
        }
        for (gdb_name, name) in [("rip", "ip"), ("rsp", "sp"), ("fs_base", "fs_base")] {
            let values: Vec<&str> = said
                .lines()
                .filter_map(|line| line.strip_prefix(gdb_name)?.split_whitespace().next())
                .collect();
            let expected: Vec<_> = threads.iter().map(|thread| &thread["registers"][name]).collect();
            assert_eq!(values, expected, "{gdb_name} of process {pid}");
        }
        if pid == 11 {
            assert!(said.contains("hunter2-correct-horse"), "{said}");
        }
    }
}

/// What is not in the checkpoint is not zero for gdb, and never-touched memory is.
#[test]
fn gdb_is_not_given_invented_bytes() {
    let scratch = Scratch::new();
    let core = scratch.path("core");
    core_of(&fixture("shop-podman"), 14, &core, &[]).status(0);
    let threads = by_pid("threads", "threads", "shop-podman");
    let code = format!("x/4xb {}", threads[&14][0]["ip"]["address"].as_str().expect("address"));
    let Some(said) = gdb(&core, &[&code]) else { return };
    assert!(!said.contains("0x00\t"), "{said}");
    // The thread's stack was reserved and, but for its end, never touched.
    let maps = by_pid("maps --pid 14", "maps", "shop-podman");
    let stack = maps[&14]
        .iter()
        .find(|map| map["perms"] == "rw-p" && address(&map["end"]) - address(&map["start"]) == 0x80_0000);
    let zeros = format!("x/4xb {}", stack.expect("a stack")["start"].as_str().expect("address"));
    assert!(gdb(&core, &[&zeros]).expect("gdb").contains("0x00\t0x00\t0x00\t0x00"));
}

fn number(bytes: &[u8], offset: usize, length: usize) -> u64 {
    bytes[offset..offset + length].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// Type and content of each note of a core.
fn notes(core: &[u8]) -> Vec<(u64, Vec<u8>)> {
    assert_eq!(number(core, 64, 4), 4, "the first program header is that of the notes");
    let (start, length) = (number(core, 72, 8) as usize, number(core, 96, 8) as usize);
    let (mut position, mut found) = (start, Vec::new());
    while position < start + length {
        let (name, size) = (number(core, position, 4) as usize, number(core, position + 4, 4) as usize);
        let content = position + 12 + name.next_multiple_of(4);
        found.push((number(core, position + 8, 4), core[content..content + size].to_vec()));
        position = content + size.next_multiple_of(4);
    }
    found
}

#[test]
fn a_core_has_the_bytes_that_dump_gives() {
    let archive = fixture("shop-podman");
    let core = on("core --pid 14", &archive).status(0).stdout;
    let document = on("core --pid 14 -o json", &archive).status(0).json();
    let mut compared = 0;
    let mut end = 0;
    for segment in list(&document, "segments") {
        let Some(offset) = segment["file_offset"].as_u64() else {
            assert!(segment["missing"].is_string(), "{segment}");
            continue;
        };
        let length = segment["file_bytes"].as_u64().expect("length");
        end = offset + length;
        assert_eq!(length, address(&segment["end"]) - address(&segment["start"]));
        if segment["ghost_bytes"] != 0 {
            continue;
        }
        let range = format!(
            "dump --pid 14 --range {}-{}",
            segment["start"].as_str().expect("address"),
            segment["end"].as_str().expect("address")
        );
        let there = &core[offset as usize..(offset + length) as usize];
        assert!(on(&range, &archive).status(0).stdout == there, "{segment}");
        compared += 1;
    }
    assert!(compared > 15, "{compared}");
    assert_eq!(core.len() as u64, end);
    // The program was deleted, and its file is in the checkpoint: it is in the core as well.
    let program = &list(&document, "segments")[0];
    assert_eq!(program["ghost_bytes"], 4096);
    let offset = program["file_offset"].as_u64().expect("offset") as usize;
    assert_eq!(&core[offset..offset + 4], b"\x7fELF");
    let kinds: Vec<u64> = notes(&core).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [1, 3, 6, 0x4649_4c45, 2, 1, 2, 1, 2]);
}

#[test]
fn a_core_of_aarch64_has_its_registers() {
    let registers = Registers { ip: Some(0x1111), sp: Some(0x2222), tls: 0x3333, ..Registers::default() };
    let checkpoint =
        Checkpoint::new().arch(Arch::Aarch64).process(Process::new(1).thread(2).registers(registers));
    let core = on_bytes("core --pid 1", dump(checkpoint)).status(0).stdout;
    assert_eq!((number(&core, 16, 2), number(&core, 18, 2)), (4, 183));
    let notes = notes(&core);
    let kinds: Vec<_> = notes.iter().map(|(kind, content)| (*kind, content.len())).collect();
    assert_eq!(&kinds[..2], [(1, 392), (3, 136)]);
    assert_eq!(&kinds[4..], [(2, 528), (0x401, 8), (1, 392), (2, 528), (0x401, 8)]);
    // x0 to x30 from byte 112 on, then sp and pc.
    assert_eq!(
        (number(&notes[0].1, 112 + 31 * 8, 8), number(&notes[0].1, 112 + 32 * 8, 8)),
        (0x2222, 0x1111)
    );
    assert_eq!(number(&notes[5].1, 0, 8), 0x3333);
    for arch in [Arch::Riscv64, Arch::X86Compat] {
        let other = dump(Checkpoint::new().arch(arch).process(Process::new(1)));
        let refused = on_bytes("core --pid 1", other).status(2);
        assert!(
            refused.stderr.contains("cores are made of x86_64 and aarch64 processes"),
            "{}",
            refused.stderr
        );
    }
}

#[test]
fn only_files_that_were_mapped_are_taken_from_a_sysroot() {
    let base = 0x7f00_0000_0000;
    let process = Process::new(1)
        .memory(Vma::file(base, 0x3000, File::mapped("/lib/by-size.so").size(0x1800)))
        .memory(Vma::file(base + 0x10_0000, 0x1000, File::mapped("/lib/other.so").size(0x1000)))
        .memory(Vma::file(
            base + 0x20_0000,
            0x1000,
            File::mapped("/lib/id.so").size(4).build_id([1, 2, 3, 4]),
        ));
    let scratch = Scratch::new();
    let archive = scratch.put("archive.tar", dump(Checkpoint::new().process(process)));
    fs::create_dir_all(scratch.path("root/usr/lib")).expect("made");
    std::os::unix::fs::symlink("/usr/lib", scratch.path("root/lib")).expect("linked");
    scratch.put("root/usr/lib/by-size.so", [0x5a; 0x1800]);
    scratch.put("root/usr/lib/other.so", [0x5b; 0xfff]);
    scratch.put("root/usr/lib/id.so", "none");
    let root = scratch.path("root");
    let core = scratch.path("core");
    let sysroot = ["--sysroot", root.to_str().expect("UTF-8")];
    let said = core_of(&archive, 1, &core, &sysroot).status(0).stderr;
    for line in [
        "added from sysroot: /lib/by-size.so (same size)",
        "refused from sysroot: /lib/other.so: it has 4095 bytes, not 4096",
        "refused from sysroot: /lib/id.so: it has no build id, where 01020304 is expected",
    ] {
        assert!(said.contains(line), "{said}");
    }
    let listed =
        ckptfx(["core", "--pid", "1", "-o", "json", sysroot[0], sysroot[1], archive.to_str().expect("it")]);
    let document = listed.status(0).json();
    let of = |address: u64| -> Vec<&Value> {
        let inside =
            |segment: &&Value| (address..address + 0x10_0000).contains(&self::address(&segment["start"]));
        list(&document, "segments").iter().filter(inside).collect()
    };
    let [taken, after] = of(base)[..] else { panic!("{document}") };
    assert_eq!((&taken["sysroot_bytes"], &taken["zero_bytes"]), (&json!(0x1800), &json!(0x800)));
    assert_eq!(after["missing"], "after the end of the file");
    let offset = taken["file_offset"].as_u64().expect("offset") as usize;
    let bytes = fs::read(&core).expect("written");
    assert!(bytes[offset..offset + 0x1800].iter().all(|byte| *byte == 0x5a));
    assert!(bytes[offset + 0x1800..offset + 0x2000].iter().all(|byte| *byte == 0));
    for refused in [of(base + 0x10_0000), of(base + 0x20_0000)] {
        assert_eq!(refused[0]["file_bytes"], 0);
    }
}
