//! Files: surrogates as ONNX, arrays, PyTorch state dicts. All are untrusted when read and
//! replaced atomically when written.

#[cfg(feature = "data")]
mod archive;
#[cfg(feature = "data")]
pub mod arrays;
pub mod atomic;
pub mod onnx;
#[cfg(feature = "data")]
pub mod pth;
