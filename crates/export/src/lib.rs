//! Results in the forms of other systems.
#![forbid(unsafe_code)]

pub mod cyclonedx;
