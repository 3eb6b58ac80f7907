//! Processes as `ps` reports them: tree, identity, credentials, command line, environment.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap, HashSet},
};

use ckptfx_parser::{
    Diagnostic, ImageDirectory, Reports,
    dynamic::Numbering,
    files::FileTable,
    limits::reached,
    memory::{AddressSpace, SharedObjects, Unavailable},
    proto::{self, FdTypes, core_entry::March},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{settings::Settings, tree::Seed};
use crate::{Text, container::clues, security::capability};

/// A rewritten title is at most one page of the kernel that showed it (fs/proc/base.c).
const MAX_TITLE: u64 = 4 << 10;

/// State of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Running or sleeping.
    Running,
    /// Stopped by a signal.
    Stopped,
    /// Dead, not yet waited for.
    Zombie,
}

/// Four ids of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Ids {
    /// Real id.
    pub real: Option<u32>,
    /// Effective id.
    pub effective: Option<u32>,
    /// Saved id.
    pub saved: Option<u32>,
    /// File system id.
    pub fs: Option<u32>,
}

/// Capability sets by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Capabilities {
    /// Kept over execve by files that allow it.
    pub inheritable: Vec<String>,
    /// What the process may use.
    pub permitted: Vec<String>,
    /// What it uses.
    pub effective: Vec<String>,
    /// Upper bound for execve.
    pub bounding: Vec<String>,
    /// Kept over execve of ordinary files; not recorded before CRIU 4.1.
    pub ambient: Option<Vec<String>>,
}

/// A namespace of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Namespace {
    /// CRIU's number for it, which has meaning only inside this checkpoint.
    pub id: u32,
    /// Whether CRIU itself was in it, which ran on the host.
    pub shared_with_host: Option<bool>,
}

/// A thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Thread {
    /// Thread id inside the pid namespace.
    pub tid: u32,
    /// Its name; not recorded per thread before CRIU 3.11.
    pub comm: Option<Text>,
    /// Its state, which the images hold for the process as a whole.
    pub state: Option<State>,
}

/// A process. `None` is "not recorded or not readable".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Process {
    /// Process id inside the container's pid namespace.
    pub pid: u32,
    /// Parent; 0 when it is outside the dumped tree, null when the process tree is lost.
    pub ppid: Option<u32>,
    /// Process group.
    pub pgid: Option<u32>,
    /// Session.
    pub sid: Option<u32>,
    /// Name of the leader thread.
    pub comm: Option<Text>,
    /// Path of the executable, or `memfd:NAME`.
    pub exe: Option<Text>,
    /// Whether the executable's name is gone.
    pub exe_deleted: Option<bool>,
    /// Whether it was executed from a memfd.
    pub exe_memfd: Option<bool>,
    /// Arguments as `/proc/PID/cmdline` gives them.
    pub cmdline: Option<Vec<Text>>,
    /// State.
    pub state: Option<State>,
    /// Exit code of a zombie that exited.
    pub exit_code: Option<u32>,
    /// Signal that killed a zombie.
    pub exit_signal: Option<u32>,
    /// User ids in the process's user namespace.
    pub uid: Option<Ids>,
    /// Group ids in the process's user namespace.
    pub gid: Option<Ids>,
    /// Supplementary groups.
    pub groups: Option<Vec<u32>>,
    /// Capabilities of the leader thread.
    pub capabilities: Option<Capabilities>,
    /// Whether execve can no longer gain privileges; not recorded before CRIU 3.19.
    pub no_new_privs: Option<bool>,
    /// `disabled`, `strict` or `filter`; not recorded before CRIU 1.6.
    pub seccomp: Option<&'static str>,
    /// Label of the Linux security module.
    pub lsm_label: Option<Text>,
    /// Working directory.
    pub cwd: Option<Text>,
    /// Root directory.
    pub root: Option<Text>,
    /// File mode creation mask, in octal.
    pub umask: Option<String>,
    /// Nice value of the leader thread.
    pub nice: Option<i32>,
    /// Adjustment for the out-of-memory killer.
    pub oom_score_adj: Option<i32>,
    /// Audit login uid as the kernel shows it; 4294967295 means that nobody logged in.
    pub loginuid: Option<u32>,
    /// Namespaces by type.
    pub namespaces: BTreeMap<&'static str, Namespace>,
    /// `controllers:path`, as in `/proc/PID/cgroup`.
    pub cgroups: Vec<Text>,
    /// Threads, the leader first; none for a zombie.
    pub threads: Vec<Thread>,
    /// Bytes of the process's own memory that are in the evidence.
    pub captured_bytes: Option<u64>,
    /// What it set for itself.
    #[serde(flatten)]
    pub settings: Settings,
    /// Environment as `/proc/PID/environ` gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environ: Option<Vec<Text>>,
}

impl Process {
    /// The command as `ps` shows it: arguments joined by spaces, or `[comm]` without arguments.
    pub fn command(&self) -> Vec<u8> {
        match self.cmdline.as_deref() {
            Some(arguments) if !arguments.is_empty() => {
                arguments.iter().map(|argument| argument.0.as_slice()).collect::<Vec<_>>().join(&b' ')
            }
            _ => {
                let comm = self.comm.as_ref().map_or(b"?".as_slice(), |comm| comm.0.as_slice());
                [b"[", comm, b"]"].concat()
            }
        }
    }
}

/// What all processes of a checkpoint need to be described.
pub(crate) struct Context<'c> {
    files: &'c FileTable,
    host: Option<&'c proto::TaskKobjIdsEntry>,
    root_cg_set: Option<u32>,
    cgroups: HashMap<u32, Vec<Text>>,
    criu: clues::CriuVersion,
    longest_arguments: u64,
    /// Memory that is left for the command lines and environments: many processes may claim the same pages.
    room: Cell<u64>,
    /// Control groups that may still be named; none when there were more.
    cgroup_room: Cell<Option<u64>>,
    most_cgroups: u64,
}

impl<'c> Context<'c> {
    pub fn read(
        images: &ImageDirectory,
        inventory: Option<&'c proto::InventoryEntry>,
        files: &'c FileTable,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut cgroups = HashMap::new();
        if let Some(cgroup) = images.read_one::<proto::CgroupEntry>("cgroup.img", diagnostics) {
            for set in cgroup.sets {
                let lines = set.ctls.iter().map(|member| {
                    let part = |bytes: &Option<Vec<u8>>| bytes.clone().unwrap_or_default();
                    Text([part(&member.name), b":".to_vec(), part(&member.path)].concat())
                });
                cgroups.insert(set.id.unwrap_or(0), lines.collect());
            }
        }
        Self {
            files,
            host: inventory.and_then(|inventory| inventory.root_ids.as_ref()),
            root_cg_set: inventory.and_then(|inventory| inventory.root_cg_set),
            cgroups,
            criu: clues::criu_version(images, inventory),
            longest_arguments: images.limits().argument_bytes,
            room: Cell::new(images.limits().all_argument_bytes),
            cgroup_room: Cell::new(Some(images.limits().named_cgroups)),
            most_cgroups: images.limits().named_cgroups,
        }
    }

    pub fn process(
        &self,
        seed: &Seed,
        (core, ids): (Option<&proto::CoreEntry>, Option<&proto::TaskKobjIdsEntry>),
        memory: Option<(&proto::MmEntry, &AddressSpace<'_>)>,
        shared: &SharedObjects<'_>,
        images: &ImageDirectory,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Process {
        let pid = seed.pid;
        let tc = core.and_then(|core| core.tc.as_ref());
        let thread_core = core.and_then(|core| core.thread_core.as_ref());
        let zombie = seed.is_zombie(core);
        let state = tc.and_then(|tc| match tc.task_state? {
            1 => Some(State::Running),
            2 if zombie => Some(State::Zombie),
            3 => Some(State::Stopped),
            _ => None,
        });
        let creds = if zombie { None } else { self.credentials(pid, thread_core, images, diagnostics) };
        let creds = creds.as_ref();
        let exit = tc.filter(|_| zombie).and_then(|tc| tc.exit_code);
        let exe = memory.and_then(|(mm, _)| {
            let id = mm.exe_file_id?;
            let exe = self.executable(id);
            if exe.is_none() {
                diagnostics.push(dangling("executable", pid, id));
            }
            exe
        });
        let fs_name = format!("fs-{pid}.img");
        let fs: Option<proto::FsEntry> = (!zombie).then(|| images.read_one(&fs_name, diagnostics)).flatten();
        if !zombie && core.is_some() && images.member(&fs_name).is_none() {
            let message = format!("working directory, root and umask of process {pid} are lost");
            diagnostics.push(Diagnostic::loss("missing-image", fs_name, message));
        }
        let mut path = |id: Option<u32>, what: &str| {
            let id = id?;
            let Some(file) = self.files.regular(id) else {
                diagnostics.push(dangling(what, pid, id));
                return None;
            };
            let mut name = file.name.clone()?;
            if self.files.is_deleted(id) {
                name.extend_from_slice(b" (deleted)");
            }
            Some(Text(name))
        };
        let cwd = path(fs.as_ref().and_then(|fs| fs.cwd_id), "working directory");
        let root = path(fs.as_ref().and_then(|fs| fs.root_id), "root directory");
        let mut text = |from: Option<u64>, to: Option<u64>, what: &str| {
            let (_, space) = memory?;
            self.read_strings(space, (from?, to?), shared, (pid, what), diagnostics)
        };
        let environ = memory.and_then(|(mm, _)| text(mm.mm_env_start, mm.mm_env_end, "environment"));
        let cmdline = memory.and_then(|(mm, space)| {
            let (start, end) = (mm.mm_arg_start?, mm.mm_arg_end?);
            match rewritten_title(mm, space, start, end, shared) {
                Some(title) => Some(vec![Text(title)]),
                None => text(Some(start), Some(end), "command line"),
            }
        });
        let comm = tc.and_then(|tc| tc.comm.clone()).or_else(|| thread_core?.comm.clone()).map(Text);
        Process {
            pid,
            ppid: seed.ppid,
            pgid: seed.pgid,
            sid: seed.sid,
            exe: exe.as_ref().map(|exe| exe.path.clone()),
            exe_deleted: exe.as_ref().and_then(|exe| exe.deleted),
            exe_memfd: exe.as_ref().map(|exe| exe.memfd),
            cmdline,
            state,
            exit_code: exit.filter(|status| status & 0x7f == 0).map(|status| status >> 8 & 0xff),
            exit_signal: exit.map(|status| status & 0x7f).filter(|signal| *signal != 0),
            uid: creds.map(|c| Ids { real: c.uid, effective: c.euid, saved: c.suid, fs: c.fsuid }),
            gid: creds.map(|c| Ids { real: c.gid, effective: c.egid, saved: c.sgid, fs: c.fsgid }),
            groups: creds.map(|c| c.groups.clone()),
            capabilities: creds.map(|c| capabilities(c, self.criu)),
            no_new_privs: creds.and_then(|c| no_new_privs(c, self.criu)),
            // Releases that wrote the first image format did not look at it.
            seccomp: core.filter(|_| !zombie).and_then(|_| {
                seccomp(tc, thread_core)
                    .or_else(|| (self.criu >= clues::CriuVersion(1, 6)).then_some("disabled"))
            }),
            lsm_label: creds.and_then(|c| c.lsm_profile.clone()).map(Text),
            cwd,
            root,
            umask: fs.and_then(|fs| fs.umask).map(|mask| format!("{mask:04o}")),
            nice: thread_core.and_then(|thread| thread.sched_nice),
            oom_score_adj: tc.and_then(|tc| tc.oom_score_adj),
            loginuid: tc.and_then(|tc| tc.loginuid),
            namespaces: ids.map(|ids| self.namespaces(ids)).unwrap_or_default(),
            cgroups: self.cgroups_of(tc, thread_core, diagnostics),
            threads: if zombie { Vec::new() } else { threads(seed, &comm, state, images, diagnostics) },
            captured_bytes: memory.map(|(_, space)| space.pages.captured_bytes()),
            settings: if zombie {
                Settings::default()
            } else {
                let machine = core.and_then(|core| March::try_from(core.mtype?).ok());
                let numbering = machine.map_or_else(Numbering::default, Numbering::of);
                Settings::read(tc, memory.map(|(mm, _)| mm), numbering, self.criu)
            },
            comm,
            environ,
        }
    }

    fn credentials(
        &self,
        pid: u32,
        thread_core: Option<&proto::ThreadCoreEntry>,
        images: &ImageDirectory,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<proto::CredsEntry> {
        let inline = thread_core.and_then(|thread| thread.creds.clone());
        // Before CRIU 2.0 they had an image of their own.
        inline.or_else(|| images.read_one(&format!("creds-{pid}.img"), diagnostics))
    }

    /// NUL-separated strings between two addresses, the last empty piece dropped.
    fn read_strings(
        &self,
        space: &AddressSpace<'_>,
        (from, to): (u64, u64),
        shared: &SharedObjects<'_>,
        (pid, what): (u32, &str),
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Vec<Text>> {
        let subject = format!("pid {pid}");
        if to < from {
            let message = format!("the {what} ends before it starts");
            diagnostics.push(Diagnostic::loss("bad-bounds", subject, message));
            return None;
        }
        let most = self.longest_arguments;
        if to - from > most {
            let what = format!("the {what} is {} bytes long; the first {most} are read", to - from);
            diagnostics.push(reached("too-long", subject.clone(), "argument-bytes", what));
        }
        let bytes = match space.bytes(from, to, most, shared) {
            Ok(bytes) => bytes,
            Err(Unavailable::Searched) => return None,
            Err(reason) => {
                let message = format!("the {what} cannot be read: {}", reason.reason());
                diagnostics.push(Diagnostic::loss("unavailable", subject, message));
                return None;
            }
        };
        let texts = bytes.iter().filter(|byte| **byte == 0).count().saturating_add(1);
        let weight = bytes.len().saturating_add(texts.saturating_mul(size_of::<Text>())) as u64;
        let Some(room) = self.room.get().checked_sub(weight) else {
            let what = format!("the {what} is not read: those before it take too much memory");
            diagnostics.push(reached("too-long", subject, "all-argument-bytes", what));
            return None;
        };
        self.room.set(room);
        let mut strings: Vec<Text> = bytes.split(|byte| *byte == 0).map(Text::from).collect();
        if strings.last().is_some_and(|last| last.0.is_empty()) {
            strings.pop();
        }
        Some(strings)
    }

    fn executable(&self, id: u32) -> Option<Executable> {
        if let Some(file) = self.files.regular(id) {
            let name = file.name.clone()?;
            let memfd = name.strip_prefix(b"/memfd:");
            return Some(Executable {
                path: Text(memfd.map_or_else(|| name.clone(), |rest| [b"memfd:", rest].concat())),
                deleted: self.files.deleted(id),
                memfd: memfd.is_some(),
            });
        }
        self.files.get(FdTypes::Memfd, id)?;
        let name = self.files.memfd(id).and_then(|inode| inode.name.clone()).unwrap_or_default();
        Some(Executable {
            path: Text([b"memfd:", name.as_slice()].concat()),
            deleted: Some(true),
            memfd: true,
        })
    }

    fn namespaces(&self, ids: &proto::TaskKobjIdsEntry) -> BTreeMap<&'static str, Namespace> {
        type Get = fn(&proto::TaskKobjIdsEntry) -> Option<u32>;
        let kinds: [(&'static str, Get); 8] = [
            ("pid", |ids| ids.pid_ns_id),
            ("net", |ids| ids.net_ns_id),
            ("ipc", |ids| ids.ipc_ns_id),
            ("uts", |ids| ids.uts_ns_id),
            ("mnt", |ids| ids.mnt_ns_id),
            ("user", |ids| ids.user_ns_id),
            ("cgroup", |ids| ids.cgroup_ns_id),
            ("time", |ids| ids.time_ns_id),
        ];
        kinds
            .into_iter()
            .filter_map(|(kind, get)| {
                let id = get(ids).filter(|id| *id != 0)?;
                let host = self.host.and_then(get);
                Some((kind, Namespace { id, shared_with_host: host.map(|host| host == id) }))
            })
            .collect()
    }

    fn cgroups_of(
        &self,
        tc: Option<&proto::TaskCoreEntry>,
        thread_core: Option<&proto::ThreadCoreEntry>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Vec<Text> {
        let set = thread_core.and_then(|thread| thread.cg_set).or_else(|| tc?.cg_set);
        // CRIU's own set is not written (format.md §12.1); its paths are not known then.
        let Some(set) = set.filter(|set| *set != 0 && Some(*set) != self.root_cg_set) else {
            return Vec::new();
        };
        let cgroups = self.cgroups.get(&set);
        let length = cgroups.map_or(0, |cgroups| cgroups.len() as u64);
        if let Some(room) = self.cgroup_room.get() {
            self.cgroup_room.set(room.checked_sub(length));
            if length > room {
                let what =
                    format!("beside all processes the first {} control groups are named", self.most_cgroups);
                diagnostics.push(reached("too-many-entries", "cgroup.img", "named-cgroups", what));
            }
        }
        if cgroups.is_none() && self.root_cg_set.is_some() {
            let message = format!("control group set {set} is missing: the paths of its processes are lost");
            diagnostics.push(Diagnostic::loss("missing-image", "cgroup.img", message));
        }
        cgroups.filter(|_| self.cgroup_room.get().is_some()).cloned().unwrap_or_default()
    }
}

/// Capability sets by name; `criu` tells whether the ambient set was recorded.
pub(crate) fn capabilities(creds: &proto::CredsEntry, criu: clues::CriuVersion) -> Capabilities {
    let recorded = !creds.cap_amb.is_empty() || criu >= clues::CriuVersion(4, 1);
    Capabilities {
        inheritable: capability::names(&creds.cap_inh),
        permitted: capability::names(&creds.cap_prm),
        effective: capability::names(&creds.cap_eff),
        bounding: capability::names(&creds.cap_bnd),
        ambient: recorded.then(|| capability::names(&creds.cap_amb)),
    }
}

/// It is written only when set, and only by CRIU 3.19 and later (`format.md §3.3`).
pub(crate) fn no_new_privs(creds: &proto::CredsEntry, criu: clues::CriuVersion) -> Option<bool> {
    match creds.no_new_privs {
        Some(value) => Some(value != 0),
        None => (criu >= clues::CriuVersion(3, 19)).then_some(false),
    }
}

/// Says that a file id of a process leads nowhere.
fn dangling(what: &str, pid: u32, id: u32) -> Diagnostic {
    let message = format!("the {what} of process {pid} is file {id}, which is not there");
    Diagnostic::loss("missing-file", "files.img", message)
}

struct Executable {
    path: Text,
    deleted: Option<bool>,
    memfd: bool,
}

fn seccomp(
    tc: Option<&proto::TaskCoreEntry>,
    thread: Option<&proto::ThreadCoreEntry>,
) -> Option<&'static str> {
    let mode = thread.and_then(|thread| thread.seccomp_mode).or_else(|| tc?.old_seccomp_mode);
    Some(match mode? {
        0 => "disabled",
        1 => "strict",
        2 => "filter",
        _ => "unknown",
    })
}

fn threads(
    seed: &Seed,
    leader: &Option<Text>,
    state: Option<State>,
    images: &ImageDirectory,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Thread> {
    let mut threads = Vec::with_capacity(seed.threads.len());
    let mut seen = HashSet::with_capacity(seed.threads.len());
    let mut reports = Reports::new(images.limits());
    for tid in seed.threads.iter().filter(|tid| seen.insert(**tid)) {
        let comm = if *tid == seed.pid {
            leader.clone()
        } else {
            let name = format!("core-{tid}.img");
            let before = diagnostics.len();
            let core: Option<proto::CoreEntry> = images.read_one(&name, diagnostics);
            if core.is_none() && diagnostics.len() == before {
                let message = format!("thread {tid} of process {} is lost", seed.pid);
                reports.push(Diagnostic::loss("missing-image", name, message), diagnostics);
            }
            if core.as_ref().is_some_and(|core| core.tc.is_some()) {
                let message = format!(
                    "it is the image of a process, while {tid} is listed as a thread of process {}",
                    seed.pid
                );
                reports
                    .push(Diagnostic::loss("contradiction", format!("core-{tid}.img"), message), diagnostics);
            }
            core.and_then(|core| core.thread_core?.comm).map(Text)
        };
        threads.push(Thread { tid: *tid, comm, state });
    }
    reports.finish(&format!("pid {}", seed.pid), diagnostics);
    threads
}

/// The kernel's rule for processes that overwrote their arguments (setproctitle): when the last byte
/// of the argument area is not NUL, the title runs from its start to the first NUL, over the end of the
/// area into the environment, for at most a page.
fn rewritten_title(
    mm: &proto::MmEntry,
    space: &AddressSpace<'_>,
    start: u64,
    end: u64,
    shared: &SharedObjects<'_>,
) -> Option<Vec<u8>> {
    let last = end.checked_sub(1).filter(|last| *last >= start)?;
    let byte = space.bytes(last, end, 1, shared).ok()?;
    if byte.first() == Some(&0) {
        return None;
    }
    // Only an environment that follows at once can be run into.
    let limit = match (mm.mm_env_start, mm.mm_env_end) {
        (Some(env_start), Some(env_end)) if env_start == end && env_end > env_start => env_end,
        _ => end,
    };
    let limit = limit.min(start.saturating_add(MAX_TITLE)).max(start);
    let bytes = space.bytes(start, limit, MAX_TITLE, shared).ok()?;
    Some(bytes.split(|byte| *byte == 0).next().unwrap_or_default().to_vec())
}
#[cfg(test)]
mod tests {
    use ckptfx_testkit::{Checkpoint, Process as Description};

    use super::*;

    /// The title when the argument area is `length` bytes long and the environment begins `gap` after it.
    fn title(length: u64, gap: u64) -> Option<String> {
        let process = Description::new(1).cmdline(["worker: idle", "-x"]).environ(["PATH=/bin", "A=1"]);
        crate::tests::with_case(Checkpoint::new().process(process), |case| {
            let task = &case.tasks[0];
            let mut mm = task.mm.clone().unwrap();
            let start = mm.mm_arg_start.unwrap();
            let end = start + length;
            mm.mm_arg_end = Some(end);
            mm.mm_env_start = Some(end + gap);
            assert!(mm.mm_env_end > mm.mm_env_start);
            let title = rewritten_title(&mm, task.space.as_ref().unwrap(), start, end, &case.shared);
            title.map(|title| String::from_utf8(title).unwrap())
        })
    }

    #[test]
    fn a_title_is_what_does_not_end_with_nul() {
        // "worker: idle\0-x\0": an untouched area ends with NUL.
        assert_eq!(title(16, 0), None);
        assert_eq!(title(13, 0), None);
        // The area ends inside the text, which runs on into the environment up to a NUL.
        assert_eq!(title(6, 0).as_deref(), Some("worker: idle"));
        // An environment elsewhere is not run into.
        assert_eq!(title(6, 8).as_deref(), Some("worker"));
        assert_eq!(title(0, 0), None);
    }
}
