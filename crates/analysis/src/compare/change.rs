//! A difference.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::Text;

/// How the bytes of a region differ. A page is as big as the processor's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MemoryChange {
    /// What was compared: `address` (the same addresses), or `mapping` (the same places in mappings of one name,
    /// since the two processes have different address layouts), or `object` (a shared object).
    pub by: &'static str,
    /// Size of a page in bytes.
    pub page_size: u64,
    /// Pages that hold something only later: written, or written for the first time.
    pub pages_added: u64,
    /// Pages that held something only earlier.
    pub pages_removed: u64,
    /// Pages with other bytes.
    pub pages_changed: u64,
    /// Pages whose bytes one of the checkpoints lacks: whether they differ is not known.
    pub pages_not_compared: u64,
    /// Bytes that differ in the changed pages.
    pub bytes_changed: u64,
    /// Where: of the later process, first address and first one after it, of a shared object offsets.
    pub ranges: Vec<[String; 2]>,
    /// Ranges that are not listed.
    pub ranges_left_out: u64,
}

/// Facts by name.
pub type Facts = Map<String, Value>;

/// What kind of thing differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// What the engine says of the container.
    Container,
    /// A process.
    Process,
    /// Ids, capabilities, filters and labels of a process or thread.
    Credential,
    /// An environment variable.
    Environment,
    /// A file that a process refers to.
    File,
    /// A socket.
    Socket,
    /// A mount.
    Mount,
    /// A mapping of a process.
    Mapping,
    /// Bytes of memory.
    Memory,
    /// Text in memory that appeared or disappeared.
    String,
    /// A path in the changes of the file systems.
    Rootfs,
}

impl Kind {
    /// All of them, in the order of the result.
    pub const ALL: [Self; 11] = [
        Self::Container,
        Self::Process,
        Self::Credential,
        Self::Environment,
        Self::File,
        Self::Socket,
        Self::Mount,
        Self::Mapping,
        Self::Memory,
        Self::String,
        Self::Rootfs,
    ];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Process => "process",
            Self::Credential => "credential",
            Self::Environment => "environment",
            Self::File => "file",
            Self::Socket => "socket",
            Self::Mount => "mount",
            Self::Mapping => "mapping",
            Self::Memory => "memory",
            Self::String => "string",
            Self::Rootfs => "rootfs",
        }
    }
}

/// How it differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Difference {
    /// Only the later checkpoint has it.
    Added,
    /// Only the earlier checkpoint has it.
    Removed,
    /// Both have it, with other facts.
    Changed,
}

/// What a difference is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Subject {
    /// The process in the later checkpoint; null if it is not there, or the thing belongs to no process.
    pub pid: Option<u32>,
    /// The same process in the earlier checkpoint, where its pid may have been another one.
    pub pid_before: Option<u32>,
    /// Its name, in the later checkpoint if it is there.
    pub comm: Option<Text>,
    /// Path, name of a variable, addresses, … as the kind has it.
    pub name: Text,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Change {
    /// What kind of thing differs.
    pub kind: Kind,
    /// How it differs.
    pub change: Difference,
    /// What it is.
    pub subject: Subject,
    /// Facts in the earlier checkpoint: those that differ; of something removed all; null for something added.
    pub before: Option<Facts>,
    /// Facts in the later checkpoint, in the same way; null for something removed.
    pub after: Option<Facts>,
    /// Counts of pages; the key is missing for other kinds than memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryChange>,
    /// The earlier checkpoint: file name of the archive, with the part if it holds several checkpoints.
    pub from: String,
    /// The later checkpoint.
    pub to: String,
}
