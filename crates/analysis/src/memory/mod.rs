//! Mappings, what an address points at, what is odd about them, whose the pages are, and memory as an ELF core file.

pub mod anomaly;
pub mod elf_core;
pub mod ledger;
pub mod location;
pub mod mapping;
pub mod piece;
