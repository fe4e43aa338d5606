//! `emucell report`: numbers, pictures and a page on a surrogate.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::error::{Error, Result};
use crate::report::{self, Losses, Options, Tissue};

/// Write report.html, report.json and pictures (SVG, PNG) on a surrogate
#[derive(Args, Clone, Debug)]
pub struct Report {
    /// The surrogate's ONNX file
    pub file: PathBuf,
    /// Folder to write into; made if need be
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Loss curves of its training
    #[arg(long, value_name = "CSV")]
    pub losses: Option<PathBuf>,
    /// Snapshots of a tissue: float32, 2 (solver, surrogate) × times × rows × columns
    #[arg(long, value_name = "NPY", requires = "tissue_json")]
    pub tissue: Option<PathBuf>,
    /// Times of the snapshots and what was measured in the tissue
    #[arg(long, value_name = "JSON", requires = "tissue")]
    pub tissue_json: Option<PathBuf>,
    /// Cells that the surrogate is compared on
    #[arg(long, value_name = "N", default_value_t = Options::default().cells)]
    pub cells: usize,
    /// Seed that they are drawn with; take another than training's
    #[arg(long, value_name = "S", default_value_t = Options::default().seed)]
    pub seed: u64,
    /// Also roll a step map out over N steps in a row: does it stay in its domain, does it keep time
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub long_steps: u64,
    /// Cells of that rollout
    #[arg(long, value_name = "N", default_value_t = Options::default().long_cells)]
    pub long_cells: usize,
    /// Print the numbers as JSON
    #[arg(long)]
    pub json: bool,
}

impl Report {
    /// Makes the report and prints where it is, or its numbers.
    ///
    /// # Errors
    /// Unreadable or malformed files, a folder that cannot be written, a failing evaluation.
    pub fn run(&self) -> Result<()> {
        let surrogate = Arc::new(super::load_surrogate(&self.file)?);
        let losses = self.losses.as_deref().map(Losses::read).transpose()?;
        let tissue = match (&self.tissue, &self.tissue_json) {
            (Some(snapshots), Some(numbers)) => Some(Tissue::read(snapshots, numbers)?),
            (None, None) => None,
            _ => {
                return Err(Error::invalid("--tissue and --tissue-json belong together")
                    .remedy("give both or neither"));
            }
        };
        let name = self.file.file_stem().unwrap_or_default().to_string_lossy();
        let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
        let options = Options {
            cells: self.cells,
            seed: self.seed,
            n_threads,
            long_steps: self.long_steps,
            long_cells: self.long_cells,
        };
        let report = report::Report::new(&name, &surrogate, losses.as_ref(), tissue.as_ref(), options)?;
        report.write(&self.out)?;
        if self.json {
            print!("{}", report.json());
        } else {
            println!("{}", report.summary());
            println!("written to {}", self.out.join("report.html").display());
        }
        Ok(())
    }
}
