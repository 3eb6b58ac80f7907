//! What an intrusion leaves, and the harmless twin that looks like it.

use std::io::Write as _;

use ckptfx_parser::input::{self, Input, OpenOptions, open_nested};
use ckptfx_testkit::{
    Checkpoint, Container, File, Ghost, Mount, Namespaces, PodmanVersion, Process, Shared, Vma, rich,
};

use super::*;

mod conduct;
mod secrets;

use crate::{Case, files::nested::sources};

/// Writes a container as Podman does, reads it, and gives what is found.
fn triage(container: &Container) -> Vec<Finding> {
    read(&container.podman(PodmanVersion::V5).to_tar())
}

/// Reads an archive and gives what is found.
fn read(tar: &[u8]) -> Vec<Finding> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(tar).unwrap();
    let options = OpenOptions::default();
    let evidence = input::open(&Input::Path(file.path().to_path_buf()), &options).unwrap();
    let mut case = Case::read(&evidence.checkpoints[0]);
    let sources = sources(&mut case, &|member, diagnostics| open_nested(member, &options, diagnostics));
    let facts = Facts::read(&mut case, &sources).unwrap();
    rank(&facts, AttackVersion::V19)
}

fn of(process: Process) -> Vec<Finding> {
    triage(&Container::new(
        Checkpoint::new().filter([6, 0, 0, 0, 0, 0, 0xff, 0x7f], None, 1).process(process),
    ))
}

/// A process of a service, as it is in an ordinary container.
fn service(pid: u32, exe: &str) -> Process {
    let name = exe.rsplit('/').next().unwrap();
    Process::new(pid).comm(&name[..name.len().min(15)]).cmdline([exe]).exe(exe).seccomp(0)
}

/// Severity of the finding with an id, of a process if one is named.
#[track_caller]
fn severity(findings: &[Finding], id: &str, pid: Option<u32>) -> Option<Severity> {
    assert!(detection(id).is_some(), "{id}");
    let mut found = findings.iter().filter(|finding| finding.id == id);
    found.find(|finding| pid.is_none() || finding.subject.pid == pid).map(|finding| finding.severity)
}

/// Ids of what somebody would have to look at.
fn grave(findings: &[Finding]) -> Vec<&str> {
    let grave = findings.iter().filter(|finding| finding.severity >= Severity::Medium);
    grave.map(|finding| finding.id.as_str()).collect()
}

#[test]
fn ordinary_containers_have_nothing_to_look_at() {
    let postgres = service(1, "/usr/lib/postgresql/16/bin/postgres")
        .uid(999)
        .caps(0)
        .fd(6, File::tcp_listen("0.0.0.0:5432"))
        .fd(7, File::unix_listen(70, "/var/run/postgresql/.s.PGSQL.5432"))
        .fd(8, File::regular("/var/lib/postgresql/data/base/1").flags(2).pos(8192).size(8192))
        .fd(
            9,
            File::regular("/var/lib/postgresql/data/base/pgsql_tmp/1.0").flags(2).deleted(Ghost::new("sort")),
        )
        .child(
            service(60, "/usr/lib/postgresql/16/bin/postgres")
                .cmdline(["postgres: app shop 10.0.0.9(5000) idle"])
                .uid(999)
                .caps(0)
                .fd(9, File::tcp("10.0.0.2:5432", "10.0.0.9:5000")),
        );
    let redis = service(1, "/usr/local/bin/redis-server")
        .cmdline(["redis-server *:6379"])
        .environ(["LD_PRELOAD=/usr/lib/libjemalloc.so.2"])
        .uid(999)
        .caps(0)
        .fd(6, File::tcp_listen("0.0.0.0:6379"));
    let node = service(1, "/usr/local/bin/node")
        .cmdline(["node", "/app/server.js"])
        .with(|process| process.comm = b"MainThread".to_vec())
        .memory(Vma::anonymous(0x7f00_0000_0000, 0x1_0000).prot(7).bytes(0, "\x55\x48\u{1}"))
        .fd(20, File::tcp("10.0.0.2:41000", "203.0.113.9:443"));
    let java = service(1, "/usr/lib/jvm/bin/java")
        .memory(
            Vma::file(0x7f20_0000_0000, 0x4000, File::mapped("/usr/lib/jvm/lib/server/libjvm.so")).prot(5),
        )
        .memory(
            Vma::file(0x7f30_0000_0000, 0x4000, File::mapped("/tmp/snappy-1.1.8-libsnappyjava.so")).prot(5),
        )
        .memory(Vma::anonymous(0x7f00_0000_0000, 0x1_0000).prot(7).bytes(0, "code"));
    let shell = Process::new(1)
        .cmdline(["/bin/sh", "-c", "sleep 1000"])
        .seccomp(0)
        .child(service(2, "/usr/bin/sleep"));
    for process in [postgres, redis, node, java, shell] {
        let name = String::from_utf8_lossy(&process.comm).into_owned();
        let findings = of(process);
        let all: Vec<_> =
            findings.iter().map(|finding| (&finding.id, finding.severity, &finding.why)).collect();
        assert!(grave(&findings).is_empty(), "{name}: {all:?}");
    }
}

#[test]
fn code_without_a_file_and_what_runtimes_make() {
    let writable = |exe: &str| {
        let code = Vma::anonymous(0x7f00_0000_0000, 0x1_0000).prot(7).bytes(0, "code");
        severity(&of(service(1, exe).memory(code)), "RWX-ANON-CODE", Some(1))
    };
    assert_eq!(writable("/usr/sbin/daemon"), Some(Severity::High));
    assert_eq!(writable("/usr/bin/node"), Some(Severity::Info));
    let empty = service(1, "/usr/sbin/daemon").memory(Vma::anonymous(0x7f00_0000_0000, 0x1_0000).prot(7));
    assert_eq!(severity(&of(empty), "RWX-ANON-CODE", None), Some(Severity::Low));
}

#[test]
fn a_deleted_program_and_an_upgrade() {
    let deleted = |path: &str| service(1, "/x").exe_file(File::mapped(path).deleted(Ghost::new("\x7fELF")));
    let dropped = of(deleted("/tmp/kworkerds"));
    assert_eq!(severity(&dropped, "EXE-DELETED", Some(1)), Some(Severity::High));
    assert_eq!(severity(&dropped, "EXE-WRITABLE-DIR", Some(1)), Some(Severity::Medium));
    let upgraded = Container::new(Checkpoint::new().process(deleted("/usr/sbin/daemon"))).with(|container| {
        container.rootfs = std::mem::take(&mut container.rootfs).add("var/lib/dpkg/status", 0o644, "x")
    });
    assert_eq!(severity(&triage(&upgraded), "EXE-DELETED", Some(1)), Some(Severity::Low));
}

#[test]
fn programs_in_memory_and_the_runtime_itself() {
    let run = |name: &str| {
        let process =
            service(5, "/x").exe_file(File::memfd(name)).with(|process| process.comm = b"4".to_vec());
        let dump = Checkpoint::new().shared(Shared::memfd(name, 16).bytes(0, "\x7fELF")).process(process);
        let findings = triage(&Container::new(dump));
        (severity(&findings, "EXE-MEMFD", Some(5)), severity(&findings, "COMM-NUMERIC", Some(5)))
    };
    assert_eq!(run("implant"), (Some(Severity::Critical), Some(Severity::Medium)));
    assert_eq!(run("runc_cloned:/proc/self/exe").0, Some(Severity::Info));
}

#[test]
fn a_reverse_shell_and_a_super_server() {
    let shell = |pid| {
        Process::new(pid)
            .comm("bash")
            .cmdline(["bash", "-i"])
            .exe("/bin/bash")
            .stdio(File::tcp("10.0.0.2:40000", "203.0.113.9:4444"))
    };
    let found =
        |parent: &str| severity(&of(service(1, parent).child(shell(9))), "STDIO-SOCKET-SHELL", Some(9));
    assert_eq!(found("/usr/sbin/daemon"), Some(Severity::Critical));
    assert_eq!(found("/usr/sbin/inetd"), Some(Severity::Low));
    // kubectl exec: a terminal whose other side is outside.
    let exec = Process::new(9)
        .comm("bash")
        .cmdline(["bash"])
        .exe("/bin/bash")
        .seccomp(0)
        .stdio(File::pty(0, false, 9));
    assert!(grave(&of(service(1, "/usr/sbin/daemon").child(exec))).is_empty());
}

#[test]
fn a_shell_behind_netcat() {
    let netcat = service(8, "/usr/bin/nc").fd(3, File::tcp("10.0.0.2:40000", "203.0.113.9:4444"));
    let tree = |other: Process| {
        let other = other.fd(10, File::pipe_write(600)).fd(11, File::pipe_read(601));
        let shell = Process::new(9)
            .cmdline(["sh", "-i"])
            .no_fds()
            .fd(0, File::pipe_read(600))
            .fd(1, File::pipe_write(601));
        of(service(1, "/usr/sbin/daemon").child(other).child(shell))
    };
    assert_eq!(severity(&tree(netcat.clone()), "SHELL-RELAY", Some(9)), Some(Severity::High));
    assert_eq!(severity(&tree(netcat), "NETCAT-RUNNING", Some(8)), Some(Severity::Medium));
    // A job runner without a connection.
    assert_eq!(severity(&tree(service(8, "/usr/bin/make")), "SHELL-RELAY", None), None);
}

#[test]
fn shells_of_web_servers_and_their_helpers() {
    let run = |command: &str| {
        let shell = Process::new(9).cmdline(["sh", "-c", command]);
        severity(&of(service(1, "/usr/sbin/php-fpm8.2").child(shell)), "WEB-SPAWN-SHELL", Some(9))
    };
    assert_eq!(run("id; sleep 100"), Some(Severity::High));
    assert_eq!(run("gzip -c /srv/file"), Some(Severity::Low));
    let gzip = of(service(1, "/usr/sbin/php-fpm8.2").child(service(9, "/usr/bin/gzip")));
    assert_eq!(severity(&gzip, "WEB-SPAWN-SHELL", None), None);
}

#[test]
fn libraries_that_are_preloaded() {
    let run = |variable: &str| {
        severity(&of(service(1, "/usr/sbin/daemon").environ([variable])), "PRELOAD-ENV", Some(1))
    };
    assert_eq!(run("LD_PRELOAD=/dev/shm/libprocesshider.so"), Some(Severity::High));
    assert_eq!(run("LD_PRELOAD=/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"), Some(Severity::Info));
    assert_eq!(run("LD_PRELOAD=/tmp/libjemalloc.so.2"), Some(Severity::High), "not where it is installed");
    assert_eq!(run("LD_PRELOAD="), None);
    let global = |line: &str| {
        let container =
            Container::new(Checkpoint::new().process(service(1, "/usr/sbin/daemon"))).with(|container| {
                container.rootfs =
                    std::mem::take(&mut container.rootfs).add("etc/ld.so.preload", 0o644, line);
            });
        severity(&triage(&container), "PRELOAD-GLOBAL", None)
    };
    assert_eq!(global("/usr/local/lib/libhide.so\n"), Some(Severity::Critical));
    assert_eq!(global("/opt/dynatrace/liboneagentproc.so\n"), Some(Severity::Info));
    assert_eq!(global("\n"), None);
}

#[test]
fn emptied_logs_and_rotation() {
    const APPEND: u32 = 0x401;
    let run = |path: &str, flags: u32| {
        let file = File::regular(path).flags(flags).pos(640).size(0);
        severity(&of(service(1, "/usr/sbin/daemon").fd(3, file)), "LOG-TRUNCATED", Some(1))
    };
    assert_eq!(run("/var/log/auth.log", 1), Some(Severity::High));
    assert_eq!(run("/var/log/auth.log", APPEND), None);
    assert_eq!(run("/var/lib/data", 1), None);
    let deleted = |path: &str| {
        let file = File::regular(path).flags(1).deleted(Ghost::new("line"));
        severity(&of(service(1, "/usr/sbin/daemon").fd(3, file)), "LOG-DELETED-OPEN", Some(1))
    };
    assert_eq!(deleted("/var/log/auth.log"), Some(Severity::High));
    assert_eq!(deleted("/var/lib/sort.tmp"), None);
}

#[test]
fn a_server_for_logins_and_an_image_made_for_it() {
    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexampleexampleexampleexample somebody\n";
    let sshd = || service(30, "/usr/sbin/sshd").fd(3, File::tcp_listen("0.0.0.0:2222"));
    let intruded = Container::new(Checkpoint::new().process(service(1, "/usr/sbin/daemon").child(sshd())))
        .with(|container| {
            container.rootfs = std::mem::take(&mut container.rootfs)
                .add("root/.ssh/authorized_keys", 0o600, KEY)
                .add("etc/ssh/sshd_config", 0o600, "PermitRootLogin yes\n")
                .add("usr/sbin/sshd", 0o755, "\x7fELF...")
                .add("usr/lib/x86_64-linux-gnu/security/pam_unix.so", 0o644, "\x7fELF...");
        });
    let findings = triage(&intruded);
    for (id, expected) in [
        ("SSHD-IN-CONTAINER", Severity::Medium),
        ("AUTH-KEYS-ADDED", Severity::High),
        ("SSHD-CONFIG-CHANGED", Severity::High),
        ("SYSTEM-BINARY-CHANGED", Severity::Critical),
    ] {
        assert_eq!(severity(&findings, id, None), Some(expected), "{id}");
    }
    let of_sshd = findings.iter().filter(|finding| finding.story == Story::Process(30)).count();
    assert!(of_sshd > 1, "the changed program is told with the process that runs it");
    let made_for_it = service(1, "/usr/sbin/sshd").cmdline(["/usr/sbin/sshd", "-D"]).seccomp(0);
    let findings = of(made_for_it.fd(3, File::tcp_listen("0.0.0.0:22")));
    assert_eq!(severity(&findings, "SSHD-IN-CONTAINER", None), Some(Severity::Info));
    assert!(grave(&findings).is_empty());
}

#[test]
fn openings_to_the_host() {
    let all = of(service(1, "/usr/sbin/daemon").caps((1 << 41) - 1));
    assert_eq!(severity(&all, "PRIVILEGED", None), Some(Severity::High));
    let admin = of(service(1, "/usr/sbin/daemon").caps(1 << 21));
    assert_eq!(
        (severity(&admin, "PRIVILEGED", None), severity(&admin, "CAPABILITIES", Some(1))),
        (None, Some(Severity::Medium))
    );
    let gained = of(service(1, "/usr/sbin/daemon").child(service(2, "/usr/bin/x").caps(1 << 19)));
    assert_eq!(severity(&gained, "CAPABILITIES", Some(2)), Some(Severity::High));
    let network = Namespaces { net: Namespaces::HOST.net, ..Namespaces::CONTAINER };
    let host = of(service(1, "/usr/sbin/daemon").namespaces(network));
    assert_eq!(severity(&host, "HOST-NAMESPACE", None), Some(Severity::Medium));
    let left = of(service(1, "/usr/sbin/daemon").child(service(2, "/bin/sh").namespaces(Namespaces::HOST)));
    assert_eq!(severity(&left, "FOREIGN-NAMESPACE", Some(2)), Some(Severity::Critical));
    let dump = Checkpoint::new().process(service(1, "/usr/sbin/daemon"));
    let socket = Mount::bind(150, "/docker.sock", "/var/run/docker.sock");
    let mounted = triage(&Container::new(dump.clone().mount(socket)));
    assert_eq!(severity(&mounted, "ENGINE-SOCKET", None), Some(Severity::High));
    let bound = |source: &str| {
        let container = Container::new(dump.clone()).with(|container| {
            container.binds.push((source.to_owned(), "/host".to_owned()));
        });
        severity(&triage(&container), "HOST-PATH", None)
    };
    assert_eq!(bound("/"), Some(Severity::High));
    assert_eq!(bound("/var/lib/kubelet"), Some(Severity::Medium));
    assert_eq!(bound("/var/lib/kubelet/pods/1/volumes/x"), None);
    assert_eq!(bound("/srv/data"), None);
}

#[test]
fn what_waits_and_what_listens() {
    let findings = triage(&Container::new(rich()));
    for (id, pid) in [
        ("ESCAPE-HANDLE", 7),
        ("PACKET-SOCKET", 7),
        ("RAW-SOCKET", 7),
        ("FD-IN-FLIGHT", 7),
        ("PRELOAD-ENV", 7),
        ("QUEUE-COMMAND", 20),
    ] {
        assert!(severity(&findings, id, Some(pid)) >= Some(Severity::Medium), "{id}");
    }
    let passing = service(1, "/usr/sbin/daemon")
        .fd(3, File::regular("/srv/x").label("passed"))
        .fd(7, File::unix(501, 502).queued_with("x", [File::same_as("passed")]))
        .fd(8, File::unix(502, 501));
    assert_eq!(severity(&of(passing), "FD-IN-FLIGHT", None), Some(Severity::Info));
}

#[test]
fn miners_are_told_by_more_than_one_word() {
    let run = |text: &str| {
        let process =
            service(1, "/usr/sbin/daemon").memory(Vma::heap(0x5555_5600_0000, 0x1_0000).bytes(0x100, text));
        severity(&of(process), "MINER-STRINGS", Some(1))
    };
    assert_eq!(run("stratum+tcp://pool.example:3333 --donate-level 1"), Some(Severity::Critical));
    assert_eq!(run("stratum+tcp://pool.example:3333"), Some(Severity::Medium));
    assert_eq!(run("a list of bad words: xmrig"), Some(Severity::Info));
    assert_eq!(run("nothing of the kind"), None);
}

#[test]
fn names_that_are_not_theirs() {
    let named = |comm: &str, exe: &str| of(service(1, exe).with(|process| process.comm = comm.into()));
    assert_eq!(
        severity(&named("kworker/0:1", "/usr/bin/x"), "KTHREAD-MASQUERADE", Some(1)),
        Some(Severity::High)
    );
    assert_eq!(severity(&named("sshd", "/usr/bin/x"), "NAME-MIMICRY", Some(1)), Some(Severity::Medium));
    assert_eq!(severity(&named("sshd", "/usr/sbin/sshd"), "NAME-MIMICRY", None), None);
    assert_eq!(
        severity(&named("a\u{1b}[2Jb", "/usr/bin/x"), "NAME-CONTROL", Some(1)),
        Some(Severity::Medium)
    );
}

#[test]
fn each_subject_has_one_story_and_no_doubles() {
    let findings = triage(&Container::new(rich()));
    let stories = stories(&findings);
    let mut names: Vec<Story> = stories.iter().map(|story| story[0].story).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "a story is in one piece");
    for (index, finding) in findings.iter().enumerate() {
        let same = |other: &Finding| other.id == finding.id && other.subject == finding.subject;
        assert!(!findings[index + 1..].iter().any(same), "{} twice", finding.id);
        assert!(!finding.evidence.is_empty() && finding.score <= 100, "{}", finding.id);
    }
    let scores: Vec<u32> =
        stories.iter().filter_map(|story| story.iter().map(|finding| finding.score).max()).collect();
    assert!(scores.is_sorted_by(|one, other| one >= other), "{scores:?}");
}
