//! From a recipe to a task, model and trainer.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{Array1, Array2, Axis};
use tch::{Device, Kind as TensorKind};

use super::data::{Data, Rows};
use super::{
    DataSection, FormName, KindName, LossName, LossSection, MethodName, Recipe, ScalingName, ScheduleSection,
};
use crate::cell_model::CellModel;
use crate::dataset::{Problem, Sampling};
use crate::error::{Error, Result};
use crate::surrogate::{Kind, Role, Variable};
use crate::train::EULER_DT;
use crate::train::{
    Adam, CellModelRates, Cells, Collocation, Criterion, DataLoss, Form, FullyConnected,
    InitialConditionLoss, Model, Optimizer, ResidualLoss, Scaling, Schedule, Soap, StimulusSource, Stop,
    Task, TaskStimulus, Trainer,
};

/// Seeds that differ from the recipe's in a way that no other seed of a recipe repeats.
pub(super) const VALIDATION_SEED: u64 = 0x7661_6c69_6461_7465;
const EVALUATION_SEED: u64 = 0x6576_616c_7561_7465;
/// Rows of data that no machine's memory holds.
const MAX_ROWS: f64 = 1e9;

impl Recipe {
    /// An error at `key` of this recipe.
    pub(super) fn fault(&self, what: impl Into<String>, key: &str, remedy: impl Into<String>) -> Error {
        self.place(Error::invalid(what).remedy(remedy), key)
    }

    pub(super) fn place(&self, error: Error, key: &str) -> Error {
        let error = error.at(format!("key \"{key}\""));
        // A recipe that was not read from a file has no path.
        if self.path.as_os_str().is_empty() { error } else { error.in_file(&self.path) }
    }

    /// What the surrogate is to learn.
    pub(super) fn task(&self) -> Result<Task> {
        let section = &self.surrogate;
        let problem = section.problem.as_deref().map(Problem::from_name).transpose();
        let problem = problem.map_err(|e| self.place(e, "surrogate.problem"))?;
        let cell_model = match (&section.cell_model, problem) {
            (Some(name), _) => CellModel::from_name(name, &section.parameters),
            (None, Some(problem)) => CellModel::from_name(problem.cell_model().name(), &section.parameters),
            (None, None) if self.data.training_file.is_some() => return self.recorded_task(),
            (None, None) => {
                let remedy = "name a cell model or a problem, or give recorded steps as data.training_file";
                return Err(self.fault("no cell model", "surrogate.cell_model", remedy));
            }
        };
        let cell_model = cell_model.map_err(|e| self.place(e, "surrogate.cell_model"))?;
        let mut domain = self.domain.clone();
        let mut range = |names: &[&str], default: Option<[f64; 2]>, key: &str| -> Result<Option<[f64; 2]>> {
            let given = names.iter().find_map(|name| domain.remove(*name));
            let range = given.or(default);
            range.map_or(Ok(()), |range| self.check_range(range, key)).map(|()| range)
        };
        let of_problem = problem.map(Problem::ranges);
        let mut states = Vec::new();
        for (i, state) in cell_model.states().iter().enumerate() {
            let default = of_problem.and_then(|r| r.get(i).copied());
            let key = format!("domain.{}", state.name);
            match range(&[state.name], default, &key)? {
                Some(range) => states.push(range),
                None => return Err(self.fault("no range", &key, "give the smallest and the largest value")),
            }
        }
        let name = cell_model.stimulus().name;
        let direct = range(&[name], None, &format!("domain.{name}"))?;
        let of_k = range(&["k"], of_problem.map(|r| r[2]), "domain.k")?;
        if let Some(unknown) = domain.keys().next() {
            let remedy = format!("use the states of {}, {name} or k", cell_model.name());
            return Err(self.fault("an unknown variable", &format!("domain.{unknown}"), remedy));
        }
        let stimulus = self.stimulus(&cell_model, problem, direct, of_k)?;
        match (section.kind, section.dt, section.horizon) {
            (KindName::StepMap, Some(dt), None) => Ok(Task::step_map(cell_model, dt.0, &states, stimulus)),
            (KindName::StepMap, ..) => {
                Err(self.fault("a step map has a step", "surrogate.dt", "give dt, and no horizon"))
            }
            (KindName::SolutionMap, None, horizon) => {
                let horizon = horizon.map(|h| h.0).or(problem.map(Problem::horizon)).ok_or_else(|| {
                    self.fault("a solution map has a longest time", "surrogate.horizon", "give a horizon")
                })?;
                Ok(Task::solution_map(cell_model, horizon, &states, stimulus))
            }
            (KindName::SolutionMap, Some(_), _) => {
                Err(self.fault("a solution map has no step", "surrogate.dt", "remove it"))
            }
        }
    }

    pub(super) fn check_range(&self, [low, high]: [f64; 2], key: &str) -> Result<()> {
        if low.is_finite() && high.is_finite() && low <= high {
            return Ok(());
        }
        let what = format!("the range {low} to {high}");
        Err(self.fault(what, key, "write two finite numbers, the smaller one first"))
    }

    fn stimulus(
        &self,
        cell_model: &CellModel,
        problem: Option<Problem>,
        direct: Option<[f64; 2]>,
        of_k: Option<[f64; 2]>,
    ) -> Result<TaskStimulus> {
        let stimulus = cell_model.stimulus();
        if let Some([low, high]) = direct {
            return Ok(match low == high {
                true => TaskStimulus::Fixed(low),
                false => TaskStimulus::Input {
                    variable: Variable::new(stimulus.name, stimulus.unit, Role::Stimulus)
                        .with_range(low, high),
                    factor: 1.0,
                    offset: 0.0,
                },
            });
        }
        match (of_k, problem) {
            (None, _) => Ok(TaskStimulus::Fixed(stimulus.default)),
            (Some([low, high]), Some(problem)) if low == high => {
                Ok(TaskStimulus::Fixed(problem.stimulus(low)))
            }
            (Some([low, high]), Some(problem)) => {
                let offset = problem.stimulus(0.0);
                Ok(TaskStimulus::Input {
                    variable: Variable::new("k", "1", Role::Parameter).with_range(low, high),
                    factor: problem.stimulus(1.0) - offset,
                    offset,
                })
            }
            (Some(_), None) => {
                let remedy = "name the problem, or give the stimulus's own range";
                Err(self.fault("k belongs to the papers' problems", "domain.k", remedy))
            }
        }
    }

    /// The model with its network's first weights.
    pub(super) fn model(&self, task: &Task, data: Option<&Data>, device: Device) -> Result<Model> {
        let section = &self.network;
        let time_constants: Vec<f64> = section.time_constants.iter().map(|t| t.0).collect();
        if !time_constants.is_empty() && task.kind() != Kind::SolutionMap {
            let remedy = "remove it: a step map has no time";
            return Err(self.fault("time features of a step map", "network.time_constants", remedy));
        }
        let hidden: Vec<_> = section.hidden.iter().map(|(name, width)| (name.0, *width)).collect();
        let n_features = task.inputs().len() + time_constants.len();
        let network =
            FullyConnected::on(n_features, task.outputs().len(), &hidden, TensorKind::Float, device);
        let mut network = network.map_err(|e| self.place(e, "network.hidden"))?;
        network.initialise(self.seed);
        let form = self.form(task)?;
        let inputs = self.input_scaling(task, data)?;
        let outputs = self.output_scaling(&form, task, data)?;
        Model::with_time_features(network, inputs, outputs, form, 0, &time_constants)
            .map_err(|e| self.place(e, "network"))
    }

    fn form(&self, task: &Task) -> Result<Form> {
        let section = &self.network;
        if section.form == FormName::Direct {
            return Ok(Form::Direct);
        }
        let states = task.state_columns().ok_or_else(|| {
            let remedy = "use the direct form, or give every state a range";
            self.fault("a residual form of states that are not inputs", "network.form", remedy)
        })?;
        match task.kind() {
            Kind::StepMap { .. } => Ok(Form::Step { states }),
            Kind::SolutionMap | Kind::Derivative => {
                let relaxation = section.relaxation.ok_or_else(|| {
                    let remedy = "give the time in which the solution leaves its initial state";
                    self.fault("no relaxation time", "network.relaxation", remedy)
                })?;
                Ok(Form::Solution { time: 0, states, relaxation: relaxation.0 })
            }
        }
    }

    fn input_scaling(&self, task: &Task, data: Option<&Data>) -> Result<Scaling> {
        match (self.scaling.inputs, data) {
            (ScalingName::None, _) => Ok(Scaling::identity(task.inputs().len())),
            (ScalingName::Data, Some(data)) => Scaling::from_data(data.training.0.view()),
            (ScalingName::Data, None) => {
                Err(self.fault("a scaling by data without data", "scaling.inputs", "scale by \"range\""))
            }
            (ScalingName::Auto | ScalingName::Range, _) => Scaling::from_ranges(&task.ranges()),
        }
    }

    /// Outputs, or in the residual forms changes, scaled by their spread in the data.
    fn output_scaling(&self, form: &Form, task: &Task, data: Option<&Data>) -> Result<Scaling> {
        let n = task.outputs().len();
        match (self.scaling.outputs, data) {
            (ScalingName::None, _) | (ScalingName::Auto, None) => Ok(Scaling::identity(n)),
            (ScalingName::Auto | ScalingName::Data, Some(data)) => {
                let (inputs, targets) = &data.training;
                let (Form::Solution { states, .. } | Form::Step { states }) = form else {
                    return Scaling::from_data(targets.view());
                };
                let changes = targets - &inputs.select(Axis(1), states);
                let spread: Array1<f64> = changes.std_axis(Axis(0), 0.0);
                let scale = spread.iter().map(|&s| if s > 0.0 { s } else { 1.0 }).collect();
                // No shift: a network of zeros then leaves cells where they are.
                Scaling::new(vec![0.0; n], scale)
            }
            (ScalingName::Data | ScalingName::Range, _) => {
                let remedy = "scale outputs by \"data\", where a loss has any, or by \"none\"";
                Err(self.fault("outputs have no range of their own", "scaling.outputs", remedy))
            }
        }
    }

    /// The trainer with its losses and settings.
    pub(super) fn trainer(
        &self,
        task: &Task,
        data: Option<Data>,
        model: Model,
        folder: &Path,
    ) -> Result<Trainer> {
        let mut trainer = Trainer::new(model, folder)?;
        let mut data = data.map(|d| (d.training, d.validation));
        for loss in &self.loss {
            self.add_loss(&mut trainer, task, &mut data, loss)?;
        }
        let section = &self.optimizer;
        let optimizer = match section.method {
            MethodName::Adam if section.refresh_every.is_some() => {
                return Err(self.fault("Adam has no eigenbasis", "optimizer.refresh_every", "remove it"));
            }
            MethodName::Adam => Optimizer::Adam(Adam::default()),
            MethodName::Soap => {
                let defaults = Soap::default();
                let refresh_every = section.refresh_every.unwrap_or(defaults.refresh_every);
                Optimizer::Soap(Soap { refresh_every, ..defaults })
            }
        };
        trainer.optimizer(optimizer, section.rate).seed(self.seed);
        trainer.schedule(self.schedule());
        let defaults = Stop::default();
        trainer.stop(Stop {
            seconds: self.stop.time_limit.map(|s| s.0),
            patience: self.stop.patience,
            tolerance: self.stop.tolerance.unwrap_or(defaults.tolerance),
        });
        if let Some(norm) = section.clip {
            trainer.clip_gradient(norm);
        }
        if let Some(iterations) = self.stop.validate_every {
            trainer.validate_every(iterations);
        }
        Ok(trainer)
    }

    fn schedule(&self) -> Schedule {
        match self.schedule {
            ScheduleSection::Constant => Schedule::Constant,
            ScheduleSection::Cosine { warm_up, last } => Schedule::Cosine { warm_up, last },
            ScheduleSection::Plateau { factor, patience, least } => {
                Schedule::Plateau { factor, patience, least }
            }
            ScheduleSection::Default => Schedule::Cosine { warm_up: super::warm_up(), last: 0.0 },
        }
    }

    /// Rejects what makes no sense before any work is done: impossible numbers, unknown names,
    /// keys that contradict each other.
    ///
    /// # Errors
    /// The first such fault, with its key and what to do about it.
    pub fn validate(&self) -> Result<()> {
        self.check()?;
        self.cells(&self.task()?, 1).map(|_| ())
    }

    /// Rejects impossible numbers.
    pub(super) fn check(&self) -> Result<()> {
        let positive = |value: Option<f64>, key: &str| match value {
            Some(x) if !(x.is_finite() && x > 0.0) => {
                Err(self.fault(format!("the number {x}"), key, "give a positive number"))
            }
            _ => Ok(()),
        };
        if self.loss.is_empty() {
            return Err(self.fault("nothing to minimise", "loss", "add a [[loss]] section"));
        }
        for loss in &self.loss {
            self.criterion(loss)?;
            positive(Some(loss.weight), "loss.weight")?;
            positive(loss.batch.map(|n| n as f64), "loss.batch")?;
            positive(loss.points.map(|n| n as f64), "loss.points")?;
        }
        self.schedule().check().map_err(|e| self.place(e, "schedule"))?;
        positive(Some(self.optimizer.rate), "optimizer.rate")?;
        positive(self.optimizer.clip, "optimizer.clip")?;
        positive(self.optimizer.refresh_every.map(|n| n as f64), "optimizer.refresh_every")?;
        positive(Some(self.stop.iterations as f64), "stop.iterations")?;
        positive(self.stop.validate_every.map(|n| n as f64), "stop.validate_every")?;
        positive(self.stop.patience.map(f64::from), "stop.patience")?;
        positive(self.stop.tolerance, "stop.tolerance")?;
        positive(self.evaluation.cells.map(|n| n as f64), "evaluation.cells")?;
        let DataSection { cells, times, pairs, along, validation, .. } = &self.data;
        for (counts, key) in [
            (&[*cells, *times][..], "data.cells"),
            (&[*validation, *times], "data.validation"),
            (&[*pairs], "data.pairs"),
            (&[*along], "data.along"),
            (&[self.evaluation.cells], "evaluation.cells"),
        ] {
            let rows: f64 = counts.iter().map(|n| n.unwrap_or(1) as f64).product();
            if rows > MAX_ROWS {
                let remedy = format!("{MAX_ROWS:.0e} rows at most");
                return Err(self.fault(format!("{rows:.3e} rows"), key, remedy));
            }
        }
        Ok(())
    }

    fn criterion(&self, section: &LossSection) -> Result<Criterion> {
        if section.points.is_some() && section.kind != LossName::Residual {
            return Err(self.fault("points of a loss without collocation", "loss.points", "remove it"));
        }
        let named = Criterion::from_name(section.criterion.as_deref().unwrap_or("mse"));
        let named = named.map_err(|e| self.place(e, "loss.criterion"))?;
        match (named, section.delta) {
            (_, None) => {
                named.check().map_err(|e| self.place(e, "loss.criterion"))?;
                Ok(named)
            }
            (Criterion::Huber { .. }, Some(delta)) => {
                let criterion = Criterion::Huber { delta };
                criterion.check().map_err(|e| self.place(e, "loss.delta"))?;
                Ok(criterion)
            }
            _ => Err(self.fault("delta without huber", "loss.delta", "set criterion = \"huber\"")),
        }
    }

    fn add_loss(
        &self,
        trainer: &mut Trainer,
        task: &Task,
        data: &mut Option<(Rows, Option<Rows>)>,
        section: &LossSection,
    ) -> Result<()> {
        let criterion = self.criterion(section)?;
        let batch = section.batch.unwrap_or(1024);
        match section.kind {
            LossName::Data => {
                let Some(((inputs, targets), validation)) = data.take() else {
                    return Err(self.fault("two losses on the same data", "loss.kind", "remove one"));
                };
                let mut loss = DataLoss::new(criterion, inputs, targets).batch_size(batch);
                if let Some((inputs, targets)) = validation {
                    loss = loss.validation_data(inputs, targets);
                }
                let name = section.name.as_deref().unwrap_or("data");
                trainer.add_loss(loss.named(name), section.weight);
            }
            LossName::Residual => {
                if task.kind() != Kind::SolutionMap {
                    let remedy = "use data: a step map has no time to differentiate by";
                    return Err(self.fault("a residual of a step map", "loss.kind", remedy));
                }
                let collocation = match section.points {
                    Some(n) => {
                        Collocation::Points(Sampling::LatinHypercube.sample(&task.ranges(), n, self.seed)?)
                    }
                    None => Collocation::Uniform(task.ranges()),
                };
                let model = task.cell_model().expect("recorded tasks are step maps").clone();
                let rates = CellModelRates::new(model, task.stimulus());
                let loss = ResidualLoss::new(rates, collocation).criterion(criterion).batch_size(batch);
                let name = section.name.as_deref().unwrap_or("residual");
                trainer.add_loss(loss.named(name), section.weight);
            }
            LossName::InitialCondition => {
                if task.kind() != Kind::SolutionMap {
                    let remedy = "remove it: a step map has no initial time";
                    return Err(self.fault("an initial condition of a step map", "loss.kind", remedy));
                }
                let mut ranges = task.ranges();
                ranges[0] = [0.0, 0.0];
                let n = if ranges.len() == 1 { 1 } else { 4096 };
                let inputs = Sampling::LatinHypercube.sample(&ranges, n, self.seed)?;
                let states: Vec<f64> =
                    inputs.rows().into_iter().flat_map(|row| task.initial_state(&row.to_vec())).collect();
                let states = Array2::from_shape_vec((n, task.outputs().len()), states).expect("one a row");
                let loss = InitialConditionLoss::new(criterion, inputs, states).batch_size(batch);
                let name = section.name.as_deref().unwrap_or("initial condition");
                trainer.add_loss(loss.named(name), section.weight);
            }
        }
        Ok(())
    }

    /// Which cells the result is measured on; none where there is no cell model to measure it with.
    pub(super) fn cells(&self, task: &Task, n_threads: usize) -> Result<Option<Cells>> {
        let section = &self.evaluation;
        if task.cell_model().is_none() {
            return Ok(None);
        }
        let seed = section.seed.unwrap_or(self.seed ^ EVALUATION_SEED);
        if seed == self.seed {
            let remedy = "use another seed than the recipe's, or none";
            return Err(self.fault("training cells for evaluation", "evaluation.seed", remedy));
        }
        let (horizon, every) = match task.kind() {
            Kind::SolutionMap | Kind::Derivative => (task.ranges()[0][1], task.ranges()[0][1] / 25.0),
            Kind::StepMap { dt } => (50.0, dt * (1.0 / dt).round().max(1.0)),
        };
        let mut domain: BTreeMap<_, _> = section.domain.clone();
        for (name, &range) in &domain {
            self.check_range(range, &format!("evaluation.domain.{name}"))?;
        }
        let mut ranges = task.ranges();
        for (variable, range) in task.inputs().iter().zip(&mut ranges) {
            // `u0` of a solution map is the state `u`.
            let state = variable.name.strip_suffix('0').unwrap_or(&variable.name).to_owned();
            if let Some(given) = domain.remove(&variable.name).or_else(|| domain.remove(&state)) {
                *range = given;
            } else if let (StimulusSource::Input { factor, offset, .. }, true) =
                (task.stimulus(), variable.role == Role::Stimulus)
                && let Some([low, high]) = domain.remove("k")
            {
                // The stimulus of the papers' problems, as this task's input.
                let input = |k: f64| (Problem::D.stimulus(k) - offset) / factor;
                *range = [input(low), input(high)];
            }
        }
        if let Some(unknown) = domain.keys().next() {
            let key = format!("evaluation.domain.{unknown}");
            return Err(self.fault("an unknown variable", &key, "use the surrogate's inputs"));
        }
        if task.kind() == Kind::SolutionMap {
            ranges[0] = [0.0, 0.0];
        }
        let cells = if ranges.len() == 1 { 1 } else { section.cells.unwrap_or(2000) };
        let horizon = section.horizon.map_or(horizon, |h| h.0);
        let every = section.every.map_or(every, |e| e.0);
        let step = match task.kind() {
            Kind::StepMap { dt } => dt,
            Kind::SolutionMap | Kind::Derivative => EULER_DT,
        };
        let whole = |time: f64, part: f64| {
            let n = (time / part).round();
            n >= 1.0 && (n * part - time).abs() <= 1e-9 * time
        };
        if !(whole(every, step) && whole(every, EULER_DT) && whole(horizon, every)) {
            let what = format!("samples each {every} ms to {horizon} ms");
            let remedy =
                format!("use multiples of {step} and {EULER_DT} ms, and a multiple of them as horizon");
            return Err(self.fault(what, "evaluation.every", remedy));
        }
        Ok(Some(Cells { cells, seed, horizon, every, ranges, n_threads }))
    }
}
