#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pstream_fuzz_targets::run("names", bytes));
