//! A build without CUDA: says what is missing.

use super::CudaOptions;
use crate::backend::{Advance, Backend, Evaluation, Tally};
use crate::error::{Error, Result};
use crate::program::Program;

/// Never made: this build has no kernels for GPUs.
pub enum CudaBackend {}

impl CudaBackend {
    /// Whether this build has kernels for GPUs.
    pub const IS_BUILT: bool = false;

    /// Fails.
    ///
    /// # Errors
    /// Always: the build has not the feature `cuda`.
    pub fn new(_: &Program, options: CudaOptions) -> Result<Self> {
        Err(Error::unsupported(format!(
            "the native backend on cuda:{}: this emucell was built without it",
            options.device
        ))
        .remedy("build emucell with `--features cuda`, use the backend ONNX Runtime or TensorRT there, or the device cpu"))
    }
}

impl Backend for CudaBackend {
    fn name(&self) -> &str {
        match *self {}
    }

    unsafe fn evaluate(&mut self, _: &Evaluation<'_>) -> Result<Tally> {
        match *self {}
    }

    unsafe fn step(&mut self, _: &Advance<'_>) -> Result<Tally> {
        match *self {}
    }
}
