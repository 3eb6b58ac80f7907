//! The container and what surrounds its processes: an overview, mounts, namespaces, control groups, logs.

pub mod absent;
pub mod cgroup;
pub mod clues;
pub mod dated;
pub mod ipc;
pub mod log;
pub mod mount;
pub mod namespace;
pub mod statistics;
pub mod summary;
pub mod uts;
