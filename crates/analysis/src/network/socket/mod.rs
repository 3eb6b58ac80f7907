//! Sockets as `ss` shows them, with who holds them and what waits in them (`format.md §9`).

mod endpoint;
mod list;
mod options;
mod record;
mod short;
mod view;

pub use self::{
    endpoint::{Endpoint, shown},
    list::sockets,
    record::{InFlight, QueueSize, Socket},
};
pub(crate) use self::{
    short::{endpoints, is_stream, short, unix_path},
    view::View,
};

#[cfg(test)]
mod tests;
