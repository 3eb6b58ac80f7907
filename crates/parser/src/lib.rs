//! Reads container checkpoint archives: members, CRIU images, address spaces.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss
    )
)]

pub mod archive;
mod checkpoint;
pub mod container;
mod diagnostic;
pub mod dynamic;
mod error;
pub mod files;
pub mod image;
pub mod input;
pub mod limits;
pub mod memory;
pub mod netlink;
pub mod plain;
pub mod proto;
mod reports;
pub mod source;
pub mod text;
mod wire;

pub use checkpoint::{Checkpoint, ImageDirectory, Parent};
pub use diagnostic::{Diagnostic, Severity};
pub use error::{Error, Result};
pub use limits::Limits;
pub use reports::Reports;
