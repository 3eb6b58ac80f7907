//! Processes and threads: who they are, and what they were doing.

pub mod environment;
mod facts;
pub mod history;
pub mod limits;
pub mod registers;
mod settings;
pub mod signal;
pub mod syscall;
pub mod thread;
pub(crate) mod thread_image;
pub mod timer;
mod tree;

pub use self::{
    facts::{Capabilities, Ids, Namespace, Process, State, Thread},
    settings::{Personality, Settings},
};
pub(crate) use self::{
    facts::{Context, capabilities, no_new_privs},
    tree::read_tree,
};
