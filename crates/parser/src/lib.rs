//! Reads container checkpoint archives: members, CRIU images, address spaces.
#![cfg_attr(test, allow(clippy::cast_possible_truncation, reason = "tests know their numbers"))]

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
