//! How processes carry themselves: what they ignore, what they keep out of sight, and whose rights they used
//! (`format.md §16.2`, rules 38, 41, 42, 45, 46, 48 and 50). Each alone is weak; beside other findings of the same process it tells.

use super::{Facts, Hit, Severity, asked::Conduct, next_step::Topic, record::about};
use crate::process::Process;

/// `PF_FORKNOEXEC` of `task_struct.flags`: forked, and has run nothing else since.
const FORKED_WITHOUT_EXEC: u32 = 0x40;
/// `PF_SUPERPRIV`: used rights of the superuser.
const USED_RIGHTS: u32 = 0x100;
/// Less than this is what libraries of cryptography keep out of core files for a key.
const SIZEABLE: u64 = 256 << 10;
const SIGHUP: u32 = 1;
const SIGTERM: u32 = 15;
/// `OOM_SCORE_ADJ_MIN`.
const NEVER_KILLED: i32 = -1000;

/// Conduct and process of all but the first, which is what the container was made for.
fn others<'f>(facts: &'f Facts<'_>) -> impl Iterator<Item = (&'f Conduct, &'f Process)> {
    let first = facts.first().map(|process| process.pid);
    let of = facts.conduct.iter().filter(move |conduct| Some(conduct.pid) != first);
    of.filter_map(|conduct| Some((conduct, facts.process(conduct.pid)?)))
}

fn core_image(process: &Process) -> String {
    format!("core-{}.img", process.pid)
}

/// Processes that neither a lost terminal nor a request to end ends.
pub fn signals_ignored(facts: &Facts<'_>) -> Vec<Hit> {
    others(facts)
        .filter(|(conduct, _)| [SIGHUP, SIGTERM].iter().all(|signal| conduct.ignored.contains(signal)))
        .map(|(_, process)| {
            Hit::new(about(process), "ignores SIGHUP and SIGTERM")
                .fact("ignored", core_image(process), "SIGHUP SIGTERM")
                .more(Topic::Signals.of(process.pid))
        })
        .collect()
}

/// Processes that keep others from looking at them.
pub fn not_dumpable(facts: &Facts<'_>) -> Vec<Hit> {
    let user = |process: &Process| process.uid.as_ref().map(|uid| (uid.real, uid.effective));
    others(facts)
        .filter(|(conduct, _)| conduct.dumpable == Some(0))
        .map(|(_, process)| {
            let hit = Hit::new(about(process), "not dumpable: other processes cannot read its memory")
                .fact("dumpable", format!("mm-{}.img", process.pid), "0")
                .more(Topic::Credentials.of(process.pid));
            let same_user = facts.parent(process).is_some_and(|parent| user(parent) == user(process));
            // The kernel does it to whoever changes the user.
            if same_user {
                hit
            } else {
                hit.harmless(Severity::Info, "a process that changes its user becomes so by itself")
            }
        })
        .collect()
}

/// Memory excluded from core dumps.
pub fn kept_out_of_dumps(facts: &Facts<'_>) -> Vec<Hit> {
    let with_size = facts.conduct.iter().filter_map(|conduct| {
        let size = conduct.left_out.iter().fold(0_u64, |sum, (_, length)| sum.saturating_add(*length));
        let (start, _) = conduct.left_out.first()?;
        (size >= SIZEABLE).then_some((conduct, *start, size))
    });
    with_size
        .filter_map(|(conduct, start, size)| {
            let process = facts.process(conduct.pid)?;
            let hit = Hit::new(
                about(process).address(format!("{start:#x}")),
                "much of its memory is excluded from core dumps; the checkpoint has it anyway",
            );
            Some(
                hit.fact("bytes with MADV_DONTDUMP", format!("mm-{}.img", process.pid), size.to_string())
                    .more(Topic::Maps.of(process.pid)),
            )
        })
        .collect()
}

/// Processes that adopt the orphans below them.
pub fn subreaper(facts: &Facts<'_>) -> Vec<Hit> {
    others(facts)
        .filter(|(conduct, _)| conduct.subreaper)
        .map(|(_, process)| {
            Hit::new(about(process), "adopts orphaned descendants (child subreaper)")
                .fact("child_subreaper", core_image(process), "true")
                .more(Topic::Processes.of(process.pid))
        })
        .collect()
}

/// Rights of the superuser used by somebody else.
pub fn rights_used(facts: &Facts<'_>) -> Vec<Hit> {
    let has_used = |conduct: &Conduct| conduct.flags.is_some_and(|flags| flags & USED_RIGHTS != 0);
    others(facts)
        .filter(|(conduct, _)| has_used(conduct))
        .filter_map(|(_, process)| {
            let uid = process.uid.as_ref()?.effective.filter(|uid| *uid != 0)?;
            let hit = Hit::new(about(process), "has used root privileges without being root")
                .fact("flags", core_image(process), "PF_SUPERPRIV")
                .fact("effective user", core_image(process), uid.to_string());
            Some(hit.more(Topic::Credentials.of(process.pid)))
        })
        .collect()
}

/// Copies of a process that took another name and are on the network.
pub fn forked_copy(facts: &Facts<'_>) -> Vec<Hit> {
    others(facts)
        .filter(|(conduct, _)| conduct.flags.is_some_and(|flags| flags & FORKED_WITHOUT_EXEC != 0))
        .filter_map(|(_, process)| {
            // One whose parent ended has another now, whose copy it is not.
            let parent =
                facts.parent(process).filter(|parent| parent.exe.is_some() && parent.exe == process.exe)?;
            let own = process.comm.as_ref().filter(|comm| Some(*comm) != parent.comm.as_ref())?;
            facts.sockets_of(process.pid).find(|socket| matches!(socket.family, Some("inet" | "inet6")))?;
            Some(
                Hit::new(
                    about(process),
                    "forked copy of its parent under another name, with a network connection",
                )
                .fact("name", core_image(process), own.clone())
                .fact(
                    "name of the parent",
                    core_image(parent),
                    parent.comm.clone().unwrap_or_else(|| "?".into()),
                )
                .fact("flags", core_image(process), "PF_FORKNOEXEC")
                .more(Topic::Sockets.of(process.pid)),
            )
        })
        .collect()
}

/// Processes that the kernel must not kill when memory is short, where the container has no such right.
pub fn never_killed(facts: &Facts<'_>) -> Vec<Hit> {
    let is_immune = |process: &Process| process.oom_score_adj == Some(NEVER_KILLED);
    if facts.first().is_none_or(is_immune) {
        return Vec::new();
    }
    facts
        .living()
        .filter(|process| is_immune(process))
        .map(|process| {
            Hit::new(about(process), "exempt from the OOM killer, unlike the container's first process")
                .fact("oom_score_adj", core_image(process), NEVER_KILLED.to_string())
                .more(Topic::Limits.of(process.pid))
        })
        .collect()
}

/// Sessions whose leader is not in the tree.
pub fn odd_session(facts: &Facts<'_>) -> Vec<Hit> {
    others(facts)
        .filter_map(|(_, process)| {
            let session = process.sid.filter(|sid| facts.process(*sid).is_none())?;
            let (why, shown) = match session {
                0 => ("its session began outside the container: started by exec or injected", "0".to_owned()),
                ended => ("session leader has exited: it runs in the background", ended.to_string()),
            };
            Some(
                Hit::new(about(process), why)
                    .fact("session", "pstree.img", shown)
                    .more(Topic::Processes.of(process.pid)),
            )
        })
        .collect()
}

/// A container that is itself the copy of an earlier checkpoint.
pub fn restored(facts: &Facts<'_>) -> Vec<Hit> {
    let hit = |restored: &jiff::Timestamp| {
        Hit::new(
            super::Subject::default(),
            "restored from an earlier checkpoint: earlier activity happened elsewhere",
        )
        .fact("restored", "config.dump", restored.to_string())
        .more(Topic::Overview.all())
    };
    facts.container.restored.iter().map(hit).collect()
}
