//! `emucell eval`: one application of a surrogate to the cells in a file.

use std::path::PathBuf;
use std::sync::Arc;

use ndarray::Array2;

use super::arrays::{OutputType, read_cells, write_cells};
use crate::error::Result;
use crate::format::onnx;
use crate::session::{Session, SessionOptions, cell_status};
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
    /// Threads that share the cells.
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,
    /// Print a summary as JSON.
    #[arg(long)]
    json: bool,
}

impl Eval {
    pub fn run(&self) -> Result<()> {
        let surrogate = Arc::new(onnx::load(&self.file)?);
        let (n_inputs, n_outputs) = (surrogate.inputs().len(), surrogate.outputs().len());
        let x = read_cells(&self.input, &surrogate.inputs().iter().collect::<Vec<_>>())?;
        let n_cells = x.nrows();
        let mut y = vec![0.0f64; n_cells * n_outputs];
        let mut status = vec![0u8; n_cells];
        let options = SessionOptions { n_threads: self.threads, ..SessionOptions::default() };
        let inputs = View::array_of_structures(x.as_slice().expect("standard layout"), n_inputs)?;
        let outputs = ViewMut::array_of_structures(&mut y, n_outputs)?;
        Session::new(surrogate.clone(), &options)?.evaluate(inputs, outputs, Some(&mut status))?;
        let y = Array2::from_shape_vec((n_cells, n_outputs), y).expect("as allocated");
        write_cells(&self.output, y.into_dyn(), surrogate.outputs(), self.dtype)?;
        self.summarise(n_cells, &status);
        Ok(())
    }

    fn summarise(&self, n_cells: usize, status: &[u8]) {
        let count = |bit| status.iter().filter(|&&s| s & bit != 0).count();
        let outside = count(cell_status::OUTSIDE_DOMAIN);
        let not_finite = count(cell_status::NOT_FINITE);
        if self.json {
            let summary = serde_json::json!({
                "cells": n_cells, "outside_domain": outside, "not_finite": not_finite, "output": self.output,
            });
            println!("{summary}");
        } else {
            println!(
                "{n_cells} cells evaluated ({outside} outside the domain, {not_finite} not finite) → {}",
                self.output.display()
            );
        }
    }
}
