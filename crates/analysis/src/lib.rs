//! Joins what the parser read into facts about processes, and makes the report structs that are
//! ckptfx's JSON contract. No input or output happens here.
#![cfg_attr(test, allow(clippy::cast_possible_truncation, reason = "tests know their numbers"))]
#![forbid(unsafe_code)]

mod case;
pub mod compare;
pub mod container;
pub mod examination;
pub mod files;
pub mod finding;
pub mod graph;
pub mod ioc;
pub mod memory;
pub mod network;
pub mod process;
pub mod recover;
pub mod redact;
pub mod search;
pub mod secret;
pub mod security;
pub mod timeline;

#[cfg(test)]
mod state_tests;

pub use case::{Case, Task};
pub use ckptfx_parser::text::{Text, unfold};

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use ckptfx_parser::input::{self, Input, OpenOptions};
    use ckptfx_testkit::{Checkpoint, Container, PodmanVersion};

    use super::*;

    /// Writes a dump as an archive, reads it, and gives what was read.
    pub(crate) fn with_case<T>(dump: Checkpoint, look: impl FnOnce(&mut Case<'_>) -> T) -> T {
        with_archive(&Container::new(dump).podman(PodmanVersion::V5).to_tar(), look)
    }

    /// Reads an archive, and gives what was read.
    pub(crate) fn with_archive<T>(tar: &[u8], look: impl FnOnce(&mut Case<'_>) -> T) -> T {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(tar).unwrap();
        let options = OpenOptions::default();
        let evidence = input::open(&Input::Path(file.path().to_path_buf()), &options).unwrap();
        look(&mut Case::read(&evidence.checkpoints[0]))
    }
}
