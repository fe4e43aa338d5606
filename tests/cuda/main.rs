//! emucell's kernels for GPUs, as far as they can be tested without one: emulated on the processor, compiled by NVRTC.

#![cfg(feature = "cuda")]

mod backend;
mod compiled;
mod emulated;
mod emulated_gpu;
mod emulator;
mod programs;
mod solver;
mod without_gpu;
