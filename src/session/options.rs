//! How a session computes.

use std::path::PathBuf;
use std::sync::Arc;

use super::fallback::Fallback;
use crate::backend::cpu::{CpuBackend, CpuOptions};
use crate::backend::cuda::{CudaBackend, CudaOptions, Source};
use crate::backend::onnxruntime::{OnnxRuntimeBackend, OnnxRuntimeOptions, Provider};
use crate::backend::{Backend, Check, Device, Guard, Precision, Stream};
use crate::error::{Error, Result};
use crate::format::onnx;
use crate::surrogate::{Kind, Network, Role, Surrogate, Variable};

/// Who runs the surrogate's network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackendChoice {
    /// The fastest that takes it.
    #[default]
    Auto,
    /// emucell's own kernels.
    Native,
    /// ONNX Runtime, on the CPU or by its CUDA provider.
    OnnxRuntime,
    /// TensorRT on a GPU, by ONNX Runtime's provider of that name.
    TensorRt,
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
    /// The caller's CUDA stream, on which a GPU works, and whose context is used as it is; a stream of the session's own if
    /// none. Views may lead to the GPU's memory: calls then return before their work is done.
    pub stream: Option<Stream>,
    /// Most cells or rows of a call. Memory that calls need for each cell (an index, a fallback)
    /// is reserved for so many; a larger call allocates.
    pub capacity: usize,
    /// With [`Guard::Fallback`]: who computes cells outside the domain. The surrogate's own cell
    /// model if none.
    pub fallback: Option<Arc<dyn Fallback>>,
    /// With [`Guard::Fallback`] and the own cell model: longest step of its solver (forward
    /// Euler), ms.
    pub fallback_dt: f64,
    /// File of the library ONNX Runtime, 1.23 or later, for the backends that need it; the one in
    /// the environment variable [`LIBRARY_VARIABLE`](crate::backend::onnxruntime::LIBRARY_VARIABLE)
    /// or the system's if none. One a process.
    pub onnxruntime: Option<PathBuf>,
    /// Folder where TensorRT keeps the engines and timings that it takes minutes to make, for the next session; they are
    /// not kept if none. The native backend keeps compiled kernels for a GPU there; if none, in the folder that the
    /// environment variable `EMUCELL_KERNEL_CACHE` names, or in the user's cache folder.
    pub engine_cache: Option<PathBuf>,
}

impl SessionOptions {
    /// Longest step of the fallback's solver unless told otherwise, ms.
    pub const FALLBACK_DT: f64 = 0.01;

    /// Who computes as these options say.
    ///
    /// # Errors
    /// What this build or this machine cannot do.
    pub(super) fn backend(&self, surrogate: &Surrogate) -> Result<Box<dyn Backend>> {
        if self.fallback.is_some() && self.guard != Guard::Fallback {
            return Err(Error::invalid(format!("a fallback with guard {:?}", self.guard))
                .remedy("choose the guard that hands cells to the fallback"));
        }
        if self.stream.is_some() && self.device == Device::Cpu {
            return Err(Error::invalid("a stream for the CPU").remedy("give none, or choose a GPU"));
        }
        match (self.backend, self.device) {
            (BackendChoice::Auto, Device::Cpu) => match surrogate.network() {
                Network::Program(_) => self.native(surrogate),
                Network::Graph { .. } => {
                    let fault = surrogate.program().map(|_| ()).map_err(|e| e.fault());
                    self.onnxruntime(surrogate, Provider::Cpu).map_err(|e| match fault {
                        Err(fault) => e.at(format!("a network that is for ONNX Runtime only ({fault})")),
                        Ok(()) => e,
                    })
                }
            },
            (BackendChoice::Native, Device::Cpu) => self.native(surrogate),
            (BackendChoice::OnnxRuntime, Device::Cpu) => self.onnxruntime(surrogate, Provider::Cpu),
            (BackendChoice::TensorRt, Device::Cpu) => {
                Err(Error::unsupported("TensorRT on the CPU").remedy("choose the device cuda"))
            }
            (BackendChoice::Native, Device::Cuda(number)) => self.cuda(surrogate, number),
            (BackendChoice::Auto, Device::Cuda(number)) => match surrogate.network() {
                Network::Program(_) if CudaBackend::IS_BUILT => self.cuda(surrogate, number),
                _ => self.onnxruntime(surrogate, Provider::Cuda(number)),
            },
            (BackendChoice::OnnxRuntime, Device::Cuda(number)) => {
                self.onnxruntime(surrogate, Provider::Cuda(number))
            }
            (BackendChoice::TensorRt, Device::Cuda(number)) => {
                self.onnxruntime(surrogate, Provider::TensorRt(number))
            }
        }
    }

    fn native(&self, surrogate: &Surrogate) -> Result<Box<dyn Backend>> {
        if !matches!(self.precision, Precision::Auto | Precision::F32) {
            return Err(Error::unsupported(format!("precision {:?} on the CPU", self.precision))
                .remedy("use F32, in which the CPU is fastest"));
        }
        let options = CpuOptions {
            n_threads: self.n_threads,
            instruction_set: self.instruction_set.clone(),
            check: self.domain(surrogate),
            states: surrogate.can_step().then(|| surrogate.columns_of(Role::State)),
            time: surrogate.time_input(),
        };
        Ok(Box::new(CpuBackend::new(surrogate.program()?, options)?))
    }

    fn cuda(&self, surrogate: &Surrogate, device: usize) -> Result<Box<dyn Backend>> {
        if let Some(name) = &self.instruction_set {
            return Err(Error::unsupported(format!("instruction set \"{name}\" on {}", self.device))
                .remedy("name none: a kernel is made for the GPU"));
        }
        Ok(Box::new(CudaBackend::new(surrogate.program()?, self.for_gpu(surrogate, device))?))
    }

    /// What the native backend for the GPU of that number is told of `surrogate`.
    pub fn for_gpu(&self, surrogate: &Surrogate, device: usize) -> CudaOptions {
        let mut states = 0..;
        let source = |variable: &Variable| match variable.role {
            Role::State => Source::State(states.next().expect("a number")),
            Role::Stimulus => Source::ByPosition,
            Role::Parameter => Source::ByRow,
            Role::Time => Source::Time,
        };
        CudaOptions {
            device,
            precision: self.precision,
            stream: self.stream,
            capacity: self.capacity,
            steps: surrogate.can_step().then(|| surrogate.inputs().iter().map(source).collect()),
            time: surrogate.time_input(),
            cache: self.engine_cache.clone(),
            check: self.domain(surrogate),
        }
    }

    fn onnxruntime(&self, surrogate: &Surrogate, provider: Provider) -> Result<Box<dyn Backend>> {
        if surrogate.kind() == Kind::Derivative {
            return Err(Error::unsupported("a derivative on ONNX Runtime").remedy("use the native backend"));
        }
        if let Some(name) = &self.instruction_set {
            return Err(Error::unsupported(format!("instruction set \"{name}\" with ONNX Runtime"))
                .remedy("name none: ONNX Runtime takes the machine's fastest"));
        }
        let options = OnnxRuntimeOptions {
            library: self.onnxruntime.clone(),
            provider,
            precision: self.precision,
            n_threads: self.n_threads,
            capacity: self.capacity,
            stream: self.stream,
            engine_cache: self.engine_cache.clone(),
            check: self.domain(surrogate),
        };
        let graph = onnx::graph_of(surrogate)?;
        Ok(Box::new(OnnxRuntimeBackend::new(&graph, options)?))
    }

    fn domain(&self, surrogate: &Surrogate) -> Check {
        let everything = [f64::NEG_INFINITY, f64::INFINITY];
        let range = |v: &Variable| v.range.unwrap_or(everything).map(|x| x as f32);
        Check { guard: self.guard, domain: surrogate.inputs().iter().map(range).collect() }
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
            stream: None,
            capacity: 0,
            fallback: None,
            fallback_dt: Self::FALLBACK_DT,
            onnxruntime: None,
            engine_cache: None,
        }
    }
}
