//! Which process holds which open file (`format.md §2`, `§8.1`): what `files`, `sockets` and `queues` share.

mod empty;
mod read;
mod table;

pub(crate) use self::table::{Descriptors, FileKey, SOCKET_QUEUES, Wanted, is_zombie, key_of};
pub use self::table::{Holder, Holders};
