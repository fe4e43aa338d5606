//! Tables in `.npz` files.

#![no_main]

use emucell::format::arrays::{Format, matrix_from_bytes};
use emucell_fuzz::within;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(matrix) = within(bytes, 16384, || matrix_from_bytes(Format::Npz, bytes)) {
        assert_eq!(matrix.names.len(), matrix.values.ncols());
    }
});
