//! Any bytes as evidence: tars, streams and images of images, and every question asked of what is found.
#![no_main]

#[path = "../../tests/exercise.rs"]
#[allow(dead_code)]
mod exercise;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    exercise::evidence(bytes.to_vec().into());
});
