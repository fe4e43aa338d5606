//! A trained surrogate with everything needed to use it: its variables, kind, step, initial
//! state, provenance and network.

mod derivative;
mod network;
mod times;
mod variable;
mod verification;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use network::{Graph, Network, Port};
pub use times::outputs_at;
pub use variable::{Role, Variable};
pub use verification::{Verification, Verified};

pub use crate::program::Derivative;

use crate::error::{Error, Result};
use crate::program::Program;

/// What one application of the surrogate does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// (t, x0, parameters) → x(t).
    SolutionMap,
    /// (x, stimulus, parameters) → x after `dt`.
    StepMap {
        /// Δt in the unit of the surrogate's time, milliseconds for the shipped cell models. Of a
        /// map that reads its step (an input of role time), the step to take unless there is a
        /// reason for another one.
        dt: f64,
    },
    /// Outputs with a derivative of them, to evaluate; see [`Surrogate::derivative`].
    Derivative,
}

impl Kind {
    /// The name used in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::SolutionMap => "solution_map",
            Self::StepMap { .. } => "step_map",
            Self::Derivative => "derivative",
        }
    }
}

/// The cell model that a surrogate stands for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellModelDescription {
    /// Name of the cell model, for example `fhn_cubic`.
    pub name: String,
    /// Parameters that differ from call to call only if they are also inputs.
    #[serde(default)]
    pub parameters: BTreeMap<String, f64>,
}

/// A surrogate: immutable, validated, shared between sessions.
#[derive(Clone, Debug)]
pub struct Surrogate {
    kind: Kind,
    inputs: Vec<Variable>,
    outputs: Vec<Variable>,
    times: Vec<f64>,
    initial_state: Option<Vec<f64>>,
    cell_model: Option<CellModelDescription>,
    provenance: serde_json::Map<String, serde_json::Value>,
    network: Network,
}

impl Surrogate {
    /// A surrogate of `kind` whose `network` (a program, mostly) takes `inputs` and gives
    /// `outputs`, column by column.
    ///
    /// A step map's outputs are its state inputs, in the same order. At most one input has the role
    /// time: in a step map it is the length of the step. Names are unique among the inputs.
    ///
    /// # Errors
    /// Variables that do not fit the network or the kind.
    pub fn new(
        kind: Kind,
        inputs: Vec<Variable>,
        outputs: Vec<Variable>,
        network: impl Into<Network>,
    ) -> Result<Self> {
        let network = network.into();
        check_count("input", inputs.len(), network.n_inputs())?;
        check_count("output", outputs.len(), network.n_outputs())?;
        for variable in inputs.iter().chain(&outputs) {
            variable.check()?;
        }
        for (i, variable) in inputs.iter().enumerate() {
            if inputs[..i].iter().any(|v| v.name == variable.name) {
                return Err(Error::format(format!("two inputs are called \"{}\"", variable.name)));
            }
        }
        if let Some(output) = outputs.iter().find(|v| v.role != Role::State) {
            return Err(Error::format(format!("output \"{}\" has not the role state", output.name)));
        }
        let surrogate = Self {
            kind,
            inputs,
            outputs,
            times: Vec::new(),
            initial_state: None,
            cell_model: None,
            provenance: serde_json::Map::new(),
            network,
        };
        surrogate.check_kind()?;
        Ok(surrogate)
    }

    /// A solution map of anonymous variables x0, x1, … → y0, y1, … without units or ranges, for
    /// networks that come without emucell's metadata.
    pub fn anonymous(network: impl Into<Network>) -> Self {
        let network = network.into();
        let variables = |prefix: &str, role, n| {
            (0..n).map(|i| Variable::new(&format!("{prefix}{i}"), "", role)).collect::<Vec<_>>()
        };
        Self {
            kind: Kind::SolutionMap,
            inputs: variables("x", Role::Parameter, network.n_inputs()),
            outputs: variables("y", Role::State, network.n_outputs()),
            times: Vec::new(),
            initial_state: None,
            cell_model: None,
            provenance: serde_json::Map::new(),
            network,
        }
    }

    /// Adds the state in which a cell starts, in the order of the outputs (of one time, where the outputs are states at
    /// [several](Self::times)).
    ///
    /// # Errors
    /// A length other than the number of states, or numbers that are not finite.
    pub fn with_initial_state(mut self, state: Vec<f64>) -> Result<Self> {
        check_count("initial state", state.len(), self.n_states())?;
        if let Some(i) = state.iter().position(|x| !x.is_finite()) {
            return Err(Error::format(format!(
                "initial state of \"{}\" is {}",
                self.outputs[i].name, state[i]
            )));
        }
        self.initial_state = Some(state);
        Ok(self)
    }

    /// Adds the cell model that the surrogate stands for.
    #[must_use]
    pub fn with_cell_model(mut self, description: CellModelDescription) -> Self {
        self.cell_model = Some(description);
        self
    }

    /// Adds how the surrogate came to be: recipe, seed, data, validation errors, program version.
    #[must_use]
    pub fn with_provenance(mut self, provenance: serde_json::Map<String, serde_json::Value>) -> Self {
        self.provenance = provenance;
        self
    }

    /// What one application does.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Input variables in the order of the network's columns.
    pub fn inputs(&self) -> &[Variable] {
        &self.inputs
    }

    /// Output variables in the order of the network's columns.
    pub fn outputs(&self) -> &[Variable] {
        &self.outputs
    }

    /// Columns of the inputs that have `role`.
    pub fn columns_of(&self, role: Role) -> Vec<usize> {
        (0..self.inputs.len()).filter(|&i| self.inputs[i].role == role).collect()
    }

    /// The state in which a cell starts, in the order of the outputs (of one time), if the file tells it.
    pub fn initial_state(&self) -> Option<&[f64]> {
        self.initial_state.as_deref()
    }

    /// The cell model that the surrogate stands for, if the file tells it.
    pub fn cell_model(&self) -> Option<&CellModelDescription> {
        self.cell_model.as_ref()
    }

    /// How the surrogate came to be.
    pub fn provenance(&self) -> &serde_json::Map<String, serde_json::Value> {
        &self.provenance
    }

    /// What computes the outputs.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The network as a program.
    ///
    /// # Errors
    /// A network that only ONNX Runtime runs; the message names the node and the reason.
    pub fn program(&self) -> Result<&Program> {
        self.network.program()
    }

    /// True when the surrogate can advance cells in place: its state inputs are its outputs.
    pub fn can_step(&self) -> bool {
        let states = self.inputs.iter().filter(|v| v.role == Role::State);
        states.map(|v| &v.name).eq(self.outputs.iter().map(|v| &v.name))
    }

    /// The input that holds the length of a step map's step, if the map reads it.
    pub fn step_input(&self) -> Option<&Variable> {
        let is_step_map = matches!(self.kind, Kind::StepMap { .. });
        self.inputs.iter().find(|v| is_step_map && v.role == Role::Time)
    }

    /// The input that holds a solution map's time, if the map takes any time.
    pub fn time_input(&self) -> Option<usize> {
        let is_solution_map = self.kind == Kind::SolutionMap;
        self.inputs.iter().position(|v| is_solution_map && v.role == Role::Time)
    }

    fn check_kind(&self) -> Result<()> {
        let times = self.columns_of(Role::Time).len();
        match self.kind {
            Kind::SolutionMap | Kind::StepMap { .. } if times > 1 => {
                let kind = self.kind.name().replace('_', " ");
                Err(Error::format(format!("a {kind} with {times} inputs of role time"))
                    .remedy("give one input the role time"))
            }
            Kind::StepMap { dt } if !(dt.is_finite() && dt > 0.0) => {
                Err(Error::format(format!("a step map with step {dt}")).remedy("give a positive step"))
            }
            Kind::StepMap { .. } if !self.can_step() => {
                Err(Error::format("a step map whose outputs are not its state inputs in the same order"))
            }
            _ => Ok(()),
        }
    }
}

fn check_count(what: &str, variables: usize, columns: usize) -> Result<()> {
    if variables != columns {
        return Err(Error::format(format!(
            "{variables} {what} variables for a network with {columns} {what} columns"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{BlockId, ProgramBuilder};

    /// A program of `n` inputs that gives back the first `m`.
    fn first_columns(n: usize, m: usize) -> Program {
        let mut b = ProgramBuilder::new(n).unwrap();
        let y = b.slice(BlockId::INPUT, 0, m).unwrap();
        b.finish(y)
    }

    fn state(name: &str) -> Variable {
        Variable::new(name, "1", Role::State)
    }

    #[test]
    fn variables_must_fit_program_and_kind() {
        let stimulus = Variable::new("s", "1/ms", Role::Stimulus);
        let inputs = vec![state("u"), state("w"), stimulus];
        let outputs = vec![state("u"), state("w")];
        let step = Kind::StepMap { dt: 0.1 };
        let good = Surrogate::new(step, inputs.clone(), outputs.clone(), first_columns(3, 2)).unwrap();
        assert!(good.can_step());
        assert_eq!(good.columns_of(Role::Stimulus), [2]);

        let fails = |kind, inputs: &[Variable], outputs: &[Variable], program| {
            Surrogate::new(kind, inputs.to_vec(), outputs.to_vec(), program).unwrap_err().to_string()
        };
        assert!(fails(step, &inputs, &outputs, first_columns(4, 2)).contains("4 input columns"));
        assert!(fails(step, &inputs, &inputs, first_columns(3, 3)).contains("role state"));
        let swapped = [state("w"), state("u")];
        assert!(fails(step, &inputs, &swapped, first_columns(3, 2)).contains("same order"));
        let twice = [state("u"), state("u"), state("w")];
        assert!(fails(step, &twice, &outputs, first_columns(3, 2)).contains("two inputs"));
        let time = |name: &str| Variable::new(name, "ms", Role::Time);
        let times = [time("t"), time("t2"), state("u")];
        assert!(fails(Kind::SolutionMap, &times, &outputs, first_columns(3, 2)).contains("role time"));
        let twice = [state("u"), time("t"), time("t2")];
        assert!(fails(step, &twice, &outputs[..1], first_columns(3, 1)).contains("2 inputs of role time"));
        let reads_step = [state("u"), time("dt").with_range(0.1, 2.0)];
        let reads_step =
            Surrogate::new(step, reads_step.to_vec(), outputs[..1].to_vec(), first_columns(2, 1)).unwrap();
        assert_eq!(reads_step.step_input().map(|v| v.name.as_str()), Some("dt"));
        assert_eq!(good.step_input(), None);
        assert!(
            fails(Kind::StepMap { dt: -1.0 }, &inputs, &outputs, first_columns(3, 2)).contains("step -1")
        );
        assert!(good.with_initial_state(vec![0.0]).is_err());
    }
}
