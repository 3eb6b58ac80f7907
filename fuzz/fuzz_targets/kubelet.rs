#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ckptfx_fuzz::targets::kubelet(bytes));
