//! `emucell harvest`: training data from a compiled cell model.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::model::Model;
use crate::error::{Error, Result};
use crate::harvest::{self, Options, Visited, pairs};
use crate::model_library::ModelLibrary;
use crate::step_function::StepFunction;

/// Make training data from a compiled cell model: states that paced cells visit, and the same a step later.
///
/// Cells are paced over cycle lengths, strengths and durations of the stimulus, regularly and irregularly; some feel another cell,
/// some are coupled in short cables. Of all they pass, alike many states of every potential and every speed of the potential are
/// kept. The columns are V, x1, x2, … and stimulus, then V_next, x1_next, ….
#[derive(clap::Args, Clone, Debug)]
pub struct Harvest {
    #[command(flatten)]
    model: Model,

    /// Where the data go (.npz or .csv).
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,

    /// Number of cells.
    #[arg(long, value_name = "N", default_value_t = 64)]
    cells: usize,

    /// Length of the pacing, ms.
    #[arg(long, value_name = "MS", default_value_t = 3000.0)]
    time: f64,

    /// Shortest and longest cycle length, ms.
    #[arg(long, value_name = "MS,MS", value_delimiter = ',', num_args = 2, default_values_t = [300.0, 1000.0])]
    cycle_lengths: Vec<f64>,

    /// Part of the cells on which another cell acts through a random conductance.
    #[arg(long, value_name = "PART", default_value_t = 0.25)]
    pulled: f64,

    /// Part of the cells that are coupled in cables of 16.
    #[arg(long, value_name = "PART", default_value_t = 0.25)]
    in_cables: f64,

    /// Number of rows, about.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    samples: usize,

    /// Names of the states, separated by commas, where they should not be V, x1, x2, ….
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    names: Option<Vec<String>>,

    /// Name of the stimulus.
    #[arg(long, value_name = "NAME", default_value = "stimulus")]
    stimulus_name: String,

    /// Seed of everything random; the same seed gives the same file.
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

impl Harvest {
    /// Paces, writes the data and prints a summary.
    ///
    /// # Errors
    /// A library that cannot be used, options that cannot be meant, or the system's refusal to write.
    pub fn run(&self) -> Result<()> {
        let start = Instant::now();
        let mut model = self.model.open()?;
        let names = self.column_names(model.n_states())?;
        let stimulus = self.model.stimulus(&mut model)?;
        let options = Options {
            dt: self.model.dt,
            strength: stimulus.strength,
            duration: stimulus.duration,
            cycle_lengths: [self.cycle_lengths[0], self.cycle_lengths[1]],
            time: self.time,
            n_cells: self.cells,
            pulled: self.pulled,
            in_cables: self.in_cables,
            n_samples: self.samples,
            seed: self.seed,
        };
        let (visited, dropped) = harvest::harvest_and_count(&mut model, &options)?;
        let provenance = self.provenance(&options, &model);
        let (table, not_finite) = pairs(&mut model, &visited, options.dt, &names, provenance)?;
        table.write(&self.output)?;
        if dropped > 0 || not_finite > 0 {
            eprintln!(
                "warning: {} cells and {not_finite} rows were dropped because they ran away or were not finite",
                dropped
            );
        }
        let path = self.output.display().to_string();
        let ranges = ranges(&visited);
        if self.json {
            let columns = [&table.input_names[..], &table.target_names[..]].concat();
            let ranges: Map<String, Value> =
                names.iter().cloned().zip(ranges.iter().map(|r| json!(r))).collect();
            println!(
                "{}",
                json!({
                    "output": path,
                    "rows": table.n_rows(),
                    "columns": columns,
                    "ranges": ranges,
                    "stimulus": {
                        "strength": stimulus.strength,
                        "duration": stimulus.duration,
                        "threshold": stimulus.threshold,
                    },
                    "dropped_cells": dropped,
                    "dropped_rows": not_finite,
                    "seconds": start.elapsed().as_secs_f64(),
                })
            );
        } else {
            println!(
                "{path}: {} rows of {} states; stimulus {:.6} for {} ms{}",
                table.n_rows(),
                model.n_states(),
                stimulus.strength,
                stimulus.duration,
                stimulus.threshold.map_or(String::new(), |t| format!(" (threshold {t:.6})"))
            );
            for (name, [low, high]) in names.iter().zip(&ranges) {
                println!("  {name:<10} {low:>14.6e} … {high:.6e}");
            }
        }
        Ok(())
    }

    fn column_names(&self, n_states: usize) -> Result<Vec<String>> {
        let mut names = match &self.names {
            Some(names) if names.len() != n_states => {
                return Err(Error::invalid(format!("{} names for {n_states} states", names.len()))
                    .remedy("give one name a state, V first"));
            }
            Some(names) => names.clone(),
            None => (0..n_states).map(|j| if j == 0 { "V".into() } else { format!("x{j}") }).collect(),
        };
        names.push(self.stimulus_name.clone());
        let mut sorted = names.clone();
        sorted.sort_unstable();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(Error::invalid(format!("the name {} comes twice", pair[0]))
                .remedy("give every state and the stimulus a name of its own")),
            None => Ok(names),
        }
    }

    fn provenance(&self, options: &Options, model: &ModelLibrary) -> Map<String, Value> {
        let library = self.model.library.file_name().map(|name| name.to_string_lossy().into_owned());
        let value = json!({
            "harvested_from": library,
            "function": self.model.function,
            "real": model.real(),
            "initial_state": model.initial_state(),
            "dt": options.dt,
            "substeps": self.model.substeps,
            "mask": self.model.mask,
            "extra_data": self.model.extra_data,
            "adaptive": self.model.adaptive,
            "strength": options.strength,
            "duration": options.duration,
            "cycle_lengths": options.cycle_lengths,
            "time": options.time,
            "cells": options.n_cells,
            "pulled": options.pulled,
            "in_cables": options.in_cables,
            "seed": options.seed,
        });
        match value {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }
}

/// Smallest and largest value of each state, then of the stimulus.
fn ranges(visited: &Visited) -> Vec<[f64; 2]> {
    let range = |values: &mut dyn Iterator<Item = f64>| {
        values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], x| [low.min(x), high.max(x)])
    };
    let n = visited.n_states;
    let mut ranges: Vec<_> =
        (0..n).map(|j| range(&mut visited.states.iter().skip(j).step_by(n).copied())).collect();
    ranges.push(range(&mut visited.stimulus.iter().copied()));
    ranges
}
