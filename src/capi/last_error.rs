//! The message of the last failure, one a thread.

use std::cell::RefCell;
use std::ffi::{CString, c_char};

thread_local! {
    static MESSAGE: RefCell<CString> = RefCell::default();
}

pub fn set(message: &str) {
    let text: String = message.chars().map(|c| if c == '\0' { '?' } else { c }).collect();
    let text = CString::new(text).unwrap_or_default();
    // At the very end of a thread there is nobody left to read the message.
    let _ = MESSAGE.try_with(|slot| *slot.borrow_mut() = text);
}

/// What went wrong in this thread's last failing call, where, and what to do about it; empty if
/// none failed yet.
///
/// UTF-8 text that lives until this thread's next failing call. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn emucell_last_error_message() -> *const c_char {
    MESSAGE.try_with(|slot| slot.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}
