//! How a field is to be shown, as `proto/presentation.proto` lists it.

#[allow(missing_docs, clippy::all, unused_qualifications)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/ckptfx.rs"));
}

pub use generated::Show;
