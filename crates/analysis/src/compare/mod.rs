//! What differs between two checkpoints. Things are matched by what they are (path, addresses, name, place in the
//! process tree), never by the numbers that CRIU gives them, which change from dump to dump.

mod change;
mod container;
mod file;
mod input;
mod item;
mod list;
mod mapping;
mod memory;
mod mount;
mod pages;
mod pair;
mod process;
mod rootfs;
mod socket;
mod strings;

use self::{
    change::Facts,
    item::{Item, Key},
    pair::{Pairs, Side},
};
pub use self::{
    change::{Change, Difference, Kind, MemoryChange, Subject},
    input::{Input, StringWish, Wish},
    list::changes,
};

#[cfg(test)]
mod tests;
