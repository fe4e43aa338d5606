//! The C ABI: thin, checked wrappers over the Rust API, one file a C type.
//!
//! The rules that every function keeps:
//! - handle first, then inputs, then outputs; the result is an [`emucell_status`];
//! - outputs stay as they were on failure, except handles, which become NULL;
//! - nothing unwinds, prints or exits: bodies run inside `guard::guarded`;
//! - types have their C names, so that the header reads like this code.

#![allow(non_camel_case_types)]

mod cells;
mod counters;
mod derivative;
mod evaluate;
mod evaluation;
mod fallback;
mod guard;
mod last_error;
mod log;
mod options;
mod overlap;
mod session;
mod status;
mod structs;
mod surrogate;
mod variable;
mod version;
mod view;

pub use cells::*;
pub use counters::*;
pub use derivative::*;
pub use evaluate::*;
pub use evaluation::*;
pub use fallback::{emucell_fallback, emucell_fallback_call};
pub use last_error::emucell_last_error_message;
pub use log::*;
pub use options::*;
pub use session::*;
pub use status::*;
pub use surrogate::*;
pub use variable::*;
pub use version::*;
pub use view::*;

use crate::error::{Error, Result};

/// # Safety
/// `pointer` is NULL or leads to a `T` that lives for `'a`.
unsafe fn required<'a, T>(pointer: *const T, name: &str) -> Result<&'a T> {
    check_pointer(pointer, name)?;
    // SAFETY: not NULL and aligned; the caller vouches for the rest.
    Ok(unsafe { &*pointer })
}

/// # Safety
/// `pointer` is NULL or leads to a `T` that nobody else uses during `'a`.
unsafe fn required_mut<'a, T>(pointer: *mut T, name: &str) -> Result<&'a mut T> {
    check_pointer(pointer.cast_const(), name)?;
    // SAFETY: not NULL and aligned; the caller vouches for the rest.
    Ok(unsafe { &mut *pointer })
}

fn check_pointer<T>(pointer: *const T, name: &str) -> Result<()> {
    if pointer.is_null() {
        return Err(Error::invalid(format!("{name} is NULL")));
    }
    if !pointer.is_aligned() {
        return Err(Error::invalid(format!("{name} is not aligned to {} bytes", align_of::<T>())));
    }
    Ok(())
}
