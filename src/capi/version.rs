//! Versions of library and ABI.

use std::ffi::{CStr, c_char};

/// Number of the ABI: a library with another number has changed what old programs rely on.
pub const EMUCELL_ABI_VERSION: u32 = 0;

/// Version of the library, for example "0.1.0". The text lives for ever.
#[unsafe(no_mangle)]
pub extern "C" fn emucell_version() -> *const c_char {
    const VERSION: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(version) => version,
            Err(_) => c"",
        };
    VERSION.as_ptr()
}

/// Number of the library's ABI; compare it with EMUCELL_ABI_VERSION of the header.
#[unsafe(no_mangle)]
pub extern "C" fn emucell_abi_version() -> u32 {
    EMUCELL_ABI_VERSION
}
