//! Where the tars of file systems inside an archive come from.

/// Where a tar comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// `rootfs-diff.tar`.
    RootfsDiff,
    /// A Podman volume, by name.
    Volume(Vec<u8>),
    /// `devshm-checkpoint.tar`: `/dev/shm`.
    DevShm,
    /// A tmpfs by its device number, or by its mount id before CRIU 1.3.
    Tmpfs(u32),
}
