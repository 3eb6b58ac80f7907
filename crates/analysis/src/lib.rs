//! Joins what the parser read into facts about processes, and makes the report structs that are
//! ckptfx's JSON contract. No input or output happens here.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss
    )
)]

pub mod anomaly;
pub mod bpf;
pub mod capability;
mod case;
pub mod clues;
pub mod credential;
pub mod elf_core;
pub mod environment;
pub mod ghost;
pub mod limits;
pub mod location;
pub mod mapping;

pub mod process;
pub mod registers;
pub mod report;
pub mod search;
pub mod seccomp;
pub mod signal;
pub mod summary;
pub mod syscall;
mod text;
pub mod thread;
pub mod timer;
pub mod uts;

pub use case::{Case, Task};
pub use text::{Text, unfold};
