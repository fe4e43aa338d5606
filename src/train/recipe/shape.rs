//! Solution maps that give the states at many times at once, in stages or not, and branch–trunk products.

use ndarray::{Array2, ArrayView2, Axis, concatenate, s};
use serde::{Deserialize, Serialize};
use tch::Device;

use super::data::Data;
use super::{ActivationName, FormName, Milliseconds, Recipe};
use crate::error::Result;
use crate::train::{EULER_DT, Form, Initial, Model, Scaling, StageNetwork, Task};

/// A stage of a map in stages.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StageSection {
    /// Where it ends: one of the times.
    pub until: Milliseconds,
    /// Activation and width of each hidden layer.
    pub hidden: Vec<(ActivationName, usize)>,
}

impl Recipe {
    fn gives_many_times(&self) -> bool {
        !self.network.times.is_empty() || self.network.many_times.is_some()
    }

    /// Rejects what belongs to solution maps alone.
    pub(super) fn check_no_times(&self) -> Result<()> {
        let section = &self.network;
        let remedy = "remove it: a step map has one time, its step";
        match () {
            () if self.gives_many_times() => {
                Err(self.fault("output times of a step map", "network.times", remedy))
            }
            () if !section.trunk.is_empty() => {
                Err(self.fault("a trunk of a step map", "network.trunk", remedy))
            }
            () => Ok(()),
        }
    }

    /// The task with the outputs at the times that the recipe asks for, if it does.
    pub(super) fn at_times(&self, task: Task) -> Result<Task> {
        let section = &self.network;
        let times: Vec<f64> = match (section.many_times, &section.times[..]) {
            (None, []) => return self.check_shape(&task).map(|()| task),
            (Some(n), []) if n > 0 => {
                let horizon = task.ranges()[0][1];
                (1..=n).map(|i| horizon * i as f64 / n as f64).collect()
            }
            (Some(n), []) => {
                return Err(self.fault(format!("{n} times"), "network.many_times", "give a positive number"));
            }
            (Some(_), _) => {
                let remedy = "give either the times or their number";
                return Err(self.fault("times twice", "network.many_times", remedy));
            }
            (None, times) => times.iter().map(|t| t.0).collect(),
        };
        // Forward Euler, beside which results are shown, has to meet every time.
        let met = |t: &&f64| ((*t / EULER_DT).round() * EULER_DT - *t).abs() > 1e-9 * **t;
        if let Some(time) = times.iter().find(met) {
            let remedy = format!("give multiples of {EULER_DT} ms");
            return Err(self.fault(format!("the time {time} ms"), "network.times", remedy));
        }
        let task = task.at_times(times).map_err(|e| self.place(e, "network.times"))?;
        self.check_shape(&task).map(|()| task)
    }

    /// Rejects parts of shapes that do not make one.
    fn check_shape(&self, task: &Task) -> Result<()> {
        let section = &self.network;
        let many = !task.times().is_empty();
        let fault = |what: &str, key: &str, remedy: &str| Err(self.fault(what, key, remedy));
        if section.repeated && !section.stages.is_empty() {
            return fault("stages of a repeated network", "network.repeated", "remove one of them");
        }
        if section.repeated || !section.stages.is_empty() {
            let key = if section.repeated { "network.repeated" } else { "network.stages" };
            let what = "stages";
            if !many {
                return fault(
                    what,
                    key,
                    "give times or many_times, so that there are outputs to end stages at",
                );
            }
            if !section.trunk.is_empty() {
                return fault("stages with a trunk", key, "remove one of them");
            }
            let n_states = task.states().len();
            if task.state_columns().is_none_or(|columns| !columns.into_iter().eq(0..n_states)) {
                return fault("stages of states that are not inputs", key, "give every state a range");
            }
            if section.form != FormName::Residual {
                return fault("stages in the direct form", "network.form", "set form = \"residual\"");
            }
        }
        if section.trunk.is_empty() {
            if section.rank.is_some() || section.pod {
                return fault(
                    "a rank without a trunk",
                    "network.rank",
                    "give the trunk's layers, or remove it",
                );
            }
            if many && section.relaxation.is_some() {
                let remedy = "remove it: every time has its own scale";
                return fault("a relaxation time of outputs at given times", "network.relaxation", remedy);
            }
            if many && !section.time_constants.is_empty() {
                let remedy = "remove it: the time is no input";
                return fault("time features of outputs at given times", "network.time_constants", remedy);
            }
            return Ok(());
        }
        if task.inputs().len() < if many { 1 } else { 2 } {
            return fault("a branch that reads nothing", "network.trunk", "remove the trunk");
        }
        match section.rank {
            Some(rank) if rank > 0 => Ok(()),
            Some(_) => fault("a rank of 0", "network.rank", "give a positive number"),
            None => {
                fault("a trunk without a rank", "network.rank", "give the number of products for each state")
            }
        }
    }

    /// A branch and a trunk, at the task's times if it has any.
    pub(super) fn branch_trunk(&self, task: &Task, data: Option<&Data>, device: Device) -> Result<Model> {
        let section = &self.network;
        let times = task.times();
        let constants: Vec<f64> = section.time_constants.iter().map(|t| t.0).collect();
        let rank = section.rank.expect("the caller has looked");
        let n_terms = rank * task.states().len();
        // A cell's inputs, after the time.
        let n_cell = task.inputs().len() - usize::from(times.is_empty());
        let branch = self.first_network(n_cell, n_terms, &section.hidden, "network.hidden", device)?;
        let n_time = 1 + constants.len();
        let mut trunk = self.first_network(n_time, n_terms, &section.trunk, "network.trunk", device)?;
        // Another start than the branch's.
        trunk.initialise(self.seed ^ 1);
        let (form, inputs, outputs) = match times.last() {
            None => {
                let form = self.form(task)?;
                let outputs = self.output_scaling(&form, task, data)?;
                (form, self.input_scaling(task, data)?, outputs)
            }
            Some(&last) => {
                let form = self.form_of_time(task)?;
                let time = Scaling::from_ranges(&[[0.0, last]])?;
                let cell = self.input_scaling(task, data)?;
                let inputs = Scaling::new(
                    [time.shift(), cell.shift()].concat(),
                    [time.scale(), cell.scale()].concat(),
                )?;
                let outputs = self.scaling_over_times(&form, task, data)?;
                (form, inputs, outputs)
            }
        };
        let model = Model::branch_trunk([branch, trunk], inputs, outputs, form, 0, &constants);
        let mut model = model.map_err(|e| self.place(e, "network"))?;
        if !times.is_empty() {
            model = model.at_times(times)?;
        }
        if section.pod {
            let Some(data) = data.filter(|_| !times.is_empty()) else {
                let remedy = "give times and data, or remove it";
                return Err(self.fault("modes of no trajectories at common times", "network.pod", remedy));
            };
            let (inputs, targets) = &data.training;
            model
                .start_trunk_at_modes(inputs.view(), targets.view())
                .map_err(|e| self.place(e, "network.pod"))?;
        }
        Ok(model)
    }

    /// The form of the pointwise map from which the one at the task's times follows.
    fn form_of_time(&self, task: &Task) -> Result<Form> {
        if self.network.form == FormName::Direct {
            return Ok(Form::Direct);
        }
        let Form::Step { states } = self.form(task)? else { return Ok(Form::Direct) };
        let states = states[..task.states().len()].iter().map(|c| Initial::Column(c + 1)).collect();
        let relaxation = self.network.relaxation.ok_or_else(|| {
            let remedy = "give the time in which the solution leaves its initial state";
            self.fault("no relaxation time", "network.relaxation", remedy)
        })?;
        Ok(Form::Solution { time: 0, states, relaxation: relaxation.0 })
    }

    /// The scaling of each state, the same at all times.
    fn scaling_over_times(&self, form: &Form, task: &Task, data: Option<&Data>) -> Result<Scaling> {
        let at_times = match form {
            Form::Direct => Form::Direct,
            _ => self.form(task)?,
        };
        let n_states = task.states().len();
        let of_columns = self.output_scaling(&at_times, task, data)?;
        let mean = |values: Vec<f64>| {
            let columns = Array2::from_shape_vec((values.len() / n_states, n_states), values);
            columns.expect("all states at each time").mean_axis(Axis(0)).expect("at least one time")
        };
        let shift = mean(of_columns.shift().to_vec());
        // Variances add up, with those of the times' means around their mean.
        let around = of_columns.shift().iter().enumerate().map(|(i, x)| x - shift[i % n_states]);
        let squares = of_columns.scale().iter().zip(around).map(|(s, d)| s * s + d * d).collect();
        Scaling::new(shift.to_vec(), mean(squares).mapv(f64::sqrt).to_vec())
    }

    /// Networks one after the other in time.
    pub(super) fn in_stages(&self, task: &Task, data: Option<&Data>, device: Device) -> Result<Model> {
        let section = &self.network;
        let form = self.form(task)?;
        let Some(data) = data else {
            return Err(self.fault("stages without data", "network.stages", "add a loss on data"));
        };
        let (n_inputs, n_states) = (task.inputs().len(), task.states().len());
        let model_inputs = self.input_scaling(task, Some(data))?;
        let model_outputs = self.output_scaling(&form, task, Some(data))?;
        let (inputs, targets) = &data.training;
        let mut stages = Vec::new();
        let (mut first, mut start) = (0, inputs.slice(s![.., ..n_states]).to_owned());
        let ends = section.stages.iter().map(|s| (&s.hidden, Some(s.until.0)));
        for (i, (hidden, until)) in ends.chain([(&section.hidden, None)]).enumerate() {
            let end = match until {
                None => task.times().len(),
                Some(until) => {
                    let end = task.times().iter().position(|t| (t - until).abs() <= 1e-9 * t).map(|k| k + 1);
                    end.filter(|&k| k > first && k < task.times().len()).ok_or_else(|| {
                        let remedy = "end stages in ascending order, each at one of the times but the last";
                        self.fault(format!("a stage until {until} ms"), "network.stages", remedy)
                    })?
                }
            };
            let of_stage = targets.slice(s![.., first * n_states..end * n_states]);
            let mut network =
                self.first_network(n_inputs, of_stage.ncols(), hidden, "network.stages", device)?;
            network.initialise(self.seed.wrapping_add(i as u64));
            let inputs = match i {
                0 => model_inputs.clone(),
                _ => self.stage_inputs(&model_inputs, start.view())?,
            };
            stages.push(StageNetwork { network, inputs, outputs: spread_since(start.view(), of_stage)? });
            (first, start) = (end, of_stage.slice(s![.., of_stage.ncols() - n_states..]).to_owned());
        }
        Model::in_stages(stages, n_states, model_inputs, model_outputs).map_err(|e| self.place(e, "network"))
    }

    /// One network from each time to the next.
    pub(super) fn repeated(&self, task: &Task, data: Option<&Data>, device: Device) -> Result<Model> {
        let section = &self.network;
        let key = "network.repeated";
        let Some(data) = data else {
            return Err(self.fault("stages without data", key, "add a loss on data"));
        };
        let (times, n_states) = (task.times(), task.states().len());
        let even = |(k, t): (usize, &f64)| (t - (k + 1) as f64 * times[0]).abs() <= 1e-9 * t;
        if times.len() < 2 || !times.iter().enumerate().all(even) {
            let remedy = "give many_times, or at least two times that are multiples of the first";
            return Err(self.fault("a repeated network at uneven times", key, remedy));
        }
        let outputs = self.output_scaling(&self.form(task)?, task, Some(data))?;
        let cell_inputs = self.input_scaling(task, Some(data))?;
        let (inputs, targets) = &data.training;
        // All states from which, and all to which a stage leads.
        let (n, n_times) = (inputs.nrows(), times.len());
        let before = |row: usize, j: usize| match (row / n_times, row % n_times) {
            (cell, 0) => inputs[[cell, j]],
            (cell, k) => targets[[cell, (k - 1) * n_states + j]],
        };
        let starts = Array2::from_shape_fn((n * n_times, n_states), |(row, j)| before(row, j));
        let ends = targets.to_shape((n * n_times, n_states)).expect("all states at each time").to_owned();
        let network =
            self.first_network(task.inputs().len(), n_states, &section.hidden, "network.hidden", device)?;
        let stage = StageNetwork {
            network,
            inputs: self.stage_inputs(&cell_inputs, starts.view())?,
            outputs: spread_since(starts.view(), ends.view())?,
        };
        Model::repeated(stage, n_states, n_times, outputs).map_err(|e| self.place(e, key))
    }

    /// The scaling of a later stage's inputs: states by their range at its start, the others as everywhere.
    fn stage_inputs(&self, model: &Scaling, start: ArrayView2<f64>) -> Result<Scaling> {
        let range = |column: ndarray::ArrayView1<f64>| {
            column.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[l, h], &x| [l.min(x), h.max(x)])
        };
        let ranges: Vec<[f64; 2]> = start.columns().into_iter().map(range).collect();
        let states = Scaling::from_ranges(&ranges)?;
        let n = ranges.len();
        Scaling::new(
            [states.shift(), &model.shift()[n..]].concat(),
            [states.scale(), &model.scale()[n..]].concat(),
        )
    }
}

/// Changes of `targets` (states, time after time) since `start`, by their spread; without shift, so that a network of zeros
/// leaves cells where they are.
fn spread_since(start: ArrayView2<f64>, targets: ArrayView2<f64>) -> Result<Scaling> {
    let n_times = targets.ncols() / start.ncols();
    let starts = concatenate(Axis(1), &vec![start; n_times]).expect("as many rows");
    let spread = (&targets - &starts).std_axis(Axis(0), 0.0);
    let scale: Vec<f64> = spread.iter().map(|&s| if s > 0.0 { s } else { 1.0 }).collect();
    Scaling::new(vec![0.0; scale.len()], scale)
}
