//! Finds patterns in memory: bytes and patterns go in, hits come out.
//!
//! The crate knows nothing about checkpoints. A caller hands over [`Region`]s (maximal contiguous runs of
//! bytes), a [`Plan`] (compiled patterns) and a sink, and receives every [`Hit`] in the order of region,
//! offset, pattern and encoding.
//!
//! # What a scan promises
//!
//! * For each pattern and encoding on its own, the hits are those of one sequential, leftmost, non-overlapping
//!   scan over each whole region. The size of the chunks, the size of the tiles and the number of threads
//!   never change the result.
//! * Regions are independent: no match bridges two of them, and look-around sees nothing beyond its region.
//! * Hits of different patterns may overlap; all are reported.
//! * An empty match is never reported.
//! * The memory in use is bounded by the options, not by the number of hits.
//!
//! # How it is done
//!
//! Regions are cut into chunks of a few MiB that are scanned in parallel on the ambient rayon pool. Within a
//! chunk every detector runs over one tile at a time, so that the bytes are read from memory once. A chunk
//! owns the matches that start in it and is scanned as if the scan resumed at its first byte; the merger, on the
//! calling thread, repairs the rare chunk into which a match of an earlier one extends.

#![forbid(unsafe_code)]

mod chunk;
mod clue;
mod drive;
mod gate;
mod group;
mod hit;
mod lane;
mod literal;
mod literals;
mod lock;
mod merge;
mod pair;
mod patient;
mod pattern;
mod piece;
mod plan;
mod reach;
mod regex;
mod region;
mod repeat;
mod strings;
mod sweep;
mod tile;
mod utf16;
pub mod yara;

pub use hit::{Encoding, Encodings, Hit, Outcome, Summary};
pub use pattern::{Note, PatternError, PatternKind};
pub use plan::{Counts, Options, Plan, PlanBuilder};
pub use region::Region;
pub use strings::{Render, Strings, Text, TextEncoding};
