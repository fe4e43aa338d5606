//! `emucell bench`: speed of a surrogate on this machine, accuracy beside every time.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde::Serialize;

use crate::error::Result;
use crate::format::onnx;
use crate::kernels::Kernels;
use crate::session::{Session, SessionOptions};
use crate::surrogate::Surrogate;
use crate::view::{Layout, View, ViewMut};

/// Measure evaluations a second, by instruction set, batch and threads.
#[derive(Debug, clap::Args)]
pub struct Bench {
    /// Surrogate (.onnx).
    file: PathBuf,
    /// Cells of a call, several separated by commas.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1, 1024, 65_536])]
    batch: Vec<usize>,
    /// Threads, several separated by commas.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1])]
    threads: Vec<usize>,
    /// Instruction sets, several separated by commas; all of this machine if not given.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    instruction_sets: Vec<String>,
    /// Print a list of objects as JSON.
    #[arg(long)]
    json: bool,
}

/// One line of the table.
#[derive(Debug, Serialize)]
struct Measurement {
    backend: String,
    device: &'static str,
    precision: &'static str,
    batch: usize,
    threads: usize,
    /// Median time of a call.
    seconds_median: f64,
    evaluations_per_second: f64,
    /// Largest difference from the same network in double precision, over the batch's first cells.
    max_abs_error: f64,
}

/// Time spent on each line of the table.
const BUDGET: Duration = Duration::from_millis(300);
/// Cells whose results are compared with double precision.
const CHECKED_CELLS: usize = 2000;

impl Bench {
    pub fn run(&self) -> Result<()> {
        let surrogate = Arc::new(onnx::load(&self.file)?);
        let sets: Vec<String> = match self.instruction_sets.is_empty() {
            true => Kernels::available().iter().map(|k| k.name.to_owned()).collect(),
            false => self.instruction_sets.clone(),
        };
        let mut measurements = Vec::new();
        if !self.json {
            println!(
                "backend          threads    batch     µs a call   M evaluations/s   max error against f64"
            );
        }
        for set in &sets {
            for (&threads, &batch) in self.threads.iter().flat_map(|t| self.batch.iter().map(move |b| (t, b)))
            {
                let measurement = measure(&surrogate, set, threads, batch)?;
                if !self.json {
                    println!(
                        "{:<16} {threads:>7} {batch:>8} {:>13.2} {:>17.2} {:>23.1e}",
                        measurement.backend,
                        1e6 * measurement.seconds_median,
                        1e-6 * measurement.evaluations_per_second,
                        measurement.max_abs_error
                    );
                }
                measurements.push(measurement);
            }
        }
        if self.json {
            println!("{}", serde_json::to_string_pretty(&measurements).expect("plain data"));
        }
        Ok(())
    }
}

fn measure(surrogate: &Arc<Surrogate>, set: &str, threads: usize, batch: usize) -> Result<Measurement> {
    let options = SessionOptions {
        n_threads: threads,
        instruction_set: Some(set.to_owned()),
        ..SessionOptions::default()
    };
    let mut session = Session::new(surrogate.clone(), &options)?;
    let (n_inputs, n_outputs) = (surrogate.inputs().len(), surrogate.outputs().len());
    let x = inputs(surrogate, batch);
    let mut y = vec![0.0f32; batch * n_outputs];
    let mut call = || {
        let inputs = View::new(&x, Layout::structure_of_arrays(batch, n_inputs))?;
        let outputs = ViewMut::new(&mut y, Layout::structure_of_arrays(batch, n_outputs))?;
        session.evaluate(inputs, outputs, None)
    };
    let seconds_median = median_seconds(&mut call)?;
    Ok(Measurement {
        backend: format!("native/{set}"),
        device: "cpu",
        precision: "f32",
        batch,
        threads,
        seconds_median,
        evaluations_per_second: batch as f64 / seconds_median,
        max_abs_error: max_error(surrogate, &x, &y, batch),
    })
}

/// Structure-of-arrays inputs, uniform in the domain (in −1 … 1 where it is unknown).
fn inputs(surrogate: &Surrogate, n_cells: usize) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let columns = surrogate.inputs().iter().map(|v| v.range.unwrap_or([-1.0, 1.0]));
    let mut x = Vec::with_capacity(n_cells * surrogate.inputs().len());
    for [low, high] in columns {
        x.extend((0..n_cells).map(|_| {
            let share = f64::from(random.next_u32()) / f64::from(u32::MAX);
            (low + share * (high - low)) as f32
        }));
    }
    x
}

/// Median time of a call over many short series.
fn median_seconds(call: &mut impl FnMut() -> Result<()>) -> Result<f64> {
    call()?;
    let start = Instant::now();
    call()?;
    let series = (1e-3 / start.elapsed().as_secs_f64().max(1e-9)).ceil() as u32;
    let mut times = Vec::new();
    let start = Instant::now();
    while start.elapsed() < BUDGET || times.len() < 5 {
        let start = Instant::now();
        for _ in 0..series {
            call()?;
        }
        times.push(start.elapsed().as_secs_f64() / f64::from(series));
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

fn max_error(surrogate: &Surrogate, x: &[f32], y: &[f32], n_cells: usize) -> f64 {
    let column = |i: usize, cell: usize| f64::from(x[i * n_cells + cell]);
    let mut worst = 0.0f64;
    for cell in 0..n_cells.min(CHECKED_CELLS) {
        let inputs: Vec<f64> = (0..surrogate.inputs().len()).map(|i| column(i, cell)).collect();
        let exact = surrogate.program().unwrap().evaluate_reference(&inputs);
        for (j, exact) in exact.into_iter().enumerate() {
            worst = worst.max((f64::from(y[j * n_cells + cell]) - exact).abs());
        }
    }
    worst
}
