//! Which process holds which open file (`format.md §2`, `§8.1`): what `files`, `sockets` and `queues` share.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    rc::Rc,
};

use ckptfx_parser::{
    Diagnostic,
    dynamic::Numbering,
    image::Located,
    proto::{self, FdTypes, FileEntry, core_entry::March},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Case, Task, Text};

/// Type and id: what `files.img` is keyed by.
pub(crate) type FileKey = (i32, u32);

/// A descriptor that refers to an open file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Its name.
    pub comm: Option<Text>,
    /// Number of the descriptor.
    pub fd: u32,
}

/// One line of a descriptor table.
#[derive(Debug, Clone)]
pub(crate) struct Descriptor {
    pub fd: u32,
    pub key: FileKey,
    pub cloexec: bool,
    pub selinux_label: Option<Text>,
}

/// A message or a piece of a stream that waits in a socket's receive queue, in the order of the image.
#[derive(Debug)]
pub(crate) struct Packet {
    /// Bytes of `sk-queues.img`.
    pub payload: std::ops::Range<u64>,
    /// File ids of the descriptors that travel with it.
    pub rights: Vec<u32>,
}

/// The descriptors of all processes, and those in flight.
#[derive(Debug)]
pub(crate) struct Descriptors {
    tables: BTreeMap<u32, Rc<[Descriptor]>>,
    holders: HashMap<FileKey, Vec<Holder>>,
    /// Files by id alone, as control messages name them.
    by_id: HashMap<u32, FileKey>,
    /// By file id of the receiving socket.
    packets: BTreeMap<u32, Vec<Packet>>,
    pub numbering: Numbering,
}

/// Name of the image that holds socket queues.
pub(crate) const SOCKET_QUEUES: &str = "sk-queues.img";

impl Descriptors {
    pub fn read(case: &Case<'_>, diagnostics: &mut Vec<Diagnostic>) -> Self {
        let images = &case.checkpoint.images;
        // The inventory is written last: a dump that failed has none.
        let per_id = case.inventory.as_ref().map_or(Some(true), |inventory| inventory.fdinfo_per_id);
        let mut by_table: HashMap<u32, Rc<[Descriptor]>> = HashMap::new();
        let mut tables = BTreeMap::new();
        let mut holders: HashMap<FileKey, Vec<Holder>> = HashMap::new();
        for task in case.tasks.iter().filter(|task| !is_zombie(task)) {
            let pid = task.process.pid;
            let ids: Option<proto::TaskKobjIdsEntry> = images
                .read_one(&format!("ids-{pid}.img"), diagnostics)
                .or_else(|| task.core.as_ref().and_then(|core| core.ids));
            // Tables have been named by the id of the table, not of the process, since CRIU 1.0.
            let table = match (ids.and_then(|ids| ids.files_id), per_id) {
                (Some(table), Some(true)) => table,
                (Some(table), _) if images.member(&format!("fdinfo-{pid}.img")).is_none() => table,
                (None, Some(true)) => {
                    let message = format!("which descriptors process {pid} has is not known");
                    diagnostics.push(Diagnostic::loss("missing-image", format!("ids-{pid}.img"), message));
                    continue;
                }
                _ => pid,
            };
            let descriptors = by_table.entry(table).or_insert_with(|| {
                let name = format!("fdinfo-{table}.img");
                // CRIU writes one for every process, be it empty.
                if images.member(&name).is_none() {
                    let message = format!("which descriptors process {pid} has is not known");
                    diagnostics.push(Diagnostic::loss("missing-image", name.as_str(), message));
                }
                let entries = images.read::<proto::FdinfoEntry>(&name, diagnostics);
                let mut found: Vec<_> =
                    entries.into_iter().filter_map(|entry| entry.value.try_into().ok()).collect();
                found.sort_by_key(|descriptor: &Descriptor| descriptor.fd);
                found.into()
            });
            for descriptor in descriptors.iter() {
                holders.entry(descriptor.key).or_default().push(Holder {
                    pid,
                    comm: task.process.comm.clone(),
                    fd: descriptor.fd,
                });
            }
            tables.insert(pid, Rc::clone(descriptors));
        }
        let mut by_id = HashMap::new();
        for entry in case.files.entries() {
            let key = (entry.r#type.unwrap_or(0), entry.id.unwrap_or(0));
            // A regular file may share its id with the TUN descriptor or terminal that it names; entries are
            // in order of type, and regular files are the first.
            by_id.insert(key.1, key);
        }
        let mut packets: BTreeMap<u32, Vec<Packet>> = BTreeMap::new();
        for entry in images.read::<proto::SkPacketEntry>(SOCKET_QUEUES, diagnostics) {
            if let Some(receiver) = entry.value.id_for {
                packets.entry(receiver).or_default().push(packet(entry));
            }
        }
        let march = |task: &Task<'_>| task.core.as_ref().and_then(|core| March::try_from(core.mtype?).ok());
        let numbering = case.tasks.iter().find_map(march).map(Numbering::of).unwrap_or_default();
        Self { tables, holders, by_id, packets, numbering }
    }

    /// The descriptors of a process in order of number.
    pub fn of(&self, pid: u32) -> &[Descriptor] {
        self.tables.get(&pid).map(AsRef::as_ref).unwrap_or_default()
    }

    /// Who holds an open file.
    pub fn holders(&self, key: FileKey) -> &[Holder] {
        self.holders.get(&key).map(Vec::as_slice).unwrap_or_default()
    }

    /// The processes that hold an open file, each once.
    pub fn pids(&self, key: FileKey) -> Vec<u32> {
        let mut pids: Vec<u32> = self.holders(key).iter().map(|holder| holder.pid).collect();
        pids.dedup();
        pids
    }

    /// What waits in the receive queue of the socket with a file id.
    pub fn packets(&self, receiver: u32) -> &[Packet] {
        self.packets.get(&receiver).map(Vec::as_slice).unwrap_or_default()
    }

    /// File ids of the sockets in which something waits.
    pub fn receivers(&self) -> impl Iterator<Item = u32> {
        self.packets.keys().copied()
    }

    /// Type and id of the file that a control message names.
    pub fn in_flight(&self, id: u32) -> Option<FileKey> {
        self.by_id.get(&id).copied()
    }
}

impl TryFrom<proto::FdinfoEntry> for Descriptor {
    type Error = ();

    fn try_from(entry: proto::FdinfoEntry) -> Result<Self, ()> {
        Ok(Self {
            fd: entry.fd.ok_or(())?,
            key: (entry.r#type.ok_or(())?, entry.id.ok_or(())?),
            cloexec: entry.flags.unwrap_or(0) & 1 != 0,
            selinux_label: entry.xattr_security_selinux.map(Text),
        })
    }
}

fn packet(entry: Located<proto::SkPacketEntry>) -> Packet {
    /// `SCM_RIGHTS`.
    const RIGHTS: u32 = 1;
    let rights = entry.value.scm.iter().filter(|scm| scm.r#type == Some(RIGHTS));
    Packet { rights: rights.flat_map(|scm| scm.rights.iter().copied()).collect(), payload: entry.payload }
}

pub(crate) fn is_zombie(task: &Task<'_>) -> bool {
    task.process.state == Some(crate::process::State::Zombie)
}

/// Type and id of an entry, and its type by name if it is a known one.
pub(crate) fn key_of(entry: &FileEntry) -> (FileKey, Option<FdTypes>) {
    let number = entry.r#type.unwrap_or(0);
    ((number, entry.id.unwrap_or(0)), FdTypes::try_from(number).ok())
}

/// The processes that are asked for.
pub(crate) struct Wanted {
    pids: HashSet<u32>,
    all: bool,
}

impl Wanted {
    pub fn of(case: &Case<'_>, wanted: &dyn Fn(&Task<'_>) -> bool) -> Self {
        let pids: HashSet<u32> =
            case.tasks.iter().filter(|task| wanted(task)).map(|task| task.process.pid).collect();
        Self { all: pids.len() == case.tasks.len(), pids }
    }

    /// Whether what belongs to these processes is asked for. What belongs to none is, when all are.
    pub fn any<'p>(&self, pids: impl IntoIterator<Item = &'p u32>) -> bool {
        self.all || pids.into_iter().any(|pid| self.pids.contains(pid))
    }
}
