//! What processes and threads are, and were doing.

use ckptfx_analysis::{
    process::{Process, environment, history, limits, signal, thread, timer},
    security::credential,
};

use super::kind::{Listing, each};

/// Processes, without their environment.
pub const PROCESSES: Listing<Process> = Listing {
    command: "ps",
    list: "processes",
    columns: &[
        "pid",
        "ppid",
        "pgid",
        "sid",
        "comm",
        "exe",
        "exe_deleted",
        "exe_memfd",
        "cmdline",
        "state",
        "exit_code",
        "exit_signal",
        "uid.real",
        "uid.effective",
        "uid.saved",
        "uid.fs",
        "gid.real",
        "gid.effective",
        "gid.saved",
        "gid.fs",
        "groups",
        "capabilities.effective",
        "capabilities.permitted",
        "capabilities.inheritable",
        "capabilities.bounding",
        "capabilities.ambient",
        "no_new_privs",
        "seccomp",
        "lsm_label",
        "cwd",
        "root",
        "umask",
        "nice",
        "oom_score_adj",
        "loginuid",
        "cgroups",
        "captured_bytes",
        "environ",
        "child_subreaper",
        "dumpable",
        "thp_disabled",
        "membarrier",
        "personality.value",
        "personality.flags",
        "stop_signal",
    ],
    records: |case, ask, give| {
        for task in case.tasks.iter().filter(|task| (ask.wanted)(task)) {
            give(Process { environ: None, ..task.process.clone() })?;
        }
        Ok(())
    },
};

/// Threads: where each was.
pub const THREADS: Listing<thread::ThreadFacts> = Listing {
    command: "threads",
    list: "threads",
    columns: &[
        "pid",
        "tid",
        "comm",
        "state",
        "architecture",
        "ip.address",
        "ip.path",
        "ip.file_offset",
        "ip.perms",
        "ip.kind",
        "sp.address",
        "sp.path",
        "sp.perms",
        "sp.kind",
        "syscall.number",
        "syscall.name",
        "syscall.certain",
        "syscall.arguments",
        "syscall.outcome",
        "scheduler",
        "nice",
        "priority",
        "blocked",
        "parent_death_signal",
        "tls",
        "registers",
        "anomalies",
        "robust_list",
        "rseq.address",
        "signal_stack.address",
        "signal_stack.size",
        "clear_child_tid",
        "timer_slack_ns",
    ],
    records: |case, ask, give| each(thread::threads(case, ask.wanted), give),
};

/// Credentials of processes, and of threads that have others.
pub const CREDENTIALS: Listing<credential::Credentials> = Listing {
    command: "creds",
    list: "credentials",
    columns: &[
        "pid",
        "tid",
        "comm",
        "differs_in",
        "uid.real",
        "uid.effective",
        "uid.saved",
        "uid.fs",
        "gid.real",
        "gid.effective",
        "gid.saved",
        "gid.fs",
        "groups",
        "capabilities.effective",
        "capabilities.permitted",
        "capabilities.inheritable",
        "capabilities.bounding",
        "capabilities.ambient",
        "securebits",
        "no_new_privs",
        "seccomp",
        "seccomp_source",
        "filters",
        "lsm_label",
        "lsm_sockcreate",
    ],
    records: |case, ask, give| each(credential::credentials(case, false, ask.wanted), give),
};

/// Signals that have an action, are blocked or wait.
pub const SIGNALS: Listing<signal::Signal> = Listing {
    command: "signals",
    list: "signals",
    columns: &[
        "pid",
        "comm",
        "signal",
        "number",
        "disposition",
        "handler.address",
        "handler.path",
        "handler.file_offset",
        "handler.perms",
        "handler.kind",
        "flags",
        "mask",
        "blocked_by",
        "pending",
    ],
    records: |case, ask, give| each(signal::signals(case, false, ask.wanted), give),
};

/// Timers.
pub const TIMERS: Listing<timer::Timer> = Listing {
    command: "timers",
    list: "timers",
    columns: &[
        "pid",
        "comm",
        "kind",
        "id",
        "clock",
        "armed",
        "remaining_ns",
        "interval_ns",
        "notify",
        "signal",
        "notify_tid",
        "value",
        "overrun",
    ],
    records: |case, ask, give| each(timer::timers(case, ask.wanted), give),
};

/// Variables of the environments.
pub const VARIABLES: Listing<environment::Variable> = Listing {
    command: "env",
    list: "variables",
    columns: &["pid", "comm", "name", "value"],
    records: |case, ask, give| each(environment::variables(case, ask.wanted), give),
};

/// Resource limits.
pub const LIMITS: Listing<limits::Limit> = Listing {
    command: "limits",
    list: "limits",
    columns: &["pid", "comm", "limit", "soft", "hard"],
    records: |case, ask, give| each(limits::limits(case, ask.wanted), give),
};

/// Commands that were typed.
pub const COMMANDS: Listing<history::TypedCommand> = Listing {
    command: "history",
    list: "commands",
    columns: &["pid", "comm", "exe", "time", "line", "address", "found"],
    records: |case, ask, give| each(history::commands(case, ask.wanted)?, give),
};
