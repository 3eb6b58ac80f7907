//! The frame around every result: what no single fact owns of the JSON contract, and text that is fit to be shown.
//! Facts serialise themselves where they are made, in `ckptfx-analysis`.
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
