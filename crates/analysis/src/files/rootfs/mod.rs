//! What a container changed in its file systems (`archives.md §2`).

mod base;
mod change;
mod flags;
mod list;

pub use self::{
    base::Base,
    change::{Change, ChangeKind, Xattr},
    list::{Wish, add_notes, changes},
};
