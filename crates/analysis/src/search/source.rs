//! The kinds of bytes that can be searched.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

/// What kind of thing bytes are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A process's own memory.
    Memory,
    /// Shared anonymous or System V memory.
    SharedMemory,
    /// A memfd.
    Memfd,
    /// Bytes of pages images that belong to no process and no shared memory, and pages of parent dumps that later
    /// dumps replaced.
    Unclaimed,
    /// Memory of a GPU that a plugin of CRIU saved.
    GpuMemory,
    /// What nobody had read from a pipe or FIFO.
    Pipe,
    /// What nobody had read from a socket, or what was not sent yet.
    SocketQueue,
    /// A System V message queue.
    MessageQueue,
    /// What was typed and not read, or written to the screen and not shown.
    Tty,
    /// A deleted file that was open or mapped.
    GhostFile,
    /// A tmpfs of the container, or `/dev/shm`.
    Tmpfs,
    /// Added or modified files of the root file system.
    Rootfs,
    /// A Podman volume.
    Volume,
    /// The container's log and CRIU's.
    Log,
    /// The engine's files, and images that hold no content: names, command lines, settings.
    Metadata,
}

impl Source {
    /// All of them, in the order in which they are searched.
    pub const ALL: [Self; 15] = [
        Self::Memory,
        Self::SharedMemory,
        Self::Memfd,
        Self::Unclaimed,
        Self::GpuMemory,
        Self::Pipe,
        Self::SocketQueue,
        Self::MessageQueue,
        Self::Tty,
        Self::GhostFile,
        Self::Tmpfs,
        Self::Rootfs,
        Self::Volume,
        Self::Log,
        Self::Metadata,
    ];
    /// All but logs and metadata, the last two: what a container held, and what findings and dated facts are looked
    /// for in.
    pub const CONTENT: &'static [Self] = Self::ALL.split_at(Self::ALL.len() - 2).0;

    /// The word used in options and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::SharedMemory => "shared-memory",
            Self::Memfd => "memfd",
            Self::Unclaimed => "unclaimed",
            Self::GpuMemory => "gpu-memory",
            Self::Pipe => "pipe",
            Self::SocketQueue => "socket-queue",
            Self::MessageQueue => "message-queue",
            Self::Tty => "tty",
            Self::GhostFile => "ghost-file",
            Self::Tmpfs => "tmpfs",
            Self::Rootfs => "rootfs",
            Self::Volume => "volume",
            Self::Log => "log",
            Self::Metadata => "metadata",
        }
    }

    /// Whether processes can address its bytes: they have addresses rather than offsets.
    pub const fn is_mapped(self) -> bool {
        matches!(self, Self::Memory | Self::SharedMemory | Self::Memfd)
    }

    /// Whether its bytes are memory, be it anybody's or nobody's.
    pub const fn is_memory(self) -> bool {
        self.is_mapped() || matches!(self, Self::Unclaimed | Self::GpuMemory)
    }

    /// Whether its bytes wait to be read.
    pub const fn is_queue(self) -> bool {
        matches!(self, Self::Pipe | Self::SocketQueue | Self::MessageQueue | Self::Tty)
    }

    /// Whether its bytes are those of files that have a name.
    pub const fn is_file_system(self) -> bool {
        matches!(self, Self::Tmpfs | Self::Rootfs | Self::Volume)
    }

    /// Whether its bytes are those of files, with or without a name.
    pub const fn is_file(self) -> bool {
        self.is_file_system() || matches!(self, Self::GhostFile)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_all_but_logs_and_metadata() {
        let others: Vec<Source> =
            Source::ALL.into_iter().filter(|source| !Source::CONTENT.contains(source)).collect();
        assert_eq!(others, [Source::Log, Source::Metadata]);
    }

    #[test]
    fn content_is_memory_a_queue_or_a_file() {
        for source in Source::ALL {
            let kinds = [source.is_memory(), source.is_queue(), source.is_file()];
            let count = kinds.iter().filter(|is_so| **is_so).count();
            assert_eq!(count, usize::from(Source::CONTENT.contains(&source)), "{source}");
        }
    }
}
