//! How the commands that run a surrogate on data do it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::error::Result;
use crate::session::{BackendChoice, Counters, Device, Guard, Precision, Session, SessionOptions};
use crate::surrogate::Surrogate;

/// Options of a session.
#[derive(Debug, clap::Args)]
pub struct SessionArguments {
    /// Threads that share the cells.
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,
    /// What happens to cells outside the domain on which the surrogate was trained.
    #[arg(long, value_enum, default_value = "count")]
    guard: GuardArgument,
    /// Who runs the network.
    #[arg(long, value_enum, default_value = "auto")]
    backend: BackendArgument,
    #[command(flatten)]
    runtime: RuntimeArguments,
}

/// Where and in which numbers a session computes, and where ONNX Runtime is.
#[derive(Debug, clap::Args)]
pub struct RuntimeArguments {
    /// Where to compute: cpu, cuda or cuda:N.
    #[arg(long, default_value = "cpu")]
    pub device: Device,
    /// In which numbers.
    #[arg(long, value_enum, default_value = "auto")]
    pub precision: PrecisionArgument,
    /// Library of ONNX Runtime, 1.23 or later; otherwise the one in EMUCELL_ONNXRUNTIME, or the
    /// system's.
    #[arg(long, value_name = "FILE")]
    pub onnxruntime: Option<PathBuf>,
    /// Where TensorRT keeps its engines and timings for the next time.
    #[arg(long, value_name = "DIR")]
    pub engine_cache: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum BackendArgument {
    /// The fastest that takes the network.
    Auto,
    /// emucell's own kernels.
    Native,
    /// ONNX Runtime.
    Onnxruntime,
    /// TensorRT, by ONNX Runtime's provider.
    Tensorrt,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum PrecisionArgument {
    /// Single, and less only where the surrogate's own error is much larger.
    Auto,
    /// IEEE single.
    F32,
    /// IEEE half.
    F16,
    /// bfloat16.
    Bf16,
    /// TensorFloat-32.
    Tf32,
}

impl RuntimeArguments {
    /// Options of a session with `backend`.
    pub fn options(&self, backend: BackendChoice) -> SessionOptions {
        SessionOptions {
            backend,
            device: self.device,
            precision: match self.precision {
                PrecisionArgument::Auto => Precision::Auto,
                PrecisionArgument::F32 => Precision::F32,
                PrecisionArgument::F16 => Precision::F16,
                PrecisionArgument::Bf16 => Precision::Bf16,
                PrecisionArgument::Tf32 => Precision::Tf32,
            },
            onnxruntime: self.onnxruntime.clone(),
            engine_cache: self.engine_cache.clone(),
            ..SessionOptions::default()
        }
    }
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum GuardArgument {
    /// They are computed as they are, and counted.
    Count,
    /// Their inputs are moved to the domain's border, and they are counted.
    Clamp,
    /// The surrogate's own cell model computes them (forward Euler, steps of 0.01 ms).
    Fallback,
}

impl SessionArguments {
    pub fn session(&self, surrogate: &Arc<Surrogate>) -> Result<Session> {
        let guard = match self.guard {
            GuardArgument::Count => Guard::Count,
            GuardArgument::Clamp => Guard::Clamp,
            GuardArgument::Fallback => Guard::Fallback,
        };
        let backend = match self.backend {
            BackendArgument::Auto => BackendChoice::Auto,
            BackendArgument::Native => BackendChoice::Native,
            BackendArgument::Onnxruntime => BackendChoice::OnnxRuntime,
            BackendArgument::Tensorrt => BackendChoice::TensorRt,
        };
        let options = SessionOptions { n_threads: self.threads, guard, ..self.runtime.options(backend) };
        Session::new(surrogate.clone(), &options)
    }
}

/// "3 outside the domain, 2 of them computed by the cell model" out of what a session counted.
pub fn describe_outside(counters: Counters) -> String {
    match counters.fallback {
        0 => format!("{} outside the domain", counters.outside_domain),
        n => format!("{} outside the domain and {n} computed by the cell model", counters.outside_domain),
    }
}
