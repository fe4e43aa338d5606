//! `emucell rollout`: many steps of a step map (or of a solution map with a fixed step).

use std::path::PathBuf;
use std::sync::Arc;

use ndarray::{Array2, Array3, s};

use super::arrays::{OutputType, read_cells, write_cells};
use super::session::{SessionArguments, describe_outside};
use crate::error::{Error, Result};
use crate::session::Cells;
use crate::surrogate::{Kind, Role, Surrogate, Variable};
use crate::view::{View, ViewMut};

/// Step cells from their initial states and keep samples: cells × samples × states, the first
/// sample being the initial state.
#[derive(Debug, clap::Args)]
pub struct Rollout {
    /// Surrogate (.onnx).
    file: PathBuf,
    /// Initial states, cells × states (.npy, .npz or .csv; f32 or f64).
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// Number of steps.
    #[arg(long, value_name = "N")]
    steps: u32,
    /// Keep every N-th state.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
    /// Stimulus, constant in time, cells × stimulus variables; 0 if not given.
    #[arg(long, value_name = "FILE")]
    stimulus: Option<PathBuf>,
    /// Parameters, cells × parameters.
    #[arg(long, value_name = "FILE")]
    parameters: Option<PathBuf>,
    /// Length of a step; a solution map needs it, a step map that reads its step takes any in its range.
    #[arg(long)]
    dt: Option<f64>,
    /// Where the samples go (.npy).
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Element type of the output.
    #[arg(long, value_enum, default_value = "f32")]
    dtype: OutputType,
    #[command(flatten)]
    session: SessionArguments,
    /// Print a summary as JSON.
    #[arg(long)]
    json: bool,
}

impl Rollout {
    pub fn run(&self) -> Result<()> {
        let surrogate = Arc::new(super::load_surrogate(&self.file)?);
        let dt = self.step_length(&surrogate)?;
        let mut state = read_cells(&self.state, &with_role(&surrogate, Role::State))?;
        let n_cells = state.nrows();
        let stimulus = companion(&self.stimulus, &with_role(&surrogate, Role::Stimulus), n_cells, Some(0.0))?;
        let parameters = companion(&self.parameters, &with_role(&surrogate, Role::Parameter), n_cells, None)?;
        let mut session = self.session.session(&surrogate)?;

        let n_samples = self.steps / self.every + 1;
        let mut samples = Array3::zeros((n_cells, n_samples as usize, state.ncols()));
        samples.slice_mut(s![.., 0, ..]).assign(&state);
        for sample in 1..n_samples {
            let n_states = state.ncols();
            let numbers = state.as_slice_mut().expect("standard layout");
            let cells = Cells {
                stimulus: view(&stimulus)?,
                parameters: view(&parameters)?.map(Into::into),
                ..Cells::new(ViewMut::array_of_structures(numbers, n_states)?)
            };
            session.step(cells, dt, self.every)?;
            samples.slice_mut(s![.., sample as usize, ..]).assign(&state);
        }
        let not_finite = state.rows().into_iter().filter(|row| row.iter().any(|x| !x.is_finite())).count();
        write_cells(&self.output, samples.into_dyn(), surrogate.outputs(), self.dtype)?;
        let counters = session.counters();
        if self.json {
            let summary = serde_json::json!({
                "cells": n_cells,
                "samples": n_samples,
                "dt": dt,
                "cell_steps": counters.cell_steps,
                "outside_domain": counters.outside_domain,
                "fallback": counters.fallback,
                "not_finite": not_finite,
                "output": self.output,
            });
            println!("{summary}");
        } else {
            println!(
                "{n_cells} cells, {} steps of {dt}, {n_samples} samples (of {} cells × steps {}; \
                 {not_finite} cells not finite) → {}",
                self.steps,
                counters.cell_steps,
                describe_outside(counters),
                self.output.display()
            );
        }
        Ok(())
    }

    fn step_length(&self, surrogate: &Surrogate) -> Result<f64> {
        match (surrogate.kind(), self.dt) {
            (Kind::StepMap { dt }, None) => Ok(dt),
            (_, Some(dt)) => Ok(dt),
            (Kind::SolutionMap | Kind::Derivative, None) => Err(Error::invalid(format!(
                "a {} has no step of its own",
                surrogate.kind().name().replace('_', " ")
            ))
            .in_file(&self.file)
            .remedy("give the length of a step with --dt")),
        }
    }
}

fn with_role(surrogate: &Surrogate, role: Role) -> Vec<&Variable> {
    surrogate.inputs().iter().filter(|v| v.role == role).collect()
}

/// The cells × `variables` of an optional file; `default` everywhere if there is none.
fn companion(
    path: &Option<PathBuf>,
    variables: &[&Variable],
    n_cells: usize,
    default: Option<f64>,
) -> Result<Option<Array2<f64>>> {
    match (path, default) {
        (None, _) if variables.is_empty() => Ok(None),
        (None, Some(value)) => Ok(Some(Array2::from_elem((n_cells, variables.len()), value))),
        (None, None) => {
            let names: Vec<&str> = variables.iter().map(|v| v.name.as_str()).collect();
            Err(Error::invalid(format!("the surrogate needs {}", names.join(", ")))
                .remedy("give a file with a row a cell"))
        }
        (Some(path), _) => {
            let cells = read_cells(path, variables)?;
            if cells.nrows() != n_cells {
                return Err(
                    Error::invalid(format!("{} rows for {n_cells} cells", cells.nrows())).in_file(path)
                );
            }
            Ok(Some(cells))
        }
    }
}

fn view(cells: &Option<Array2<f64>>) -> Result<Option<View<'_>>> {
    let Some(cells) = cells else {
        return Ok(None);
    };
    View::array_of_structures(cells.as_slice().expect("standard layout"), cells.ncols()).map(Some)
}
