//! emucell's own kernels on NVIDIA's GPUs, on the caller's memory and stream.

#[cfg(feature = "cuda")]
pub mod generate;
#[cfg(feature = "cuda")]
pub mod target;
#[cfg(feature = "cuda")]
pub mod job;
