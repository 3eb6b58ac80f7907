//! Open files as `files` lists them: what readlink, fdinfo and stat of `/proc/PID/fd/N` say, as far as the
//! images hold it (`format.md §8`).

mod describe;
mod details;
mod facts;
mod list;
mod lock;
mod record;
mod special;

pub(crate) use self::facts::Facts;
pub use self::{
    details::{Details, EpollTarget, FanotifyMark, InotifyWatch, Regular, SocketFacts, TimeValue},
    list::files,
    record::{Content, Kind, Lock, OpenFile, Role, SignalOwner},
};

#[cfg(test)]
mod tests;
