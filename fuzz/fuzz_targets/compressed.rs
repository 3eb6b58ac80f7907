//! Any bytes behind the magic of each compression format: the decoders.
#![no_main]

use ckptfx_parser::{
    Limits,
    source::{Compression, Silent},
};

const MAGICS: [&[u8]; 5] =
    [b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh91AY&SY", b"\x04\x22\x4d\x18"];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let magic = MAGICS.get(usize::from(*first)).copied().unwrap_or_default();
    let input = [magic, rest].concat();
    if let Some(format) = Compression::detect(&input) {
        let limits = Limits { decompressed_bytes: 4 << 20, ..Limits::DEFAULT };
        let mut length = 0;
        let mut sink = |block: Vec<u8>| {
            length += block.len();
            Ok(block)
        };
        format.decompress(&input, &limits, &Silent, &mut sink).expect("a sink that takes all");
        assert!(length <= 8 << 20);
    }
});
