//! CRIU image files: framing, registry, typed entries (`format.md §1`).

mod file;
pub mod framing;
mod ghost;
mod order;
pub(crate) mod payload;
mod read;
pub mod registry;
#[cfg(test)]
mod tests;
mod typed;
pub(crate) mod upcoming;

pub use self::{
    file::{ImageFile, Located},
    framing::{Entries, Entry, Framing, Opened, open},
    ghost::{Ghost, GhostChunk, GhostContent, read_ghost},
    order::ByteOrder,
    read::{read, read_message_queues, read_pagemap},
    registry::{Descriptor, Kind, identify, identify_magic},
    typed::Image,
};
