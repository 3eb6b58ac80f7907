//! Writes container checkpoints from a description, for tests.
//!
//! Nobody can capture every kind of checkpoint on one machine: old releases of
//! CRIU, other architectures, broken and hostile archives. This crate makes them.
//! It shares no code with the reader, so that each can catch the other's mistakes.
//! The same description always yields the same bytes.
//!
//! ```
//! use ckptfx_testkit::{Arch, Checkpoint, Container, Criu, File, PodmanVersion, Process, Vma};
//!
//! let dump = Checkpoint::new().criu(Criu::V3_19).arch(Arch::Aarch64).process(
//!     Process::new(1)
//!         .comm("init")
//!         .cmdline(["/sbin/init"])
//!         .fd(3, File::tcp("10.0.0.2:40000", "203.0.113.9:443").queued("unread"))
//!         .memory(Vma::anonymous(0x7f00_0000_0000, 0x1_0000).bytes(0x10, "needle")),
//! );
//! let tar = Container::new(dump).podman(PodmanVersion::V5).to_tar();
//! assert_eq!(&tar[257..262], b"ustar");
//! ```
//!
//! Misuse (an address that does not parse, bytes outside of a mapping) panics.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what it writes comes from a test, and misuse is to be seen"
)]

mod body;
mod catalog;
mod checkpoint;
mod compress;
pub mod damage;
mod emit;
mod engine;
mod file;
mod image;
mod large;
mod member;
mod memory;
mod moment;
mod process;
mod rng;
mod scale;
mod stream;
mod version;
mod wire;

pub use body::{Body, Cell, Flavor};
pub use catalog::{RECIPES, Recipe, incremental, rich, rich_old};
pub use checkpoint::{Checkpoint, Filter, Mount, NetDevice, SysvMessage, TmpfsFile};
pub use compress::Outer;
pub use engine::*;
pub use file::{File, FileKind, Ghost, Inet, Remap, Tty, Unix};
pub use image::{Framing, Images, Style, file_name, magic};
pub use large::Large;
pub use member::{Dialect, Kind, Member, Members};
pub use memory::{
    Backing, Contents, LAZY, PARENT, PRESENT, Shared, SharedKind, Storage, Vma, entry as pagemap_entry,
};
pub use moment::TIME;
pub use process::{Creds, DEFAULT_CAPS, Namespaces, Process, Registers, StackPages, State, Thread};
pub use rng::Rng;
pub use scale::Scale;
pub use stream::Stream;
pub use version::{Arch, Criu};
pub use wire::{Message, put_varint};
