//! Surrogates as ONNX files: a graph that any ONNX runtime can run, with emucell's metadata in
//! `metadata_props`.
//!
//! The graph has one input `x` of shape [cells, inputs] and one output `y` of shape
//! [cells, outputs], both single precision.

mod gelu;
mod metadata;
mod proto;
mod read;
mod table;
mod tensor;
mod translate;
mod write;

use std::path::Path;

use crate::error::{Error, Result};
use crate::surrogate::Surrogate;

/// Files larger than this are refused; a surrogate of a few thousand kilobytes is a large one.
pub const MAX_FILE_SIZE: u64 = 256 << 20;

/// Loads the surrogate in the file at `path`; networks without emucell's metadata become
/// solution maps of anonymous variables (see [`Surrogate::anonymous`]).
///
/// # Errors
/// A file that cannot be read, is damaged, contradicts itself, or holds an operation that
/// programs do not have; the message names file, node and remedy.
pub fn load(path: &Path) -> Result<Surrogate> {
    let size = std::fs::metadata(path).map_err(|e| Error::io("read", path, e))?.len();
    if size > MAX_FILE_SIZE {
        return Err(Error::unsupported(format!("a file of {size} bytes"))
            .in_file(path)
            .remedy(format!("surrogates of up to {MAX_FILE_SIZE} bytes are read")));
    }
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
    from_bytes(&bytes).map_err(|e| e.in_file(path))
}

/// Saves `surrogate` at `path`, atomically.
///
/// # Errors
/// A folder that cannot be written, or a surrogate that is no network (see [`to_bytes`]).
pub fn save(path: &Path, surrogate: &Surrogate) -> Result<()> {
    super::atomic::write(path, &to_bytes(surrogate)?)
}

/// The surrogate in an ONNX file's bytes; see [`load`].
///
/// # Errors
/// As [`load`], without the file's name.
pub fn from_bytes(bytes: &[u8]) -> Result<Surrogate> {
    read::surrogate(bytes)
}

/// The bytes of an ONNX file; see [`save`]. Equal surrogates give equal bytes.
///
/// # Errors
/// A derivative: it is made from its surrogate where it is used.
pub fn to_bytes(surrogate: &Surrogate) -> Result<Vec<u8>> {
    write::model(surrogate)
}
