//! `emucell distill`: a compiled cell model to a surrogate.

use std::path::PathBuf;

use super::model::Model;
use crate::distill::{self, Options};
use crate::error::{Error, Result};
use crate::format::onnx;
use crate::harvest;
use crate::protocol::Pulse;
use crate::structure;

/// Make a surrogate of a compiled cell model: tables where they are exact, networks for the remainder.
#[derive(Debug, clap::Args)]
pub struct Distill {
    #[command(flatten)]
    model: Model,

    /// The surrogate to write.
    #[arg(long, short, value_name = "FILE.onnx")]
    output: PathBuf,

    /// Length of the pacing that visits states, ms.
    #[arg(long, value_name = "MS", default_value_t = 1500.0)]
    time: f64,

    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

impl Distill {
    pub fn run(self) -> Result<()> {
        let mut model = self.model.open()?;
        let stimulus = self.model.stimulus(&mut model)?;
        let mut progress = |text: &str| eprintln!("{text}");
        progress("visiting states");
        let visited = harvest::harvest(
            &mut model,
            &harvest::Options {
                dt: self.model.dt,
                strength: stimulus.strength,
                duration: stimulus.duration,
                time: self.time,
                n_cells: 32,
                seed: self.seed,
                ..harvest::Options::default()
            },
        )?;
        progress("taking the step apart");
        let name = self.model.library.file_name();
        let name = name.ok_or_else(|| Error::invalid("a path without a file name"))?;
        let options = structure::Options {
            library: name.to_string_lossy().into_owned(),
            dt: self.model.dt,
            seed: self.seed,
            ..structure::Options::default()
        };
        let structure = structure::detect(&mut model, &visited, &options)?;
        let options = Options {
            pulse: Pulse { strength: stimulus.strength, duration: stimulus.duration },
            apd90: 1e-4,
            cycle_lengths: vec![340.0, 460.0, 620.0, 870.0],
            beats: 4,
        };
        let distilled = distill::distill(&mut model, &visited, &structure, &options, &mut progress)?;
        onnx::save(&self.output, &distilled.surrogate)?;
        match self.json {
            true => println!("{}", serde_json::to_string_pretty(&distilled.summary).expect("plain data")),
            false => println!("{:?}", distilled.summary),
        }
        Ok(())
    }
}
