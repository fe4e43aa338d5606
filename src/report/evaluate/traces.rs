//! A few cells in fine time, to be looked at.

use std::sync::Arc;

use ndarray::{Array3, s};

use super::super::counterpart::Counterpart;
use super::accuracy::{Comparison, EULER_DT, horizon};
use super::samples::{Schedule, of_euler, of_reference, of_surrogate};
use crate::error::Result;
use crate::surrogate::{Kind, Surrogate};

/// Samples of a curve.
const N_FINE: usize = 500;
/// Ranks of the cells that are shown; see [`Trace::rank`].
const RANKS: [f64; 6] = [0.1, 0.5, 0.75, 0.9, 0.99, 1.0];

/// One cell of a comparison.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Which part of the cells has a smaller error: 0.5 is the median cell, 1 the worst.
    pub rank: f64,
    /// Inputs without the time: names and values.
    pub inputs: Vec<(String, f64)>,
    /// Where the outputs start.
    pub initial: Vec<f64>,
    /// Milliseconds of the curves.
    pub times: Vec<f64>,
    /// The reference: samples × outputs.
    pub reference: Vec<Vec<f64>>,
    /// Forward Euler, the same.
    pub euler: Vec<Vec<f64>>,
    /// Milliseconds of the surrogate's states: each step of a step map, the outputs' own times, else as the curves.
    pub surrogate_times: Vec<f64>,
    /// The surrogate's states.
    pub surrogate: Vec<Vec<f64>>,
}

/// Cells from the best to the worst, by the mean error of the first output.
///
/// # Errors
/// As [`super::compare`].
pub fn traces(
    surrogate: &Arc<Surrogate>,
    counterpart: &Counterpart,
    comparison: &Comparison,
) -> Result<Vec<Trace>> {
    let n = comparison.inputs.nrows();
    let error = |cell: usize| {
        let (a, b) =
            (comparison.surrogate.slice(s![cell, .., 0]), comparison.reference.slice(s![cell, .., 0]));
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f64>()
    };
    let mut order: Vec<usize> = (0..n).collect();
    let errors: Vec<f64> = order.iter().map(|&cell| error(cell)).collect();
    order.sort_by(|&a, &b| errors[a].total_cmp(&errors[b]));
    let mut chosen: Vec<(f64, usize)> =
        RANKS.iter().map(|r| (*r, (r * n as f64).ceil() as usize - 1)).collect();
    // Of few cells several ranks are the same one; the higher rank names it.
    chosen.reverse();
    chosen.dedup_by_key(|(_, place)| *place);
    chosen.reverse();
    let cells: Vec<usize> = chosen.iter().map(|&(_, place)| order[place]).collect();

    let inputs = comparison.inputs.select(ndarray::Axis(0), &cells);
    let fine = Schedule::new(Kind::SolutionMap, horizon(surrogate), N_FINE);
    let own = Schedule::of(surrogate, horizon(surrogate), N_FINE)?;
    let given = of_surrogate(surrogate, &inputs, &own)?;
    let reference = of_reference(counterpart, &inputs, &fine, 1)?;
    let euler = of_euler(counterpart, &inputs, &fine, EULER_DT)?;
    let one = |all: &Array3<f64>, cell: usize| -> Vec<Vec<f64>> {
        all.slice(s![cell, .., ..]).outer_iter().map(|row| row.to_vec()).collect()
    };
    let names = surrogate.inputs();
    let trace = |(cell, (rank, _)): (usize, (f64, usize))| {
        let row = inputs.row(cell).to_vec();
        let initial = counterpart.initial_state(&row);
        let named = names.iter().zip(&row).filter(|(v, _)| v.role != crate::surrogate::Role::Time);
        Trace {
            rank,
            inputs: named.map(|(v, &value)| (v.name.clone(), value)).collect(),
            initial: counterpart.outputs().iter().map(|&state| initial[state]).collect(),
            times: fine.times(),
            reference: one(&reference, cell),
            euler: one(&euler, cell),
            surrogate_times: own.times(),
            surrogate: one(&given, cell),
        }
    };
    Ok(chosen.into_iter().enumerate().map(trace).collect())
}
