//! A build without ONNX Runtime: says what is missing.

use super::OnnxRuntimeOptions;
use crate::backend::{Advance, Backend, Evaluation, Tally};
use crate::error::{Error, Result};
use crate::surrogate::Graph;

/// Never made: this build has no ONNX Runtime.
pub enum OnnxRuntimeBackend {}

impl OnnxRuntimeBackend {
    /// Fails.
    ///
    /// # Errors
    /// Always: the build has not the feature `onnx`.
    pub fn new(_: &Graph, _: OnnxRuntimeOptions) -> Result<Self> {
        Err(Error::unsupported("backend ONNX Runtime: this emucell was built without it")
            .remedy("build emucell with `--features onnx`, or use the native backend"))
    }
}

impl Backend for OnnxRuntimeBackend {
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
