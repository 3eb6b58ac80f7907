//! The frame around every result: what no single fact owns of the JSON contract, and text that is fit to be shown.
//! Facts serialise themselves where they are made, in `ckptfx-analysis`.
//!
//! ```
//! use ckptfx_report::{listing, untrusted};
//!
//! let sockets = listing::of("sockets").expect("a command");
//! assert_eq!(sockets.list(), "sockets");
//! assert!(sockets.columns().contains(&"local.port"));
//! // Text of the evidence cannot clear the analyst's screen.
//! assert!(!untrusted::show(b"\x1b[2J").contains('\x1b'));
//! ```
#![forbid(unsafe_code)]

pub mod custody;
mod envelope;
pub mod fleet;
pub mod heads;
pub mod json;
pub mod list;
pub mod listing;
pub mod queue;
pub mod schema;
pub mod untrusted;
pub mod words;

pub use self::envelope::{ContainerHead, DocumentHead, EvidenceHead, Head, Status, Tool, Warning};
