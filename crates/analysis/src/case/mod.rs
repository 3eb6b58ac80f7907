//! Everything known of one checkpoint, joined once and then only read.

mod read;
mod record;
mod task;

pub use self::{record::Case, task::Task};
