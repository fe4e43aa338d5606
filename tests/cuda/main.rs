//! emucell's kernels for GPUs, as far as they can be tested without one: emulated on the processor, compiled by NVRTC.

#![cfg(feature = "cuda")]

mod emulated;
mod emulator;
mod programs;
