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

pub mod capability;
mod case;
pub mod clues;
pub mod contents;
pub mod cyclonedx;
pub mod environment;
pub mod file_use;
pub mod limits;
pub mod nested;
pub mod process;
pub mod recover;
pub mod report;
pub mod rootfs;
pub mod sbom;
pub mod search;
pub mod summary;
mod text;
pub mod uts;

pub use case::{Case, Task};
pub use text::{Text, unfold};
