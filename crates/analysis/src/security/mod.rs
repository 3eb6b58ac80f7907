//! As whom processes ran, with which rights, and under which filters.

pub mod bpf;
pub mod capability;
pub mod credential;
pub mod seccomp;
pub mod trace;
