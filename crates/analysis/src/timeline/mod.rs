//! Every dated fact of a checkpoint, in order of time.
//!
//! Each source of times has a function in one of the modules below, which pushes events; `events` calls them all and
//! sorts. A new source of times is a new function there and, if need be, a new [`Kind`].

mod container;
mod credentials;
mod event;
mod files;
mod list;
mod logs;
mod typed;

pub use self::{
    event::{Event, Kind, Reliability, Subject, Wish},
    list::events,
};

#[cfg(test)]
mod tests;
