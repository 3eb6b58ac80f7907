//! The members of an archive, wherever they are: a tar, a directory, a stream of images.
//!
//! A member's bytes are a slice of the evidence; nothing is extracted.

mod directory;
mod header;
mod listing;
mod member;
mod path;
mod pax;
mod sift;
mod sparse;
mod store;
mod stream;
mod tar;
mod walk;

pub(crate) use self::path::{join, split};
pub use self::{
    directory::index_directory,
    header::{looks_like_damaged_tar, looks_like_tar},
    listing::Archive,
    member::{Member, MemberKind},
    path::{leads_out, normalise},
    sift::{Sieve, Sifter, UNIT},
    store::{Store, Stored},
    stream::{index_stream, looks_like_stream},
    tar::{index_tar, index_tars, not_read},
};
