//! Who uses a file, and how: executables, mappings, descriptors, directories.

use std::collections::{BTreeMap, HashMap};

use ckptfx_parser::{
    memory::VmaKind,
    proto::{self, FdTypes},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Case, Task, Text, process::State};

/// `PROT_EXEC`.
const EXEC: u32 = 4;

/// How a process uses a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It is the process's program.
    Exe,
    /// It is mapped, some of it to be executed.
    MapExec,
    /// It is mapped.
    Map,
    /// It is open.
    Fd,
    /// It is the working directory.
    Cwd,
    /// It is the root directory.
    Root,
}

impl Role {
    /// The word used in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exe => "exe",
            Self::MapExec => "map-exec",
            Self::Map => "map",
            Self::Fd => "fd",
            Self::Cwd => "cwd",
            Self::Root => "root",
        }
    }
}

/// A process that uses a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct User {
    /// The process.
    pub pid: u32,
    /// How it uses the file.
    pub role: Role,
    /// Number of the descriptor, for `fd`.
    pub fd: Option<u32>,
    /// Name of the process.
    pub comm: Option<Text>,
}

/// A file, as processes refer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileRef {
    /// Id of a regular file, directory or device in the table of open files.
    Regular(u32),
    /// Key of a memfd or other shared memory (`pagemap-shmem-<key>.img`).
    Memory(u64),
}

/// All uses of files by processes, in order of pid and role.
#[derive(Debug, Default)]
pub struct FileUse {
    users: BTreeMap<FileRef, Vec<User>>,
}

impl FileUse {
    /// Reads which files the processes that `wanted` accepts use.
    pub fn read(case: &mut Case<'_>, wanted: &dyn Fn(&Task<'_>) -> bool) -> Self {
        let images = &case.checkpoint.images;
        let per_id = case.inventory.as_ref().map_or(Some(true), |inventory| inventory.fdinfo_per_id);
        let mut users: BTreeMap<FileRef, Vec<User>> = BTreeMap::new();
        let mut tables: HashMap<u32, Vec<proto::FdinfoEntry>> = HashMap::new();
        let memory_key =
            |id: u32| case.files.memfd(id).map(|inode| FileRef::Memory(u64::from(inode.shmid.unwrap_or(0))));
        for task in case.tasks.iter().filter(|task| wanted(task)) {
            let pid = task.process.pid;
            let mut add = |file: FileRef, role: Role, fd: Option<u32>| {
                let user = User { pid, role, fd, comm: task.process.comm.clone() };
                users.entry(file).or_default().push(user);
            };
            if let Some(id) = task.mm.as_ref().and_then(|mm| mm.exe_file_id) {
                let regular = case.files.regular(id).map(|_| FileRef::Regular(id));
                if let Some(file) = regular.or_else(|| memory_key(id)) {
                    add(file, Role::Exe, None);
                }
            }
            for vma in task.space.iter().flat_map(|space| &space.vmas) {
                let file = match vma.kind {
                    VmaKind::FilePrivate(id) | VmaKind::FileShared(id) => FileRef::Regular(id),
                    VmaKind::Shared(key) | VmaKind::MemfdPrivate(key) => FileRef::Memory(key),
                    _ => continue,
                };
                add(file, if vma.prot & EXEC != 0 { Role::MapExec } else { Role::Map }, None);
            }
            if task.process.state == Some(State::Zombie) {
                continue;
            }
            if let Some(fs) =
                images.read_one::<proto::FsEntry>(&format!("fs-{pid}.img"), &mut case.diagnostics)
            {
                for (id, role) in [(fs.cwd_id, Role::Cwd), (fs.root_id, Role::Root)] {
                    if let Some(id) = id {
                        add(FileRef::Regular(id), role, None);
                    }
                }
            }
            let Some(table) = task.descriptor_table(images, per_id) else { continue };
            let entries = tables.entry(table).or_insert_with(|| {
                let entries = images.read(&format!("fdinfo-{table}.img"), &mut case.diagnostics);
                entries.into_iter().map(|entry| entry.value).collect()
            });
            for entry in entries {
                let kind = entry.r#type.and_then(|kind| FdTypes::try_from(kind).ok());
                let file = match (kind, entry.id) {
                    (Some(FdTypes::Reg), Some(id)) => Some(FileRef::Regular(id)),
                    (Some(FdTypes::Memfd), Some(id)) => memory_key(id),
                    _ => None,
                };
                if let Some(file) = file {
                    add(file, Role::Fd, entry.fd);
                }
            }
        }
        for list in users.values_mut() {
            list.sort();
            list.dedup();
        }
        Self { users }
    }

    /// Who uses a file.
    pub fn of(&self, file: FileRef) -> &[User] {
        self.users.get(&file).map(Vec::as_slice).unwrap_or_default()
    }

    /// The files that are used and still have their names, by path.
    pub fn by_path(&self, case: &Case<'_>) -> BTreeMap<Vec<u8>, Vec<User>> {
        let mut paths: BTreeMap<Vec<u8>, Vec<User>> = BTreeMap::new();
        for (file, users) in self.files() {
            let FileRef::Regular(id) = file else { continue };
            let name = case
                .files
                .regular(id)
                .filter(|_| !case.files.is_deleted(id))
                .and_then(|entry| entry.name.clone());
            if let Some(name) = name {
                paths.entry(name).or_default().extend(users.iter().cloned());
            }
        }
        for list in paths.values_mut() {
            list.sort();
            list.dedup();
        }
        paths
    }

    /// All files that are used.
    pub fn files(&self) -> impl Iterator<Item = (FileRef, &[User])> {
        self.users.iter().map(|(file, users)| (*file, users.as_slice()))
    }
}

/// The pids of users, each once.
pub fn pids(users: &[User]) -> Vec<u32> {
    let mut pids: Vec<u32> = users.iter().map(|user| user.pid).collect();
    pids.sort_unstable();
    pids.dedup();
    pids
}
