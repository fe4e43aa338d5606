//! `emucell bench`: speed of a surrogate on this machine, accuracy beside every time.

use std::path::PathBuf;
use std::sync::Arc;

#[cfg(feature = "train")]
#[path = "bench_libtorch.rs"]
mod libtorch;
#[cfg(not(feature = "train"))]
#[path = "bench_libtorch_missing.rs"]
mod libtorch;

use super::session::{PrecisionArgument, RuntimeArguments};
use crate::error::{Error, Result};
use crate::format::atomic;
use crate::kernels::Kernels;
use crate::report::bench::{self, Contender, Layout, Setting};
use crate::session::{BackendChoice, Device, SessionOptions};
use crate::surrogate::Surrogate;

/// Measure evaluations a second: backends side by side, by batch and threads, with the error of
/// each against double precision.
///
/// Every backend gets its numbers as it reads them without copying: the native one variable after
/// variable, the others cell after cell. "× first" compares a time with that of the first backend
/// in the same setting; where errors differ by more than a factor of 10 it does not.
#[derive(Debug, clap::Args)]
pub struct Bench {
    /// Surrogate (.onnx).
    file: PathBuf,
    /// Who computes, several separated by commas; those that are not there are listed with the
    /// reason.
    #[arg(long, value_enum, value_name = "NAME,…", value_delimiter = ',', default_values = ["native"])]
    backends: Vec<BackendName>,
    /// Cells of a call, several separated by commas.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1, 1024, 65_536])]
    batch: Vec<usize>,
    /// Threads, several separated by commas.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1])]
    threads: Vec<usize>,
    /// Instruction sets of the native backend, several separated by commas; all of this machine if
    /// not given.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    instruction_sets: Vec<String>,
    #[command(flatten)]
    runtime: RuntimeArguments,
    /// Write the table there, too, as comma-separated values.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Draw speed over batch there (.svg or .png).
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Print a list of objects as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum BackendName {
    /// emucell's own kernels.
    Native,
    /// ONNX Runtime.
    Onnxruntime,
    /// libtorch, in C++ without gradients.
    Libtorch,
    /// TensorRT, by ONNX Runtime's provider.
    Tensorrt,
}

impl Bench {
    pub fn run(&self) -> Result<()> {
        let picture = self.plot.as_ref().map(|path| match path.extension().and_then(|e| e.to_str()) {
            Some("svg") => Ok((path, true)),
            Some("png") => Ok((path, false)),
            _ => Err(Error::invalid(format!("a picture called {}", path.display()))
                .remedy("end its name in .svg or .png")),
        });
        let picture = picture.transpose()?;
        let surrogate = Arc::new(super::load_surrogate(&self.file)?);
        let contenders: Vec<Contender> =
            self.backends.iter().flat_map(|&name| self.contenders(name, &surrogate)).collect();
        let settings = self.threads.iter();
        let settings =
            settings.flat_map(|&threads| self.batch.iter().map(move |&batch| Setting { batch, threads }));
        let found = bench::Bench::run(&surrogate, &contenders, &settings.collect::<Vec<_>>())?;
        if let Some(path) = &self.csv {
            atomic::write(path, bench::csv(&found).as_bytes())?;
        }
        match picture {
            Some((path, true)) => atomic::write(path, found.figure()?.svg.as_bytes())?,
            Some((path, false)) => atomic::write(path, &found.figure()?.png)?,
            None => {}
        }
        if self.json {
            println!("{}", serde_json::to_string_pretty(&found.measurements).expect("plain data"));
            found.missing.iter().for_each(|m| eprintln!("{}: {}", m.backend, m.reason));
        } else {
            print!("{}", bench::table(&found));
        }
        Ok(())
    }

    fn contenders(&self, name: BackendName, surrogate: &Arc<Surrogate>) -> Vec<Contender> {
        let sessions = |name: &str, layout, options| {
            Contender::sessions(name, self.precision(), layout, surrogate, options)
        };
        match name {
            BackendName::Native if self.runtime.device != Device::Cpu => {
                let options = self.runtime.options(BackendChoice::Native);
                vec![bench::gpu::sessions(
                    "native",
                    self.precision(),
                    Layout::StructureOfArrays,
                    surrogate,
                    options,
                )]
            }
            BackendName::Native => {
                let sets: Vec<String> = match self.instruction_sets.is_empty() {
                    true => Kernels::available().iter().map(|k| k.name.to_owned()).collect(),
                    false => self.instruction_sets.clone(),
                };
                let options = |set: &String| SessionOptions {
                    instruction_set: Some(set.clone()),
                    ..self.runtime.options(BackendChoice::Native)
                };
                let contender =
                    |set| sessions(&format!("native/{set}"), Layout::StructureOfArrays, options(set));
                sets.iter().map(contender).collect()
            }
            BackendName::Onnxruntime => {
                let options = self.runtime.options(BackendChoice::OnnxRuntime);
                vec![sessions("onnxruntime", Layout::ArrayOfStructures, options)]
            }
            BackendName::Tensorrt => {
                // It is nowhere else.
                let device = match self.runtime.device {
                    Device::Cpu => Device::Cuda(0),
                    gpu => gpu,
                };
                let options = SessionOptions { device, ..self.runtime.options(BackendChoice::TensorRt) };
                vec![sessions("tensorrt", Layout::ArrayOfStructures, options)]
            }
            BackendName::Libtorch => vec![libtorch::contender(surrogate, self.runtime.device)],
        }
    }

    fn precision(&self) -> &'static str {
        match self.runtime.precision {
            PrecisionArgument::Auto | PrecisionArgument::F32 => "f32",
            PrecisionArgument::F16 => "f16",
            PrecisionArgument::Bf16 => "bf16",
            PrecisionArgument::Tf32 => "tf32",
        }
    }
}
