//! Which process holds which open file (`format.md §2`, `§8.1`): what `files`, `sockets` and `queues` share.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap, HashSet},
    rc::Rc,
    sync::Arc,
};

use ckptfx_parser::{
    Diagnostic, Limits, Reports,
    dynamic::Numbering,
    image::Located,
    limits::reached,
    proto::{self, FdTypes, FileEntry, core_entry::March},
};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::{Case, Task, Text, files::empty_table};

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

/// Who else holds an open file. Every holder of a file has the same list, which is there once.
#[derive(Debug, Clone, Default)]
pub struct Holders {
    all: Arc<[Holder]>,
    /// The one that the others are listed beside.
    but: Option<(u32, u32)>,
}

impl Holders {
    /// Each of them, in order of process and descriptor.
    pub fn iter(&self) -> impl Iterator<Item = &Holder> {
        self.all.iter().filter(|holder| Some((holder.pid, holder.fd)) != self.but)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl PartialEq for Holders {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Serialize for Holders {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl JsonSchema for Holders {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        Vec::<Holder>::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Vec::<Holder>::json_schema(generator)
    }
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
    /// Who sent it.
    pub sender: Option<proto::SkUcredEntry>,
}

/// The descriptors of all processes, and those in flight.
#[derive(Debug)]
pub(crate) struct Descriptors {
    tables: BTreeMap<u32, Rc<[Descriptor]>>,
    holders: HashMap<FileKey, Arc<[Holder]>>,
    /// How much more may be listed once more, and how many more holders may be named; none when that was exceeded.
    shared: Cell<Option<u64>>,
    named: Cell<Option<u64>>,
    limits: Limits,
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
        let mut reports = Reports::new(images.limits());
        let mut absent: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let mut holders: HashMap<FileKey, Vec<Holder>> = HashMap::new();
        let limits = *images.limits();
        let shared = Cell::new(Some(limits.shared_descriptors));
        let mut seen = HashSet::new();
        for task in case.tasks.iter().filter(|task| !is_zombie(task)) {
            let pid = task.process.pid;
            // That the ids are missing was told when the case was read.
            let Some(table) = task.descriptor_table(images, per_id) else { continue };
            let descriptors = by_table.entry(table).or_insert_with(|| {
                let name = format!("fdinfo-{table}.img");
                let entries = images.read::<proto::FdinfoEntry>(&name, diagnostics);
                let mut found: Vec<_> =
                    entries.into_iter().filter_map(|entry| entry.value.try_into().ok()).collect();
                found.sort_by_key(|descriptor: &Descriptor| descriptor.fd);
                for missing in found.iter().filter(|one| !case.files.has(one.key) && !case.files.is_empty()) {
                    let message = format!(
                        "descriptor {} of process {pid} is file {} of type {}, which is not there",
                        missing.fd, missing.key.1, missing.key.0
                    );
                    reports.push(Diagnostic::loss("missing-file", "files.img", message), diagnostics);
                }
                for pair in found.windows(2) {
                    let [one, next] = pair else { continue };
                    if one.fd == next.fd {
                        let message = format!("descriptor {} is listed twice; both are shown", one.fd);
                        reports.push(Diagnostic::loss("duplicate-fd", name.as_str(), message), diagnostics);
                    }
                }
                found.into()
            });
            if images.member(&format!("fdinfo-{table}.img")).is_none() {
                absent.entry(table).or_default().push(pid);
            }
            if !seen.insert(table) && !take(&shared, descriptors.len()) {
                continue;
            }
            for descriptor in descriptors.iter() {
                holders.entry(descriptor.key).or_default().push(Holder {
                    pid,
                    comm: task.process.comm.clone(),
                    fd: descriptor.fd,
                });
            }
            tables.insert(pid, Rc::clone(descriptors));
        }
        reports.finish("fdinfo", diagnostics);
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
        let holders = holders.into_iter().map(|(key, holders)| (key, holders.into())).collect();
        let named = Cell::new(Some(limits.holders));
        let read = Self { tables, holders, shared, named, limits, by_id, packets, numbering };
        empty_table::report(case, &read, absent, diagnostics);
        read
    }

    /// Says what was left out. It is known when everything was asked for.
    pub fn finish(&self, diagnostics: &mut Vec<Diagnostic>) {
        if self.shared.get().is_none() {
            let what = format!(
                "processes share descriptor tables: beyond {} descriptors that are listed once more the rest is not",
                self.limits.shared_descriptors
            );
            diagnostics.push(reached("too-many-descriptors", "fdinfo", "shared-descriptors", what));
        }
        if self.named.get().is_none() {
            let what = format!("the first {} holders of open files are named", self.limits.holders);
            diagnostics.push(reached("too-many-descriptors", "fdinfo", "holders", what));
        }
    }

    /// Whether something of a length may be listed once more.
    pub fn repeats(&self, count: usize) -> bool {
        take(&self.shared, count)
    }

    /// Whether so many holders may be named.
    pub fn names(&self, count: usize) -> bool {
        take(&self.named, count)
    }

    /// The descriptors of a process in order of number.
    pub fn of(&self, pid: u32) -> &[Descriptor] {
        self.tables.get(&pid).map(AsRef::as_ref).unwrap_or_default()
    }

    /// Who holds an open file.
    pub fn holders(&self, key: FileKey) -> &[Holder] {
        self.holders.get(&key).map(AsRef::as_ref).unwrap_or_default()
    }

    /// The same to be listed beside one of them, if there is room.
    pub fn beside(&self, key: FileKey, but: Option<(u32, u32)>) -> Holders {
        let all = self.holders.get(&key).filter(|all| self.names(all.len())).cloned();
        Holders { all: all.unwrap_or_default(), but }
    }

    /// The processes that hold an open file, each once, to be listed if there is room.
    pub fn pids(&self, key: FileKey) -> Vec<u32> {
        let holders = self.holders(key);
        if !self.names(holders.len()) {
            return Vec::new();
        }
        let mut pids: Vec<u32> = holders.iter().map(|holder| holder.pid).collect();
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

/// Takes from what there is room for. After what does not fit there is none, so that it is used in order.
fn take(room: &Cell<Option<u64>>, count: usize) -> bool {
    room.set(room.get().and_then(|left| left.checked_sub(count as u64)));
    room.get().is_some()
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
    Packet {
        rights: rights.flat_map(|scm| scm.rights.iter().copied()).collect(),
        payload: entry.payload,
        sender: entry.value.ucred,
    }
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
