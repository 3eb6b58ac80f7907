//! Any bytes as an image of each kind, told by the first byte: framing, decoding and showing.
#![no_main]

#[path = "../../tests/exercise.rs"]
#[allow(dead_code)]
mod exercise;

use ckptfx_parser::image::Kind;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let kind = Kind::ALL[usize::from(*kind) % Kind::ALL.len()];
    let pattern = kind.descriptor().files.first().copied().unwrap_or("x.img");
    let name = pattern.replace("%u", "1").replace("%x", "1").replace("%lu", "1").replace("%d", "1");
    let magic = kind.descriptor().magic.to_le_bytes();
    let common = 0x5456_4319_u32.to_le_bytes();
    exercise::decode(&name, rest);
    exercise::decode(&name, &[&common, &magic, rest].concat());
});
