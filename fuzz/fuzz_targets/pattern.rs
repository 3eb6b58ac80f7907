//! Any text as a pattern, searched in any bytes.
#![no_main]

use ckptfx_scan::{Options, PatternKind, Plan, Region};

libfuzzer_sys::fuzz_target!(|input: (&str, &[u8], bool)| {
    let (pattern, bytes, is_regex) = input;
    let kind = if is_regex {
        PatternKind::Regex(pattern.to_owned())
    } else {
        PatternKind::Literal(pattern.as_bytes().to_vec())
    };
    if let Ok(plan) = Plan::builder().pattern(kind).skip_unencodable(true).build() {
        plan.count(&[Region::new(0x1000, bytes)], &Options::default());
    }
});
