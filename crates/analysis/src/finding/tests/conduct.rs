//! What processes ask of the kernel about themselves.

use super::*;

/// What is found of process 2, a child of process 1.
fn of_child(child: Process) -> Vec<Finding> {
    of(service(1, "/usr/bin/server").child(child))
}

#[test]
fn a_process_that_ends_for_nobody() {
    let ignoring = |signals: &[u32]| {
        let child = service(2, "/usr/bin/worker").with(|process| process.ignored = signals.to_vec());
        severity(&of_child(child), "SIGNALS-IGNORED", Some(2))
    };
    assert_eq!(ignoring(&[1, 15]), Some(Severity::Low));
    // What nohup does, and what shells do in the background.
    assert_eq!(ignoring(&[1]), None);
    assert_eq!(ignoring(&[2, 3]), None);
}

#[test]
fn memory_that_others_are_not_to_see() {
    let hidden = |uid: u32| {
        let child = service(2, "/usr/bin/agent").uid(uid).with(|process| process.dumpable = Some(0));
        severity(&of_child(child), "NOT-DUMPABLE", Some(2))
    };
    assert_eq!(hidden(0), Some(Severity::Low));
    // The kernel does it to a process that changes its user.
    assert_eq!(hidden(33), Some(Severity::Info));
    assert_eq!(severity(&of_child(service(2, "/usr/bin/agent")), "NOT-DUMPABLE", None), None);

    let left_out = |bytes: u64| {
        let memory = Vma::anonymous(0x7f00_0000_0000, bytes).advice([16]).bytes(0, "key");
        severity(&of_child(service(2, "/usr/bin/agent").memory(memory)), "KEPT-OUT-OF-DUMPS", Some(2))
    };
    assert_eq!(left_out(1 << 20), Some(Severity::Low));
    assert_eq!(left_out(0x4000), None);
}

#[test]
fn a_copy_under_another_name() {
    let copy_of = |exe: &str, comm: &str, flags: u32| {
        let child = service(2, exe)
            .comm(comm)
            .fd(5, File::tcp("10.0.0.2:41000", "203.0.113.9:443"))
            .with(|process| process.flags = flags);
        severity(&of_child(child), "FORKED-COPY", Some(2))
    };
    let copy = |comm: &str, flags: u32| copy_of("/usr/bin/server", comm, flags);
    assert_eq!(copy("other", 0x40_0040), Some(Severity::Low));
    assert_eq!(copy("server", 0x40_0040), None);
    assert_eq!(copy("other", 0x40_0000), None);
    // A daemon whose parent ended: the first process took it.
    assert_eq!(copy_of("/usr/sbin/daemon", "daemon", 0x40_0040), None);
}

#[test]
fn rights_that_few_need() {
    let child = service(2, "/usr/bin/worker").uid(33).with(|process| {
        process.flags = 0x40_0100;
        process.oom_score_adj = -1000;
    });
    let findings = of_child(child);
    assert_eq!(severity(&findings, "RIGHTS-USED", Some(2)), Some(Severity::Info));
    assert_eq!(severity(&findings, "NEVER-KILLED", Some(2)), Some(Severity::Low));
    let findings = of_child(service(2, "/usr/bin/worker").uid(33).with(|process| process.flags = 0x40_0000));
    assert_eq!(severity(&findings, "RIGHTS-USED", None), None);
    assert_eq!(severity(&findings, "NEVER-KILLED", None), None);
}

#[test]
fn sessions_and_orphans() {
    let findings = of_child(service(2, "/usr/bin/worker").with(|process| process.sid = Some(77)));
    assert_eq!(severity(&findings, "ODD-SESSION", Some(2)), Some(Severity::Info));
    let findings = of_child(service(2, "/usr/bin/worker").session_leader());
    assert_eq!(severity(&findings, "ODD-SESSION", None), None);
}
