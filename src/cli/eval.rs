//! `emucell eval`: one application of a surrogate to the cells in a file.

use std::path::PathBuf;
use std::sync::Arc;

use ndarray::Array2;

use super::arrays::{OutputType, read_cells, write_cells};
use super::session::{SessionArguments, describe_outside};
use crate::error::Result;
use crate::session::Counters;
use crate::view::{View, ViewMut};

/// Evaluate a surrogate: one row of inputs, one row of outputs for each cell.
#[derive(Debug, clap::Args)]
pub struct Eval {
    /// Surrogate (.onnx).
    file: PathBuf,
    /// Cells × inputs in the surrogate's order (.npy, .npz or .csv; f32 or f64).
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Where the outputs go, cells × outputs (.npy or .csv).
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

impl Eval {
    pub fn run(&self) -> Result<()> {
        let surrogate = Arc::new(super::load_surrogate(&self.file)?);
        let (n_inputs, n_outputs) = (surrogate.inputs().len(), surrogate.outputs().len());
        let x = read_cells(&self.input, &surrogate.inputs().iter().collect::<Vec<_>>())?;
        let n_cells = x.nrows();
        let mut y = vec![0.0f64; n_cells * n_outputs];
        let inputs = View::array_of_structures(x.as_slice().expect("standard layout"), n_inputs)?;
        let outputs = ViewMut::array_of_structures(&mut y, n_outputs)?;
        let mut session = self.session.session(&surrogate)?;
        session.evaluate(inputs, outputs, None)?;
        let y = Array2::from_shape_vec((n_cells, n_outputs), y).expect("as allocated");
        write_cells(&self.output, y.into_dyn(), surrogate.outputs(), self.dtype)?;
        self.summarise(n_cells, surrogate.times(), session.counters());
        Ok(())
    }

    fn summarise(&self, n_cells: usize, times: &[f64], counters: Counters) {
        if self.json {
            let summary = serde_json::json!({
                "cells": n_cells,
                "times": times,
                "outside_domain": counters.outside_domain,
                "fallback": counters.fallback,
                "not_finite": counters.not_finite,
                "output": self.output,
            });
            println!("{summary}");
        } else {
            let at_times = match times.len() {
                0 => String::new(),
                n => format!(" at {n} times"),
            };
            println!(
                "{n_cells} cells evaluated{at_times} ({}, {} not finite) → {}",
                describe_outside(counters),
                counters.not_finite,
                self.output.display()
            );
        }
    }
}
