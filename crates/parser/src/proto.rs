//! The CRIU image messages, generated from `proto/`.
#![allow(missing_docs, clippy::all, unused_qualifications)]
include!(concat!(env!("OUT_DIR"), "/criu.rs"));
