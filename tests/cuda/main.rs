//! emucell's kernels for GPUs: emulated on the processor, compiled by NVRTC, and, where there is a GPU, run on it.

#![cfg(feature = "cuda")]

mod backend;
mod compiled;
mod embedded;
mod emulated;
mod emulated_gpu;
mod emulator;
mod on_gpu;
mod programs;
mod solver;
mod times;
mod without_gpu;

use std::path::Path;

use emucell::backend::cuda::compile::Nvrtc;

/// Whether tests for GPUs go through everything.
const EVERYTHING: bool = true;

/// The compiler, from where `scripts/setup.sh nvrtc` puts it or from the system; none where it cannot be had, which is
/// said.
fn nvrtc() -> Option<Nvrtc> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".nvrtc/libnvrtc.so.13");
    match Nvrtc::load(own.exists().then_some(own.as_path())) {
        Ok(nvrtc) => Some(nvrtc),
        Err(fault) => {
            let is_required = std::env::var_os("EMUCELL_REQUIRE_ALL").is_some_and(|value| !value.is_empty());
            assert!(!is_required, "{fault}");
            eprintln!("this test is skipped: {fault}");
            None
        }
    }
}
