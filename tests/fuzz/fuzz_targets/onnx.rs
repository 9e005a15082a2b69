//! See `laws::onnx`.
#![no_main]

#[path = "../laws.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(init: laws::contain_panics(), |bytes: &[u8]| laws::onnx(bytes));
