//! OCI images of which CRI-O, containerd and Podman restore a container.
//!
//! An image has one layer, the archive's own members at its root, and the annotations by which each engine
//! tells a checkpoint from an ordinary image. The same archive gives the same bytes.

mod annotations;
mod build;
mod layer;
mod layout;
mod parts;
mod pod;
pub mod record;
mod restorable;

pub(crate) use self::parts::MANIFEST_TYPE;
pub use self::{
    layout::{Form, write},
    parts::{Descriptor, Entry, Error, Image, Kind, Origin, split_name},
    pod::pod_manifest,
    restorable::{Engine, Verdict, verdicts},
};

#[cfg(test)]
mod tests;
