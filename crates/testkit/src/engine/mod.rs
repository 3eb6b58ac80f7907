//! What container engines put around the images.

mod container;
mod kubernetes;
mod oci;
mod podman;
pub mod raw;
mod rootfs;

pub use container::Container;
pub use kubernetes::{ContainerdVersion, CrioVersion, PodOptions, pod_archive};
pub use oci::{Annotations, Image, ImageFormat, LayerCompression, ctr_export};
pub use podman::PodmanVersion;
pub use rootfs::RootfsDiff;
