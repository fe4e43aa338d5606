//! Which state leaves the reference first, when, and how far each goes.

use serde::Serialize;

use crate::error::Result;
use crate::protocol::Trace;
use crate::step_function::StepFunction;
use crate::surrogate::{Role, Surrogate};

/// Error of a state that counts, as a share of the state's range.
const NOTABLE: f64 = 0.05;
/// It must last for so many samples in a row: a front that comes a little early or late is no departure.
const LASTING: usize = 3;

/// States that the reference is asked for a step in, at most.
const PROBES: usize = 2000;

/// States that the reference passed, and what a step without stimulus makes of them.
pub struct Probes {
    states: Vec<f64>,
    next: Vec<f64>,
}

impl Probes {
    /// Some of the states of `traces`, each followed by a step of `model`.
    pub fn of(model: &mut dyn StepFunction, dt: f64, traces: &[Trace]) -> Result<Self> {
        let n = model.n_states();
        let passed = traces.iter().map(|trace| trace.states.len() / n).sum::<usize>();
        let every = passed.div_ceil(PROBES).max(1);
        let cells = traces.iter().flat_map(|trace| trace.states.chunks_exact(n)).step_by(every);
        let states: Vec<f64> = cells.flatten().copied().collect();
        let mut next = states.clone();
        model.step(&mut next, &vec![0.0; states.len() / n], dt, 1)?;
        Ok(Self { states, next })
    }

    /// How wrong a step of `cells` is, state by state: the sum of errors over the sum of what the reference's states move.
    pub fn step_errors(&self, cells: &mut dyn StepFunction, dt: f64) -> Result<Vec<Option<f64>>> {
        let n = cells.n_states();
        let mut own = self.states.clone();
        cells.step(&mut own, &vec![0.0; self.states.len() / n], dt, 1)?;
        let sum = |j: usize, a: &[f64], b: &[f64]| -> f64 {
            a.iter().zip(b).skip(j).step_by(n).map(|(a, b)| (a - b).abs()).sum()
        };
        let ratio = |j: usize| {
            let (error, moved) = (sum(j, &own, &self.next), sum(j, &self.next, &self.states));
            let ratio = if error == 0.0 { 0.0 } else { error / moved };
            ratio.is_finite().then_some(ratio)
        };
        Ok((0..n).map(ratio).collect())
    }
}

/// Whether the surrogate's states are the cell model's, of which there are `n_states`: as many, and none of them latent, as
/// `provenance["distill"]["form"]` tells.
pub fn are_of_the_model(surrogate: &Surrogate, n_states: usize) -> bool {
    let latent = surrogate.provenance().get("distill").and_then(|d| d.pointer("/form/latent"));
    surrogate.columns_of(Role::State).len() == n_states && latent.is_none()
}

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
    /// How wrong a single step from states of the reference is, as a share of what the state moves: large where its own equation is
    /// wrong, small where it follows others astray. None for a state that the reference does not move or numbers that are not finite.
    pub step_error: Option<f64>,
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

    /// The state whose own step is most wrong.
    pub fn most_wrong_step(&self) -> Option<&StateError> {
        let known = self.states.iter().filter(|state| state.step_error.is_some());
        known.max_by(|a, b| a.step_error.unwrap_or(0.0).total_cmp(&b.step_error.unwrap_or(0.0)))
    }
}

/// Compares the states of two traces, whose samples of states lie `every` samples of the potential apart.
pub fn find(
    surrogate: &Surrogate,
    cycle_length: f64,
    (reference, own): (&Trace, &Trace),
    every: f64,
    step_errors: &[Option<f64>],
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
            step_error: step_errors[j],
        });
    }
    let key = |state: &StateError| state.since.unwrap_or(f64::INFINITY);
    states.sort_by(|a, b| key(a).total_cmp(&key(b)).then(b.largest.total_cmp(&a.largest)));
    Divergence { cycle_length, states }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::program::{BlockId, ProgramBuilder};
    use crate::surrogate::{Kind, Variable};

    #[test]
    fn as_many_states_are_the_model_s_unless_they_are_latent() {
        let of_form = |form: serde_json::Value| {
            let states = ["V", "z1"].map(|name| Variable::new(name, "", Role::State)).to_vec();
            let program = ProgramBuilder::new(2).unwrap().finish(BlockId::INPUT);
            let surrogate =
                Surrogate::new(Kind::StepMap { dt: 0.1 }, states.clone(), states, program).unwrap();
            let provenance = json!({ "distill": { "form": form } });
            surrogate.with_provenance(provenance.as_object().unwrap().clone())
        };
        assert!(are_of_the_model(&of_form(json!("structured")), 2));
        assert!(!are_of_the_model(&of_form(json!("structured")), 3));
        assert!(!are_of_the_model(&of_form(json!({ "latent": 1 })), 2));
    }
}
