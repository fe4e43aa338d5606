//! Tables in `.npy` files.

#![no_main]

use emucell::format::arrays::{Format, matrix_from_bytes};
use emucell_fuzz::within;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(matrix) = within(bytes, 256, || matrix_from_bytes(Format::Npy, bytes)) {
        assert_eq!(matrix.names.len(), matrix.values.ncols());
    }
});
