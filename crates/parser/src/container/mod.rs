//! What the engine wrote about the container: one model for Podman, CRI-O and containerd, told apart
//! by content (`archives.md §1`). Nothing here is derived from the process images.

mod engine;
mod model;
mod read;

pub use model::{Container, Engine};
