//! Control groups: which process is in which, and what they are set to (`format.md §12.1`).

use std::{collections::BTreeMap, rc::Rc};

use ckptfx_parser::{Diagnostic, proto};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Case, Task, Text};

/// Longest path that the kernel accepts.
const MAX_PATH: usize = 4096;
/// Most records that are made; a container has some dozens of properties.
const MAX_RECORDS: usize = 100_000;

/// One property of one control group; or a group without properties.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cgroup {
    /// Controllers of the hierarchy as in `/proc/PID/cgroup`: empty for version 2, `name=…` for none.
    pub controller: Text,
    /// Path of the group in its hierarchy, as seen from the root of the host or of CRIU's namespace.
    pub path: Text,
    /// The part of the path that is outside the cgroup namespace of the processes; null for none.
    pub outside: Option<Text>,
    /// File that holds the property; null when none was saved for the group.
    pub property: Option<Text>,
    /// Its content.
    pub value: Option<Text>,
    /// File mode of the property in octal; not recorded before CRIU 2.0.
    pub mode: Option<String>,
    /// Owner of the property.
    pub uid: Option<u32>,
    /// Group of the property.
    pub gid: Option<u32>,
    /// Processes whose leader is in it, not in one below it.
    pub pids: Vec<u32>,
}

#[derive(Debug, Default)]
struct Group {
    outside: Option<Text>,
    pids: Vec<u32>,
    properties: Vec<proto::CgroupPropEntry>,
}

/// Groups by controllers and path.
type Groups = BTreeMap<(Vec<u8>, Vec<u8>), Group>;

/// The control groups of the processes that `wanted` accepts; with all accepted, also those without a process.
/// The groups that CRIU itself was in are not in the images.
pub fn cgroups(case: &mut Case<'_>, wanted: &dyn Fn(&Task<'_>) -> bool) -> Vec<Cgroup> {
    let images = &case.checkpoint.images;
    let Some(image) = images.read_one::<proto::CgroupEntry>("cgroup.img", &mut case.diagnostics) else {
        return Vec::new();
    };
    let all = case.tasks.iter().all(wanted);
    let mut members: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for task in case.tasks.iter().filter(|task| wanted(task)) {
        if let Some(set) = set_of(task) {
            members.entry(set).or_default().push(task.process.pid);
        }
    }
    let mut groups = Groups::new();
    for set in image.sets {
        let pids = members.get(&set.id.unwrap_or(0));
        if pids.is_none() && !all {
            continue;
        }
        for member in set.ctls {
            let path = member.path.unwrap_or_default();
            let prefix = member.cgns_prefix.and_then(|length| usize::try_from(length).ok());
            let outside = prefix.filter(|length| *length > 0).and_then(|length| path.get(..length));
            let outside = outside.map(Text::from);
            let group = groups.entry((sorted(member.name.unwrap_or_default()), path)).or_default();
            group.outside = group.outside.take().or(outside);
            group.pids.extend(pids.into_iter().flatten());
        }
    }
    let mut too_long = false;
    for controller in image.controllers {
        let name = sorted(controller.cnames.join(&b','));
        if name.len() >= MAX_PATH {
            too_long = true;
            continue;
        }
        let mut pending: Vec<_> = controller.dirs.into_iter().map(|one| (Rc::new(Vec::new()), one)).collect();
        while let Some((above, directory)) = pending.pop() {
            let below = directory.dir_name.as_deref().unwrap_or_default();
            let below = below.strip_prefix(b"/").unwrap_or(below);
            if above.len().saturating_add(below.len()) >= MAX_PATH {
                too_long = true;
                continue;
            }
            let mut path = above.to_vec();
            if !below.is_empty() {
                path.push(b'/');
                path.extend_from_slice(below);
            }
            let path = Rc::new(path);
            pending.extend(directory.children.into_iter().map(|child| (Rc::clone(&path), child)));
            let path = if path.is_empty() { b"/".to_vec() } else { path.to_vec() };
            let key = (name.clone(), path);
            let is_known = groups.contains_key(&key);
            // One more than are listed, so that it is noticed.
            if is_known || (all && groups.len() <= MAX_RECORDS) {
                groups.entry(key).or_default().properties.extend(directory.properties);
            }
        }
    }
    if too_long {
        let message = "a control group has a path that is longer than the kernel accepts; it is left out";
        case.diagnostics.push(Diagnostic::loss("too-long", "cgroup.img", message));
    }
    records(groups, &mut case.diagnostics)
}

fn set_of(task: &Task<'_>) -> Option<u32> {
    let core = task.core.as_ref()?;
    let own = core.thread_core.as_ref().and_then(|thread| thread.cg_set);
    own.or_else(|| core.tc.as_ref()?.cg_set)
}

/// Controllers that share a hierarchy have no order that is the same in both lists.
fn sorted(controllers: Vec<u8>) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = controllers.split(|byte| *byte == b',').collect();
    parts.sort_unstable();
    parts.join(&b',')
}

fn records(groups: Groups, diagnostics: &mut Vec<Diagnostic>) -> Vec<Cgroup> {
    let mut records = Vec::new();
    for ((controller, path), mut group) in groups {
        group.pids.sort_unstable();
        group.pids.dedup();
        let properties: Vec<Option<proto::CgroupPropEntry>> = if group.properties.is_empty() {
            vec![None]
        } else {
            group.properties.into_iter().map(Some).collect()
        };
        for property in properties {
            if records.len() >= MAX_RECORDS {
                let message = format!("only the first {MAX_RECORDS} properties are listed");
                diagnostics.push(Diagnostic::loss("too-many-entries", "cgroup.img", message));
                return records;
            }
            // CRIU leaves the permissions of freezer.state uninitialised; those of a property are a file's.
            let permissions = property.as_ref().and_then(|property| property.perms);
            let permissions = permissions.filter(|perms| perms.mode.is_some_and(|mode| mode >> 12 == 0o10));
            let (name, value) = property.map_or((None, None), |property| (property.name, property.value));
            records.push(Cgroup {
                controller: controller.clone().into(),
                path: path.clone().into(),
                outside: group.outside.clone(),
                property: name.map(Text),
                value: value.map(Text),
                mode: permissions.and_then(|perms| perms.mode).map(|mode| format!("{:04o}", mode & 0o7777)),
                uid: permissions.and_then(|perms| perms.uid),
                gid: permissions.and_then(|perms| perms.gid),
                pids: group.pids.clone(),
            });
        }
    }
    records
}

#[cfg(test)]
mod tests {
    use ckptfx_testkit::Message;

    use super::*;
    use crate::tests::with_case;

    #[test]
    fn groups_have_their_processes_and_properties() {
        with_case(ckptfx_testkit::rich(), |case| {
            let groups = cgroups(case, &|_| true);
            let limit = groups.iter().find(|one| one.property == Some("pids.max".into())).unwrap();
            assert_eq!((&limit.controller, &limit.value), (&"pids".into(), &Some("max".into())));
            assert_eq!((limit.mode.as_deref(), limit.uid), (Some("0644"), Some(0)));
            assert!(limit.pids.contains(&7) && limit.path.0.starts_with(b"/"));
            assert!(groups.iter().any(|one| one.controller.0.is_empty() && one.property.is_none()));
            let one = cgroups(case, &|task| task.process.pid == 7);
            assert!(one.iter().all(|group| group.pids == [7]) && !one.is_empty());
        });
    }

    #[test]
    fn groups_below_others_and_shared_hierarchies_are_found() {
        let member = Message::new().bytes(1, "cpuacct,cpu").bytes(2, "/a/b").uint(3, 2_u32);
        let set = Message::new().uint(1, 2_u32).message(2, &member);
        let property = Message::new().bytes(1, "cpu.shares").bytes(2, "2");
        let child = Message::new().bytes(1, "b").message(3, &property);
        let long = Message::new().bytes(1, "x".repeat(5000));
        let parent = Message::new().bytes(1, "a").message(2, &child).message(2, &long);
        let controller = Message::new().bytes(1, "cpu").bytes(1, "cpuacct").message(2, &parent);
        let image = Message::new().message(1, &set).message(2, &controller);
        let dump = ckptfx_testkit::rich().with(|dump| dump.cgroup = None).entry("cgroup", "", image);
        with_case(dump, |case| {
            let groups = cgroups(case, &|_| true);
            let paths: Vec<_> = groups.iter().map(|one| one.path.escaped().into_owned()).collect();
            assert_eq!(paths, ["/a", "/a/b"]);
            assert_eq!(groups[1].outside, Some("/a".into()));
            assert!(!groups[1].pids.is_empty());
            assert!(case.diagnostics.iter().any(|one| one.code == "too-long"));
        });
    }
}
