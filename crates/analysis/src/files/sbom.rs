//! Programs and libraries that processes execute, each once, and who maps them (`format.md §7.6`).

use std::collections::{BTreeMap, HashMap};

use ckptfx_parser::{files::Remap, proto};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Case, Task, Text,
    files::file_use::{FileRef, FileUse, Role, User, pids},
    recover::{self, build_id},
};

/// What a component is to the processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ComponentKind {
    /// A process runs it.
    Executable,
    /// It is mapped to be executed.
    Library,
}

impl ComponentKind {
    /// The word used in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Executable => "executable",
            Self::Library => "library",
        }
    }
}

/// A program or library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Component {
    /// Path in the container, or `memfd:NAME`; null when no image names it.
    pub path: Option<Text>,
    /// What it is to the processes.
    pub kind: ComponentKind,
    /// GNU build-id in hexadecimal; null when the file has none or it was not recorded (before CRIU 3.15).
    pub build_id: Option<String>,
    /// Size of the file in bytes; null when not recorded (before CRIU 1.3).
    pub size: Option<u64>,
    /// Permission bits, in octal; null when not recorded (before CRIU 2.4, memfds before 3.19).
    pub mode: Option<String>,
    /// Whether its name was removed.
    pub deleted: bool,
    /// Whether it is a memfd: it never had a name.
    pub memfd: bool,
    /// Id by which `recover` gives its content; null when the content is not in the checkpoint.
    pub recover_id: Option<String>,
    /// SHA-256 of the content, where `recover` gives it.
    pub sha256: Option<String>,
    /// Processes that map or run it.
    pub pids: Vec<u32>,
    /// How they use it.
    pub users: Vec<User>,
}

/// What tells one file from another: the same path may have been replaced while it was mapped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Identity {
    path: Option<Vec<u8>>,
    mount: Option<i32>,
    remap: Option<(u8, u32)>,
    memory: Option<u64>,
    build_id: Option<String>,
    size: Option<u64>,
}

/// The programs and libraries of the processes that `wanted` accepts, in order of path.
pub fn components(
    case: &mut Case<'_>,
    wanted: &dyn Fn(&Task<'_>) -> bool,
    limits: recover::Limits,
) -> Vec<Component> {
    let file_use = FileUse::read(case, wanted);
    let mut hashes: BTreeMap<String, Option<String>> = BTreeMap::new();
    for found in recover::find(case, wanted, false, limits, &|_, _| None) {
        hashes.insert(found.facts.id, found.facts.sha256);
    }
    let mut inodes: HashMap<u64, &proto::MemfdInodeEntry> = HashMap::new();
    for inode in case.files.memfds() {
        if let Some(key) = inode.shmid {
            inodes.entry(u64::from(key)).or_insert(inode);
        }
    }
    let mut components: BTreeMap<Identity, Component> = BTreeMap::new();
    for (file, users) in file_use.files() {
        let users: Vec<User> = users
            .iter()
            .filter(|user| matches!(user.role, Role::Exe | Role::MapExec | Role::Map))
            .cloned()
            .collect();
        let is_run = users.iter().any(|user| matches!(user.role, Role::Exe | Role::MapExec));
        if !is_run {
            continue;
        }
        let (identity, mode) = match file {
            FileRef::Regular(id) => {
                let entry = case.files.regular(id);
                let remap = case.files.remap(id).map(|remap| match remap {
                    Remap::Linked(id) => (0, id),
                    Remap::Ghost(id) => (1, id),
                    Remap::DeadProcess(pid) => (2, pid),
                });
                let identity = Identity {
                    path: entry.and_then(|entry| entry.name.clone()),
                    mount: entry.and_then(|entry| entry.mnt_id),
                    remap,
                    memory: None,
                    build_id: entry.and_then(|entry| build_id(&entry.build_id)),
                    size: entry.and_then(|entry| entry.size),
                };
                (identity, entry.and_then(|entry| entry.mode))
            }
            FileRef::Memory(key) => {
                let Some(inode) = inodes.get(&key) else { continue };
                let name = inode.name.clone().unwrap_or_default();
                // Shared anonymous memory is no file, even when it is executable.
                if name == b"/dev/zero" || name == b"/anon_hugepage" {
                    continue;
                }
                let identity = Identity {
                    path: Some([b"memfd:", name.as_slice()].concat()),
                    mount: None,
                    remap: None,
                    memory: Some(key),
                    build_id: None,
                    size: inode.size,
                };
                (identity, inode.mode)
            }
        };
        let ghost = identity.remap.filter(|(kind, _)| *kind == 1).map(|(_, id)| format!("ghost-{id:x}"));
        let id = ghost.or_else(|| identity.memory.map(|key| format!("memfd-{key}")));
        let component = components.entry(identity.clone()).or_insert_with(|| Component {
            path: identity.path.map(Text),
            kind: ComponentKind::Library,
            build_id: identity.build_id,
            size: identity.size,
            mode: mode.map(|mode| format!("{:04o}", mode & 0o7777)),
            deleted: identity.memory.is_some() || identity.remap.is_some_and(|(kind, _)| kind < 2),
            memfd: identity.memory.is_some(),
            sha256: id.as_ref().and_then(|id| hashes.get(id).cloned().flatten()),
            recover_id: id.filter(|id| hashes.contains_key(id)),
            pids: Vec::new(),
            users: Vec::new(),
        });
        component.users.extend(users);
    }
    let mut components: Vec<Component> = components.into_values().collect();
    for component in &mut components {
        component.users.sort();
        component.users.dedup();
        component.pids = pids(&component.users);
        if component.users.iter().any(|user| user.role == Role::Exe) {
            component.kind = ComponentKind::Executable;
        }
    }
    components
}
