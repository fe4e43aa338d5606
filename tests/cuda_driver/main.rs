//! The whole way to a GPU on a machine without one: driver.cpp and nvrtc.cpp stand in for NVIDIA's libraries, in a process
//! of their own. The tests for GPUs run on them, too.

#![cfg(feature = "cuda")]

mod calls;
mod driver;
#[path = "../cuda/emulated_gpu.rs"]
#[allow(dead_code)]
mod emulated_gpu;
#[path = "../cuda/emulator.rs"]
#[allow(dead_code)]
mod emulator;
#[path = "../cuda/on_gpu.rs"]
mod on_gpu;
mod pointers;
#[path = "../cuda/programs.rs"]
mod programs;
mod sheet;
mod without_nvrtc;

/// Whether tests for GPUs go through everything: each kernel takes seconds to be compiled here.
const EVERYTHING: bool = false;

/// What the tests for GPUs ask for before anything else.
fn nvrtc() -> Option<emucell::backend::cuda::compile::Nvrtc> {
    driver::load();
    emucell::backend::cuda::compile::Nvrtc::load(None).ok()
}
