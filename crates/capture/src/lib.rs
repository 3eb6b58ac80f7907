//! From a running container to a sealed archive, and from an archive to an image that restores.
//!
//! What is below needs no network: the explanation of failures ([`explain`]), manifests ([`manifest`]) and
//! images ([`image`]). With the feature `network` the crate also triggers checkpoints and brings them home; it
//! is the only one of the workspace that opens a socket.
#![forbid(unsafe_code)]

pub mod answer;
#[cfg(feature = "network")]
pub mod captured;
#[cfg(feature = "network")]
pub mod cri;
#[cfg(feature = "network")]
pub mod error;
pub mod explain;
pub mod image;
#[cfg(feature = "network")]
pub mod kubernetes;
#[cfg(feature = "network")]
pub mod local;
pub mod manifest;
#[cfg(feature = "network")]
pub mod podman;
#[cfg(feature = "network")]
pub mod push;
#[cfg(feature = "network")]
pub mod record;
#[cfg(feature = "network")]
pub mod seal;
#[cfg(feature = "network")]
pub mod session;
#[cfg(feature = "network")]
pub mod stop;
