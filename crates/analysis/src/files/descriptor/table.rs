//! Who holds which open file, as plain data.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap, HashSet},
    rc::Rc,
    sync::Arc,
};

use ckptfx_parser::{
    Diagnostic, Limits,
    dynamic::Numbering,
    limits::reached,
    proto::{self, FdTypes, FileEntry},
};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

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
    pub(super) tables: BTreeMap<u32, Rc<[Descriptor]>>,
    pub(super) holders: HashMap<FileKey, Arc<[Holder]>>,
    /// How much more may be listed once more, and how many more holders may be named; none when that was exceeded.
    pub(super) shared: Cell<Option<u64>>,
    pub(super) named: Cell<Option<u64>>,
    pub(super) limits: Limits,
    /// Files by id alone, as control messages name them.
    pub(super) by_id: HashMap<u32, FileKey>,
    /// By file id of the receiving socket.
    pub(super) packets: BTreeMap<u32, Vec<Packet>>,
    pub numbering: Numbering,
}

/// Name of the image that holds socket queues.
pub(crate) const SOCKET_QUEUES: &str = "sk-queues.img";

impl Descriptors {
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
pub(super) fn take(room: &Cell<Option<u64>>, count: usize) -> bool {
    room.set(room.get().and_then(|left| left.checked_sub(count as u64)));
    room.get().is_some()
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
