//! Reads container checkpoint archives: members, CRIU images, address spaces.
//!
//! ```
//! use ckptfx_parser::{
//!     input::{Input, OpenOptions, open},
//!     proto::PstreeEntry,
//! };
//! use ckptfx_testkit::{Container, PodmanVersion};
//!
//! let archive = Container::sample().podman(PodmanVersion::V5).to_tar();
//! let evidence = open(&Input::Bytes(archive.into()), &OpenOptions::default())?;
//! assert_eq!(evidence.format, "tar");
//!
//! // What cannot be read of an image is told here, and the rest is given.
//! let mut diagnostics = Vec::new();
//! let tree = evidence.checkpoints[0].images.read::<PstreeEntry>("pstree.img", &mut diagnostics);
//! let pids: Vec<u32> = tree.iter().filter_map(|entry| entry.value.pid).collect();
//! assert_eq!(pids, [1, 7]);
//! assert!(diagnostics.is_empty());
//! # Ok::<(), ckptfx_parser::Error>(())
//! ```
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
