//! Which state leaves the reference first, when, and how far each goes.

use serde::Serialize;

use crate::protocol::Trace;
use crate::surrogate::{Role, Surrogate};

/// Error of a state that counts, as a share of the state's range.
const NOTABLE: f64 = 0.05;
/// It must last for so many samples in a row: a front that comes a little early or late is no departure.
const LASTING: usize = 3;

/// How far a state strays from the reference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StateError {
    /// Name of the state.
    pub state: String,
    /// Largest error as a share of its range.
    pub largest: f64,
    /// When that is, ms from the begin of pacing.
    pub largest_at: f64,
    /// Since when the error exceeds 5 % of the range for three samples in a row, ms; none if it never does.
    pub since: Option<f64>,
}

/// The states at the worst cycle length, those that leave first at the head, the others by their error.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Divergence {
    /// From one stimulus to the next, ms.
    pub cycle_length: f64,
    /// One entry a state.
    pub states: Vec<StateError>,
}

impl Divergence {
    /// The state that leaves first, if any does.
    pub fn first(&self) -> Option<&StateError> {
        self.states.first().filter(|state| state.since.is_some())
    }
}

/// Compares the states of two traces, whose samples of states lie `every` samples of the potential apart.
pub fn find(
    surrogate: &Surrogate,
    cycle_length: f64,
    (reference, own): (&Trace, &Trace),
    every: f64,
) -> Divergence {
    let variables: Vec<_> = surrogate.inputs().iter().filter(|v| v.role == Role::State).collect();
    let n = variables.len();
    let interval = reference.interval * every;
    let mut states: Vec<StateError> = Vec::with_capacity(n);
    for (j, variable) in variables.iter().enumerate() {
        let column = |trace: &Trace| trace.states.iter().skip(j).step_by(n).copied().collect::<Vec<f64>>();
        let (reference, own) = (column(reference), column(own));
        let visited = reference.iter().fold([f64::MAX, f64::MIN], |[l, h], &x| [l.min(x), h.max(x)]);
        let [low, high] = variable.range.filter(|[low, high]| high > low).unwrap_or(visited);
        // A state that never moves has no scale but its size.
        let scale = if high > low { high - low } else { low.abs().max(1e-12) };
        let errors = reference.iter().zip(&own).map(|(a, b)| {
            let error = (a - b).abs() / scale;
            if error.is_finite() { error } else { f64::INFINITY }
        });
        let errors: Vec<f64> = errors.collect();
        let mut largest = (0, 0.0);
        for (i, &error) in errors.iter().enumerate() {
            if error > largest.1 {
                largest = (i, error);
            }
        }
        let since = errors.windows(LASTING).position(|window| window.iter().all(|&error| error > NOTABLE));
        states.push(StateError {
            state: variable.name.clone(),
            largest: largest.1,
            largest_at: largest.0 as f64 * interval,
            since: since.map(|i| i as f64 * interval),
        });
    }
    let key = |state: &StateError| state.since.unwrap_or(f64::INFINITY);
    states.sort_by(|a, b| key(a).total_cmp(&key(b)).then(b.largest.total_cmp(&a.largest)));
    Divergence { cycle_length, states }
}
