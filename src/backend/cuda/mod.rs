//! emucell's own kernels on NVIDIA's GPUs, on the caller's memory and stream.
//!
//! A program becomes one kernel (`generate`), which NVRTC compiles when a session is made (`compile`). Driver and compiler
//! are loaded at run time.

#[cfg(feature = "cuda")]
mod batches;
#[cfg(feature = "cuda")]
pub mod compile;
#[cfg(feature = "cuda")]
mod device;
#[cfg(feature = "cuda")]
mod driver;
#[cfg(feature = "cuda")]
pub mod generate;
#[cfg(feature = "cuda")]
pub mod gpu;
#[cfg(feature = "cuda")]
pub mod job;
#[cfg(feature = "cuda")]
pub mod limits;
#[cfg(feature = "cuda")]
mod queue;
#[cfg(feature = "cuda")]
mod run;
#[cfg(not(feature = "cuda"))]
#[path = "missing.rs"]
mod run;
#[cfg(feature = "cuda")]
pub mod target;
#[cfg(feature = "cuda")]
mod workplace;

use std::path::PathBuf;

use super::device::{Precision, Stream};
use super::tile::Check;

#[cfg(feature = "cuda")]
pub use self::device::CudaDevice;
pub use self::run::CudaBackend;
#[cfg(feature = "cuda")]
pub use self::workplace::{Recording, Workplace};

/// Where an input of a step comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The state that is that output.
    State(usize),
    /// Row `i` belongs to cell `i` of the call.
    ByPosition,
    /// A cell's number lies in the row of its state.
    ByRow,
    /// The length of the step.
    Time,
}

/// What the backend needs to know beside the program.
#[derive(Debug)]
pub struct CudaOptions {
    /// Number of the GPU.
    pub device: usize,
    /// In which numbers.
    pub precision: Precision,
    /// The caller's stream; one of the session's own if none.
    pub stream: Option<Stream>,
    /// Most cells of a call, 0 if unknown: memory for numbers that come from the processor is reserved for so many.
    pub capacity: usize,
    /// One for each input if the program is to step.
    pub steps: Option<Vec<Source>>,
    /// The input that is a time, if many times of the same cells are to be computed in one launch.
    pub time: Option<usize>,
    /// Folder of compiled kernels; if none, the one that `EMUCELL_KERNEL_CACHE` names or the user's cache folder.
    pub cache: Option<PathBuf>,
    /// The domain and what happens outside.
    pub check: Check,
}
