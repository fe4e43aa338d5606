//! The same surrogate on several backends: times of a call, each with its accuracy beside it.

mod contender;
#[cfg(feature = "cuda")]
pub mod gpu;
#[cfg(not(feature = "cuda"))]
#[path = "gpu_missing.rs"]
pub mod gpu;
mod peak;
mod solver;
mod table;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde::Serialize;

pub use self::contender::{Contender, Evaluator, Layout, Setting};
pub use self::table::{csv, table};

use self::peak::Peaks;
use self::solver::Solver;
use super::Figure;
use crate::error::{Error, ErrorKind, Result};
use crate::program::Program;
use crate::surrogate::Surrogate;

/// Time spent on each case.
const BUDGET: Duration = Duration::from_millis(300);
/// Cells whose results are compared with double precision.
const CHECKED_CELLS: usize = 2000;
/// Errors that differ by more than this factor are of different accuracy.
const SAME_ACCURACY: f64 = 10.0;
/// Single precision's own error relative to the largest number, below which nobody is better.
const ROUNDING: f64 = 1e-6;

/// One contender with one batch and number of threads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measurement {
    /// Who computed.
    pub backend: String,
    /// Where.
    pub device: String,
    /// In which numbers.
    pub precision: String,
    /// Cells of a call.
    pub batch: usize,
    /// Threads on a processor.
    pub threads: usize,
    /// Median time of a call.
    pub seconds_median: f64,
    /// Cells a second.
    pub evaluations_per_second: f64,
    /// Multiply-adds of the network's dense layers, relative to the most that as many cores can do with the instruction
    /// set (the fastest, for backends that do not say): what a loop of them reached in the same run. On a GPU, for the
    /// native backend: the least time that its units and its memory allow, by their data sheets, relative to the call's.
    pub share_of_peak: Option<f64>,
    /// On a GPU: which of tensor cores, special functions, multiply-adds and memory sets that least time.
    pub limited_by: Option<String>,
    /// Forward Euler steps of the cell model, for as many cells with as many threads (or on the same GPU), that take as long
    /// as a call: an evaluation must replace more. None if the cell model is not built in.
    pub break_even_steps: Option<f64>,
    /// Largest difference from the same network in double precision, over the batch's first cells;
    /// none for networks that only ONNX Runtime runs.
    pub max_abs_error: Option<f64>,
    /// Largest number of the results in double precision.
    #[serde(skip)]
    pub size: f64,
}

impl Measurement {
    /// How many times faster this is than `first`, if both have the same accuracy.
    pub fn times_faster_than(&self, first: &Self) -> Option<f64> {
        let error = |m: &Self| m.max_abs_error.map(|e| e.max(ROUNDING * m.size));
        let ratio = error(self)? / error(first)?;
        let comparable = (1.0 / SAME_ACCURACY..=SAME_ACCURACY).contains(&ratio);
        comparable.then(|| first.seconds_median / self.seconds_median)
    }
}

/// Somebody who could not be measured, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Missing {
    /// Who.
    pub backend: String,
    /// What prevents it, and what to do about it.
    pub reason: String,
}

/// What a bench found.
#[derive(Clone, Debug, Default)]
pub struct Bench {
    /// In the order of contenders, threads, batches.
    pub measurements: Vec<Measurement>,
    /// Who is not among them.
    pub missing: Vec<Missing>,
}

impl Bench {
    /// Measures every contender in every setting. Whoever this machine or this build has not is
    /// listed as missing.
    ///
    /// # Errors
    /// Any other fault, and nobody who could be measured.
    pub fn run(surrogate: &Arc<Surrogate>, contenders: &[Contender], settings: &[Setting]) -> Result<Self> {
        let mut bench = Self::default();
        let mut yardsticks = Yardsticks { peaks: Peaks::default(), solver: Solver::of(surrogate) };
        let mut first_fault = None;
        for contender in contenders {
            for &setting in settings {
                match measure(surrogate, contender, setting, &mut yardsticks) {
                    Ok(measurement) => bench.measurements.push(measurement),
                    Err(fault) if fault.kind() == ErrorKind::Unsupported => {
                        let reason = fault.to_string();
                        bench.missing.push(Missing { backend: contender.backend.clone(), reason });
                        first_fault.get_or_insert(fault);
                        break;
                    }
                    Err(fault) => return Err(fault),
                }
            }
        }
        match first_fault {
            Some(fault) if bench.measurements.is_empty() => Err(fault),
            None if bench.measurements.is_empty() => Err(Error::invalid("nothing to measure")
                .remedy("name a backend, a batch and a number of threads")),
            _ => Ok(bench),
        }
    }

    /// The measurement that others with the same batch and threads are compared with: the first.
    fn first_of(&self, setting: Setting) -> Option<&Measurement> {
        self.measurements.iter().find(|m| (m.batch, m.threads) == (setting.batch, setting.threads))
    }

    /// Speed over batch, a curve for each contender and number of threads.
    ///
    /// # Errors
    /// A fault of the drawing library.
    pub fn figure(&self) -> Result<Figure> {
        super::draw::speed(&self.measurements)
    }
}

/// What times are compared with.
struct Yardsticks {
    peaks: Peaks,
    solver: Option<Solver>,
}

fn measure(
    surrogate: &Arc<Surrogate>,
    contender: &Contender,
    setting: Setting,
    yardsticks: &mut Yardsticks,
) -> Result<Measurement> {
    let batch = setting.batch;
    if batch == 0 {
        return Err(Error::invalid("a batch of no cells").remedy("give a positive number"));
    }
    let (n_inputs, n_outputs) = (surrogate.inputs().len(), surrogate.outputs().len());
    let mut evaluator = contender.prepare(setting)?;
    let cells = inputs(surrogate, batch);
    let layout = contender.layout;
    let x: Vec<f32> = (0..cells.len()).map(|i| cells[layout.cell_and_variable(i, batch, n_inputs)]).collect();
    let mut y = vec![0.0f32; batch * n_outputs];
    let seconds_median = evaluator.median_seconds(&x, &mut y)?;
    let mut results = vec![0.0f32; y.len()];
    y.iter().enumerate().for_each(|(i, &y)| results[layout.cell_and_variable(i, batch, n_outputs)] = y);
    let program = surrogate.program().ok();
    let found = program.map(|program| compare(program, &cells, &results));
    let share_of_peak = program.filter(|_| contender.device == "cpu").and_then(|program| {
        let multiply_adds = (batch * program.multiply_adds()) as f64 / seconds_median;
        Some(multiply_adds / setting.threads as f64 / yardsticks.peaks.of(contender)?)
    });
    let limit = evaluator.limit();
    let share_of_limit = limit.map(|(seconds, _)| seconds * batch as f64 / seconds_median);
    let device = contender.device.parse().unwrap_or_default();
    let solver = yardsticks.solver.as_mut();
    let step = solver.map(|solver| solver.seconds_per_step(surrogate, setting, device)).transpose()?;
    Ok(Measurement {
        backend: contender.backend.clone(),
        device: contender.device.clone(),
        precision: contender.precision.clone(),
        batch,
        threads: setting.threads,
        seconds_median,
        evaluations_per_second: batch as f64 / seconds_median,
        share_of_peak: share_of_peak.or(share_of_limit),
        limited_by: limit.map(|(_, by)| by.to_owned()),
        break_even_steps: step.flatten().map(|step| seconds_median / step),
        max_abs_error: found.map(|(error, _)| error),
        size: found.map_or(0.0, |(_, size)| size),
    })
}

/// Cells × inputs, uniform in the domain (in −1 … 1 where it is unknown).
fn inputs(surrogate: &Surrogate, n_cells: usize) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let ranges: Vec<[f64; 2]> = surrogate.inputs().iter().map(|v| v.range.unwrap_or([-1.0, 1.0])).collect();
    let mut number = |&[low, high]: &[f64; 2]| {
        let share = f64::from(random.next_u32()) / f64::from(u32::MAX);
        (low + share * (high - low)) as f32
    };
    (0..n_cells).flat_map(|_| ranges.iter().map(&mut number).collect::<Vec<_>>()).collect()
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
    Ok(middle(times))
}

/// The median.
fn middle(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Largest error of `results` (cells × outputs), and the largest number that they should have.
fn compare(program: &Program, cells: &[f32], results: &[f32]) -> (f64, f64) {
    let rows = cells.chunks(program.n_inputs()).zip(results.chunks(program.n_outputs()));
    let mut worst = (0.0f64, 0.0f64);
    for (x, y) in rows.take(CHECKED_CELLS) {
        let inputs: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        for (exact, &y) in program.evaluate_reference(&inputs).into_iter().zip(y) {
            // NaN must not pass for no error.
            let error = (f64::from(y) - exact).abs();
            let error = if error.is_nan() && !exact.is_nan() { f64::INFINITY } else { error };
            worst = (worst.0.max(error), worst.1.max(exact.abs()));
        }
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(backend: &str, seconds: f64, error: Option<f64>) -> Measurement {
        Measurement {
            backend: backend.to_owned(),
            device: "cpu".to_owned(),
            precision: "f32".to_owned(),
            batch: 1024,
            threads: 1,
            seconds_median: seconds,
            evaluations_per_second: 1024.0 / seconds,
            share_of_peak: None,
            limited_by: None,
            break_even_steps: None,
            max_abs_error: error,
            size: 1.0,
        }
    }

    #[test]
    fn runs_of_different_accuracy_are_not_compared_without_saying_so() {
        let first = measurement("exact", 2e-3, Some(2e-7));
        let equal = measurement("other", 1e-3, Some(5e-7));
        let half = measurement("half", 1e-4, Some(1e-3));
        assert_eq!(equal.times_faster_than(&first), Some(2.0));
        assert_eq!(first.times_faster_than(&first), Some(1.0));
        assert_eq!(half.times_faster_than(&first), None);
        assert_eq!(first.times_faster_than(&half), None);
        assert_eq!(measurement("unknown", 1e-3, None).times_faster_than(&first), None);
        let missing = vec![Missing { backend: "gone".to_owned(), reason: "not installed".to_owned() }];
        let bench = Bench { measurements: vec![first, equal, half], missing };
        let text = table(&bench);
        assert_eq!(text.matches('≠').count(), 2, "{text}");
        assert!(text.contains("gone: not installed") && text.contains("2.00"), "{text}");
        let csv = csv(&bench);
        let rows: Vec<&str> = csv.lines().collect();
        assert_eq!(rows.len(), 4);
        assert!(rows[0].ends_with("max_abs_error,times_first"), "{csv}");
        assert!(rows[2].ends_with(",5e-7,2.0") && rows[3].ends_with(",0.001,"), "{csv}");
    }
}
