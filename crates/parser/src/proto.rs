//! The CRIU image messages, generated from `proto/`.
#![allow(missing_docs, clippy::all, unused_qualifications, rustdoc::all)]
include!(concat!(env!("OUT_DIR"), "/criu.rs"));

/// The encoded `FileDescriptorSet` of the messages, with the options of `proto/presentation.proto`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/criu.bin"));
