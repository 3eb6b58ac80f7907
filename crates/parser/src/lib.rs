//! Reads container checkpoint archives: members, CRIU images, address spaces.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss
    )
)]

mod diagnostic;
pub mod dynamic;
mod error;
pub mod image;
pub mod proto;
mod wire;

pub use diagnostic::{Diagnostic, Severity};
pub use error::{Error, Result};
