//! One change of a file system.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::Text;

/// What containerd puts in the place of a deleted `NAME`: `.wh.NAME`.
pub(super) const WHITEOUT: &[u8] = b".wh.";

/// Says that a directory hides what is below it in lower layers.
pub(super) const OPAQUE: &[u8] = b".wh..wh..opq";

/// What became of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// It is in the archive; whether the image had it too is not known.
    AddedOrModified,
    /// It was deleted.
    Deleted,
    /// The image does not have it (only with the base image).
    Added,
    /// The image has another version of it (only with the base image).
    Modified,
    /// It is listed, but is as in the image (only with the base image).
    Unchanged,
}

impl ChangeKind {
    /// The word used in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::AddedOrModified => "added-or-modified",
            Self::Deleted => "deleted",
            Self::Added => "added",
            Self::Modified => "modified",
            Self::Unchanged => "unchanged",
        }
    }
}

/// An extended attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Xattr {
    /// Name, such as `security.capability`.
    pub name: Text,
    /// Value.
    pub value: Text,
}

/// A changed path. Of a deleted one the facts are those of the base image, if it was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Change {
    /// Path in the container.
    pub path: Text,
    /// What became of it.
    pub change: ChangeKind,
    /// `regular`, `directory`, `symlink`, `hardlink`, `char-device`, `block-device`, `fifo` or `other`.
    pub kind: Option<&'static str>,
    /// Size in bytes, of a regular file or of the one that a hard link leads to.
    pub size: Option<u64>,
    /// Permission bits, in octal.
    pub mode: Option<String>,
    /// Owner as the container sees it; null also when its user namespace has no id for the node's.
    pub uid: Option<u64>,
    /// Group, as for the owner.
    pub gid: Option<u64>,
    /// Owner as the node sees it; null when the container has no user namespace of its own.
    pub host_uid: Option<u64>,
    /// Group as the node sees it, as for the owner.
    pub host_gid: Option<u64>,
    /// Last modification.
    #[schemars(with = "Option<String>")]
    pub mtime: Option<Timestamp>,
    /// SHA-256 of the content, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Target of a symbolic or hard link, as written.
    pub link_target: Option<Text>,
    /// `major:minor` of a device.
    pub device: Option<String>,
    /// Extended attributes.
    pub xattrs: Vec<Xattr>,
    /// Where the archive has it: `rootfs-diff`, `deleted.files`, `devshm`, `volume:NAME`, `tmpfs:/run`.
    pub origin: Text,
    /// What is worth noticing: `setuid`, `setgid`, `capability`, `executable`, `world-writable`, `elf`,
    /// `script`, `hidden`, `recreated` (deleted, and there again), `whiteout`, `opaque` (a directory that
    /// hides the image's), `parent` (a directory listed because of what changed below it, which need not
    /// have changed itself), `runtime-default` (what runtimes put into every container), `cut`.
    pub flags: Vec<&'static str>,
    /// Processes that use the file by this path.
    pub pids: Vec<u32>,
    /// How the text changed, as a unified diff, when asked for and the file is small.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
}

/// Directory and last part of a path.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (path.get(..slash).unwrap_or_default(), path.get(slash + 1..).unwrap_or_default()),
        None => (b"", path),
    }
}
