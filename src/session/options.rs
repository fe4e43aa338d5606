//! How a session computes.

use std::str::FromStr;
use std::sync::Arc;

use super::fallback::Fallback;
use crate::backend::Guard;
use crate::error::{Error, Result};

/// Where a session computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The processor that the program runs on.
    #[default]
    Cpu,
    /// The NVIDIA GPU of that number.
    Cuda(usize),
}

impl FromStr for Device {
    type Err = Error;

    /// `cpu`, `cuda` (which is `cuda:0`) or `cuda:N`.
    fn from_str(name: &str) -> Result<Self> {
        let number = match name {
            "cpu" => return Ok(Self::Cpu),
            "cuda" => Some(0),
            _ => name.strip_prefix("cuda:").and_then(|n| n.parse().ok()),
        };
        number.map(Self::Cuda).ok_or_else(|| {
            Error::invalid(format!("unknown device \"{name}\"")).remedy("use cpu, cuda or cuda:N")
        })
    }
}

/// Who runs the surrogate's program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackendChoice {
    /// The fastest that takes it.
    #[default]
    Auto,
    /// emucell's own kernels.
    Native,
    /// ONNX Runtime.
    OnnxRuntime,
}

/// In which numbers a session computes; the caller's buffers are f32 or f64 whatever it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Single, and less only where the surrogate's own error is much larger.
    #[default]
    Auto,
    /// IEEE single.
    F32,
    /// IEEE half, sums in single.
    F16,
    /// bfloat16, sums in single.
    Bf16,
    /// TensorFloat-32.
    Tf32,
}

/// How a session computes.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// Threads that share the cells of a call, the caller's included; the session starts and
    /// keeps the others.
    pub n_threads: usize,
    /// Instruction set by name (`scalar`, `avx2`); the fastest that the machine has if none.
    pub instruction_set: Option<String>,
    /// What happens to inputs outside the domain.
    pub guard: Guard,
    /// Where it computes.
    pub device: Device,
    /// Who runs the program.
    pub backend: BackendChoice,
    /// In which numbers.
    pub precision: Precision,
    /// Most cells or rows of a call. Memory that calls need for each cell (an index, a fallback)
    /// is reserved for so many; a larger call allocates.
    pub capacity: usize,
    /// With [`Guard::Fallback`]: who computes cells outside the domain. The surrogate's own cell
    /// model if none.
    pub fallback: Option<Arc<dyn Fallback>>,
    /// With [`Guard::Fallback`] and the own cell model: longest step of its solver (forward
    /// Euler), ms.
    pub fallback_dt: f64,
}

impl SessionOptions {
    /// Longest step of the fallback's solver unless told otherwise, ms.
    pub const FALLBACK_DT: f64 = 0.01;

    /// # Errors
    /// What this build cannot do.
    pub(super) fn check(&self) -> Result<()> {
        if let Device::Cuda(number) = self.device {
            return Err(Error::unsupported(format!("device cuda:{number}: this build computes on the CPU"))
                .remedy("use device cpu"));
        }
        if self.backend == BackendChoice::OnnxRuntime {
            return Err(Error::unsupported("backend ONNX Runtime: this build has none")
                .remedy("use the native backend"));
        }
        if !matches!(self.precision, Precision::Auto | Precision::F32) {
            return Err(Error::unsupported(format!("precision {:?} on the CPU", self.precision))
                .remedy("use F32, in which the CPU is fastest"));
        }
        if self.fallback.is_some() && self.guard != Guard::Fallback {
            return Err(Error::invalid(format!("a fallback with guard {:?}", self.guard))
                .remedy("choose the guard that hands cells to the fallback"));
        }
        Ok(())
    }
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            n_threads: 1,
            instruction_set: None,
            guard: Guard::Ignore,
            device: Device::Cpu,
            backend: BackendChoice::Auto,
            precision: Precision::Auto,
            capacity: 0,
            fallback: None,
            fallback_dt: Self::FALLBACK_DT,
        }
    }
}
