//! ONNX Runtime, a library that is loaded at run time: it takes graphs that programs cannot hold,
//! and knows NVIDIA's GPUs and TensorRT.

#[cfg(feature = "onnx")]
mod batch;
#[cfg(feature = "onnx")]
mod library;
#[cfg(feature = "onnx")]
mod network;
#[cfg(feature = "onnx")]
mod providers;
#[cfg(feature = "onnx")]
mod run;
#[cfg(not(feature = "onnx"))]
#[path = "missing.rs"]
mod run;

use std::path::PathBuf;

use super::device::{Precision, Stream};
use super::tile::Check;

pub use self::run::OnnxRuntimeBackend;

/// Which of ONNX Runtime's execution providers computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// The processor's.
    Cpu,
    /// CUDA, on the GPU of that number.
    Cuda(usize),
    /// TensorRT, on the GPU of that number; CUDA for what TensorRT cannot.
    TensorRt(usize),
}

/// What the backend needs to know beside the graph.
#[derive(Debug)]
pub struct OnnxRuntimeOptions {
    /// The library's file; [`LIBRARY_VARIABLE`] or the system's if none.
    pub library: Option<PathBuf>,
    /// Who computes.
    pub provider: Provider,
    /// In which numbers.
    pub precision: Precision,
    /// Threads that share an operation, the caller's included; on the CPU.
    pub n_threads: usize,
    /// Most cells of a call, 0 if unknown: what a GPU is prepared for.
    pub capacity: usize,
    /// Stream of the GPU's work; ONNX Runtime's own if none.
    pub stream: Option<Stream>,
    /// Folder where TensorRT keeps engines and timings from one session to the next; none are
    /// kept without.
    pub engine_cache: Option<PathBuf>,
    /// The domain and what happens outside.
    pub check: Check,
}

/// Environment variable that names the library's file.
pub const LIBRARY_VARIABLE: &str = "EMUCELL_ONNXRUNTIME";
