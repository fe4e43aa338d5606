//! Pairs of states one step apart, from which step maps learn.

use ndarray::{Array1, Array2, Axis, concatenate, s};
use serde_json::json;

use super::{Problem, Sampling, SolverChoice, Table};
use crate::cell_model::CellModel;
use crate::error::{Error, Result};

/// What the last input column of a pair is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StimulusInput {
    /// The stimulus itself, under its name in the cell model.
    Stimulus,
    /// A problem's `k`, from which the stimulus follows.
    ParameterOf(Problem),
}

/// Additional starts in a smaller box, where a step map would otherwise be poor.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtraStarts {
    /// Ranges of the states and the stimulus input.
    pub ranges: Vec<[f64; 2]>,
    /// Number of starts.
    pub n: usize,
}

/// How to make pairs (states, stimulus input → states after `step`).
#[derive(Clone, Debug, PartialEq)]
pub struct Pairs {
    /// The cell model.
    pub model: CellModel,
    /// Ranges of the states and, last, the stimulus input.
    pub ranges: Vec<[f64; 2]>,
    /// What the last input is.
    pub stimulus: StimulusInput,
    /// Δt in milliseconds.
    pub step: f64,
    /// Starts in the box.
    pub n: usize,
    /// How the starts are spread.
    pub sampling: Sampling,
    /// Further starts, for example near the threshold.
    pub extra: Vec<ExtraStarts>,
    /// Consecutive pairs taken from each start: 1 takes the start alone, more go along its
    /// trajectory and so weigh the states where cells spend their time.
    pub n_along: usize,
    /// The integrator.
    pub solver: SolverChoice,
    /// Seed of the starts.
    pub seed: u64,
    /// Threads of the integrator; they do not change the numbers.
    pub n_threads: usize,
}

impl Pairs {
    /// `n` pairs for the step map that drives a tissue of cubic FitzHugh–Nagumo cells: Δt = 0.1 ms
    /// and a box of u, w and s that holds problem D's states, every stimulus of k in 0 … 1, and
    /// cells without stimulus.
    pub fn tissue(n: usize, seed: u64) -> Self {
        Self {
            model: CellModel::fhn_cubic(),
            ranges: vec![[-0.3, 1.1], [-0.02, 0.2], [0.0, 0.12]],
            stimulus: StimulusInput::Stimulus,
            step: 0.1,
            n,
            sampling: Sampling::Uniform,
            extra: Vec::new(),
            n_along: 1,
            solver: SolverChoice::Reference,
            seed,
            n_threads: 1,
        }
    }

    /// `n` pairs of problem D: u, w, k → u, w after Δt = 1 ms.
    pub fn problem_d(n: usize, seed: u64) -> Self {
        Self {
            ranges: Problem::D.ranges().to_vec(),
            stimulus: StimulusInput::ParameterOf(Problem::D),
            step: 1.0,
            ..Self::tissue(n, seed)
        }
    }

    /// Adds `n` starts whose first state lies within `width` of `threshold`, and that otherwise
    /// fill the box: there neighbours part, one firing and the other not.
    #[must_use]
    pub fn with_starts_near(mut self, threshold: f64, width: f64, n: usize) -> Self {
        let mut ranges = self.ranges.clone();
        if let Some([low, high]) = ranges.first_mut() {
            (*low, *high) = ((threshold - width).max(*low), (threshold + width).min(*high));
        }
        self.extra.push(ExtraStarts { ranges, n });
        self
    }

    /// Computes the pairs: inputs `u`, `w` and `s` or `k`, targets `u_next`, `w_next`; all starts,
    /// then the extra ones, each followed by its trajectory if more than one pair is taken.
    ///
    /// # Errors
    /// Ranges that do not fit the model, a step that does not fit the solver, no pairs, or a
    /// failing integration.
    pub fn generate(&self) -> Result<Table> {
        let n_states = self.model.states().len();
        let boxes = [&self.ranges].into_iter().chain(self.extra.iter().map(|e| &e.ranges));
        if let Some(ranges) = boxes.into_iter().find(|r| r.len() != n_states + 1) {
            return Err(Error::invalid(format!(
                "{} ranges where {} needs {n_states} for its states and 1 for the stimulus",
                ranges.len(),
                self.model.name()
            )));
        }
        if !(self.step.is_finite() && self.step > 0.0) || self.n_along == 0 {
            return Err(Error::invalid(format!("{} pairs of step {} ms", self.n_along, self.step))
                .remedy("give a positive step and at least one pair a start"));
        }
        let starts = self.starts()?;
        let initial = starts.slice(s![.., ..n_states]).to_owned();
        let last = starts.column(n_states).to_owned();
        let stimulus: Array1<f64> = match self.stimulus {
            StimulusInput::Stimulus => last.clone(),
            StimulusInput::ParameterOf(problem) => last.mapv(|k| problem.stimulus(k)),
        };
        let times: Vec<f64> = (1..=self.n_along).map(|i| i as f64 * self.step).collect();
        let states = self.solver.solve(&self.model, &initial, &stimulus, &times, self.n_threads)?;

        let n_rows = starts.nrows() * self.n_along;
        let inputs = Array2::from_shape_fn((n_rows, n_states + 1), |(row, j)| {
            let (cell, along) = (row / self.n_along, row % self.n_along);
            match along {
                _ if j == n_states => last[cell],
                0 => initial[[cell, j]],
                _ => states[[cell, along - 1, j]],
            }
        });
        let targets = states.into_shape_with_order((n_rows, n_states)).expect("same size");
        let names = self.model.states().iter().map(|state| state.name);
        let last_name = match self.stimulus {
            StimulusInput::Stimulus => self.model.stimulus().name,
            StimulusInput::ParameterOf(_) => "k",
        };
        Ok(Table {
            input_names: names.clone().chain([last_name]).map(str::to_owned).collect(),
            inputs,
            target_names: names.map(|name| format!("{name}_next")).collect(),
            targets,
            provenance: self.provenance(),
        })
    }

    fn starts(&self) -> Result<Array2<f64>> {
        let mut parts = Vec::new();
        if self.n > 0 {
            parts.push(self.sampling.sample(&self.ranges, self.n, self.seed)?);
        }
        for (i, extra) in self.extra.iter().enumerate() {
            // Another stream for each box, or the extra starts would mirror the first ones.
            let seed = self.seed.wrapping_add((i as u64 + 1) << 32);
            parts.push(self.sampling.sample(&extra.ranges, extra.n, seed)?);
        }
        let views: Vec<_> = parts.iter().map(Array2::view).collect();
        concatenate(Axis(0), &views).map_err(|_| Error::invalid("no pairs").remedy("ask for at least one"))
    }

    fn provenance(&self) -> serde_json::Map<String, serde_json::Value> {
        let extra: Vec<_> = self.extra.iter().map(|e| json!({"ranges": e.ranges, "n": e.n})).collect();
        let value = json!({
            "cell_model": self.model.name(),
            "cell_parameters": self.model.parameter_map(),
            "ranges": self.ranges,
            "step": self.step,
            "n": self.n,
            "n_along": self.n_along,
            "extra": extra,
            "sampling": self.sampling.name(),
            "integrated": self.solver,
            "seed": self.seed,
        });
        let serde_json::Value::Object(map) = value else { unreachable!("an object was written") };
        map
    }
}
