//! An ELF core file of a process, made of the checkpoint's bytes only: what a debugger needs, and nothing that the
//! checkpoint does not hold.

mod layout;
mod notes;
mod plan;
mod segment;
mod writer;

pub use self::{
    plan::{Core, Refusal, mapped_files, plan},
    segment::{Piece, Segment, SegmentFacts},
};
