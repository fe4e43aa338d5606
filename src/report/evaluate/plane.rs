//! Errors over the plane of initial states, at a few values of the stimulus.

use std::sync::Arc;

use ndarray::{Array2, s};

use super::super::counterpart::Counterpart;
use super::accuracy::{domain, horizon};
use super::samples::{Schedule, of_reference, of_surrogate};
use crate::dataset::sampling;
use crate::error::Result;
use crate::surrogate::Surrogate;

/// Points along each side of a plane.
const N_POINTS: usize = 41;
/// Samples of a cell over the horizon.
const N_SAMPLES: usize = 50;

/// Errors over a regular grid of initial values of two states.
#[derive(Clone, Debug)]
pub struct Plane {
    /// Names of the inputs along x and y.
    pub axes: [String; 2],
    /// Their ranges.
    pub ranges: [[f64; 2]; 2],
    /// Name and value of the input that is the same everywhere in this plane, if there is one.
    pub fixed: Option<(String, f64)>,
    /// Mean over time of the first output's absolute error: rows along y, ascending.
    pub mean: Array2<f64>,
}

/// Errors of the first output over the plane of the first two states, for three values of the
/// stimulus if it is an input; every other input is in the middle of its range. Nothing if fewer
/// than two states vary.
///
/// # Errors
/// Inputs without a range, or an integration that fails.
pub fn planes(surrogate: &Arc<Surrogate>, counterpart: &Counterpart, n_threads: usize) -> Result<Vec<Plane>> {
    let domain = domain(surrogate)?;
    let varying = |column: &usize| domain[*column][0] < domain[*column][1];
    let states = 0..counterpart.model().states().len();
    let columns: Vec<usize> =
        states.filter_map(|state| counterpart.state_column(state)).filter(varying).collect();
    let &[x, y, ..] = columns.as_slice() else { return Ok(Vec::new()) };

    let stimulus = counterpart.stimulus_column().filter(varying);
    let values =
        stimulus.map_or(vec![0.0], |c| vec![domain[c][0], domain[c].iter().sum::<f64>() / 2.0, domain[c][1]]);
    let schedule = Schedule::of(surrogate, horizon(surrogate), N_SAMPLES)?;
    let mut planes = Vec::new();
    for value in values {
        let mut ranges: Vec<[f64; 2]> = domain.iter().map(|r| [(r[0] + r[1]) / 2.0; 2]).collect();
        (ranges[x], ranges[y]) = (domain[x], domain[y]);
        let mut points = vec![1; domain.len()];
        (points[x], points[y]) = (N_POINTS, N_POINTS);
        if let Some(column) = stimulus {
            ranges[column] = [value; 2];
        }
        let inputs = sampling::grid(&ranges, &points)?;
        let given = of_surrogate(surrogate, &inputs, &schedule)?;
        let reference = of_reference(counterpart, &inputs, &schedule, n_threads)?;
        // The later column runs fastest, whichever of the two it is.
        let cell = |row, column| if x < y { column * N_POINTS + row } else { row * N_POINTS + column };
        let mean = Array2::from_shape_fn((N_POINTS, N_POINTS), |(row, column)| {
            let cell = cell(row, column);
            let difference = &given.slice(s![cell, .., 0]) - &reference.slice(s![cell, .., 0]);
            difference.iter().map(|x| x.abs()).sum::<f64>() / schedule.n_samples() as f64
        });
        let name = |column: usize| surrogate.inputs()[column].name.clone();
        planes.push(Plane {
            axes: [name(x), name(y)],
            ranges: [domain[x], domain[y]],
            fixed: stimulus.map(|c| (name(c), value)),
            mean,
        });
    }
    Ok(planes)
}
