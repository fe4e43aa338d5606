//! The surrogate's own cell model as its fallback: solved by forward Euler from the same inputs to
//! the same outputs.

use super::fallback::OutsideCells;
use crate::cell_model::CellModel;
use crate::cell_model::euler::{Euler, PerCell};
use crate::error::{Error, Result};
use crate::surrogate::{Kind, Role, Surrogate, Variable};
use crate::view::{View, ViewMut};

/// Cells that are solved at a time.
const BATCH: usize = 256;
/// Steps of the solver beyond which a result is NaN instead: a wrong time must not stop the host.
const MAX_STEPS: f64 = 1e7;

/// What an input of the surrogate is in the cell model.
#[derive(Clone, Copy, Debug)]
enum Source {
    Time,
    State(usize),
    Stimulus,
    Parameter(usize),
}

/// A cell model that computes what the surrogate would.
#[derive(Debug)]
pub struct Solver {
    euler: Euler,
    longest_step: f64,
    /// Time of a surrogate without an input of that role.
    dt: f64,
    sources: Vec<Source>,
    /// Which state each output is.
    outputs: Vec<usize>,
    /// Values of what is no input.
    initial_state: Vec<f64>,
    state: Vec<f64>,
    stimulus: Vec<f64>,
    parameters: Vec<f64>,
    times: Vec<f64>,
}

impl Solver {
    /// The solver of `surrogate`'s cell model with steps of at most `longest_step` ms.
    ///
    /// # Errors
    /// A surrogate that tells no cell model or one that emucell does not have, and variables that
    /// the model does not know.
    pub fn new(surrogate: &Surrogate, longest_step: f64) -> Result<Self> {
        let Some(description) = surrogate.cell_model() else {
            return Err(Error::unsupported("a fallback for a surrogate that names no cell model")
                .remedy("give a fallback of your own, or choose another guard"));
        };
        let model = CellModel::from_name(&description.name, &description.parameters).map_err(|e| {
            Error::unsupported(format!("no fallback ({e})")).remedy("give a fallback of your own")
        })?;
        let outputs =
            surrogate.outputs().iter().map(|v| state_of(&model, v).ok_or_else(|| unknown(&model, v)));
        let outputs: Vec<usize> = outputs.collect::<Result<_>>()?;
        let sources = surrogate.inputs().iter().map(|v| source_of(&model, v)).collect::<Result<_>>()?;
        let mut initial_state = model.initial_state();
        if let Some(own) = surrogate.initial_state() {
            outputs.iter().zip(own).for_each(|(&state, &x)| initial_state[state] = x);
        }
        let dt = match surrogate.kind() {
            Kind::StepMap { dt } => dt,
            _ => 0.0,
        };
        let (n_states, n_parameters) = (model.states().len(), model.parameters().len());
        Ok(Self {
            euler: Euler::new(&model, longest_step).map_err(|e| e.at("fallback"))?,
            longest_step,
            dt,
            sources,
            outputs,
            initial_state,
            state: vec![0.0; BATCH * n_states],
            stimulus: vec![0.0; BATCH],
            parameters: vec![0.0; BATCH * n_parameters],
            times: vec![0.0; BATCH],
        })
    }

    /// Sets the outputs of `cells` from their inputs.
    pub fn compute(&mut self, cells: &mut OutsideCells<'_>) -> Result<()> {
        let n_cells = cells.rows().len();
        for first in (0..n_cells).step_by(BATCH) {
            let n = BATCH.min(n_cells - first);
            (0..n).for_each(|i| self.read(cells, first + i, i));
            self.solve(n)?;
            let n_states = self.initial_state.len();
            for i in 0..n {
                for (variable, state) in self.outputs.iter().enumerate() {
                    cells.set_output(first + i, variable, self.state[i * n_states + state]);
                }
            }
        }
        Ok(())
    }

    /// Copies the inputs of the call's cell number `cell` to place `i` of the batch.
    fn read(&mut self, cells: &OutsideCells<'_>, cell: usize, i: usize) {
        let model = self.euler.model();
        let state = &mut self.state[i * self.initial_state.len()..][..self.initial_state.len()];
        state.copy_from_slice(&self.initial_state);
        let own = model.parameter_values();
        let parameters = &mut self.parameters[i * own.len()..][..own.len()];
        parameters.copy_from_slice(own);
        self.stimulus[i] = model.stimulus().default;
        self.times[i] = cells.dt().unwrap_or(self.dt);
        for (variable, source) in self.sources.iter().enumerate() {
            let x = cells.input(cell, variable);
            match source {
                Source::Time => self.times[i] = x,
                Source::State(state_number) => state[*state_number] = x,
                Source::Stimulus => self.stimulus[i] = x,
                Source::Parameter(number) => parameters[*number] = x,
            }
        }
    }

    /// Advances the batch's first `n` cells, each by its own time; neighbours with the same time
    /// together.
    fn solve(&mut self, n: usize) -> Result<()> {
        let (n_states, n_parameters) = (self.initial_state.len(), self.parameters.len() / BATCH);
        let mut first = 0;
        for group in self.times[..n].chunk_by(|a, b| a == b) {
            let (time, cells) = (group[0], first..first + group.len());
            first = cells.end;
            let state = &mut self.state[cells.start * n_states..cells.end * n_states];
            let n_steps = (time / self.longest_step).ceil().max(1.0);
            if time == 0.0 {
                continue;
            }
            // NaN is neither.
            if !(time > 0.0 && n_steps <= MAX_STEPS) {
                state.fill(f64::NAN);
                continue;
            }
            self.euler.set_dt(time / n_steps)?;
            let parameters = &self.parameters[cells.start * n_parameters..cells.end * n_parameters];
            let per_cell = PerCell {
                stimulus: Some(View::array_of_structures(&self.stimulus[cells], 1)?),
                parameters: Some(View::array_of_structures(parameters, n_parameters)?),
            };
            let mut state = ViewMut::array_of_structures(state, n_states)?;
            self.euler.advance(&mut state, per_cell, n_steps as u64)?;
        }
        Ok(())
    }
}

fn state_of(model: &CellModel, variable: &Variable) -> Option<usize> {
    model.states().iter().position(|s| s.name == variable.name)
}

fn source_of(model: &CellModel, variable: &Variable) -> Result<Source> {
    let parameter = || model.parameters().iter().position(|p| p.name == variable.name).map(Source::Parameter);
    // A stimulus that is constant for a whole solution may have the role of a parameter.
    let stimulus = || (variable.name == model.stimulus().name).then_some(Source::Stimulus);
    let source = match variable.role {
        Role::Time => Some(Source::Time),
        Role::State => state_of(model, variable).map(Source::State),
        Role::Stimulus => Some(Source::Stimulus),
        Role::Parameter => parameter().or_else(stimulus),
    };
    source.ok_or_else(|| unknown(model, variable))
}

fn unknown(model: &CellModel, variable: &Variable) -> Error {
    Error::unsupported(format!("no fallback (the cell model {} has no \"{}\")", model.name(), variable.name))
        .remedy("give a fallback of your own, or choose another guard")
}
