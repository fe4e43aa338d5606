//! The network of a recipe and its form.

use serde::{Deserialize, Serialize};
use tch::Device;

use super::data::Data;
use super::{Milliseconds, Recipe, StageSection};
use crate::activation::Activation;
use crate::error::Result;
use crate::surrogate::{Kind, Role};
use crate::train::{Form, FullyConnected, Model, Task};

/// The network and its form.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSection {
    /// Activation and width of each hidden layer. The width is that of the affine map: of `glu`, half of it
    /// goes on to the next layer.
    pub hidden: Vec<(ActivationName, usize)>,
    /// How outputs come from the network.
    #[serde(default)]
    pub form: FormName,
    /// τ of the residual form of a solution map, or of a step map that reads its step (its longest step if not given).
    pub relaxation: Option<Milliseconds>,
    /// Time constants of a solution map's time features.
    #[serde(default)]
    pub time_constants: Vec<Milliseconds>,
    /// Keeps a step map's states within the domain and the data, widened by `margin`.
    #[serde(default)]
    pub bounded: bool,
    /// Part of its width by which each side of the box is widened; 0.05 if not given.
    pub margin: Option<f64>,
    /// Times of a solution map that gives the states at all of them at once; the time is no input then.
    #[serde(default)]
    pub times: Vec<Milliseconds>,
    /// The same, as a number of times that divide the horizon evenly.
    pub many_times: Option<usize>,
    /// Stages of such a map before the last one, whose network is `hidden`.
    #[serde(default)]
    pub stages: Vec<StageSection>,
    /// One network from each of evenly spaced times to the next, applied again and again; it is trained on all of these
    /// steps, and the file gives all times in one evaluation.
    #[serde(default)]
    pub repeated: bool,
    /// Hidden layers of a trunk, which reads the time, beside a branch with the layers `hidden`, which reads the rest.
    #[serde(default)]
    pub trunk: Vec<(ActivationName, usize)>,
    /// Products of branch and trunk that are summed up for each state.
    pub rank: Option<usize>,
    /// Starts the trunk at the proper orthogonal modes of the training data.
    #[serde(default)]
    pub pod: bool,
}

impl NetworkSection {
    pub(super) fn layers(&self) -> Vec<(Activation, usize)> {
        self.hidden.iter().map(|(name, width)| (name.0, *width)).collect()
    }
}

/// An activation by its name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActivationName(pub Activation);

impl<'de> Deserialize<'de> for ActivationName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Activation::from_name(&name).map(Self).map_err(serde::de::Error::custom)
    }
}

impl Serialize for ActivationName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

/// Names of [`Form`](crate::train::Form).
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum FormName {
    /// Outputs are the network's.
    #[default]
    Direct,
    /// Outputs are the initial or present state and the network's change.
    Residual,
}

impl Recipe {
    /// The model with its network's first weights.
    pub(super) fn model(&self, task: &Task, data: Option<&Data>, device: Device) -> Result<Model> {
        let section = &self.network;
        let time_constants: Vec<f64> = section.time_constants.iter().map(|t| t.0).collect();
        let time = task.inputs().iter().position(|v| v.role == Role::Time);
        if !time_constants.is_empty() && time.is_none() && task.times().is_empty() {
            let remedy = "remove it: a step map has no time";
            return Err(self.fault("time features of a step map", "network.time_constants", remedy));
        }
        if !section.stages.is_empty() {
            return self.in_stages(task, data, device);
        }
        if section.repeated {
            return self.repeated(task, data, device);
        }
        if !section.trunk.is_empty() {
            return self.branch_trunk(task, data, device);
        }
        let n_features = task.inputs().len() + time_constants.len();
        let network = |part: u64| {
            let outputs = task.outputs().len();
            self.network_of_part(part, n_features, outputs, &section.hidden, "network.hidden", device)
        };
        let form = self.form(task)?;
        let inputs = self.input_scaling(task, data)?;
        let outputs = self.output_scaling(&form, task, data)?;
        if let Some(edges) = self.edges(task)? {
            let networks = (0..edges.len() as u64 - 1).map(network).collect::<Result<_>>()?;
            return Model::in_windows(networks, inputs, outputs, form, &edges)
                .map_err(|e| self.place(e, "windows"));
        }
        let model =
            Model::with_time_features(network(0)?, inputs, outputs, form, time.unwrap_or(0), &time_constants);
        let model = model.map_err(|e| self.place(e, "network"))?;
        match self.bounds(task, data)? {
            Some(bounds) => model.bounded(&bounds).map_err(|e| self.place(e, "network.bounded")),
            None => Ok(model),
        }
    }

    /// A network with its first weights.
    pub(super) fn first_network(
        &self,
        n_inputs: usize,
        n_outputs: usize,
        hidden: &[(ActivationName, usize)],
        key: &str,
        device: Device,
    ) -> Result<FullyConnected> {
        self.network_of_part(0, n_inputs, n_outputs, hidden, key, device)
    }

    /// The network of one part of a model with its first weights, which differ from part to part.
    fn network_of_part(
        &self,
        part: u64,
        n_inputs: usize,
        n_outputs: usize,
        hidden: &[(ActivationName, usize)],
        key: &str,
        device: Device,
    ) -> Result<FullyConnected> {
        let hidden: Vec<_> = hidden.iter().map(|(name, width)| (name.0, *width)).collect();
        let network =
            FullyConnected::on(n_inputs, n_outputs, &hidden, self.training.precision.kind(), device);
        let mut network = network.map_err(|e| self.place(e, key))?;
        network.initialise(self.seed.wrapping_add(part << 32));
        Ok(network)
    }

    pub(super) fn form(&self, task: &Task) -> Result<Form> {
        let section = &self.network;
        if section.form == FormName::Direct {
            return Ok(Form::Direct);
        }
        match (task.kind(), task.step_column()) {
            // Exact for steps of no length, as a solution map at its initial time.
            (Kind::StepMap { dt }, Some(time)) => {
                let relaxation = section.relaxation.map_or(dt, |r| r.0);
                Ok(Form::Solution { time, states: task.initial().to_vec(), relaxation })
            }
            (Kind::StepMap { .. }, None) => {
                Ok(Form::Step { states: task.state_columns().expect("a step map's states are inputs") })
            }
            (Kind::SolutionMap, _) if !task.times().is_empty() => {
                let states = task.state_columns().ok_or_else(|| {
                    let remedy = "use the direct form, or give every state a range";
                    self.fault("a residual form of states that are not inputs", "network.form", remedy)
                })?;
                Ok(Form::Step { states: states.repeat(task.times().len()) })
            }
            (Kind::SolutionMap | Kind::Derivative, _) => {
                let relaxation = section.relaxation.ok_or_else(|| {
                    let remedy = "give the time in which the solution leaves its initial state";
                    self.fault("no relaxation time", "network.relaxation", remedy)
                })?;
                Ok(Form::Solution { time: 0, states: task.initial().to_vec(), relaxation: relaxation.0 })
            }
        }
    }
}
