//! Bytes of the evidence: mapped when plain, decompressed once into anonymous storage when not.
//!
//! A [`Source`] is read by ranges, and an [`Extent`] is one of these.
//! Nothing here knows what the bytes mean. The content decides, never the file name.

mod blocks;
mod compression;
mod extent;
mod file;
mod map;
mod progress;
mod ranged;
mod spool;

pub use blocks::{Block, Blocks, Undone};
pub use compression::{Compression, Sink};
pub use extent::{Extent, Fault, View};
pub use file::map_regular;
pub use map::{explain_faults, map_file};
pub use progress::{Progress, Silent};
pub use ranged::Source;
pub use spool::Spool;
