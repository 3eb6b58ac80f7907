//! Processes, their credentials and their environment.

use super::{Input, Item, Key, Side, Wish, item::Builder};
use crate::{
    Text,
    process::{Ids, Process, environment},
    security::credential,
};

pub(super) fn items(input: &mut Input<'_, '_>, side: &Side<'_>, _: &Wish) -> Vec<Item> {
    let tasks = input.case.tasks.iter().filter(|task| side.wants(task));
    tasks
        .map(|task| {
            let process = &task.process;
            let key = Key::new(side.owner(process.pid), []);
            Item { key, name: Text(process.command()), facts: facts(process, side) }
        })
        .collect()
}

fn facts(process: &Process, side: &Side<'_>) -> super::Facts {
    // Old images have the name of the first thread only.
    let names: Option<Vec<&Text>> = process.threads.iter().map(|thread| thread.comm.as_ref()).collect();
    let names = names.map(|mut names| {
        names.sort();
        names
    });
    let mut facts = Builder::default()
        .known("comm", process.comm.as_ref())
        .known("exe", process.exe.as_ref())
        .known("exe_deleted", process.exe_deleted)
        .known("exe_memfd", process.exe_memfd)
        .known("cmdline", process.cmdline.as_ref())
        .known("state", process.state)
        .fact("exit_code", process.exit_code)
        .fact("exit_signal", process.exit_signal)
        .known("cwd", process.cwd.as_ref())
        .known("root", process.root.as_ref())
        .known("umask", process.umask.as_ref())
        .known("nice", process.nice)
        .known("oom_score_adj", process.oom_score_adj)
        .known("loginuid", process.loginuid)
        .fact("thread_count", process.threads.len())
        .known("threads", names);
    for (kind, namespace) in &process.namespaces {
        facts = facts.known(&format!("host_{kind}"), namespace.shared_with_host);
    }
    if side.pairs.same_container {
        facts = facts
            .fact("pid", process.pid)
            .known("ppid", process.ppid)
            .known("pgid", process.pgid)
            .known("sid", process.sid);
        if !process.cgroups.is_empty() {
            facts = facts.fact("cgroups", &process.cgroups);
        }
    }
    facts.finish()
}

/// Credentials; ids are in the order real, effective, saved, file system. Of each process those of its first thread, then those of threads that differ from it.
pub(super) fn credentials(input: &mut Input<'_, '_>, side: &Side<'_>, _: &Wish) -> Vec<Item> {
    let list = credential::credentials(input.case, false, &|task| side.wants_details(task));
    list.into_iter()
        .map(|one| {
            let is_leader = one.tid == one.pid;
            let name = if is_leader { "process" } else { "thread" };
            let comm = one.comm.clone().filter(|_| !is_leader).unwrap_or_default();
            let filters = one.filters.len();
            let sets = one.capabilities.as_ref();
            let ids = |ids: Option<Ids>| ids.map(|ids| [ids.real, ids.effective, ids.saved, ids.fs]);
            let facts = Builder::default()
                .known("uid", ids(one.uid))
                .known("gid", ids(one.gid))
                .known("groups", one.groups)
                .known("cap_effective", sets.map(|sets| &sets.effective))
                .known("cap_permitted", sets.map(|sets| &sets.permitted))
                .known("cap_inheritable", sets.map(|sets| &sets.inheritable))
                .known("cap_bounding", sets.map(|sets| &sets.bounding))
                .known("cap_ambient", sets.and_then(|sets| sets.ambient.as_ref()))
                .known("securebits", one.securebits)
                .known("no_new_privs", one.no_new_privs)
                .known("seccomp", one.seccomp)
                .fact("seccomp_filters", filters)
                .fact("lsm_label", one.lsm_label)
                .known("lsm_sockcreate", one.lsm_sockcreate);
            let key = Key::new(side.owner(one.pid), [Text::from(name), comm.clone()]);
            let name = if is_leader { name.into() } else { Text([b"thread ", comm.0.as_slice()].concat()) };
            Item { key, name, facts: facts.finish() }
        })
        .collect()
}

pub(super) fn environment(input: &mut Input<'_, '_>, side: &Side<'_>, _: &Wish) -> Vec<Item> {
    let variables = environment::variables(input.case, &|task| side.wants_details(task));
    variables
        .into_iter()
        .map(|variable| Item {
            key: Key::new(side.owner(variable.pid), [variable.name.clone()]),
            name: variable.name,
            facts: Builder::default().fact("value", variable.value).finish(),
        })
        .collect()
}
