//! Indicators: addresses, wallets and hashes that the evidence holds, and those of them that are on a list.

mod find;
mod kind;
mod list;
mod record;
mod tld;

pub use self::{
    find::{Found, Known, KnownFile, count, known_files, matching},
    kind::Kind,
    list::{ListError, Term, read},
    record::{FilePlace, Indicator, Matched, SocketPlace},
};
