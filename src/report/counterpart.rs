//! The cell model behind a surrogate, and what the surrogate's inputs mean to it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cell_model::CellModel;
use crate::dataset::Problem;
use crate::error::{Error, Result};
use crate::surrogate::{Role, Surrogate};

/// A cell model with the place of each of its numbers among a surrogate's inputs.
#[derive(Clone, Debug)]
pub struct Counterpart {
    model: CellModel,
    initial: Vec<Source>,
    stimulus: Source,
    /// Parameters that are inputs: position in the model and input column.
    parameters: Vec<(usize, usize)>,
    /// Which state of the model each output is.
    outputs: Vec<usize>,
    k_column: Option<usize>,
}

/// Where a number of a cell comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    /// The same for all cells.
    Fixed(f64),
    /// factor · input + offset.
    Column { column: usize, factor: f64, offset: f64 },
}

impl Source {
    fn of(self, inputs: &[f64]) -> f64 {
        match self {
            Self::Fixed(value) => value,
            Self::Column { column, factor, offset } => factor * inputs[column] + offset,
        }
    }

    fn column(column: usize) -> Self {
        Self::Column { column, factor: 1.0, offset: 0.0 }
    }
}

impl Counterpart {
    /// The built-in cell model that `surrogate` names.
    ///
    /// A state `u` is the input `u` or `u0` of role state; without one it starts from the file's
    /// initial state. The stimulus is the input with its name in the cell model, or `k` of the cubic
    /// FitzHugh–Nagumo problems, or fixed: by the cell model's parameters in the file under the
    /// stimulus' name, by `stimulus` in the provenance, else the model's default.
    ///
    /// # Errors
    /// No or an unknown cell model, inputs that it does not know, outputs that are not its states.
    pub fn of(surrogate: &Surrogate) -> Result<Self> {
        let Some(description) = surrogate.cell_model() else {
            return Err(Error::unsupported("the surrogate's file names no cell model")
                .remedy(format!("errors can be measured against {}", CellModel::NAMES.join(", "))));
        };
        let mut parameters = description.parameters.clone();
        let stimulus_name = CellModel::from_name(&description.name, &BTreeMap::new())?.stimulus().name;
        let written_stimulus = parameters.remove(stimulus_name);
        let model = CellModel::from_name(&description.name, &parameters)?;

        let output_of = |name: &str| {
            let state = model.states().iter().position(|s| s.name == name);
            state.ok_or_else(|| unknown("output", name, &model))
        };
        let outputs = surrogate.states().iter().map(|v| output_of(&v.name)).collect::<Result<Vec<_>>>()?;
        let mut initial: Vec<Source> = model.initial_state().into_iter().map(Source::Fixed).collect();
        for (&state, &value) in outputs.iter().zip(surrogate.initial_state().unwrap_or_default()) {
            initial[state] = Source::Fixed(value);
        }
        let fixed =
            written_stimulus.or_else(|| surrogate.provenance().get("stimulus").and_then(Value::as_f64));
        let mut own = Self {
            initial,
            stimulus: Source::Fixed(fixed.unwrap_or(model.stimulus().default)),
            parameters: Vec::new(),
            outputs,
            k_column: None,
            model,
        };
        for (column, input) in surrogate.inputs().iter().enumerate() {
            own.place(column, &input.name, input.role)?;
        }
        Ok(own)
    }

    fn place(&mut self, column: usize, name: &str, role: Role) -> Result<()> {
        let states = self.model.states();
        let parameter = self.model.parameters().iter().position(|p| p.name == name);
        match role {
            Role::Time => {}
            Role::State => {
                let state = states.iter().position(|s| s.name == name || format!("{}0", s.name) == name);
                let state = state.ok_or_else(|| unknown("state", name, &self.model))?;
                self.initial[state] = Source::column(column);
            }
            Role::Stimulus | Role::Parameter if name == self.model.stimulus().name => {
                self.stimulus = Source::column(column);
            }
            Role::Stimulus | Role::Parameter if name == "k" && self.model.name() == "fhn_cubic" => {
                let offset = Problem::C.stimulus(0.0);
                self.stimulus = Source::Column { column, factor: Problem::C.stimulus(1.0) - offset, offset };
                self.k_column = Some(column);
            }
            Role::Parameter if parameter.is_some() => {
                self.parameters.extend(parameter.map(|parameter| (parameter, column)));
            }
            Role::Stimulus | Role::Parameter => return Err(unknown(role.name(), name, &self.model)),
        }
        Ok(())
    }

    /// The cell model, with the file's parameters.
    pub fn model(&self) -> &CellModel {
        &self.model
    }

    /// Which state of the model each output is.
    pub fn outputs(&self) -> &[usize] {
        &self.outputs
    }

    /// State in which the cell with these inputs starts, in the model's order.
    pub fn initial_state(&self, inputs: &[f64]) -> Vec<f64> {
        self.initial.iter().map(|source| source.of(inputs)).collect()
    }

    /// Stimulus of the cell with these inputs.
    pub fn stimulus(&self, inputs: &[f64]) -> f64 {
        self.stimulus.of(inputs)
    }

    /// Parameters of the cell with these inputs, in the model's order.
    pub fn parameters(&self, inputs: &[f64]) -> Vec<f64> {
        let mut values = self.model.parameter_values().to_vec();
        for &(parameter, column) in &self.parameters {
            values[parameter] = inputs[column];
        }
        values
    }

    /// The input column of a state of the model, if the surrogate takes it.
    pub fn state_column(&self, state: usize) -> Option<usize> {
        match self.initial[state] {
            Source::Column { column, .. } => Some(column),
            Source::Fixed(_) => None,
        }
    }

    /// The input column that sets the stimulus, if one does.
    pub fn stimulus_column(&self) -> Option<usize> {
        match self.stimulus {
            Source::Column { column, .. } => Some(column),
            Source::Fixed(_) => None,
        }
    }

    /// Whether cells of this model fire or stay at rest, as problems B to D define it.
    pub fn is_excitable_cubic(&self) -> bool {
        self.model.name() == "fhn_cubic" && self.outputs.contains(&0)
    }

    /// The ranges of all inputs on the box of problem D, if the inputs are u, w and its `k` or
    /// the stimulus.
    pub fn box_of_problem_d(&self, n_inputs: usize) -> Option<Vec<[f64; 2]>> {
        let columns = [self.state_column(0)?, self.state_column(1)?, self.stimulus_column()?];
        if self.model.name() != "fhn_cubic" || n_inputs != columns.len() {
            return None;
        }
        let mut ranges = vec![[0.0; 2]; n_inputs];
        for (column, range) in columns.into_iter().zip(Problem::D.ranges()) {
            ranges[column] = range;
        }
        if self.k_column.is_none() {
            ranges[columns[2]] = Problem::D.ranges()[2].map(|k| Problem::D.stimulus(k));
        }
        Some(ranges)
    }
}

fn unknown(what: &str, name: &str, model: &CellModel) -> Error {
    let states: Vec<_> = model.states().iter().map(|s| s.name).collect();
    let parameters: Vec<_> = model.parameters().iter().map(|p| p.name).collect();
    Error::unsupported(format!("{what} \"{name}\" is unknown to {}", model.name())).remedy(format!(
        "its states are {}, its stimulus {}, its parameters {}",
        states.join(", "),
        model.stimulus().name,
        parameters.join(", ")
    ))
}
