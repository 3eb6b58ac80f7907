//! Who processes and threads are and what they may do (`format.md §3.3`, `§3.4`).

use ckptfx_parser::{dynamic::lookup, proto};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Case, Task, Text,
    container::clues,
    process::{self, Capabilities, Ids, State, thread_image},
    security::seccomp::{Filter, Filters, Source},
};

/// Credentials of a process, or of a thread that has others than its leader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Credentials {
    /// The process.
    pub pid: u32,
    /// The thread; the leader's id is the pid.
    pub tid: u32,
    /// Its name.
    pub comm: Option<Text>,
    /// What it has other than the leader; empty for the leader.
    pub differs_in: Vec<&'static str>,
    /// User ids in the process's user namespace.
    pub uid: Option<Ids>,
    /// Group ids in the process's user namespace.
    pub gid: Option<Ids>,
    /// Supplementary groups.
    pub groups: Option<Vec<u32>>,
    /// Capabilities.
    pub capabilities: Option<Capabilities>,
    /// Secure bits.
    pub securebits: Option<Vec<String>>,
    /// Whether execve can no longer gain privileges; null when CRIU was too old to record it.
    pub no_new_privs: Option<bool>,
    /// `disabled`, `strict` or `filter`; null when CRIU was too old to record it.
    pub seccomp: Option<&'static str>,
    /// Where the images say so; null when they say nothing.
    pub seccomp_source: Option<Source>,
    /// Filters, the oldest first. All of them are asked, and the strictest answer counts.
    pub filters: Vec<Filter>,
    /// Label of the Linux security module; null is unconfined.
    pub lsm_label: Option<Text>,
    /// Label for new sockets (SELinux).
    pub lsm_sockcreate: Option<Text>,
}

/// The credentials of the processes that `wanted` accepts. `disassemble` adds the text of the filters.
pub fn credentials(
    case: &mut Case<'_>,
    disassemble: bool,
    wanted: &dyn Fn(&Task<'_>) -> bool,
) -> Vec<Credentials> {
    let images = &case.checkpoint.images;
    let mut diagnostics = Vec::new();
    let criu = clues::criu_version(images, case.inventory.as_ref());
    let filters = Filters::read(images, criu, disassemble, &mut diagnostics);
    let mut found = Vec::new();
    for task in case.tasks.iter().filter(|task| wanted(task) && task.process.state != Some(State::Zombie)) {
        let pid = task.process.pid;
        // Before CRIU 2.0 a process had one set, in an image of its own.
        let mut of_process = None;
        let mut leader: Option<Credentials> = None;
        for thread in thread_image::images_of(images, task, &mut diagnostics) {
            let inline = thread.core.thread_core.as_ref().and_then(|own| own.creds.clone());
            let creds = inline.or_else(|| {
                of_process
                    .get_or_insert_with(|| {
                        images.read_one::<proto::CredsEntry>(&format!("creds-{pid}.img"), &mut diagnostics)
                    })
                    .clone()
            });
            let creds = creds.as_ref();
            let restriction =
                filters.of(&thread.core, task.core.as_ref().unwrap_or(&thread.core), &mut diagnostics);
            let mut facts = Credentials {
                pid,
                tid: thread.tid,
                comm: thread.comm,
                differs_in: Vec::new(),
                uid: creds.map(|c| Ids { real: c.uid, effective: c.euid, saved: c.suid, fs: c.fsuid }),
                gid: creds.map(|c| Ids { real: c.gid, effective: c.egid, saved: c.sgid, fs: c.fsgid }),
                groups: creds.map(|c| c.groups.clone()),
                capabilities: creds.map(|c| process::capabilities(c, criu)),
                securebits: creds.and_then(|c| c.secbits).map(lookup::securebits),
                no_new_privs: creds.and_then(|c| process::no_new_privs(c, criu)),
                seccomp: restriction.mode,
                seccomp_source: restriction.source,
                filters: restriction.filters,
                lsm_label: creds.and_then(|c| c.lsm_profile.clone()).map(Text),
                lsm_sockcreate: creds.and_then(|c| c.lsm_sockcreate.clone()).map(Text),
            };
            match &leader {
                None => leader = Some(facts.clone()),
                Some(leader) => {
                    facts.differs_in = differences(&facts, leader, &filters);
                    if facts.differs_in.is_empty() {
                        continue;
                    }
                }
            }
            found.push(facts);
        }
    }
    case.diagnostics.append(&mut diagnostics);
    found
}

fn differences(own: &Credentials, leader: &Credentials, filters: &Filters<'_>) -> Vec<&'static str> {
    let same_filters = own.seccomp == leader.seccomp && filters.are_equal(&own.filters, &leader.filters);
    let checks = [
        ("uid", own.uid != leader.uid),
        ("gid", own.gid != leader.gid),
        ("groups", own.groups != leader.groups),
        ("capabilities", own.capabilities != leader.capabilities),
        ("securebits", own.securebits != leader.securebits),
        ("no_new_privs", own.no_new_privs != leader.no_new_privs),
        ("seccomp", !same_filters),
        ("lsm_label", own.lsm_label != leader.lsm_label),
        ("lsm_sockcreate", own.lsm_sockcreate != leader.lsm_sockcreate),
    ];
    checks.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}
