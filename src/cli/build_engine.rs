//! `emucell build-engine`: TensorRT's engine for a surrogate, made ahead of the first session.

use std::path::PathBuf;
use std::sync::Arc;

use super::session::RuntimeArguments;
use crate::error::{Error, Result};
use crate::session::{BackendChoice, Device, Session, SessionOptions};

/// Build TensorRT's engine for a surrogate, into a folder that sessions take as their engine cache.
#[derive(Debug, clap::Args)]
pub struct BuildEngine {
    /// Surrogate (.onnx).
    file: PathBuf,
    /// Folder for engine and timings; made if need be.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Most cells of a call: the engine is for 1 to so many, and fastest for so many.
    #[arg(long, value_name = "N", default_value_t = 65_536)]
    capacity: usize,
    #[command(flatten)]
    runtime: RuntimeArguments,
}

impl BuildEngine {
    pub fn run(&self) -> Result<()> {
        if self.runtime.engine_cache.is_some() {
            return Err(Error::invalid("--engine-cache").remedy("name the folder with --output"));
        }
        let surrogate = Arc::new(super::load_surrogate(&self.file)?);
        let asked = self.runtime.options(BackendChoice::TensorRt);
        let options = SessionOptions {
            device: match asked.device {
                Device::Cpu => Device::Cuda(0),
                gpu => gpu,
            },
            capacity: self.capacity,
            engine_cache: Some(self.output.clone()),
            ..asked
        };
        // A session's first run builds the engine, and ONNX Runtime writes it into the folder.
        let session = Session::new(surrogate, &options)?;
        println!(
            "{}: engine for 1 to {} cells in {}",
            session.backend_name(),
            self.capacity,
            self.output.display()
        );
        Ok(())
    }
}
