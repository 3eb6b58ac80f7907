//! Tests of the whole program, by theme. They run the binary that Cargo built, or the one that
//! `CKPTFX_TEST_BIN` names, and read nothing but `fixtures/` and what the test kit writes.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

mod absent;
mod architecture;
mod archives;
mod attacks;
#[cfg(feature = "capture")]
mod capture;
#[cfg(feature = "capture")]
mod capture_cluster;
#[cfg(feature = "capture")]
mod capture_cri;
#[cfg(feature = "capture")]
mod capture_fetch;
#[cfg(feature = "capture")]
mod capture_kubelet;
mod chromium;
mod circles;
mod cli;
mod compare;
mod custody;
mod damage;
mod deceit;
mod decode;
mod docs;
mod execution;
mod exercise;
mod explain;
mod export;
mod facts;
#[cfg(feature = "capture")]
mod fake;
mod folders;
mod fuzzing;
mod grep;
mod hostile;
mod hostile_text;
mod image;
#[cfg(feature = "capture")]
mod image_push;
mod interrupt;
mod iocs;
mod memory;
mod mounts;
mod mutate;
mod open_files;
mod people;
mod reads;
mod recover;
mod redaction;
mod report;
mod rootfs;
mod sbom;
mod scale;
mod scan;
mod schema;
mod secrets;
mod snapshot;
mod strings;
mod support;
mod targets;
mod terminal;
mod timeline;
mod triage;
mod truth;
mod yara;
