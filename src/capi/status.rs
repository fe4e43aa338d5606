//! Status codes: one table gives each its number, name and text.

use std::ffi::{CStr, c_char};

use crate::error::ErrorKind;

/// What became of a call. Numbers never change their meaning.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum emucell_status {
    /// Done.
    EMUCELL_OK = 0,
    /// An argument that cannot be meant: NULL, a wrong shape, an unknown option.
    EMUCELL_INVALID_ARGUMENT = 1,
    /// A file could not be read or written.
    EMUCELL_IO = 2,
    /// A file is damaged, contradicts itself or is of another type.
    EMUCELL_FORMAT = 3,
    /// Beyond what this build or this machine can do.
    EMUCELL_UNSUPPORTED = 4,
    /// Another step than the one that the step map was trained for.
    EMUCELL_WRONG_STEP = 5,
    /// NaN or infinity, or no convergence.
    EMUCELL_NUMERIC = 6,
    /// The session is in use by another thread.
    EMUCELL_BUSY = 7,
    /// The session stopped at an internal fault: destroy it.
    EMUCELL_POISONED = 8,
    /// An internal fault; the session that met it is poisoned.
    EMUCELL_PANIC = 9,
    /// Interrupted by the user.
    EMUCELL_INTERRUPTED = 10,
    /// A function of the caller's, called by the library, reported a failure.
    EMUCELL_CALLBACK = 11,
}

use emucell_status::*;

/// Status, name and text, in the order of the numbers.
const TABLE: [(emucell_status, &CStr, &CStr); 12] = [
    (EMUCELL_OK, c"EMUCELL_OK", c"done"),
    (EMUCELL_INVALID_ARGUMENT, c"EMUCELL_INVALID_ARGUMENT", c"an argument is not valid"),
    (EMUCELL_IO, c"EMUCELL_IO", c"a file could not be read or written"),
    (EMUCELL_FORMAT, c"EMUCELL_FORMAT", c"a file is damaged or of another type"),
    (EMUCELL_UNSUPPORTED, c"EMUCELL_UNSUPPORTED", c"not supported by this build or machine"),
    (EMUCELL_WRONG_STEP, c"EMUCELL_WRONG_STEP", c"not the step that the surrogate was trained for"),
    (EMUCELL_NUMERIC, c"EMUCELL_NUMERIC", c"a result is not finite"),
    (EMUCELL_BUSY, c"EMUCELL_BUSY", c"the session is in use by another thread"),
    (EMUCELL_POISONED, c"EMUCELL_POISONED", c"the session stopped at an internal fault"),
    (EMUCELL_PANIC, c"EMUCELL_PANIC", c"an internal fault"),
    (EMUCELL_INTERRUPTED, c"EMUCELL_INTERRUPTED", c"interrupted by the user"),
    (EMUCELL_CALLBACK, c"EMUCELL_CALLBACK", c"a function of the caller's reported a failure"),
];

impl From<ErrorKind> for emucell_status {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidArgument => EMUCELL_INVALID_ARGUMENT,
            ErrorKind::Io => EMUCELL_IO,
            ErrorKind::Format => EMUCELL_FORMAT,
            ErrorKind::Unsupported => EMUCELL_UNSUPPORTED,
            ErrorKind::WrongStep => EMUCELL_WRONG_STEP,
            ErrorKind::Numeric => EMUCELL_NUMERIC,
            ErrorKind::Busy => EMUCELL_BUSY,
            ErrorKind::Poisoned => EMUCELL_POISONED,
            ErrorKind::Interrupted => EMUCELL_INTERRUPTED,
            ErrorKind::Callback => EMUCELL_CALLBACK,
        }
    }
}

/// Name of a status, for example "EMUCELL_IO"; "unknown status" for any other number.
///
/// The text lives for ever. May be called from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn emucell_status_name(status: i32) -> *const c_char {
    entry(status).map_or(c"unknown status", |(_, name, _)| name).as_ptr()
}

/// What a status means, in a few words; "unknown status" for any other number.
///
/// The text lives for ever. May be called from any thread. What happened in particular says
/// emucell_last_error_message().
#[unsafe(no_mangle)]
pub extern "C" fn emucell_status_text(status: i32) -> *const c_char {
    entry(status).map_or(c"unknown status", |(_, _, text)| text).as_ptr()
}

fn entry(status: i32) -> Option<&'static (emucell_status, &'static CStr, &'static CStr)> {
    TABLE.get(usize::try_from(status).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_numbers() {
        for (i, (status, name, _)) in TABLE.iter().enumerate() {
            assert_eq!(*status as usize, i);
            assert_eq!(name.to_str().unwrap(), format!("{status:?}"));
        }
        assert!(entry(-1).is_none() && entry(12).is_none());
    }
}
