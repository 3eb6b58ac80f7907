//! When all of it happens.

/// The one moment of all generated files: 2024-06-01 12:00:00 UTC.
pub const TIME: u64 = 1_717_243_200;
