//! Structs that grow: the caller's header may know fewer fields than this library, or more.

use std::mem::MaybeUninit;

use super::check_pointer;
use crate::error::{Error, Result};

/// More bytes than any struct will have: a larger size was never set by an init function.
const LARGEST: u32 = 4096;

/// A struct whose first field is its size, and for whose fields zero means the default.
///
/// # Safety
/// The type is `repr(C)`, begins with a `u32` that holds its size, and may have any bytes.
pub(super) unsafe trait Sized32: Copy {
    /// Name in the header.
    const NAME: &'static str;
    /// Its size in the first header that had it.
    const FIRST_SIZE: usize = size_of::<Self>();
}

/// Fills the caller's struct of `size` bytes with `defaults`, which end in zeros if it is longer.
///
/// # Safety
/// `pointer` is NULL or leads to `size` bytes that may be written.
///
/// # Errors
/// NULL, or a size that no header had.
pub(super) unsafe fn init<T: Sized32>(pointer: *mut T, size: u32, defaults: T, name: &str) -> Result<()> {
    check_pointer(pointer.cast_const(), name)?;
    check_size::<T>(size, name)?;
    let known = size_of::<T>().min(size as usize);
    // SAFETY: `size` bytes may be written, and `known` are no more than those and those of T.
    unsafe {
        pointer.cast::<u8>().write_bytes(0, size as usize);
        pointer.cast::<u8>().copy_from_nonoverlapping((&raw const defaults).cast(), known);
        pointer.cast::<u32>().write(size);
    }
    Ok(())
}

/// Reads the caller's struct, by way of `copy` if it has another size than this library's: fields that
/// its header did not know are zero.
///
/// # Safety
/// `pointer` is NULL or leads to as many bytes as the number there says, which nobody writes during
/// `'a`.
///
/// # Errors
/// NULL, a size that no header had, or fields set that this library does not know.
pub(super) unsafe fn read<'a, T: Sized32>(
    pointer: *const T,
    name: &str,
    copy: &'a mut MaybeUninit<T>,
) -> Result<&'a T> {
    check_pointer(pointer, name)?;
    // SAFETY: a struct of any size begins with its size.
    let found = unsafe { pointer.cast::<u32>().read() };
    if found as usize == size_of::<T>() {
        // SAFETY: the caller vouches for so many bytes; any bytes are valid in T.
        return Ok(unsafe { &*pointer });
    }
    check_size::<T>(found, name)?;
    let known = size_of::<T>().min(found as usize);
    *copy = MaybeUninit::zeroed();
    // SAFETY: `known` bytes are there on both sides; all bytes are valid in T.
    let copy = unsafe {
        copy.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(pointer.cast(), known);
        copy.assume_init_ref()
    };
    // SAFETY: the caller's struct is `found` bytes long.
    let unknown =
        unsafe { std::slice::from_raw_parts(pointer.cast::<u8>().add(known), found as usize - known) };
    if unknown.iter().any(|&byte| byte != 0) {
        return Err(Error::invalid(format!(
            "{} of {found} bytes sets fields that this library, which knows {} bytes, does not have",
            T::NAME,
            size_of::<T>()
        ))
        .at(name)
        .remedy("use a library at least as new as the header, or leave the new fields at 0"));
    }
    Ok(copy)
}

fn check_size<T: Sized32>(found: u32, name: &str) -> Result<()> {
    if (found as usize) < T::FIRST_SIZE || found > LARGEST {
        return Err(Error::invalid(format!("{} with a struct_size of {found} bytes", T::NAME))
            .at(name)
            .remedy(format!("call {}_init first", T::NAME)));
    }
    Ok(())
}
