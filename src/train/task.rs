//! What a surrogate is to learn: variables and domain, and how to sample the cell model there.

use std::thread;

use ndarray::{Array2, Array3, ArrayView1, ArrayView2, ArrayViewMut3, Axis, s};

use super::loss::StimulusSource;
use crate::cell_model::CellModel;
use crate::dataset::{Sampling, SolverChoice};
use crate::error::{Error, Result};
use crate::surrogate::{Kind, Role, Variable, outputs_at};

/// A cell model with the inputs and outputs of its surrogate.
///
/// Inputs are, in this order: the time (of a solution map), the states that vary, the step (of a
/// step map that reads it), and what sets the stimulus, if it varies. States that do not vary start from fixed values.
#[derive(Clone, Debug)]
pub struct Task {
    /// None where all that is known are recorded steps.
    cell_model: Option<CellModel>,
    kind: Kind,
    inputs: Vec<Variable>,
    outputs: Vec<Variable>,
    /// Times of the outputs, where they are not one time's.
    times: Vec<f64>,
    /// The states themselves.
    states: Vec<Variable>,
    /// Input column of each state, or the value from which it starts.
    initial: Vec<Initial>,
    stimulus: StimulusSource,
    /// Input column of the step's length, if the step map reads it.
    step: Option<usize>,
    /// A state for cells to start in, if it is known.
    start: Option<Vec<f64>>,
}

/// Where a state's initial value comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    /// Every cell starts from this value.
    Fixed(f64),
    /// From this input column.
    Column(usize),
}

impl Initial {
    /// The value for a cell with these inputs.
    pub(crate) fn of(self, inputs: ArrayView1<f64>) -> f64 {
        match self {
            Self::Fixed(value) => value,
            Self::Column(column) => inputs[column],
        }
    }

    /// The input column, if it comes from one.
    pub(crate) fn column(self) -> Option<usize> {
        match self {
            Self::Fixed(_) => None,
            Self::Column(column) => Some(column),
        }
    }

    /// The value, if it is fixed.
    pub(crate) fn fixed(self) -> Option<f64> {
        match self {
            Self::Fixed(value) => Some(value),
            Self::Column(_) => None,
        }
    }
}

impl Task {
    /// A solution map over `0 ..= horizon` milliseconds.
    ///
    /// `states` gives a range or (low = high) a fixed value for each state of the cell model;
    /// `stimulus` is fixed, or a variable with its range and the stimulus as factor and offset.
    pub fn solution_map(
        cell_model: CellModel,
        horizon: f64,
        states: &[[f64; 2]],
        stimulus: TaskStimulus,
    ) -> Self {
        let time = Variable::new("t", "ms", Role::Time).with_range(0.0, horizon);
        Self::new(cell_model, Kind::SolutionMap, vec![time], states, None, stimulus, "0")
    }

    /// A step map over `dt` milliseconds; every state has a range.
    pub fn step_map(cell_model: CellModel, dt: f64, states: &[[f64; 2]], stimulus: TaskStimulus) -> Self {
        Self::new(cell_model, Kind::StepMap { dt }, Vec::new(), states, None, stimulus, "")
    }

    /// A step map that reads its step (input `dt`), of any length in the range `dt`, milliseconds.
    pub fn step_map_of_any(
        cell_model: CellModel,
        dt: [f64; 2],
        states: &[[f64; 2]],
        stimulus: TaskStimulus,
    ) -> Self {
        let [low, longest] = dt;
        let step = Variable::new("dt", "ms", Role::Time).with_range(low, longest);
        Self::new(cell_model, Kind::StepMap { dt: longest }, Vec::new(), states, Some(step), stimulus, "")
    }

    fn new(
        cell_model: CellModel,
        kind: Kind,
        mut inputs: Vec<Variable>,
        states: &[[f64; 2]],
        step: Option<Variable>,
        stimulus: TaskStimulus,
        suffix: &str,
    ) -> Self {
        assert_eq!(states.len(), cell_model.states().len(), "one range a state");
        let mut initial = Vec::new();
        for (state, &[low, high]) in cell_model.states().iter().zip(states) {
            if low == high && kind == Kind::SolutionMap {
                initial.push(Initial::Fixed(low));
                continue;
            }
            initial.push(Initial::Column(inputs.len()));
            let name = format!("{}{suffix}", state.name);
            inputs.push(Variable::new(&name, state.unit, Role::State).with_range(low, high));
        }
        let step_column = step.is_some().then_some(inputs.len());
        inputs.extend(step);
        let stimulus = match stimulus {
            TaskStimulus::Fixed(value) => StimulusSource::Constant(value),
            TaskStimulus::Input { variable, factor, offset } => {
                inputs.push(variable);
                StimulusSource::Input { column: inputs.len() - 1, factor, offset }
            }
        };
        let outputs: Vec<_> =
            cell_model.states().iter().map(|s| Variable::new(s.name, s.unit, Role::State)).collect();
        let own = cell_model.initial_state();
        let start = |(initial, own): (&Initial, f64)| match initial {
            Initial::Fixed(value) => *value,
            Initial::Column(_) => own,
        };
        let start = Some(initial.iter().zip(own).map(start).collect());
        Self {
            cell_model: Some(cell_model),
            kind,
            inputs,
            states: outputs.clone(),
            outputs,
            times: Vec::new(),
            initial,
            stimulus,
            step: step_column,
            start,
        }
    }

    /// The same solution map with the states at all of `times`, in milliseconds, as outputs, instead of at the time that
    /// is an input.
    ///
    /// # Errors
    /// A step map, or times that do not ascend from above 0 to the horizon at most.
    pub fn at_times(mut self, times: Vec<f64>) -> Result<Self> {
        if self.kind != Kind::SolutionMap || !self.times.is_empty() {
            return Err(Error::invalid("output times of a step map").remedy("leave them to solution maps"));
        }
        let horizon = self.ranges()[0][1];
        if self.inputs.len() == 1 {
            return Err(Error::invalid("output times of a map that reads nothing but the time")
                .remedy("leave them out, or let a state or the stimulus vary"));
        }
        let ascend = times.windows(2).all(|w| w[0] < w[1]);
        let inside = times.iter().all(|t| *t > 0.0 && *t <= horizon);
        if times.is_empty() || !ascend || !inside {
            return Err(Error::invalid(format!("output times {times:?}"))
                .remedy(format!("give ascending times above 0 and up to the horizon, {horizon} ms")));
        }
        self.inputs.remove(0);
        for initial in &mut self.initial {
            if let Initial::Column(column) = initial {
                *column -= 1;
            }
        }
        if let StimulusSource::Input { column, .. } = &mut self.stimulus {
            *column -= 1;
        }
        self.outputs = outputs_at(&self.outputs, &times);
        self.times = times;
        Ok(self)
    }

    /// A step map over `dt` milliseconds of a model that only recorded steps are known of: its `states` and the
    /// stimulus, with the ranges to train on, and the state in which cells start, if that is known.
    pub fn recorded(
        dt: f64,
        states: Vec<Variable>,
        stimulus: Option<Variable>,
        start: Option<Vec<f64>>,
    ) -> Self {
        let outputs: Vec<_> = states.iter().map(|s| Variable::new(&s.name, &s.unit, Role::State)).collect();
        let initial = (0..states.len()).map(Initial::Column).collect();
        let mut inputs = states;
        let source = match stimulus {
            None => StimulusSource::Constant(0.0),
            Some(variable) => {
                inputs.push(variable);
                StimulusSource::Input { column: inputs.len() - 1, factor: 1.0, offset: 0.0 }
            }
        };
        Self {
            cell_model: None,
            kind: Kind::StepMap { dt },
            inputs,
            states: outputs.clone(),
            outputs,
            times: Vec::new(),
            initial,
            stimulus: source,
            step: None,
            start,
        }
    }

    /// The cell model; none where only recorded steps are known.
    pub fn cell_model(&self) -> Option<&CellModel> {
        self.cell_model.as_ref()
    }

    /// Solution map or step map.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The surrogate's inputs, with the ranges to train on.
    pub fn inputs(&self) -> &[Variable] {
        &self.inputs
    }

    /// The surrogate's outputs: the states, at each of [`Self::times`] in turn, if there are any.
    pub fn outputs(&self) -> &[Variable] {
        &self.outputs
    }

    /// Milliseconds of the outputs; empty where they are the states at one time.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// The states, without times.
    pub fn states(&self) -> &[Variable] {
        &self.states
    }

    /// The input column of a solution map's time, if it is an input.
    pub fn time_column(&self) -> Option<usize> {
        let is_time = |v: &Variable| self.kind == Kind::SolutionMap && v.role == Role::Time;
        self.inputs.iter().position(is_time)
    }

    /// A state for cells to start in: what the task fixes, the cell model's own where it varies; none if nobody knows.
    pub fn default_state(&self) -> Option<&[f64]> {
        self.start.as_deref()
    }

    /// Where the stimulus comes from.
    pub fn stimulus(&self) -> StimulusSource {
        self.stimulus
    }

    /// Input columns of the states, if every state is an input.
    pub fn state_columns(&self) -> Option<Vec<usize>> {
        self.initial.iter().map(|i| i.column()).collect()
    }

    /// Input column of the step's length, if the step map reads it.
    pub fn step_column(&self) -> Option<usize> {
        self.step
    }

    /// Ranges of the inputs.
    pub fn ranges(&self) -> Vec<[f64; 2]> {
        self.inputs.iter().map(|v| v.range.expect("a task's inputs have ranges")).collect()
    }

    /// Where each state's initial value comes from.
    pub fn initial(&self) -> &[Initial] {
        &self.initial
    }

    /// The initial state of the cell with these inputs.
    pub fn initial_state(&self, inputs: &[f64]) -> Vec<f64> {
        self.initial.iter().map(|i| i.of(inputs.into())).collect()
    }

    /// States of cells with these inputs (a solution map's with any time) at `times`:
    /// cells × times × states.
    ///
    /// # Errors
    /// As [`SolverChoice::solve`], and a task without cell model.
    pub fn solve(
        &self,
        inputs: ArrayView2<f64>,
        times: &[f64],
        solver: SolverChoice,
        n_threads: usize,
    ) -> Result<Array3<f64>> {
        let rows: Vec<Vec<f64>> = inputs.rows().into_iter().map(|row| row.to_vec()).collect();
        let initial: Vec<f64> = rows.iter().flat_map(|row| self.initial_state(row)).collect();
        let initial = Array2::from_shape_vec((rows.len(), self.states.len()), initial);
        let stimulus = rows.iter().map(|row| self.stimulus.of(row)).collect();
        let Some(cell_model) = &self.cell_model else {
            return Err(Error::unsupported("solving a model of which only recorded steps are known"));
        };
        solver.solve(cell_model, &initial.expect("one state a row"), &stimulus, times, n_threads)
    }

    /// A solution map's inputs and exact outputs: `n_cells` cells drawn in the domain, each at
    /// `n_times` times that divide the horizon evenly; one row a cell, where the map gives all
    /// [its times](Self::times) at once.
    ///
    /// # Errors
    /// A step map, or an integration that fails.
    pub fn trajectories(
        &self,
        n_cells: usize,
        n_times: usize,
        sampling: Sampling,
        seed: u64,
        n_threads: usize,
    ) -> Result<(Array2<f64>, Array2<f64>)> {
        if self.kind != Kind::SolutionMap {
            return Err(Error::invalid("trajectories at times are of solution maps"));
        }
        let mut ranges = self.ranges();
        if let Some(time) = self.time_column() {
            // All cells start at 0.
            ranges[time] = [0.0, 0.0];
        }
        let cells = match ranges.len() {
            1 if self.times.is_empty() => Array2::zeros((1, 1)),
            _ => sampling.sample(&ranges, n_cells, seed)?,
        };
        self.trajectories_from(cells, n_times, n_threads)
    }

    /// As [`Self::trajectories`], from these `cells`, whose time, if it is an input, is 0.
    pub(super) fn trajectories_from(
        &self,
        cells: Array2<f64>,
        n_times: usize,
        n_threads: usize,
    ) -> Result<(Array2<f64>, Array2<f64>)> {
        if !self.times.is_empty() {
            let states = self.solve(cells.view(), &self.times, SolverChoice::Reference, n_threads)?;
            let outputs = states.into_shape_with_order((cells.nrows(), self.outputs.len()));
            return Ok((cells, outputs.expect("as many numbers")));
        }
        let ranges = self.ranges();
        let horizon = ranges[0][1];
        let times: Vec<f64> = (1..=n_times).map(|i| horizon * i as f64 / n_times as f64).collect();
        let states = self.solve(cells.view(), &times, SolverChoice::Reference, n_threads)?;
        let n = cells.nrows() * n_times;
        let inputs = Array2::from_shape_fn((n, ranges.len()), |(row, j)| match j {
            0 => times[row % n_times],
            _ => cells[[row / n_times, j]],
        });
        let outputs = states.into_shape_with_order((n, self.outputs.len())).expect("as many numbers");
        Ok((inputs, outputs))
    }

    /// Exact states of cells with these inputs after each of `n_steps` steps of a step map, of the
    /// cell's own length if the map reads it: cells × steps × states.
    ///
    /// # Errors
    /// As [`Self::solve`], and a solution map.
    pub fn follow(&self, inputs: ArrayView2<f64>, n_steps: usize, n_threads: usize) -> Result<Array3<f64>> {
        let Kind::StepMap { dt } = self.kind else {
            return Err(Error::invalid("steps are of step maps"));
        };
        let times = |dt: f64| (1..=n_steps).map(|i| i as f64 * dt).collect::<Vec<_>>();
        let Some(step) = self.step else {
            return self.solve(inputs, &times(dt), SolverChoice::Reference, n_threads);
        };
        let mut states = Array3::zeros((inputs.nrows(), n_steps, self.outputs.len()));
        let share = inputs.nrows().div_ceil(n_threads.max(1)).max(1);
        thread::scope(|scope| {
            let parts =
                states.axis_chunks_iter_mut(Axis(0), share).zip(inputs.axis_chunks_iter(Axis(0), share));
            let solve = |(mut states, inputs): (ArrayViewMut3<f64>, ArrayView2<f64>)| -> Result<()> {
                for (i, cell) in inputs.axis_chunks_iter(Axis(0), 1).enumerate() {
                    let own = self.solve(cell, &times(cell[[0, step]]), SolverChoice::Reference, 1)?;
                    states.slice_mut(s![i..=i, .., ..]).assign(&own);
                }
                Ok(())
            };
            let threads: Vec<_> = parts.map(|part| scope.spawn(move || solve(part))).collect();
            threads.into_iter().try_for_each(|t| t.join().expect("the solver does not panic"))
        })?;
        Ok(states)
    }

    /// A step map's inputs and exact outputs: `n` pairs of states one step apart, of which
    /// `n_along` consecutive ones lie on a trajectory that starts anywhere in the domain.
    ///
    /// # Errors
    /// A solution map, or an integration that fails.
    pub fn pairs(
        &self,
        n: usize,
        n_along: usize,
        sampling: Sampling,
        seed: u64,
        n_threads: usize,
    ) -> Result<(Array2<f64>, Array2<f64>)> {
        let n_states = self.outputs.len();
        let cells = sampling.sample(&self.ranges(), n.div_ceil(n_along), seed)?;
        let states = self.follow(cells.view(), n_along, n_threads)?;
        let rows = cells.nrows() * n_along;
        let inputs =
            Array2::from_shape_fn((rows, cells.ncols()), |(row, j)| match (row / n_along, row % n_along) {
                (cell, along) if along > 0 && j < n_states => states[[cell, along - 1, j]],
                (cell, _) => cells[[cell, j]],
            });
        let outputs = states.into_shape_with_order((rows, n_states)).expect("as many numbers");
        Ok((inputs, outputs))
    }
}

/// What sets the stimulus of a [`Task`].
#[derive(Clone, Debug, PartialEq)]
pub enum TaskStimulus {
    /// The same for all cells.
    Fixed(f64),
    /// An input variable with a range; the stimulus is `factor` · input + `offset`.
    Input {
        /// The input.
        variable: Variable,
        /// What it is multiplied by.
        factor: f64,
        /// What is added after that.
        offset: f64,
    },
}
