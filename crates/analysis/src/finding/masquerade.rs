//! Processes that call themselves what they are not (`format.md §16.2`, rule 15).

use super::{Confidence, Facts, Hit, Severity, known, next_step::Topic, record::about};
use crate::process::Process;

/// Names of kernel threads: no process with a program has one.
const KERNEL_THREADS: [&[u8]; 14] = [
    b"kworker",
    b"kthreadd",
    b"ksoftirqd",
    b"kswapd",
    b"migration/",
    b"rcu_sched",
    b"rcu_preempt",
    b"watchdog/",
    b"kcompactd",
    b"khugepaged",
    b"jbd2/",
    b"kdevtmpfs",
    b"kblockd",
    b"scsi_eh_",
];
/// Names that processes like to hide behind, as they run on nearly every system.
const WELL_KNOWN: [&[u8]; 12] = [
    b"systemd",
    b"init",
    b"sshd",
    b"cron",
    b"crond",
    b"dbus-daemon",
    b"rsyslogd",
    b"auditd",
    b"agetty",
    b"containerd",
    b"dockerd",
    b"kubelet",
];
/// Longest name of a thread.
const COMM_LENGTH: usize = 15;

/// The first word of a command line without what some programs put around it: `nginx: master` is `nginx`.
fn title(process: &Process) -> &[u8] {
    let first = known::words(process).next().unwrap_or_default();
    let first = first.strip_prefix(b"-").unwrap_or(first);
    let end = first.iter().position(|byte| matches!(byte, b':' | b' '));
    known::basename(first.get(..end.unwrap_or(first.len())).unwrap_or_default())
}

fn is_kernel_thread(name: &[u8]) -> bool {
    let bare = name.strip_prefix(b"[").unwrap_or(name);
    KERNEL_THREADS.iter().any(|known| {
        bare.strip_prefix(*known).is_some_and(|rest| {
            known.ends_with(b"/") || rest.first().is_none_or(|byte| !byte.is_ascii_lowercase())
        })
    })
}

fn is_bracketed(name: &[u8]) -> bool {
    name.len() > 2 && name.starts_with(b"[") && name.contains(&b']')
}

/// Processes that look like threads of the kernel.
pub fn kernel_thread(facts: &Facts<'_>) -> Vec<Hit> {
    let with_program = facts.living().filter(|process| process.exe.is_some());
    with_program
        .filter_map(|process| {
            let comm = process.comm.as_ref().map(|comm| comm.0.as_slice()).unwrap_or_default();
            let first = known::words(process).next().unwrap_or_default();
            let named = |name: &[u8]| is_bracketed(name) || is_kernel_thread(name);
            let program = known::program(process);
            if !named(comm) && !named(first) && !is_kernel_thread(program) {
                return None;
            }
            let mut hit = Hit::new(about(process), "poses as a kernel thread but runs an executable")
                .more(Topic::Processes.of(process.pid));
            if let Some(exe) = &process.exe {
                hit = hit.fact("executable", "files.img", exe.clone());
            }
            if named(comm) {
                hit = hit.fact("name", format!("core-{}.img", process.pid), comm);
            }
            if named(first) {
                hit = hit.fact("command", format!("mm-{}.img", process.pid), process.command());
            }
            Some(hit)
        })
        .collect()
}

/// Processes with the name of a well-known program, which they do not run.
pub fn mimicry(facts: &Facts<'_>) -> Vec<Hit> {
    let named = facts.living().filter(|process| process.exe.is_some() && !known::is_interpreter(process));
    named
        .filter_map(|process| {
            let comm = process.comm.as_ref().map(|comm| comm.0.as_slice()).unwrap_or_default();
            let program = known::program(process);
            let name = [comm, title(process)].into_iter().find(|name| WELL_KNOWN.contains(name))?;
            // systemd-executor calls itself by what it starts; tini, catatonit and s6 are called init.
            let related = program.windows(name.len()).any(|part| part == name)
                || program.starts_with(b"systemd")
                || (name == b"init" && process.ppid == Some(0));
            if related {
                return None;
            }
            let hit = Hit::new(about(process), "has the name of a program it does not run")
                .fact("name", format!("core-{}.img", process.pid), name)
                .more(Topic::Processes.of(process.pid));
            process.exe.as_ref().map(|exe| hit.fact("executable", "files.img", exe.clone()))
        })
        .collect()
}

/// Processes whose name is a number: what `execve("/proc/self/fd/3")` leaves.
pub fn numeric(facts: &Facts<'_>) -> Vec<Hit> {
    let numbered = facts.living().filter(|process| {
        process.comm.as_ref().is_some_and(|comm| {
            !comm.0.is_empty() && comm.0.len() < 6 && comm.0.iter().all(u8::is_ascii_digit)
        })
    });
    numbered
        .filter(|process| process.comm.as_ref().is_some_and(|comm| known::program(process) != comm.0))
        .map(|process| {
            let comm = process.comm.clone().unwrap_or_default();
            Hit::new(about(process), "name is a number: started through the descriptor of that number")
                .fact("name", format!("core-{}.img", process.pid), comm)
                .more(Topic::Processes.of(process.pid))
        })
        .collect()
}

/// Processes whose name has nothing to do with their program or command line.
pub fn other_name(facts: &Facts<'_>) -> Vec<Hit> {
    let named =
        facts.living().filter(|process| process.exe_memfd != Some(true) && !known::is_interpreter(process));
    named
        .filter_map(|process| {
            let comm = process.comm.as_ref().map(|comm| comm.0.as_slice()).filter(|comm| !comm.is_empty())?;
            let program = known::program(process);
            let cut = |name: &[u8]| name.get(..COMM_LENGTH.min(name.len())).unwrap_or_default().to_vec();
            let same = |name: &[u8]| {
                let name = cut(name);
                !name.is_empty() && (name.starts_with(comm) || comm.starts_with(&name))
            };
            // A script has the name of its file, which is an argument.
            let related = program.is_empty()
                || program == b"busybox"
                || same(program)
                || known::words(process).any(|word| same(known::basename(word)))
                || same(title(process))
                // What looks like a thread of the kernel is another finding.
                || is_bracketed(comm)
                || is_kernel_thread(comm)
                || comm.iter().all(u8::is_ascii_digit);
            let hit = Hit::new(about(process), "name matches neither its program nor its command line")
                .fact("name", format!("core-{}.img", process.pid), comm)
                .fact("command", format!("mm-{}.img", process.pid), process.command());
            (!related).then(|| hit.more(Topic::Processes.of(process.pid)))
        })
        .collect()
}

/// Processes that removed their command line.
pub fn no_command_line(facts: &Facts<'_>) -> Vec<Hit> {
    let wiped = facts.living().filter(|process| {
        process.exe.is_some()
            && process.cmdline.as_ref().is_some_and(|words| words.iter().all(|word| word.0.is_empty()))
    });
    wiped
        .map(|process| {
            Hit::new(about(process), "empty command line: started without arguments, or wiped")
                .fact("command line", format!("mm-{}.img", process.pid), "")
                .more(Topic::Processes.of(process.pid))
        })
        .collect()
}

/// Names that a terminal would not show as they are.
pub fn control_characters(facts: &Facts<'_>) -> Vec<Hit> {
    let is_odd = |name: &[u8]| {
        let text = String::from_utf8_lossy(name);
        name.last().is_some_and(|byte| *byte == b' ')
            || text.chars().any(|character| {
                character.is_control()
                    || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            })
    };
    facts
        .living()
        .filter_map(|process| {
            let comm = process.comm.as_ref().map(|comm| comm.0.as_slice()).unwrap_or_default();
            let exe = process.exe.as_ref().map(|exe| exe.0.as_slice()).unwrap_or_default();
            let odd = [comm, exe].into_iter().find(|name| is_odd(name))?;
            let hit = Hit::new(about(process), "name contains characters that disguise it").fact(
                "name",
                format!("core-{}.img", process.pid),
                odd,
            );
            Some(hit.confidence(Confidence::High).severity(Severity::Medium))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_threads_have_their_own_names() {
        for name in
            ["[kworker/0:1]", "kworker/u8:2-events", "kthreadd", "[kthreadd]", "ksoftirqd/0", "migration/1"]
        {
            assert!(is_kernel_thread(name.as_bytes()), "{name}");
        }
        for name in ["kworkerd", "kubelet", "initramfs", "migrate", "watchdogd"] {
            assert!(!is_kernel_thread(name.as_bytes()), "{name}");
        }
        assert!(is_bracketed(b"[anything]") && !is_bracketed(b"["));
    }
}
